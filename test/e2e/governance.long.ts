/**
 * A network of real processes goes from the first rules of the ledger to the current ones, by the commands of
 * docs/governance.md, while payments go on and validators restart one by one; then holds, an exchange that two members
 * sign, and an audit of all stores, every block under the rules of its height.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { join } from 'node:path';
import {
  buildTransaction,
  cosignTransaction,
  readGovernance,
  readHold,
  RefusedError,
  signTransaction,
  TransactionFailedError,
  type QuaestorClient,
} from '../../src/client/index.js';
import type { Operation } from '../../src/codec/index.js';
import { openKeyFile } from '../../src/crypto/native/index.js';
import { asAmount, asHeight, newestRules } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { quaestor } from './command-line.js';
import { memberOf } from './joining.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails, type TestMember } from './network.js';

const boundMs = 180_000;
let network: TestNetwork;
let load: Load;
let alba: TestMember;
let borealis: TestMember;
let client: QuaestorClient;

beforeAll(async () => {
  network = await TestNetwork.start({ world: (text) => `${text}\nrulesVersion: 1\n` });
  load = await Load.start(network, routes.cadence, { via: 'submit', validator: 3, inFlight: 3 });
  alba = await network.member('bank-alba');
  borealis = await network.member('bank-borealis');
  client = network.connect(network.clientOptions(alba.tls));
}, boundMs);

afterAll(() => network.close(), boundMs);

/** Runs a command of `quaestor governance` for a validator; gives the document. */
async function speak<T>(index: number, ...command: readonly string[]): Promise<T> {
  const { id, dir } = network.validators[index]!;
  const key = join(dir, 'key', 'validator');
  const output = await quaestor(
    ...['governance', ...command, '--profile', network.profile(memberOf(index))],
    ...['--validator', id, '--key', `${key}.key`, '--password-file', `${key}.password`, '--json'],
  );
  return JSON.parse(output) as T;
}

const hold = (holdId: string, amount: bigint, expiresUnixMs: number): Operation => ({
  kind: 'placeHold',
  holdId,
  fromAccount: routes.alba.fromAccount,
  toAccount: routes.borealis.fromAccount,
  asset: 'EUR',
  amount: asAmount(amount),
  captor: 'bank-borealis',
  expiresUnixMs,
  hashLock: new Uint8Array(0),
  endToEndId: '',
  memo: '',
});

it(
  'decides the current rules, which are in force from one height on everywhere',
  withLogTails(async () => {
    const later = Date.now() + 3_600_000;
    await expect(client.execute('bank-alba', [hold('H1', 5n, later)], [alba.signer])).rejects.toMatchObject({
      constructor: RefusedError,
      code: 'RULES_NOT_ACTIVE',
    });
    const file = join(network.dir, 'rules.proposal');
    const { id } = await speak<{ id: string }>(0, 'propose-rules', String(newestRules), '--out', file);
    await speak(1, 'vote', 'reject', file);
    await speak(2, 'vote', 'approve', file);
    await speak(3, 'vote', 'approve', file);
    for (const validator of network.validators.slice(0, 3)) {
      await validator.stop();
      validator.start();
      await validator.ready();
    }
    await eventually('all validators are under the current rules', async () => {
      const versions = await Promise.all(
        network.validators.map((validator) => validator.metric('quaestor_ledger_rules_version')),
      );
      return versions.every((version) => version === newestRules);
    });
    const shown = await quaestor('governance', 'show', '--profile', network.profile(), '--id', id, '--json');
    expect(JSON.parse(shown)).toMatchObject({
      rulesVersion: newestRules,
      scheduled: [],
      proposal: {
        status: 'decided',
        approvals: ['validator-1', 'validator-3', 'validator-4'],
        rejections: ['validator-2'],
      },
    });
    expect((await readGovernance(client)).value.rulesVersion).toBe(newestRules);
  }),
  boundMs,
);

it(
  'has holds and exchanges from then on, and says of what is refused how things stand',
  withLogTails(async () => {
    const later = Date.now() + 3_600_000;
    await client.execute('bank-alba', [hold('H1', 500n, later)], [alba.signer]);
    const held = await readHold(client, routes.alba.fromAccount, 'H1');
    expect(held.value).toMatchObject({ remaining: 500n, captor: 'bank-borealis' });
    const twice = await client
      .execute('bank-alba', [hold('H1', 500n, later)], [alba.signer])
      .catch((error: unknown) => error);
    expect(twice).toBeInstanceOf(TransactionFailedError);
    expect((twice as Error).message).toContain(`hold/${routes.alba.fromAccount}/H1`);

    const exchange: Operation = {
      kind: 'exchange',
      parties: ['bank-alba', 'bank-borealis'],
      legs: [
        {
          fromAccount: routes.alba.fromAccount,
          toAccount: routes.borealis.fromAccount,
          asset: 'EUR',
          amount: asAmount(100n),
        },
        {
          fromAccount: routes.borealis.fromAccount,
          toAccount: routes.alba.fromAccount,
          asset: 'CHF',
          amount: asAmount(95n),
        },
      ],
      deadlineUnixMs: later,
      reference: 'PVP-1',
    };
    const validUntilHeight = asHeight((await client.currentHeight()) + 100);
    const draft = buildTransaction({ sender: 'bank-alba', operations: [exchange], validUntilHeight });
    const signed = await signTransaction(draft, [alba.signer], network.chainId);
    await expect(client.submit(signed)).rejects.toMatchObject({ code: 'PARTY_NOT_AUTHORIZED' });
    const both = await cosignTransaction(signed.bytes, [borealis.signer], network.chainId);
    expect((await client.submit(both)).code).toBe('OK');
  }),
  boundMs,
);

it(
  'lets a member install other keys, by which alone it signs from then on',
  withLogTails(async () => {
    const file = join(network.dir, 'new.key');
    await quaestor('keys', 'generate', '--out', file);
    const password = file.replace('.key', '.password');
    await quaestor(
      ...['members', 'set-keys', '--profile', network.profile('bank-alba'), '--key', file],
      ...['--password-file', password, '--name', 'Banca Alba'],
    );
    const pay = hold('H2', 1n, Date.now() + 3_600_000);
    await expect(client.execute('bank-alba', [pay], [alba.signer])).rejects.toMatchObject({
      code: 'SENDER_NOT_AUTHORIZED',
    });
    const renewed = await openKeyFile(file, password);
    expect((await client.execute('bank-alba', [pay], [renewed])).code).toBe('OK');
  }),
  boundMs,
);

it(
  'leaves stores that an audit finds whole',
  withLogTails(async () => {
    await load.stop();
    const height = await network.agreed();
    await network.stopAll();
    const audited = await auditStores(network);
    expect(audited.map((chain) => chain.height)).toEqual([height, height, height, height]);
  }),
  boundMs,
);
