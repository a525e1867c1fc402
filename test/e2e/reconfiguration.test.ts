/**
 * Validator processes that join, leave, come back and change keys while payments go on, by the commands of
 * docs/reconfiguration.md; then an audit of all stores, and clients that know nothing but the genesis.
 *
 * QUAESTOR_RECONFIGURATION=long goes from 4 validators to 7, to 4 others, to 1 and back to 4 (`npm run
 * test:e2e:validators`); otherwise from 1 to 3 to 2 others.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex, type TxId } from '../../src/types/index.js';
import { encodeReceipt } from '../../src/codec/index.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { quaestor } from './command-line.js';
import { addition, Governance, publicKeyIn } from './joining.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const isLong = process.env['QUAESTOR_RECONFIGURATION'] === 'long';
const founders = isLong ? [0, 1, 2, 3] : [0];
const joiners = isLong ? [4, 5, 6] : [1, 2];
/** Who gets a new key. */
const renewed = isLong ? 3 : 2;
const boundMs = 240_000;

let network: TestNetwork;
let load: Load;
let governance: Governance;
const at = (index: number): ValidatorProcess => network.validators[index]!;
const idOf = (index: number): string => `validator-${index + 1}`;

beforeAll(async () => {
  network = await TestNetwork.create({
    validators: founders.length,
    joining: joiners.length,
    observers: isLong ? 0 : 1,
    world: (text) => text.replace('checkpointIntervalBlocks: 100', 'checkpointIntervalBlocks: 10'),
  });
  governance = new Governance(network);
  for (const index of founders) at(index).start();
  await Promise.all(founders.map((index) => at(index).ready()));
  // In the short run through one that leaves: it relays then.
  load = await Load.start(network, routes.alba, { via: 'submit', validator: isLong ? 3 : 0, inFlight: 3 });
}, boundMs);

afterAll(() => network.close(), boundMs);

/** Resolves when a node has the blocks that are final now. */
async function caughtUp(index: number): Promise<void> {
  const head = Math.max(...load.acknowledged.values());
  await eventually(`${at(index).id} has the blocks up to ${head}`, async () => {
    return (await at(index).metric('quaestor_consensus_height')) >= head;
  });
}

interface StatusDocument {
  readonly epoch: number;
  readonly quorum: number;
  readonly validators: readonly {
    readonly id: string;
    readonly epoch: number;
    readonly validates: boolean;
  }[];
}

/** `quaestor status` through a profile that names one node. */
async function statusOf(index: number): Promise<StatusDocument['validators'][number] & { set: number }> {
  const folder = network.profile();
  const text = await readFile(join(folder, 'profile.yaml'), 'utf8');
  const own = `validators:\n  - { id: ${at(index).id}, address: "${at(index).clientAddress}" }\n`;
  const profile = join(folder, `only-${index}.yaml`);
  await writeFile(profile, text.replace(/validators:\n( {2}- .*\n)+/, own));
  const output = await quaestor('status', '--profile', profile, '--json').catch(
    // Exit code 3: one node is no quorum.
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );
  const { epoch, validators } = JSON.parse(output) as StatusDocument;
  return { ...validators[0]!, set: epoch };
}

/** Makes the next key of a validator and names it in its configuration; gives the public key. */
async function prepareNextKey(index: number): Promise<string> {
  const { dir, config } = at(index);
  await quaestor('keys', 'generate', '--out', join(dir, 'key', 'next.key'));
  const text = await readFile(config, 'utf8');
  await writeFile(config, `${text}nextKey: { file: key/next.key, passwordFile: key/next.password }\n`);
  await at(index).stop();
  at(index).start();
  await at(index).ready();
  return publicKeyIn(join(dir, 'key', 'next.key'));
}

async function follow(indexes: readonly number[]): Promise<void> {
  for (const index of indexes) at(index).start();
  await Promise.all(indexes.map((index) => at(index).ready()));
  // They follow before anybody has decided about them.
  for (const index of indexes) await caughtUp(index);
  for (const index of indexes) expect(await at(index).metric('quaestor_consensus_is_validator')).toBe(0);
}

/** A validator dies with its disk: its key is replaced by the others, and it comes back with nothing but the new one. */
async function replaceDead(index: number): Promise<void> {
  const { dir, config } = at(index);
  await at(index).kill();
  await rm(join(dir, 'data'), { recursive: true });
  await quaestor('keys', 'generate', '--out', join(dir, 'key', 'reborn.key'));
  const text = await readFile(config, 'utf8');
  await writeFile(config, text.replace(/key\/validator\.(key|password)/g, 'key/reborn.$1'));
  at(index).start();
  await eventually('it follows', async () => (await at(index).metric('quaestor_consensus_height')) > 0);
  const key = await publicKeyIn(join(dir, 'key', 'reborn.key'));
  await governance.decide([0, 3, 5], ['--key-of', `${idOf(index)},${key}`], [0, 3, 4, 5]);
  await caughtUp(index);
}

/**
 * Starts an observer that knows the genesis, whose validators have all left, and the address of one of today's: it follows
 * the changes by their proofs, copies the state, and can prove all of it to others.
 */
