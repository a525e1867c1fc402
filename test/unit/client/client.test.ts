import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  NoQuorumError,
  OutcomeUnknownError,
  QuaestorClient,
  readGovernance,
  readHold,
  RefusedError,
  TransactionFailedError,
  UnavailableError,
  VerificationError,
  type ClientOptions,
} from '../../../src/client/index.js';
import { decodeBlockHeader, encodeBlockHeader, encodeTransactionResult } from '../../../src/codec/index.js';
import type { BlockHeader } from '../../../src/codec/model.js';
import { headerDigest } from '../../../src/crypto/index.js';
import { stateKeys } from '../../../src/ledger/index.js';
import type { StoredBlock } from '../../../src/storage/types.js';
import { asHeight } from '../../../src/types/index.js';
import { verifyReceipt } from '../../../src/verify/index.js';
import { serve, signedTransfer, TestPki, type TestServer } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode, memberKeys } from '../../helpers/fake-ledger.js';
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

/** Starts servers of the first validators of a network of four. */
async function start(count = 1): Promise<void> {
  chain = await FakeChain.create();
  servers = [];
  for (let index = 0; index < count; index++) {
    const server = await serve(new FakeNode(chain, index), pki, { heartbeatMs: 50 });
    servers.push(server);
    open.push(() => server.server.close(50));
  }
}

async function connect(options: Partial<ClientOptions> = {}): Promise<QuaestorClient> {
  const client = QuaestorClient.connect({
    validators: servers.map(({ address }, index) => ({ address, id: `v${index}` })),
    tls: await pki.issue('member', 'alpha'),
    genesis: chain.genesis,
    timeoutMs: 5000,
    preferredValidator: 0,
    ...options,
  });
  open.push(() => client.close());
  return client;
}

/** A block with another header, certified by these validators. */
function forged(block: StoredBlock, change: Partial<BlockHeader>, signers?: readonly number[]): StoredBlock {
  const header = decodeBlockHeader(block.headerBytes);
  if (!header.ok) throw header.error;
  const headerBytes = encodeBlockHeader({ ...header.value, ...change });
  const certificate = chain.certify(headerBytes, signers);
  return { ...block, headerBytes, digest: headerDigest(headerBytes), certificate };
}

