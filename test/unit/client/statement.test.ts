import { describe, expect, it } from '@jest/globals';
import { readStatement, type StatementReads } from '../../../src/client/index.js';
import { encodeTransactionPayload, type Operation, type ResultCode } from '../../../src/codec/index.js';
import type { StatementEntry } from '../../../src/payments/index.js';
import { asAmount, asHeight, asTxId, toHex, type TxId } from '../../../src/types/index.js';

interface Said {
  readonly height: number;
  readonly index: number;
  readonly code: ResultCode;
  readonly operations: readonly Operation[];
}

const dayMs = 24 * 3600 * 1000;
/** Block n is of the noon of day n. */
const timeOf = (height: number): number => height * dayMs + dayMs / 2;
const idOf = ({ height, index }: Pick<Said, 'height' | 'index'>): TxId => {
  const id = new Uint8Array(32);
  id[0] = height;
  id[1] = index;
  return asTxId(id);
};

const transfer = (fromAccount: string, toAccount: string, amount: bigint): Operation => ({
  kind: 'transfer',
  fromAccount,
  toAccount,
  asset: 'EUR',
  amount: asAmount(amount),
  endToEndId: '',
  memo: '',
});

const said: readonly Said[] = [
  { height: 1, index: 0, code: 'OK', operations: [transfer('B', 'A', 100n)] },
  { height: 3, index: 0, code: 'OK', operations: [transfer('A', 'B', 30n), transfer('B', 'A', 1n)] },
  { height: 3, index: 1, code: 'INSUFFICIENT_FUNDS', operations: [transfer('A', 'B', 5_000n)] },
  {
    height: 4,
    index: 0,
    code: 'OK',
    operations: [{ kind: 'mint', asset: 'EUR', account: 'A', amount: asAmount(7n) }],
  },
  {
    height: 4,
    index: 2,
    code: 'OK',
    operations: [{ kind: 'mint', asset: 'USD', account: 'A', amount: asAmount(9n) }],
  },
  { height: 6, index: 0, code: 'OK', operations: [transfer('A', 'C', 8n)] },
];
const balances: Readonly<Record<number, bigint>> = {
  0: 0n,
  1: 100n,
  2: 100n,
  3: 71n,
  4: 78n,
  5: 78n,
  6: 70n,
};
const head = 6;

/** A validator that says what it is told to say; only what the statement reads. */
function validator(listed: readonly Said[] = said, known: readonly Said[] = said): StatementReads {
  const fake = {
    getBlock: (height: number = head) => Promise.resolve({ header: { height, timeMs: timeOf(height) } }),
    getAccount: (account: string, { height = head }: { height?: number }) =>
      Promise.resolve({
        account: account === 'A' ? { account, owner: 'alpha' } : undefined,
        balances: [{ asset: 'EUR', amount: balances[height] ?? 0n, exponent: 2 }],
        height,
      }),
    async *history() {
      await Promise.resolve();
      for (const item of [...listed].reverse()) yield { ...item, txId: idOf(item) };
    },
    getTransaction: (txId: TxId) => {
      const found = known.find((item) => toHex(idOf(item)) === toHex(txId))!;
      const payload = encodeTransactionPayload({
        sender: 'alpha',
        idempotencyKey: new Uint8Array(16),
        validUntilHeight: asHeight(100),
        operations: found.operations,
      });
      return Promise.resolve({
        ...found,
        txId,
        timeMs: timeOf(found.height),
        envelope: { payload, signatures: [] },
      });
    },
  };
  return fake as unknown as StatementReads;
}

async function read(fromDay: number, untilDay: number, source = validator(), nowMs = timeOf(100)) {
  const statement = await readStatement(source, {
    account: 'A',
    asset: 'EUR',
    fromMs: fromDay * dayMs,
    toMs: untilDay * dayMs,
    nowMs,
  });
  const entries: StatementEntry[] = [];
  for await (const entry of statement.entries) entries.push(entry);
  return { head: statement.head, entries };
}

