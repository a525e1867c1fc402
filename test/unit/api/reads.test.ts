import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import type { CallOptions, ServiceError } from '@grpc/grpc-js';
import { decodeBalance } from '../../../src/codec/index.js';
import type { GetAccountResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/GetAccountResponse.js';
import type { GetBlockResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/GetBlockResponse.js';
import type { GetStateResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/GetStateResponse.js';
import type { GetTransactionResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/GetTransactionResponse.js';
import type { LedgerServiceClient } from '../../../src/codec/wire/quaestor/ledger/v1/LedgerService.js';
import type { ListAccountHistoryResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/ListAccountHistoryResponse.js';
import type { ListAccountsResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/ListAccountsResponse.js';
import { headerDigest } from '../../../src/crypto/index.js';
import type { SignedTransaction } from '../../../src/client/index.js';
import {
  grpcCredentials,
  invoke,
  rawClient,
  serve,
  signedTransfer,
  TestPki,
  type TestServer,
} from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';

let chain: FakeChain;
let server: TestServer;
let client: LedgerServiceClient;
const transactions: SignedTransaction[] = [];

/** Commits a transaction in a block of its own, beside the api. */
async function commit(transaction: SignedTransaction): Promise<void> {
  transactions.push(transaction);
  chain.held = true;
  const sink = { finalized: () => undefined, refused: () => undefined };
  expect(chain.admit(transaction.bytes, 0, sink, { open: true })).toBeUndefined();
  await chain.commit();
}

beforeAll(async () => {
  const pki = await TestPki.create();
  chain = await FakeChain.create({ extraAccounts: 250 });
  server = await serve(new FakeNode(chain), pki);
  client = rawClient(server.address, grpcCredentials(await pki.issue('operator', 'olga')));
  for (let index = 0; index < 5; index++) await commit(await signedTransfer(chain, { amount: 100n }));
});

afterAll(async () => {
  client.close();
  await server.server.close(100);
});

type Method =
  | 'getAccount'
  | 'getBlock'
  | 'getState'
  | 'getTransaction'
  | 'listAccounts'
  | 'listAccountHistory'
  | 'getStatus';

function call<Response>(method: Method, request: object): ReturnType<typeof invoke<object, Response>> {
  return invoke<object, Response>((body, options, callback) => {
    const run = client[method].bind(client) as unknown as (
      body: object,
      options: CallOptions,
      callback: (error: ServiceError | null, response?: Response) => void,
    ) => unknown;
    return run(body, options, callback);
  }, request);
}

describe('GetStatus', () => {
  it('says where the node stands', async () => {
    const { response } = await call<Record<string, unknown>>('getStatus', {});
    expect(response).toMatchObject({
      network: 'testnet',
      validator: 'v0',
      height: 5,
      validators: 4,
      quorum: 3,
    });
    expect(response!['chainId']).toEqual(Buffer.from(chain.chainId));
  });
});

describe('GetTransaction', () => {
  it('gives the envelope as it was submitted and its receipt', async () => {
    const { response } = await call<GetTransactionResponse__Output>('getTransaction', {
      txId: transactions[2]!.txId,
    });
    expect(response!.receipt).toMatchObject({ index: 0, header: Buffer.from(chain.blocks[3]!.headerBytes) });
    expect(response!.envelope!.signatures).toHaveLength(1);
  });

  it('says NOT_FOUND for an unknown id, INVALID_ARGUMENT for one of another length', async () => {
    const unknown = await call('getTransaction', { txId: new Uint8Array(32) });
    expect([unknown.error!.code, unknown.info!.reason]).toEqual([status.NOT_FOUND, 'TRANSACTION_NOT_FOUND']);
    const short = await call('getTransaction', { txId: new Uint8Array(31) });
    expect([short.error!.code, short.info!.metadata]).toEqual([status.INVALID_ARGUMENT, { field: 'tx_id' }]);
  });
});

describe('GetBlock', () => {
  it('gives the latest block without a height, and its digest is that of its bytes', async () => {
    const { response } = await call<GetBlockResponse__Output>('getBlock', {});
    expect(response!.header!.height).toBe(5);
    expect(response!.digest).toEqual(Buffer.from(headerDigest(response!.headerBytes)));
    expect(response!.transactions).toEqual([]);
  });

  it('gives transactions and results when asked', async () => {
    const { response } = await call<GetBlockResponse__Output>('getBlock', {
      height: 2,
      includeTransactions: true,
    });
    expect(response!.transactions).toHaveLength(1);
    expect(response!.results).toMatchObject([{ code: 'RESULT_CODE_OK' }]);
  });

  it('gives the genesis block without a certificate', async () => {
    const { response } = await call<GetBlockResponse__Output>('getBlock', { height: 0 });
    expect(response!.header!.height).toBe(0);
    expect(response!.certificate).toBeNull();
  });

  it('refuses heights that do not exist yet, are no longer kept, or are none', async () => {
    const future = await call('getBlock', { height: 6 });
    expect([future.error!.code, future.info!.reason]).toEqual([status.NOT_FOUND, 'BLOCK_NOT_FOUND']);
    server.node.oldest = 3;
    const pruned = await call('getBlock', { height: 2 });
    server.node.oldest = 1;
    expect([pruned.error!.code, pruned.info!.reason]).toEqual([status.OUT_OF_RANGE, 'HEIGHT_NOT_RETAINED']);
    const absurd = await call('getBlock', { height: '18446744073709551615' });
    expect([absurd.error!.code, absurd.info!.reason]).toEqual([status.INVALID_ARGUMENT, 'INVALID_FIELD']);
  });
});

describe('GetAccount', () => {
  it('gives account and balances at the latest height', async () => {
    const { response } = await call<GetAccountResponse__Output>('getAccount', { account: 'A1' });
    expect(response).toMatchObject({
      account: { account: 'A1', owner: 'alpha' },
      balances: [{ asset: 'CHF', amount: '999500', exponent: 2 }],
      height: 5,
      proofs: [],
    });
  });

  it('gives the balances of an earlier height', async () => {
    const { response } = await call<GetAccountResponse__Output>('getAccount', { account: 'A1', height: 2 });
    expect(response!.balances[0]!.amount).toBe('999800');
  });

  it('adds a proof of the account first, then one for each asset asked for, absent ones included', async () => {
    const { response } = await call<GetAccountResponse__Output>('getAccount', {
      account: 'A1',
      includeProof: true,
      assets: ['EUR', 'CHF'],
    });
    expect(response!.balances.map(({ asset }) => asset)).toEqual(['CHF']);
    expect(response!.proofs.map(({ key }) => key)).toEqual([
      'account/A1',
      'balance/A1/EUR',
      'balance/A1/CHF',
    ]);
    const [, absent, held] = response!.proofs;
    expect(absent!.value).toBeUndefined();
    const balance = decodeBalance(held!.value!);
    expect(balance.ok && balance.value.amount).toBe(999_500n);
  });

  it('proves that an account does not exist when a proof is asked for, and says NOT_FOUND otherwise', async () => {
    const proven = await call<GetAccountResponse__Output>('getAccount', {
      account: 'NOBODY',
      includeProof: true,
    });
    expect(proven.response!.account).toBeNull();
    expect(proven.response!.proofs.map(({ key }) => key)).toEqual(['account/NOBODY']);
    const plain = await call('getAccount', { account: 'NOBODY' });
    expect([plain.error!.code, plain.info!.reason]).toEqual([status.NOT_FOUND, 'ACCOUNT_NOT_FOUND']);
  });

  it('refuses ids that are none and heights that are not reached or not kept', async () => {
    expect((await call('getAccount', { account: 'a/b' })).info!.metadata).toEqual({ field: 'account' });
    expect((await call('getAccount', { account: '' })).info!.reason).toBe('INVALID_FIELD');
    expect((await call('getAccount', { account: 'A1', assets: ['no such'] })).info!.reason).toBe(
      'INVALID_FIELD',
    );
    expect((await call('getAccount', { account: 'A1', height: 6 })).info!.reason).toBe('HEIGHT_NOT_REACHED');
    server.node.oldest = 4;
    const pruned = await call('getAccount', { account: 'A1', height: 3 });
    server.node.oldest = 1;
    expect(pruned.info!.reason).toBe('HEIGHT_NOT_RETAINED');
  });
});

describe('GetState', () => {
  it('proves records and the absence of others, in the order of the keys, at any height that is kept', async () => {
    const keys = ['balance/A1/CHF', 'hold/A1/NONE', 'parameters'];
    const { response } = await call<GetStateResponse__Output>('getState', { keys, height: 2 });
    expect(response!.height).toBe(2);
    expect(response!.proofs.map(({ key, value }) => [key, value !== undefined])).toEqual([
      ['balance/A1/CHF', true],
      ['hold/A1/NONE', false],
      ['parameters', true],
    ]);
    const balance = decodeBalance(response!.proofs[0]!.value!);
    expect(balance.ok && balance.value.amount).toBe(999_800n);
  });

  it('refuses none, too many and absurd keys, and heights that are not there', async () => {
    const reason = async (request: object) => (await call('getState', request)).info!.reason;
    expect(await reason({ keys: [] })).toBe('INVALID_FIELD');
    expect(await reason({ keys: Array.from({ length: 65 }, (_, index) => `key ${index}`) })).toBe(
      'INVALID_FIELD',
    );
    expect(await reason({ keys: ['k'.repeat(129)] })).toBe('INVALID_FIELD');
    expect(await reason({ keys: [''] })).toBe('INVALID_FIELD');
    expect(await reason({ keys: ['parameters'], height: 6 })).toBe('HEIGHT_NOT_REACHED');
  });
});

describe('ListAccounts', () => {
  /** All pages. */
  async function pages(request: object): Promise<ListAccountsResponse__Output[]> {
    const all: ListAccountsResponse__Output[] = [];
    let pageToken = '';
    do {
      const { response, error } = await call<ListAccountsResponse__Output>('listAccounts', {
        ...request,
        pageToken,
      });
      if (error !== undefined) throw error;
      all.push(response!);
      pageToken = response!.nextPageToken;
    } while (pageToken !== '');
    return all;
  }

  it('pages through all accounts in order, each once, at one height though the chain goes on', async () => {
    const first = await call<ListAccountsResponse__Output>('listAccounts', { pageSize: 60 });
    await commit(await signedTransfer(chain));
    const rest = await pages({ pageSize: 60, pageToken: '' });
    const next = await call<ListAccountsResponse__Output>('listAccounts', {
      pageSize: 60,
      pageToken: first.response!.nextPageToken,
    });
    expect(next.response!.height).toBe(first.response!.height);
    const ids = rest.flatMap(({ accounts }) => accounts.map(({ account }) => account!.account));
    expect(ids).toHaveLength(253);
    expect([...new Set(ids)].sort()).toEqual(ids);
    expect(rest.map(({ accounts }) => accounts.length)).toEqual([60, 60, 60, 60, 13]);
  });

  it('filters by owner', async () => {
    const found = (await pages({ owner: 'beta', pageSize: 50 })).flatMap(({ accounts }) => accounts);
    expect(found).toHaveLength(126);
    expect(new Set(found.map(({ account }) => account!.owner))).toEqual(new Set(['beta']));
  });

  it('takes 0 as the default size and coerces larger sizes to the most', async () => {
    const byDefault = await call<ListAccountsResponse__Output>('listAccounts', {});
    expect(byDefault.response!.accounts).toHaveLength(100);
    const large = await call<ListAccountsResponse__Output>('listAccounts', { pageSize: 1_000_000 });
    expect(large.response!.accounts).toHaveLength(253);
    expect((await call('listAccounts', { pageSize: -1 })).info!.reason).toBe('INVALID_FIELD');
  });

  it('refuses a token of other arguments, a damaged and a made-up one', async () => {
    const { response } = await call<ListAccountsResponse__Output>('listAccounts', { pageSize: 10 });
    const token = response!.nextPageToken;
    const damaged = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const request of [
      { owner: 'alpha', pageToken: token },
      { pageToken: damaged },
      { pageToken: 'x'.repeat(10_000) },
      { pageToken: '!' },
    ]) {
      const { error, info } = await call('listAccounts', request);
      expect([error!.code, info!.reason]).toEqual([status.INVALID_ARGUMENT, 'PAGE_TOKEN_INVALID']);
    }
    expect((await call('listAccountHistory', { account: 'A1', pageToken: token })).info!.reason).toBe(
      'PAGE_TOKEN_INVALID',
    );
  });
});

describe('ListAccountHistory', () => {
  it('pages through the transactions of an account, newest first', async () => {
    const ids: string[] = [];
    let pageToken = '';
    do {
      const { response } = await call<ListAccountHistoryResponse__Output>('listAccountHistory', {
        account: 'A1',
        pageSize: 2,
        pageToken,
      });
      ids.push(...response!.entries.map(({ txId }) => txId.toString('hex')));
      pageToken = response!.nextPageToken;
    } while (pageToken !== '');
    expect(ids).toEqual(transactions.map(({ txId }) => Buffer.from(txId).toString('hex')).reverse());
  });
});