describe('submit', () => {
  it('gives the verified receipt of a final transaction', async () => {
    await start();
    const client = await connect();
    const final = await client.submit(await signedTransfer(chain));
    expect(final).toMatchObject({ code: 'OK', height: 1, signers: ['v1', 'v2', 'v3'] });
    expect(verifyReceipt(client.trust, final.receipt).ok).toBe(true);
  });

  it('throws TransactionFailedError with the receipt when the ledger refuses it', async () => {
    await start();
    const client = await connect();
    const failure = await client
      .submit(await signedTransfer(chain, { amount: 10n ** 30n }))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TransactionFailedError);
    const { transaction, message } = failure as TransactionFailedError;
    expect(transaction.code).toBe('INSUFFICIENT_FUNDS');
    expect(message).toMatch(/in block 1 without effect: INSUFFICIENT_FUNDS in operation 1/);
    expect(verifyReceipt(client.trust, transaction.receipt).ok).toBe(true);
  });

  it('builds, signs and submits a transfer, and reads what it wrote, proven', async () => {
    await start();
    const client = await connect();
    await client.transfer({
      sender: 'alpha',
      signers: [memberKeys.alpha],
      fromAccount: 'A1',
      toAccount: 'B1',
      asset: 'CHF',
      amount: 250n,
    });
    const state = await client.getAccount('B1');
    expect(state).toMatchObject({
      account: { account: 'B1', owner: 'beta' },
      balances: [{ asset: 'CHF', amount: 750n, exponent: 2 }],
      height: 1,
      proven: true,
    });
  });

  it('asks another validator when the first one can not be reached', async () => {
    await start(2);
    await servers[0]!.server.close(0);
    const client = await connect();
    expect((await client.submit(await signedTransfer(chain))).code).toBe('OK');
  });

  it('submits the same envelope elsewhere when the validator stops while it waits: executed once', async () => {
    await start(2);
    const client = await connect();
    chain.held = true;
    const transaction = await signedTransfer(chain);
    const waiting = client.submit(transaction);
    await until(() => servers[0]!.node.submitted === 1);
    await servers[0]!.server.close(0);
    await until(() => servers[1]!.node.submitted === 1);
    chain.release();
    expect((await waiting).txId).toEqual(transaction.txId);
    expect([...chain.executions.values()]).toEqual([1]);
  });

  it('asks another validator when one does not answer in time', async () => {
    await start(2);
    servers[0]!.node.submit = () => ({ checked: Promise.resolve(), cancel: () => undefined });
    const client = await connect({ attemptTimeoutMs: 150 });
    expect((await client.submit(await signedTransfer(chain))).code).toBe('OK');
  });

  it('throws NoQuorumError at the deadline without a quorum; the same transaction is final when it is back', async () => {
    await start(4);
    const client = await connect({ attemptTimeoutMs: 400 });
    chain.held = true;
    for (const { node } of servers) node.quorum = false;
    await Promise.all(servers.slice(2).map(({ server }) => server.close(0)));
    const transaction = await signedTransfer(chain);
    const failure = await client.submit(transaction, { timeoutMs: 2500 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NoQuorumError);
    expect(failure).toMatchObject({ code: 'NO_QUORUM', txId: transaction.txId });
    expect((failure as Error).message).toMatch(/no quorum.*may still commit/);
    for (const { node } of servers) node.quorum = true;
    chain.release();
    expect((await client.submit(transaction)).code).toBe('OK');
    expect([...chain.executions.values()]).toEqual([1]);
  });

  it('throws OutcomeUnknownError when no validator can be reached', async () => {
    await start(1);
    await servers[0]!.server.close(0);
    const client = await connect();
    const failure = client.submit(await signedTransfer(chain), { timeoutMs: 200 });
    await expect(failure).rejects.toBeInstanceOf(OutcomeUnknownError);
    await expect(failure).rejects.not.toBeInstanceOf(NoQuorumError);
  });

  it('believes a refusal only when f + 1 validators say so', async () => {
    await start(3);
    const client = await connect();
    servers[0]!.node.refuseAll = 'SIGNATURE_INVALID';
    expect((await client.submit(await signedTransfer(chain))).code).toBe('OK');

    const expired = await signedTransfer(chain, { validFor: 0 });
    const failure = await client.submit(expired).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RefusedError);
    expect(servers.filter(({ node }) => node.submitted > 0)).toHaveLength(3);
  });

  it('waits and tries again while validators have no room, then says so', async () => {
    await start(1);
    const client = await connect();
    servers[0]!.node.refuseAll = 'OVERLOADED';
    const transaction = await signedTransfer(chain);
    await expect(client.submit(transaction, { timeoutMs: 400 })).rejects.toMatchObject({
      code: 'OVERLOADED',
      reason: 'OVERLOADED',
    });
    const waiting = client.submit(transaction);
    await until(() => servers[0]!.node.submitted > 3);
    servers[0]!.node.refuseAll = undefined;
    expect((await waiting).code).toBe('OK');
  });

  it('rejects with the reason of the signal, and on close with ClientClosedError', async () => {
    await start();
    const client = await connect();
    chain.held = true;
    const controller = new AbortController();
    const aborted = client.submit(await signedTransfer(chain), { signal: controller.signal });
    await until(() => servers[0]!.node.submitted === 1);
    controller.abort(new Error('changed my mind'));
    await expect(aborted).rejects.toThrow('changed my mind');
    const closed = client.submit(await signedTransfer(chain));
    await until(() => servers[0]!.node.submitted === 2);
    client.close();
    await expect(closed).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await expect(client.getStatus()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });
});

