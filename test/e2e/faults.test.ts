/** Four validator processes under load, killed in every way that they have to survive; then an audit of their stores. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { NoQuorumError, type SignedTransaction, type ValidatorStatus } from '../../src/client/index.js';
import { decodeTransactionEnvelope } from '../../src/codec/index.js';
import { toHex } from '../../src/types/index.js';
import { grpcCredentials, invoke, rawClient } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { Load, routes, signPayment } from './load.js';
import { TestNetwork, withLogTails, type TestMember } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

let network: TestNetwork;
let loads: Load[] = [];
/** Handed over while there was no quorum: nobody may have got a receipt for them before it was back. */
const pending: SignedTransaction[] = [];

beforeAll(async () => {
  network = await TestNetwork.start({
    // Small, so that catching up and restarting pass checkpoints.
    world: (text) => text.replace('checkpointIntervalBlocks: 100', 'checkpointIntervalBlocks: 20'),
  });
  loads = await Promise.all([
    Load.start(network, routes.alba, { via: 'submitMany', validator: 0, inFlight: 20 }),
    Load.start(network, routes.borealis, { via: 'submitMany', validator: 2, inFlight: 20 }),
    Load.start(network, routes.cadence, { via: 'submit', validator: 1, inFlight: 4 }),
  ]);
}, 60_000);

afterAll(() => network.close());

const progress = (count = 40): Promise<unknown> => Promise.all(loads.map((load) => load.progress(count)));

/** Where the validators stand that answer. */
async function statuses(): Promise<readonly ValidatorStatus[]> {
  const answers = await (await network.operator()).getStatusOfAll({ timeoutMs: 2000 });
  return answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
}

/** The primary, when all that run agree on it. */
async function primary(): Promise<ValidatorProcess> {
  let found = '';
  await eventually('the validators agree on who is the primary', async () => {
    const answers = await statuses();
    found = answers[0]?.primary ?? '';
    return answers.every(
      ({ primary: name, viewChangeInProgress }) => name === found && !viewChangeInProgress,
    );
  });
  return network.validator(found);
}

const runningOthers = (than: readonly ValidatorProcess[]): readonly ValidatorProcess[] =>
  network.validators.filter((validator) => validator.running && !than.includes(validator));

