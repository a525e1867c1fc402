/**
 * npm run test:e2e:signer: a network of four in which one validator signs through a remote signer with a key on a SoftHSM
 * token. Whatever becomes of token, signer, its disk and its memory, the network goes on without that validator, says
 * why, and has it back; and no second process votes beside it.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { quaestor } from './command-line.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import { reckon } from './reckoning.js';
import { SignerProcess } from './signer-process.js';
import { canMount, SmallDisk } from './small-disk.js';
import { describeWithToken, SoftToken } from './soft-token.js';
import { ValidatorProcess } from './validator-process.js';

const boundMs = 180_000;
const payments = 15;

let network: TestNetwork;
let load: Load;

const progress = (): Promise<void> => load.progress(payments);

/** It does not vote, for this reason, and the others go on. */
async function silentFor(validator: ValidatorProcess, reason: RegExp): Promise<void> {
  await eventually(`${validator.id} is not ready, since ${reason.source}`, async () => {
    const { status, body } = await validator.http('/readyz');
    return status === 503 && reason.test(body);
  });
  expect(await validator.metric('quaestor_signer_ready')).toBe(0);
  await progress();
}

/** It votes: what it signs counts. */
async function votes(validator: ValidatorProcess): Promise<void> {
  await validator.ready();
  const before = await validator.metric('quaestor_signer_duration_seconds_count');
  await progress();
  await eventually(`${validator.id} has signatures`, async () => {
    return (await validator.metric('quaestor_signer_duration_seconds_count')) > before;
  });
}

/** As an operator does it. */
async function handOver(): Promise<void> {
  await eventually('another validator is the primary', async () => {
    const operator = await network.operator();
    const { primary } = await operator.getStatus({ timeoutMs: 2000 });
    const { config } = network.validator(primary);
    await quaestor('admin', 'hand-over', '--config', config, '--profile', network.profile());
    return true;
  });
}

/** A second process of a validator, with all that it has, on ports of its own. */
async function twinOf(validator: ValidatorProcess, data: 'copied' | 'empty'): Promise<ValidatorProcess> {
  const dir = join(network.dir, `twin-${data}-of-${validator.id}`);
  await cp(validator.dir, dir, {
    recursive: true,
    filter: (path) => data === 'copied' || !path.startsWith(join(validator.dir, 'data')),
  });
  const config = join(dir, 'validator.yaml');
  const { peer, client, admin, http } = validator.ports;
  const ports = { peer: peer + 4, client: client + 4, admin: admin + 4, http: http + 4 };
  let text = await readFile(config, 'utf8');
  for (const port of [peer, client, admin, http]) {
    text = text.replaceAll(new RegExp(`:${port}\\b`, 'g'), `:${port + 4}`);
  }
  await writeFile(config, text);
  const { id, index } = validator;
  const options = network.processOptions({ id, index, config, ports });
  return new ValidatorProcess({ ...options, logFile: join(dir, 'twin.log') });
}

/** Nobody has seen two votes that contradict each other, and nobody stopped for safety. */
async function nothingContradictory(): Promise<void> {
  for (const validator of network.validators) {
    expect(await validator.metric('quaestor_consensus_halted')).toBe(0);
    expect(validator.logTail(100_000)).not.toMatch(/ EQUIVOCATION| CONSENSUS_HALTED/);
  }
}