describe('the statement of an account', () => {
  it('has what moved the account in the asset, in order, between two proven balances', async () => {
    const { head: found, entries } = await read(2, 5);
    expect(found).toMatchObject({
      owner: 'alpha',
      opening: { height: 1, amount: 100n },
      closing: { height: 4, amount: 78n },
      isClosed: true,
    });
    expect(entries.map(({ height, index, operation, amount }) => [height, index, operation, amount])).toEqual(
      [
        [3, 0, 0, -30n],
        [3, 0, 1, 1n],
        [4, 0, 0, 7n],
      ],
    );
  });

  it('begins with the genesis, and ends with the last block', async () => {
    const { head: found, entries } = await read(0, 90);
    expect(found).toMatchObject({ opening: { height: 0, amount: 0n }, closing: { height: 6, amount: 70n } });
    expect(entries).toHaveLength(5);
  });

  it('has holds, what is paid out of them and given back, and exchanges on balance', async () => {
    const hold = { holdId: 'H', fromAccount: 'A', asset: 'EUR' };
    const text = { endToEndId: 'E', memo: 'M' };
    const leg = (fromAccount: string, toAccount: string, amount: bigint, asset = 'EUR') => ({
      fromAccount,
      toAccount,
      asset,
      amount: asAmount(amount),
    });
    const operations: readonly Operation[] = [
      {
        ...{ kind: 'placeHold', ...hold, toAccount: 'B', amount: asAmount(10n), captor: 'beta' },
        ...{ expiresUnixMs: 1, hashLock: new Uint8Array(0), ...text },
      },
      { kind: 'captureHold', ...hold, toAccount: 'B', amount: asAmount(6n), preimage: new Uint8Array(0) },
      { kind: 'releaseHold', ...hold, amount: asAmount(4n) },
      {
        ...{ kind: 'exchange', parties: ['alpha'], deadlineUnixMs: 1, reference: 'R' },
        legs: [leg('A', 'B', 5n), leg('B', 'A', 3n), leg('B', 'A', 9n, 'USD'), leg('B', 'C', 1n)],
      },
      {
        ...{ kind: 'captureHold', holdId: 'H', fromAccount: 'B', toAccount: 'A', asset: 'EUR' },
        ...{ amount: asAmount(8n), preimage: new Uint8Array(0) },
      },
    ];
    const settled: readonly Said[] = [...said.slice(0, 5), { height: 5, index: 0, code: 'OK', operations }];
    // They add up to nothing, as the proven balances do.
    const { entries } = await read(5, 6, validator(settled, settled));
    expect(
      entries.map(({ operation, kind, amount, otherAccount }) => [operation, kind, amount, otherAccount]),
    ).toEqual([
      [0, 'hold', -10n, 'B'],
      [2, 'release', 4n, undefined],
      [3, 'exchange', -2n, 'B'],
      [4, 'transfer', 8n, 'B'],
    ]);
    expect(entries.map(({ endToEndId }) => endToEndId)).toEqual(['E', '', 'R', '']);
  });

  it('is open while a block of the period may follow', async () => {
    expect((await read(2, 90, validator(), timeOf(90) - dayMs)).head.isClosed).toBe(false);
    expect((await read(2, 5, validator(), timeOf(3))).head.isClosed).toBe(true);
  });

  it('is empty where nothing happened', async () => {
    expect(await read(5, 6)).toMatchObject({
      head: { opening: { amount: 78n }, closing: { amount: 78n } },
      entries: [],
    });
  });

  it.each([
    ['leaves a transaction out', said.filter(({ height }) => height !== 4)],
    ['lists one twice', [...said.slice(0, 2), said[1]!, ...said.slice(2)]],
    ['lists them in another order', [said[0]!, said[3]!, said[1]!, said[2]!, ...said.slice(4)]],
  ])('finds that a validator %s', async (_name, listed) => {
    await expect(read(2, 5, validator(listed))).rejects.toMatchObject({ code: 'STATEMENT_INCOMPLETE' });
  });

  it('says that there is no such account, and refuses an empty period', async () => {
    const options = { asset: 'EUR', fromMs: 0, toMs: dayMs };
    await expect(readStatement(validator(), { ...options, account: 'X' })).rejects.toMatchObject({
      code: 'ACCOUNT_NOT_FOUND',
    });
    await expect(readStatement(validator(), { ...options, account: 'A', toMs: 0 })).rejects.toMatchObject({
      code: 'PERIOD_EMPTY',
    });
  });
});