async function observeFromGenesis(): Promise<void> {
  const observer = network.observers[0]!;
  const text = await readFile(observer.config, 'utf8');
  const present = `  - { validator: ${at(1).id}, address: "127.0.0.1:${at(1).ports.peer}" }\n`;
  await writeFile(
    observer.config,
    text.replace(/peers:\n( {2}- .*\n)+/, (peers) => peers + present),
  );
  await at(0).stop();
  observer.start({ environment: { QUAESTOR_SYNC_SNAPSHOT_THRESHOLD: '20' } });
  await eventually('it has a copy of the state', () =>
    /is installed; blocks below/.test(observer.logTail(2000)),
  );
  await observer.ready();
  const client = network.connect({
    ...network.clientOptions(await network.operatorTls()),
    validators: [{ id: observer.id, address: observer.clientAddress }],
  });
  const { current, changes } = await client.getValidators();
  expect(current.validators.map(({ id }) => id)).toEqual([idOf(1), idOf(2)]);
  expect(changes).toHaveLength(2);
  await observer.stop();
  at(0).start();
  await at(0).ready();
}

describe('validators of a real network', () => {
  it(
    'join, change keys, leave and come back while payments go on',
    withLogTails(async () => {
      await follow(joiners);
      const additions = await Promise.all(joiners.map((index) => addition(at(index))));
      const everybody = [...founders, ...joiners];
      await governance.decide(isLong ? [0, 1, 2] : [0], ['--add', ...additions], everybody);

      // One dies, and nobody has to notice.
      await at(1).kill();
      await load.progress(10);
      at(1).start();
      await at(1).ready();
      await caughtUp(1);

      // A key is replaced in the very change in which others leave.
      const leaving = isLong ? [0, 1, 2] : [0];
      const key = ['--key-of', `${idOf(renewed)},${await prepareNextKey(renewed)}`];
      await governance.decide(
        isLong ? [0, 1, 2, 4, 5] : [0, 1],
        ['--remove', ...leaving.map(idOf), ...key],
        everybody.filter((index) => !leaving.includes(index)),
      );
      governance.keys.set(idOf(renewed), 'next');
      await load.progress(10);
      await caughtUp(0);
      expect(at(0).logTail(2000)).toContain('NOT_VALIDATING');
      expect(await statusOf(0)).toMatchObject({ validates: false, epoch: 2, set: 2 });
      expect(await statusOf(renewed)).toMatchObject({ validates: true, epoch: 2, set: 2 });
      // The old key is nobody's any more: without it the validator votes as before.
      const { config } = at(renewed);
      const text = await readFile(config, 'utf8');
      const moved = text
        .replace(/nextKey:.*\n/, '')
        .replace(/key\/validator\.(key|password)/g, 'key/next.$1');
      await writeFile(config, moved);
      await at(renewed).stop();
      at(renewed).start();
      await at(renewed).ready();
      await caughtUp(renewed);
      expect(await at(renewed).metric('quaestor_consensus_is_validator')).toBe(1);

      let epoch = 2;
      if (isLong) {
        await governance.decide([3, 4, 5], ['--remove', 'validator-5', 'validator-6', 'validator-7'], [3]);
        // Those that left two changes ago are in no set that matters: they follow like observers, also after a restart.
        await at(0).kill();
        at(0).start();
        await at(0).ready();
        await load.progress(10);
        await caughtUp(0);
        await at(3).kill();
        at(3).start();
        await load.progress(10);
        const back = await Promise.all([0, 4, 5].map((index) => addition(at(index))));
        await governance.decide([3], ['--add', ...back], [0, 3, 4, 5]);
        await load.progress(10);
        await replaceDead(4);
        epoch = 5;
      }

      if (!isLong) await observeFromGenesis();
      await load.stop();
      expect(load.problems).toEqual([]);
      await network.agreed();

      // A client that knows nothing but the genesis proves the latest payment, and so does an auditor without a network.
      const [latest, height] = [...load.acknowledged].reduce((one, other) =>
        other[1] > one[1] ? other : one,
      );
      const fresh = network.connect(network.clientOptions(await network.operatorTls()));
      const known = await fresh.getTransaction(fromHex(latest) as TxId);
      expect(known.height).toBe(height);
      const state = await fresh.getValidators();
      expect(state.current.epoch).toBe(epoch);
      expect(state.changes).toHaveLength(epoch);
      const folder = network.profile();
      const receipt = join(network.dir, 'latest.receipt');
      const changes = join(network.dir, 'exported.changes');
      await writeFile(receipt, encodeReceipt(known.receipt));
      await quaestor('validators', 'export', '--profile', folder, '--out', changes);
      const genesis = join(folder, 'genesis.yaml');
      const verify = ['verify-receipt', '--genesis', genesis, '--receipt', receipt, '--json'];
      const verified = JSON.parse(await quaestor(...verify, '--changes', changes)) as {
        readonly txId: string;
      };
      expect(verified.txId).toBe(latest);
      await expect(quaestor(...verify)).rejects.toThrow(/UNKNOWN_VALIDATOR_SET|validator set/);
      expect(await quaestor('validators', 'list', '--profile', folder)).toContain(`Validator set ${epoch},`);

      await network.stopAll();
      const audited = await auditStores(network);
      expect(
        audited.flatMap(({ validator, faults }) => faults.map((fault) => `${validator}: ${fault}`)),
      ).toEqual([]);
      const longest = audited.reduce((one, other) => (other.height > one.height ? other : one));
      for (const { digests } of audited) expect(digests).toEqual(longest.digests.slice(0, digests.length));
      for (const [txId, at] of load.acknowledged) {
        expect(longest.transactions.get(txId)).toEqual([{ height: at, code: 'OK' }]);
      }
    }),
    boundMs,
  );
});
