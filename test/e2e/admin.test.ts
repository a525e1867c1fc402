/** What an operator does to a running node: look, drain it for maintenance, hand over, ask for help. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asAmount } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { routes } from './load.js';
import { quaestor } from './command-line.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 60_000;
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.start();
}, boundMs);

afterAll(() => network.close());

/** Runs `quaestor admin`; resolves with its JSON. */
async function admin(validator: ValidatorProcess, ...args: readonly string[]): Promise<unknown> {
  const profile = join(network.dir, 'network', 'operator');
  const all = ['admin', ...args, '--config', validator.config, '--profile', profile, '--json'];
  return JSON.parse(await quaestor(...all));
}

/** The validator that is the primary. */
async function primary(): Promise<ValidatorProcess> {
  let found: ValidatorProcess | undefined;
  await eventually('there is one primary', async () => {
    const are = await Promise.all(
      network.validators.map((each) => each.metric('quaestor_consensus_is_primary')),
    );
    found = network.validators[are.indexOf(1)];
    return are.filter((is) => is === 1).length === 1;
  });
  return found!;
}

async function payThrough(validator: ValidatorProcess, memo = ''): Promise<number> {
  const { member, fromAccount, toAccount, asset } = routes.alba;
  const { tls, signer } = await network.member(member);
  const client = network.connect({ ...network.clientOptions(tls), preferredValidator: validator.index });
  const { height } = await client.transfer({
    sender: member,
    signers: [signer],
    fromAccount,
    toAccount,
    asset,
    amount: asAmount(1n),
    memo,
    timeoutMs: 20_000,
  });
  return height;
}

describe('an operator', () => {
  it(
    'drains the primary: another one takes over by itself, clients go elsewhere, and it goes on voting',
    withLogTails(async () => {
      const drained = await primary();
      await payThrough(drained);
      expect(await admin(drained, 'drain')).toMatchObject({ validator: drained.id, handedOver: true });
      expect((await primary()).id).not.toBe(drained.id);
      const others = network.validators.filter(({ id }) => id !== drained.id);
      for (const other of others) expect(other.logTail(1000)).toMatch(/VIEW_CHANGE_STARTED .*handedOver/);
      expect(await drained.http('/readyz')).toMatchObject({
        status: 503,
        body: 'The node is drained for maintenance.\n',
      });
      const height = await payThrough(drained);
      // A quorum is three of four: without one of the others nothing is final unless the drained one votes.
      await others[0]!.kill();
      expect(await payThrough(others[1]!)).toBeGreaterThan(height);
      others[0]!.start();
      expect(await admin(drained, 'resume')).toEqual({ validator: drained.id, wasDrained: true });
      await network.whole();
    }),
    boundMs,
  );

  it(
    'hands over, and is told when there is nothing to hand over',
    withLogTails(async () => {
      const before = await primary();
      const { primary: after } = (await admin(before, 'hand-over')) as { primary: string };
      expect(after).not.toBe(before.id);
      await expect(admin(before, 'hand-over')).rejects.toThrow(/not the primary/);
    }),
    boundMs,
  );

  it(
    'stops the primary without anybody waiting for a timer',
    withLogTails(async () => {
      const stopped = await primary();
      const others = network.validators.filter(({ id }) => id !== stopped.id);
      const handedOver = (validator: ValidatorProcess): number =>
        validator.logTail(10_000).match(/VIEW_CHANGE_STARTED .*handedOver/g)?.length ?? 0;
      const before = others.map(handedOver);
      await stopped.stop();
      expect(others.map(handedOver)).toEqual(before.map((count) => count + 1));
      stopped.start();
      await network.whole();
    }),
    boundMs,
  );

  it(
    'looks at a node, and gets a file for who is to help that has no secrets; what was done is on record',
    withLogTails(async () => {
      const [validator] = network.validators;
      expect(await admin(validator!, 'info')).toMatchObject({ validator: validator!.id });
      expect(await admin(validator!, 'peers')).toHaveLength(3);
      expect(await admin(validator!, 'consensus')).toMatchObject({ inFlight: [] });
      expect(await admin(validator!, 'mempool')).toMatchObject({ pending: 0, awaited: 0 });
      expect(await admin(validator!, 'log-level', 'debug')).toEqual({ level: 'debug', previous: 'info' });
      const out = join(network.dir, 'bundle.json');
      await admin(validator!, 'bundle', '--out', out);
      const text = await readFile(out, 'utf8');
      const { status, metrics, log } = JSON.parse(text) as Record<string, unknown>;
      expect([status, metrics, log].every((part) => part !== undefined)).toBe(true);
      const password = (await readFile(join(validator!.dir, 'key', 'validator.password'), 'utf8')).trim();
      expect(text).not.toContain(password);
      expect(text).not.toMatch(/PRIVATE KEY|"ciphertext"/);
      const lines = (await readFile(join(validator!.dir, 'data', 'admin-audit.jsonl'), 'utf8'))
        .trimEnd()
        .split('\n');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ act: 'SetLogLevel', detail: '{"level":"debug"}' }),
          expect.objectContaining({ act: 'GetDiagnosis' }),
        ]),
      );
    }),
    boundMs,
  );

  it(
    'finds no secret and no payload in what nodes write, however much they are told to',
    withLogTails(async () => {
      for (const each of network.validators) await admin(each, 'log-level', 'trace');
      const [first] = network.validators;
      const memo = 'MEMO-that-nobody-else-reads';
      await payThrough(first!, memo);
      const tooMuch = payThrough(first!, memo.repeat(30));
      await expect(tooMuch).rejects.toThrow();
      const restarted = network.validators[3]!;
      await restarted.stop();
      restarted.start();
      await network.whole();
      const secrets: string[] = [memo, 'PRIVATE KEY'];
      for (const { dir } of network.validators) {
        secrets.push((await readFile(join(dir, 'key', 'validator.password'), 'utf8')).trim());
        const keyFile = await readFile(join(dir, 'key', 'validator.key'), 'utf8');
        secrets.push((JSON.parse(keyFile) as { cipher: { ciphertext: string } }).cipher.ciphertext);
      }
      const pages = await Promise.all(
        network.validators.map(async (each, index) => {
          const out = join(network.dir, `bundle-${index}.json`);
          await admin(each, 'bundle', '--out', out);
          return `${await readFile(out, 'utf8')}\n${(await each.http('/metrics')).body}`;
        }),
      );
      const written = [...network.validators.map((each) => each.logTail(1_000_000)), ...pages];
      expect(written[0]).toContain('LOG_LEVEL_CHANGED');
      const found = secrets.flatMap((secret) => {
        const forms = [
          secret,
          Buffer.from(secret).toString('base64').replace(/=+$/, ''),
          Buffer.from(secret).toString('hex'),
        ];
        return forms.filter((form) => written.some((text) => text.includes(form)));
      });
      expect(found).toEqual([]);
    }),
    boundMs,
  );
});