describe('false receipts', () => {
  const lies: [string, (block: StoredBlock) => StoredBlock, RegExp][] = [
    ['a header that two of four validators signed', (block) => forged(block, {}, [0, 1]), /it takes 3/],
    [
      'a header with another state root under the old certificate',
      (block) => ({
        ...forged(block, { stateRoot: new Uint8Array(32) as never }),
        certificate: block.certificate!,
      }),
      /certificate is for block/,
    ],
    [
      'a signature of one validator twice',
      (block) => ({
        ...block,
        certificate: {
          ...block.certificate!,
          signatures: [0, 1, 1].map((at) => block.certificate!.signatures[at]!),
        },
      }),
      /./,
    ],
    [
      'a result that is not in the block',
      (block) => {
        const [txId] = chain.locations.keys();
        const result = encodeTransactionResult({
          txId: new Uint8Array(Buffer.from(txId!, 'hex')) as never,
          code: 'INSUFFICIENT_FUNDS',
          failedOperation: 1,
        });
        return { ...block, results: [result] };
      },
      /audit path/,
    ],
    [
      'a header of another chain',
      (block) => forged(block, { chainId: new Uint8Array(32) as never }),
      /chain/,
    ],
  ];

  it.each(lies)('rejects %s', async (_what, tamper, message) => {
    await start();
    const client = await connect();
    servers[0]!.node.tamper = tamper;
    const failure = await client.submit(await signedTransfer(chain)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(VerificationError);
    expect((failure as VerificationError).validator).toBe(servers[0]!.address);
    expect((failure as Error).message).toMatch(message);
  });

  it('rejects the receipt of another transaction', async () => {
    await start();
    const client = await connect();
    await client.submit(await signedTransfer(chain));
    servers[0]!.node.submit = (_envelopes, number, _source, sink) => {
      setImmediate(() => sink.finalized(chain.finalBlock(1), { numbers: [number], indexes: [0] }));
      return { checked: Promise.resolve(), cancel: () => undefined };
    };
    await expect(client.submit(await signedTransfer(chain))).rejects.toThrow(/receipt is of transaction/);
  });

  it('gets the true receipt from another validator, and does not ask the liar again', async () => {
    await start(2);
    const client = await connect();
    servers[0]!.node.tamper = (block) => forged(block, {}, [0, 1]);
    expect((await client.submit(await signedTransfer(chain))).code).toBe('OK');
    const before = servers[0]!.node.submitted;
    expect((await client.submit(await signedTransfer(chain))).code).toBe('OK');
    expect(servers[0]!.node.submitted).toBe(before);
  });
});

describe('reads', () => {
  it('proves absence: an account that does not exist, an asset that is not held, also at height 0', async () => {
    await start();
    const client = await connect();
    expect(await client.getAccount('NOBODY')).toMatchObject({ account: undefined, proven: true, height: 0 });
    expect((await client.getAccount('A2', { assets: ['CHF'] })).balances).toEqual([]);
  });

  it('reads any record with its proof, and what is not there as not there', async () => {
    await start(2);
    const client = await connect();
    await client.submit(await signedTransfer(chain, { amount: 10n }));
    const keys = [stateKeys.balance('A1', 'CHF'), stateKeys.hold('A1', 'H1')];
    const { height, values } = await client.getState(keys);
    expect([height, values[0] === undefined, values[1]]).toEqual([1, false, undefined]);
    expect(await readGovernance(client)).toMatchObject({
      height: 1,
      value: { rulesVersion: 1, scheduled: [] },
    });
    expect((await readHold(client, 'A1', 'H1', { height: asHeight(0) })).value).toBeUndefined();
    // One that lies about a key is passed over for one that does not.
    for (const { node } of servers.slice(0, 1))
      node.tamperProof = (proof) => ({ ...proof, key: 'account/B1' });
    expect((await client.getState(keys)).values).toEqual(values);
  });

  it('reads a former height', async () => {
    await start();
    const client = await connect();
    await client.submit(await signedTransfer(chain, { amount: 10n }));
    await client.submit(await signedTransfer(chain, { amount: 10n }));
    const state = await client.getAccount('A1', { height: asHeight(1) });
    expect(state).toMatchObject({ height: 1, balances: [{ amount: 999_990n }] });
  });

  it('rejects a proof with another value, of another key, or under an uncertified header', async () => {
    for (const [tamper, message] of [
      [(proof) => ({ ...proof, value: new Uint8Array([10, 1, 57]) }), /does not prove/],
      [(proof) => ({ ...proof, key: 'account/B1' }), /not of/],
      [
        (proof) => {
          const { certificate: _, ...bare } = proof;
          return bare;
        },
        /without a certificate/,
      ],
    ] as [FakeNode['tamperProof'], RegExp][]) {
      await start();
      const client = await connect();
      await client.submit(await signedTransfer(chain));
      servers[0]!.node.tamperProof = tamper;
      const failure = await client.getAccount('A1').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(VerificationError);
      expect((failure as Error).message).toMatch(message);
    }
  });

  it('does not read below what it has seen: a validator that is behind is passed over', async () => {
    await start(2);
    const client = await connect({ preferredValidator: 1 });
    await client.submit(await signedTransfer(chain, { amount: 1n }));
    const behind = servers[1]!.node;
    const head = behind.head.bind(behind);
    behind.head = () => chain.blocks[0]!;
    expect((await client.getAccount('A1')).height).toBe(1);
    behind.head = head;
  });

  it('gives blocks with checked content, and the transaction by its id', async () => {
    await start();
    const client = await connect();
    const transaction = await signedTransfer(chain);
    await client.submit(transaction);
    const block = await client.getBlock(asHeight(1), { transactions: true });
    expect(block.transactions).toHaveLength(1);
    expect(block.results).toMatchObject([{ code: 'OK', txId: transaction.txId }]);
    expect((await client.getBlock(asHeight(0))).header.height).toBe(0);
    const known = await client.getTransaction(transaction.txId);
    expect(known).toMatchObject({ height: 1, code: 'OK' });
    servers[0]!.node.tamper = (stored) => ({
      ...stored,
      envelopes: [...stored.envelopes, ...stored.envelopes],
    });
    await expect(client.getBlock(asHeight(1), { transactions: true })).rejects.toBeInstanceOf(
      VerificationError,
    );
  });

  it('iterates over accounts and history across pages', async () => {
    await start();
    const client = await connect();
    for (let index = 0; index < 3; index++) await client.submit(await signedTransfer(chain));
    const accounts: string[] = [];
    for await (const { account } of client.listAccounts({ pageSize: 2 })) accounts.push(account!.account);
    expect(accounts).toEqual(['A1', 'A2', 'B1']);
    const heights: number[] = [];
    for await (const { height } of client.history('A1', { pageSize: 2 })) heights.push(height);
    expect(heights).toEqual([3, 2, 1]);
  });

  it('tells the reason of a refused read, and that nobody answers', async () => {
    await start();
    const client = await connect();
    await expect(client.getTransaction(new Uint8Array(32) as never)).rejects.toMatchObject({
      code: 'TRANSACTION_NOT_FOUND',
    });
    await expect(client.getAccount('A1', { height: asHeight(99) })).rejects.toMatchObject({
      code: 'HEIGHT_NOT_REACHED',
    });
    await servers[0]!.server.close(0);
    await expect(client.getStatus({ timeoutMs: 200 })).rejects.toBeInstanceOf(UnavailableError);
  });

  it('gives the status of all validators, those that do not answer included', async () => {
    await start(2);
    await servers[1]!.server.close(0);
    const client = await connect();
    const [first, second] = await client.getStatusOfAll({ timeoutMs: 2000 });
    expect(first).toMatchObject({ address: servers[0]!.address, status: { validator: 'v0', height: 0 } });
    expect(second).toMatchObject({ error: { code: 'UNAVAILABLE' } });
  });
});

describe('certificates', () => {
  it('are replaced while calls run and without a new client', async () => {
    await start();
    const client = await connect();
    chain.held = true;
    const running = client.submit(await signedTransfer(chain));
    await until(() => servers[0]!.node.submitted === 1);
    const next = await TestPki.create();
    servers[0]!.server.reloadTls(await next.issue('validator', 'v0'));
    client.reloadTls(await next.issue('member', 'alpha'));
    expect((await client.getStatus()).validator).toBe('v0');
    chain.release();
    expect((await running).code).toBe('OK');
    expect(servers[0]!.node.submitted).toBe(1);
  });
});

describe('whom the client talks to', () => {
  it('refuses a server that is another validator than named, or only a member', async () => {
    await start(1);
    const address = servers[0]!.address;
    const other = await connect({ validators: [{ address, id: 'v1' }] });
    await expect(other.getStatus({ timeoutMs: 200 })).rejects.toBeInstanceOf(UnavailableError);
    servers[0]!.server.reloadTls(await pki.issue('member', 'beta'));
    const any = await connect({ validators: [{ address }] });
    await expect(any.getStatus({ timeoutMs: 200 })).rejects.toBeInstanceOf(UnavailableError);
  });
});
