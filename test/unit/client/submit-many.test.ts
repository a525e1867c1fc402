import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  NoQuorumError,
  OutcomeUnknownError,
  QuaestorClient,
  VerificationError,
  type ClientOptions,
  type SignedTransaction,
  type SubmitManyOptions,
  type SubmitOutcome,
} from '../../../src/client/index.js';
import { verifyReceipt } from '../../../src/verify/index.js';
import { serve, signedTransfer, TestPki, type TestServer } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let pki: TestPki;
let chain: FakeChain;
let servers: TestServer[];
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(count = 1, options: Partial<ClientOptions> = {}): Promise<QuaestorClient> {
  chain = await FakeChain.create();
  servers = [];
  for (let index = 0; index < count; index++) {
    const server = await serve(new FakeNode(chain, index), pki);
    servers.push(server);
    open.push(() => server.server.close(50));
  }
  const client = QuaestorClient.connect({
    validators: servers.map(({ address }) => ({ address })),
    tls: await pki.issue('member', 'alpha'),
    genesis: chain.genesis,
    preferredValidator: 0,
    ...options,
  });
  open.push(() => client.close());
  return client;
}

const signedTransfers = (count: number): Promise<SignedTransaction[]> =>
  Promise.all(Array.from({ length: count }, () => signedTransfer(chain)));

async function collect(
  client: QuaestorClient,
  transactions: AsyncIterable<SignedTransaction> | Iterable<SignedTransaction>,
  options: SubmitManyOptions = {},
): Promise<SubmitOutcome[]> {
  const outcomes: SubmitOutcome[] = [];
  for await (const outcome of client.submitMany(transactions, options)) outcomes.push(outcome);
  return outcomes;
}