describe('four validators under load', () => {
  it(
    'go on without a backup that was killed, which catches up when it is started again, and votes',
    withLogTails(async () => {
      await progress();
      const killed = runningOthers([await primary()])[0]!;
      await killed.kill();
      await progress();
      const missed = Math.max(...(await statuses()).map(({ height }) => height));
      killed.start();
      await killed.ready();
      await eventually('it has all blocks that it missed', async () => {
        return (await killed.metric('quaestor_consensus_height')) >= missed;
      });
      // Three are left of four, and three is the quorum: nothing is final without the vote of the one that came back.
      const another = runningOthers([await primary(), killed])[0]!;
      await another.kill();
      await progress();
      another.start();
      await another.ready();
    }),
    120_000,
  );

  it(
    'go on after a view change when the primary is killed, and take it back',
    withLogTails(async () => {
      await progress();
      const former = await primary();
      const formerView = Math.max(...(await statuses()).map(({ view }) => view));
      await former.kill();
      await progress();
      const views = (await statuses()).map(({ view }) => view);
      expect(Math.max(...views)).toBeGreaterThan(formerView);
      expect((await primary()).id).not.toBe(former.id);
      former.start();
      await network.whole();
      await progress();
    }),
    120_000,
  );

  it(
    'go on after a view change when the primary hangs, and take it back when it wakes up',
    withLogTails(async () => {
      const hanging = await primary();
      hanging.signal('SIGSTOP');
      await progress();
      hanging.signal('SIGCONT');
      await network.whole();
      expect((await primary()).id).not.toBe(hanging.id);
      await progress();
    }),
    120_000,
  );

  it(
    'commit nothing while two are down, say so at the deadline, and commit what waits when they are back',
    withLogTails(async () => {
      const first = await primary();
      const victims = [first, runningOthers([first])[0]!];
      const survivors = runningOthers(victims);
      await Promise.all(victims.map((victim) => victim.kill()));
      await eventually('the others notice that there is no quorum', async () => {
        const answers = await statuses();
        return answers.length === 2 && answers.every(({ connectedValidators }) => connectedValidators === 2);
      });

      const member = await network.member('bank-alba');
      const validUntilHeight = Math.max(...(await statuses()).map(({ height }) => height)) + 900;
      const sign = () => signPayment(routes.alba, member, network.chainId, { validUntilHeight });
      const client = network.connect({ ...network.clientOptions(member.tls), attemptTimeoutMs: 5000 });
      const asked = await Promise.all([sign(), sign(), sign()]);
      const streamed = await Promise.all([sign(), sign()]);
      const raw = await Promise.all(survivors.map(async (at) => ({ at, transaction: await sign() })));
      pending.push(...asked, ...streamed, ...raw.map(({ transaction }) => transaction));
      const failures = await Promise.allSettled([
        // Through the SDK, which knows all four, one by one and as a stream.
        ...asked.map((transaction) => client.submit(transaction, { timeoutMs: 6000 })),
        client.submitMany(streamed, { timeoutMs: 5000 }).next(),
      ]);
      for (const failure of failures) {
        const { reason } = failure as { reason: unknown };
        expect(reason).toBeInstanceOf(NoQuorumError);
        expect((reason as NoQuorumError).code).toBe('NO_QUORUM');
        expect((reason as NoQuorumError).message).toContain('no quorum');
      }
      // As a client of any language sees it, at each of the survivors.
      await Promise.all(
        raw.map(async ({ at, transaction }) => {
          const { error, info, response } = await submitRaw(at, member, transaction, 5000);
          expect(response).toBeUndefined();
          expect(error).toMatchObject({ code: status.DEADLINE_EXCEEDED });
          expect(error?.details).toMatch(/no quorum: 2 of 4 validators/);
          expect(info?.reason).toBe('NO_QUORUM');
        }),
      );
      for (const survivor of survivors) {
        // Nothing is wrong with these two: an orchestrator must not restart them.
        expect(await survivor.http('/healthz')).toMatchObject({ status: 200 });
        await survivor.ready();
      }
      for (const { txId } of pending) {
        await expect(client.getTransaction(txId)).rejects.toMatchObject({ code: 'TRANSACTION_NOT_FOUND' });
      }
      const heightsBefore = (await statuses()).map(({ height }) => height);

      for (const victim of victims) victim.start();
      await network.whole();
      for (const transaction of pending) {
        const final = await client.submit(transaction);
        expect(final.code).toBe('OK');
        expect(final.height).toBeGreaterThan(Math.max(...heightsBefore));
      }
      await progress();
    }),
    120_000,
  );

  it(
    'resume after all of them are killed at once',
    withLogTails(async () => {
      await progress();
      await Promise.all(network.validators.map((validator) => validator.kill()));
      await network.startAll();
      await progress();
    }),
    120_000,
  );

  it(
    'stop cleanly, and have the same chain with every acknowledged payment exactly once',
    withLogTails(async () => {
      await Promise.all(loads.map((load) => load.stop()));
      expect(loads.flatMap(({ problems }) => problems)).toEqual([]);
      const height = await network.agreed();
      const ends = await Promise.all(network.validators.map((validator) => validator.stop()));
      expect(ends.map(({ code, signal }) => ({ code, signal }))).toEqual(
        ends.map(() => ({ code: 0, signal: null })),
      );

      const audited = await auditStores(network);
      expect(audited.map(({ validator, faults }) => ({ validator, faults }))).toEqual(
        audited.map(({ validator }) => ({ validator, faults: [] })),
      );
      const [chain] = audited;
      for (const { height: at, digests, stateRoots } of audited) {
        expect(at).toBe(height);
        expect(digests).toEqual(chain!.digests);
        expect(stateRoots).toEqual(chain!.stateRoots);
      }

      for (const { acknowledged, submitted } of loads) {
        // Everything that was handed over was seen through, and where its receipt said.
        expect(acknowledged.size).toBe(submitted.size);
        for (const [id, acknowledgedHeight] of acknowledged) {
          expect(chain!.transactions.get(id)).toEqual([{ height: acknowledgedHeight, code: 'OK' }]);
        }
      }
      for (const { txId } of pending) expect(chain!.transactions.get(toHex(txId))).toHaveLength(1);
      const total = loads.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0) + pending.length;
      expect(chain!.transactions.size).toBe(total);
    }),
    120_000,
  );
});

/** Submits to one validator with nothing but gRPC. */
async function submitRaw(
  { clientAddress }: ValidatorProcess,
  { tls }: TestMember,
  { bytes }: SignedTransaction,
  timeoutMs: number,
): ReturnType<typeof invoke> {
  const envelope = decodeTransactionEnvelope(bytes);
  if (!envelope.ok) throw envelope.error;
  const { payload, signatures } = envelope.value;
  const options = { 'grpc.ssl_target_name_override': 'localhost' };
  const raw = rawClient(clientAddress, grpcCredentials(tls), options);
  try {
    const request = { envelope: { payload, signatures: [...signatures] } };
    return await invoke(raw.submit.bind(raw) as never, request, timeoutMs);
  } finally {
    raw.close();
  }
}