describeWithToken('a validator whose key is on a token behind a remote signer', () => {
  let token: SoftToken;
  let signer: SignerProcess;
  let remote: ValidatorProcess;

  beforeAll(async () => {
    token = new SoftToken();
    const publicKey = token.generate('validator-4');
    network = await TestNetwork.create({
      genesis: (text) => replaceKey(text, 'validator-4', publicKey),
    });
    remote = network.validators[3]!;
    signer = await SignerProcess.make(network, remote, {
      key: token.keyOf('validator-4', publicKey),
      environment: token.environment,
    });
  }, boundMs);
  afterAll(async () => {
    await signer.kill();
    await network.close();
    token.dispose();
  });

  it(
    'with a wrong PIN is left out, and takes part as soon as the PIN is corrected',
    withLogTails(async () => {
      token.usePin(false);
      await signer.start();
      for (const validator of network.validators) validator.start();
      await Promise.all(network.validators.slice(0, 3).map((validator) => validator.ready()));
      load = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 });
      await silentFor(remote, /signer.*PIN was refused .*CKR_PIN_INCORRECT/s);
      expect((await signer.http('/readyz')).body).toMatch(/its PIN was refused/);
      expect(signer.log().split('SIGNER_NOT_READY')).toHaveLength(2);
      token.usePin(true);
      await votes(remote);
      await network.whole();
    }),
    boundMs,
  );

  it(
    'whose token is taken out is left out, and takes part when it is put back',
    withLogTails(async () => {
      token.remove();
      await silentFor(remote, /there is no token|CKR_/);
      token.putBack();
      await votes(remote);
    }),
    boundMs,
  );

  it(
    'whose signer is frozen, killed and started again is left out meanwhile',
    withLogTails(async () => {
      signer.signal('SIGSTOP');
      await silentFor(remote, /did not answer within/);
      signer.signal('SIGCONT');
      await votes(remote);
      await signer.kill();
      await silentFor(remote, /signer/);
      await signer.start();
      await votes(remote);
    }),
    boundMs,
  );

  (canMount() ? it : it.skip)(
    "whose signer's disk is full is left out, and takes part when there is space again",
    withLogTails(async () => {
      await signer.kill();
      const disk = await SmallDisk.under(join(signer.dir, 'state'));
      try {
        await signer.start();
        await votes(remote);
        await disk.fill();
        const { code, output } = await signer.ended();
        expect(code).toBe(1);
        expect(output).toMatch(/error: .*memory could not be written.*[Cc]heck the disk/s);
        await silentFor(remote, /signer/);
        await disk.clear();
        await signer.start();
        await votes(remote);
        await signer.kill();
      } finally {
        await signer.kill();
        await disk.leave();
      }
      await signer.start();
      await votes(remote);
    }),
    boundMs,
  );

  it(
    'whose signer has lost its memory, or has a damaged one, is not signed for; with a new one only above what was signed',
    withLogTails(async () => {
      await signer.kill();
      const state = join(signer.dir, 'state');
      await cp(state, `${state}.kept`, { recursive: true });
      await rm(state, { recursive: true });
      const lost = await signer.refused();
      expect(lost.code).toBe(1);
      expect(lost.output).toMatch(/error: There is no usable signer's memory .*docs\/signer\.md/s);
      await cp(`${state}.kept`, state, { recursive: true });
      for (const name of (await readdir(state)).filter((file) => /\.(log|ldb)$/.test(file))) {
        await truncate(join(state, name), 10);
      }
      const damaged = await signer.refused();
      expect(damaged.code).toBe(1);
      expect(damaged.output).toMatch(/error: .*signer's memory in .*docs\/signer\.md/s);
      await rm(state, { recursive: true });
      const height = await network.validators[0]!.metric('quaestor_consensus_height');
      const view = await network.validators[0]!.metric('quaestor_consensus_view');
      await signer.init('--from-height', String(height + 60), '--from-view', String(view + 1));
      await signer.start();
      await progress();
      const above = async (): Promise<boolean> =>
        (await network.validators[0]!.metric('quaestor_consensus_height')) > height + 80;
      while (!(await above())) await progress();
      // Its memory begins in a later view than the network is in.
      await handOver();
      await nothingContradictory();
      await eventually('its votes are signed again', async () => {
        const { body } = await signer.http('/metrics');
        const signed = /quaestor_signer_signatures_total\{[^}]*kind="vote"[^}]*\} (\d+)/.exec(body)?.[1];
        return Number(signed ?? 0) > 0;
      });
    }),
    boundMs,
  );

  it(
    'that runs a second time on the same signer contradicts nothing',
    withLogTails(async () => {
      await network.whole();
      const twin = await twinOf(remote, 'empty');
      twin.start();
      await eventually('the signer has two streams', async () => {
        return /quaestor_signer_connections\{[^}]*\} 2/.test((await signer.http('/metrics')).body);
      });
      for (let round = 0; round < 4; round++) await progress();
      await nothingContradictory();
      await twin.kill();
      await network.whole();
      await nothingContradictory();
    }),
    boundMs,
  );

  it(
    'leaves stores that are equal and hold every answer',
    withLogTails(async () => {
      const { problems } = await reckon(network, [load]);
      expect(problems).toEqual([]);
    }),
    boundMs,
  );
});

describe('two processes with one identity, each with the key in a file', () => {
  beforeAll(async () => {
    network = await TestNetwork.start();
    load = await Load.start(network, routes.borealis, { via: 'submit', validator: 0, inFlight: 4 });
    await progress();
  }, boundMs);
  afterAll(() => network.close());

  it.each(['empty', 'copied'] as const)(
    'contradict each other in nothing, whatever the second has for a data folder (%s)',
    (data) =>
      withLogTails(async () => {
        const victim = network.validators[2]!;
        await victim.stop();
        const twin = await twinOf(victim, data);
        victim.start();
        await network.whole();
        await progress();
        twin.start();
        // It takes part: others speak to it, too.
        await eventually('the second process is connected', () =>
          twin.logTail(1000).includes('PEER_CONNECTED'),
        );
        for (let round = 0; round < 5; round++) await progress();
        await nothingContradictory();
        await twin.kill();
        await network.whole();
        await nothingContradictory();
      })(),
    boundMs,
  );

  it(
    'leave stores that are equal and hold every answer',
    withLogTails(async () => {
      const { problems } = await reckon(network, [load]);
      expect(problems).toEqual([]);
    }),
    boundMs,
  );
});

/** The genesis with another key for one of its validators. */
function replaceKey(text: string, id: string, publicKey: string): string {
  const changed = text.replace(new RegExp(`(id: "${id}",[^\\n]*publicKey: ")[0-9a-f]{64}`), `$1${publicKey}`);
  if (changed === text) throw new Error(`the genesis has no key of ${id}`);
  return changed;
}