const positions = (outcomes: readonly SubmitOutcome[]): number[] =>
  outcomes.map(({ position }) => position).sort((left, right) => left - right);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('submitMany', () => {
  it('gives every outcome once, each with a receipt that holds by itself', async () => {
    const client = await start();
    const transactions = await signedTransfers(300);
    const outcomes = await collect(client, transactions, { maxBatch: 50 });
    expect(positions(outcomes)).toEqual(upTo(300));
    for (const outcome of outcomes) {
      if (outcome.kind !== 'final') throw new Error('refused');
      expect(outcome.txId).toEqual(transactions[outcome.position]!.txId);
      const verified = verifyReceipt(client.trust, outcome.transaction.receipt, {
        expectedTxId: outcome.txId,
      });
      expect(verified.ok).toBe(true);
    }
  });

  it('gives what failed on the ledger as final, what was refused with its reason', async () => {
    const client = await start();
    const good = await signedTransfer(chain);
    const poor = await signedTransfer(chain, { amount: 10n ** 30n });
    const foreign = await signedTransfer(chain, { sender: 'beta' });
    const outcomes = await collect(client, [good, poor, foreign]);
    const byPosition = outcomes.sort((left, right) => left.position - right.position);
    expect(byPosition).toMatchObject([
      { kind: 'final', transaction: { code: 'OK' } },
      { kind: 'final', transaction: { code: 'INSUFFICIENT_FUNDS' } },
      { kind: 'refused', reason: 'SENDER_MISMATCH' },
    ]);
  });

  it('submits what is not final to another validator when the first one stops: each executed once', async () => {
    const client = await start(2);
    const transactions = await signedTransfers(400);
    chain.held = true;
    const all = collect(client, transactions, { maxBatch: 20, maxInFlight: 100 });
    await until(() => chain.pendingCount === 100);
    await chain.commit();
    await until(() => chain.pendingCount >= 50);
    await servers[0]!.server.close(0);
    await until(() => servers[1]!.node.submitted > 0);
    chain.release();
    expect(positions(await all)).toEqual(upTo(400));
    expect(new Set(chain.executions.values())).toEqual(new Set([1]));
  });

  it('goes to another validator while one is not ready', async () => {
    const client = await start(2);
    servers[0]!.node.isReady = false;
    expect(positions(await collect(client, await signedTransfers(5)))).toEqual(upTo(5));
    expect(servers[0]!.node.submitted).toBe(0);
  });

  it('leaves a validator that takes transactions and never answers', async () => {
    const client = await start(2);
    servers[0]!.node.submit = () => ({ checked: Promise.resolve(), cancel: () => undefined });
    const outcomes = await collect(client, await signedTransfers(5), { stallTimeoutMs: 100 });
    expect(positions(outcomes)).toEqual(upTo(5));
  });

  it('leaves a validator that sends false receipts, and says so when none is left', async () => {
    const client = await start(2);
    const lie: FakeNode['tamper'] = (block) => ({
      ...block,
      certificate: chain.certify(block.headerBytes, [0, 1]),
    });
    servers[0]!.node.tamper = lie;
    expect(positions(await collect(client, await signedTransfers(20)))).toEqual(upTo(20));
    servers[1]!.node.tamper = lie;
    await expect(collect(client, await signedTransfers(1))).rejects.toBeInstanceOf(VerificationError);
  });

  it('tries again what a validator had no room for', async () => {
    const client = await start();
    servers[0]!.node.refuseAll = 'OVERLOADED';
    const all = collect(client, await signedTransfers(10));
    await until(() => servers[0]!.node.submitted >= 20);
    servers[0]!.node.refuseAll = undefined;
    expect(positions(await all)).toEqual(upTo(10));
  });

  it('does not believe one validator that refuses for good: each is executed, and seen final', async () => {
    const client = await start(2);
    servers[0]!.node.refuseAll = 'EXPIRED';
    const outcomes = await collect(client, await signedTransfers(40));
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 40 }, () => 'final'));
    expect(positions(outcomes)).toEqual(upTo(40));
    expect(new Set(chain.executions.values())).toEqual(new Set([1]));
  });

  it('believes a refusal that f + 1 validators give', async () => {
    const client = await start(2);
    for (const { node } of servers) node.refuseAll = 'EXPIRED';
    const outcomes = await collect(client, await signedTransfers(20));
    expect(positions(outcomes)).toEqual(upTo(20));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'refused', reason: 'EXPIRED' });
    expect(servers[1]!.node.submitted).toBeGreaterThanOrEqual(20);
    expect(chain.executions.size).toBe(0);
  });

  it('takes no more input than may be in flight while the caller takes no outcomes', async () => {
    const client = await start();
    const transactions = await signedTransfers(100);
    let taken = 0;
    const input = async function* (): AsyncGenerator<SignedTransaction> {
      for (const transaction of transactions) {
        taken += 1;
        yield await Promise.resolve(transaction);
      }
    };
    const outcomes = client.submitMany(input(), { maxInFlight: 10 });
    await outcomes.next();
    await until(() => chain.pendingCount === 0 && chain.executions.size >= 10);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBeLessThanOrEqual(13);
    const rest: SubmitOutcome[] = [];
    for await (const outcome of outcomes) rest.push(outcome);
    expect(rest).toHaveLength(99);
  });

  it('delivers what came before an error of the input, then throws it', async () => {
    const client = await start();
    const [transaction] = await signedTransfers(1);
    const input = async function* (): AsyncGenerator<SignedTransaction> {
      yield await Promise.resolve(transaction!);
      throw new Error('the input broke');
    };
    const outcomes: SubmitOutcome[] = [];
    const reading = (async () => {
      for await (const outcome of client.submitMany(input())) outcomes.push(outcome);
    })();
    await expect(reading).rejects.toThrow('the input broke');
    expect(positions(outcomes)).toEqual([0]);
  });

  it('gives up with OutcomeUnknownError when nothing comes back for long', async () => {
    const client = await start();
    chain.held = true;
    const options = { stallTimeoutMs: 50, timeoutMs: 300 };
    await expect(collect(client, await signedTransfers(3), options)).rejects.toBeInstanceOf(
      OutcomeUnknownError,
    );
  });

  it('gives up with NoQuorumError when that is why nothing comes back', async () => {
    const client = await start(2);
    chain.held = true;
    for (const { node } of servers) node.quorum = false;
    const giving = collect(client, await signedTransfers(3), { timeoutMs: 150 });
    await expect(giving).rejects.toThrow(NoQuorumError);
    await expect(giving).rejects.toThrow(/3 transactions were not seen final: there is no quorum/);
    // One that sees a quorum is enough for doubt.
    servers[1]!.node.quorum = true;
    await expect(collect(client, await signedTransfers(3), { timeoutMs: 150 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
  });

  it('ends with the reason of the signal, and leaves nothing behind when the caller stops early', async () => {
    const client = await start();
    chain.held = true;
    const controller = new AbortController();
    const aborted = collect(client, await signedTransfers(3), { signal: controller.signal });
    await until(() => chain.pendingCount === 3);
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    chain.release();
    for await (const outcome of client.submitMany(await signedTransfers(50))) {
      if (outcome.position >= 0) break;
    }
    await until(() => servers[0]!.metrics.open === 0 && servers[0]!.metrics.inFlight === 0);
  });

  it('does nothing for an empty input', async () => {
    const client = await start();
    expect(await collect(client, [])).toEqual([]);
  });
});
