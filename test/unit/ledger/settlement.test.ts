import { describe, expect, it } from '@jest/globals';
import {
  decodeHold,
  type CaptureHold,
  type Exchange,
  type ExchangeLeg,
  type Operation,
  type PlaceHold,
  type ReleaseHold,
  type TransactionResult,
} from '../../../src/codec/index.js';
import { sha256 } from '../../../src/crypto/index.js';
import { authorizationReads, authorize, checkInvariants, stateKeys } from '../../../src/ledger/index.js';
import { asAmount, asHeight, limits } from '../../../src/types/index.js';
import {
  balanceIn,
  policyOf,
  testGenesis,
  TestLedger,
  transactionOf,
  transferOf,
} from '../../helpers/ledger.js';

const genesis = testGenesis({
  rulesVersion: 2,
  accounts: [
    { account: 'alpha-1', owner: 'alpha', openedHeight: asHeight(0) },
    { account: 'alpha-2', owner: 'alpha', policy: policyOf(2, 'a', 'b'), openedHeight: asHeight(0) },
    { account: 'beta-1', owner: 'beta', openedHeight: asHeight(0) },
    { account: 'central-1', owner: 'central', openedHeight: asHeight(0) },
  ],
  balances: [
    { account: 'alpha-1', asset: 'CHF', amount: asAmount(1000n) },
    { account: 'alpha-2', asset: 'CHF', amount: asAmount(1000n) },
    { account: 'beta-1', asset: 'EUR', amount: asAmount(1000n) },
  ],
});
/** Time of the block at a height, as TestLedger has it. */
const timeAt = (height: number): number => 1_800_000_000_000 + height;
const none = new Uint8Array(0);

const place = (change: Partial<PlaceHold> = {}): PlaceHold => ({
  kind: 'placeHold',
  holdId: 'H1',
  fromAccount: 'alpha-1',
  toAccount: 'beta-1',
  asset: 'CHF',
  amount: asAmount(600n),
  captor: 'beta',
  expiresUnixMs: timeAt(10),
  hashLock: none,
  endToEndId: '',
  memo: '',
  ...change,
});
const capture = (amount: bigint, change: Partial<CaptureHold> = {}): CaptureHold => ({
  kind: 'captureHold',
  holdId: 'H1',
  fromAccount: 'alpha-1',
  toAccount: 'beta-1',
  asset: 'CHF',
  amount: asAmount(amount),
  preimage: none,
  ...change,
});
const release = (amount: bigint, change: Partial<ReleaseHold> = {}): ReleaseHold => ({
  kind: 'releaseHold',
  holdId: 'H1',
  fromAccount: 'alpha-1',
  asset: 'CHF',
  amount: asAmount(amount),
  ...change,
});

/** A ledger of which every state is checked. */
class Books {
  readonly ledger = new TestLedger(genesis);

  /** The result of operations in a block of their own. */
  run(
    sender: string,
    operations: Operation | readonly Operation[],
    ...cosigners: string[]
  ): TransactionResult {
    const transaction = transactionOf({
      sender,
      operations: 'kind' in operations ? [operations] : operations,
      signers: [sender, ...cosigners],
      validUntil: this.ledger.height + 3,
    });
    const [result] = this.ledger.block([transaction]).results;
    expect(checkInvariants(this.ledger.state).violations).toEqual([]);
    return result!;
  }

  code(sender: string, operations: Operation | readonly Operation[], ...cosigners: string[]): string {
    return this.run(sender, operations, ...cosigners).code;
  }

  /** Lets ledger time pass, up to just before the block at a height. */
  until(height: number): void {
    while (this.ledger.height < height - 1) this.ledger.block([]);
  }

  balance(account: string, asset = 'CHF'): bigint {
    return balanceIn(this.ledger.state, account, asset);
  }

  hold(id = 'H1', account = 'alpha-1') {
    const bytes = this.ledger.state.get(stateKeys.hold(account, id));
    if (bytes === undefined) return undefined;
    const decoded = decodeHold(bytes);
    if (!decoded.ok) throw decoded.error;
    return decoded.value;
  }
}

describe('a hold', () => {
  it('sets units aside, pays them out in parts, and gives back the rest', () => {
    const books = new Books();
    expect(books.code('alpha', place())).toBe('OK');
    expect(books.balance('alpha-1')).toBe(400n);
    expect(books.hold()).toMatchObject({ amount: 600n, remaining: 600n, captor: 'beta', placedHeight: 1 });
    expect(books.code('beta', capture(250n))).toBe('OK');
    expect(books.code('beta', capture(50n))).toBe('OK');
    expect(books.balance('beta-1')).toBe(300n);
    expect(books.hold()).toMatchObject({ amount: 600n, remaining: 300n });
    expect(books.code('beta', release(300n))).toBe('OK');
    expect(books.balance('alpha-1')).toBe(700n);
    expect(books.hold()).toBeUndefined();
    expect(books.code('beta', capture(1n))).toBe('UNKNOWN_HOLD');
  });

  it('is given back in parts, and for no more than is left', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.code('beta', release(200n))).toBe('OK');
    expect(books.hold()).toMatchObject({ amount: 600n, remaining: 400n });
    expect(books.run('beta', release(401n))).toMatchObject({
      code: 'HOLD_EXCEEDED',
      detail: { subject: 'hold/alpha-1/H1', actual: '400', needed: '401' },
    });
    expect(books.balance('alpha-1')).toBe(600n);
  });

  it('ends with the last unit, and its id is free again', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.run('alpha', place())).toMatchObject({
      code: 'HOLD_EXISTS',
      detail: { subject: 'hold/alpha-1/H1' },
    });
    expect(books.code('beta', capture(600n))).toBe('OK');
    expect(books.hold()).toBeUndefined();
    expect(books.code('alpha', place({ amount: asAmount(400n) }))).toBe('OK');
  });

  it('can be captured and given back in one transaction', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.code('beta', [capture(100n), release(500n)])).toBe('OK');
    expect([books.balance('alpha-1'), books.balance('beta-1')]).toEqual([900n, 100n]);
  });

  it('is not money that can be spent', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.run('alpha', transferOf('alpha-1', 'beta-1', 401n))).toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      failedOperation: 1,
      detail: { subject: 'balance/alpha-1/CHF', actual: '400', needed: '401' },
    });
  });

  it('pays nothing from its expiry on; then the payer takes it back, and not before', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.run('alpha', release(600n))).toMatchObject({
      code: 'HOLD_NOT_EXPIRED',
      detail: { actual: String(timeAt(2)), needed: String(timeAt(10)) },
    });
    books.until(9);
    expect(books.code('beta', capture(1n))).toBe('OK');
    expect(books.run('beta', capture(1n))).toMatchObject({
      code: 'HOLD_EXPIRED',
      detail: { actual: String(timeAt(10)), needed: String(timeAt(10)) },
    });
    expect(books.code('central', release(599n))).toBe('NOT_CAPTOR');
    expect(books.code('alpha', release(599n))).toBe('OK');
    expect(books.balance('alpha-1')).toBe(999n);
  });

  it('of an account with its own keys is placed and taken back only with these', () => {
    const books = new Books();
    const own = { fromAccount: 'alpha-2' };
    const probe = transactionOf({ sender: 'alpha', operations: [place(own)], validUntil: 3 });
    expect(books.ledger.block([probe]).inadmissible).toEqual([0]);
    expect(books.code('alpha', place({ ...own, expiresUnixMs: timeAt(4) }), 'a', 'b')).toBe('OK');
    books.until(4);
    expect(books.code('alpha', release(600n, own), 'a')).toBe('ACCOUNT_NOT_AUTHORIZED');
    expect(books.code('alpha', release(600n, own), 'a', 'b')).toBe('OK');
  });

  it('may be in the hands of an agent', () => {
    const books = new Books();
    books.run('alpha', place({ captor: 'central' }));
    expect(books.run('beta', capture(1n))).toMatchObject({
      code: 'NOT_CAPTOR',
      detail: { actual: 'beta', needed: 'central' },
    });
    expect(books.code('beta', release(600n))).toBe('NOT_CAPTOR');
    expect(books.code('central', capture(600n))).toBe('OK');
    expect(books.balance('beta-1')).toBe(600n);
  });

  it.each<[string, Operation, string]>([
    ['of nothing that exists', place({ fromAccount: 'nobody' }), 'UNKNOWN_ACCOUNT'],
    ['for nobody', place({ toAccount: 'nobody' }), 'UNKNOWN_ACCOUNT'],
    ["of another's account", place({ fromAccount: 'beta-1', toAccount: 'alpha-1' }), 'NOT_ACCOUNT_OWNER'],
    ['for the same account', place({ toAccount: 'alpha-1' }), 'SAME_ACCOUNT'],
    ['of no asset', place({ asset: 'XAU' }), 'UNKNOWN_ASSET'],
    ['for no captor', place({ captor: 'nobody' }), 'UNKNOWN_MEMBER'],
    ['that has expired', place({ expiresUnixMs: timeAt(1) }), 'DEADLINE_PASSED'],
    ['of more than there is', place({ amount: asAmount(1001n) }), 'INSUFFICIENT_FUNDS'],
  ])('refuses one %s', (_name, operation, code) => {
    const books = new Books();
    expect(books.code('alpha', operation)).toBe(code);
    expect(books.balance('alpha-1')).toBe(1000n);
  });

  it('is captured as it was placed, and for no more', () => {
    const books = new Books();
    books.run('alpha', place());
    expect(books.run('beta', capture(601n))).toMatchObject({
      code: 'HOLD_EXCEEDED',
      detail: { subject: 'hold/alpha-1/H1', actual: '600', needed: '601' },
    });
    expect(books.code('beta', capture(1n, { toAccount: 'central-1' }))).toBe('UNKNOWN_HOLD');
    expect(books.code('beta', capture(1n, { asset: 'EUR' }))).toBe('UNKNOWN_HOLD');
    expect(books.code('beta', capture(1n, { preimage: new Uint8Array(32) }))).toBe('PREIMAGE_MISMATCH');
    expect(books.code('beta', release(600n, { asset: 'EUR' }))).toBe('UNKNOWN_HOLD');
    expect(books.hold()?.remaining).toBe(600n);
  });
});

describe('a hold with a hash lock', () => {
  const secret = new Uint8Array(32).fill(9);
  const locked = place({ hashLock: sha256(secret) });

  it('is paid against the preimage only', () => {
    const books = new Books();
    books.run('alpha', locked);
    expect(books.code('beta', capture(600n))).toBe('PREIMAGE_MISMATCH');
    expect(books.code('beta', capture(600n, { preimage: new Uint8Array(32) }))).toBe('PREIMAGE_MISMATCH');
    expect(books.code('beta', capture(600n, { preimage: secret }))).toBe('OK');
  });

  it('settles two ledgers or none: the preimage that pays here is what is needed there', () => {
    const [here, there] = [new Books(), new Books()];
    // Alpha knows the secret; beta's promise on the other ledger ends earlier.
    here.run(
      'beta',
      place({
        ...locked,
        fromAccount: 'beta-1',
        toAccount: 'alpha-1',
        asset: 'EUR',
        captor: 'alpha',
        expiresUnixMs: timeAt(5),
      }),
    );
    there.run('alpha', locked);
    const taken = capture(600n, {
      fromAccount: 'beta-1',
      toAccount: 'alpha-1',
      asset: 'EUR',
      preimage: secret,
    });
    expect(here.code('alpha', taken)).toBe('OK');
    expect(there.code('beta', capture(600n, { preimage: taken.preimage }))).toBe('OK');
    // Or alpha never shows it: both get their own back.
    const [unused, other] = [new Books(), new Books()];
    unused.run(
      'beta',
      place({
        ...locked,
        fromAccount: 'beta-1',
        toAccount: 'alpha-1',
        asset: 'EUR',
        captor: 'alpha',
        expiresUnixMs: timeAt(5),
      }),
    );
    other.run('alpha', locked);
    for (const [books, sender, back] of [
      [unused, 'beta', release(600n, { fromAccount: 'beta-1', asset: 'EUR' })],
      [other, 'alpha', release(600n)],
    ] as const) {
      books.until(10);
      expect(books.code(sender, back)).toBe('OK');
    }
    expect([unused.balance('beta-1', 'EUR'), other.balance('alpha-1')]).toEqual([1000n, 1000n]);
  });
});

const leg = (fromAccount: string, toAccount: string, asset: string, amount: bigint): ExchangeLeg => ({
  fromAccount,
  toAccount,
  asset,
  amount: asAmount(amount),
});
const exchangeOf = (legs: readonly ExchangeLeg[], change: Partial<Exchange> = {}): Exchange => ({
  kind: 'exchange',
  parties: ['alpha', 'beta'],
  legs,
  deadlineUnixMs: timeAt(5),
  reference: 'TRADE-1',
  ...change,
});
const swap = [leg('alpha-1', 'beta-1', 'CHF', 95n), leg('beta-1', 'alpha-1', 'EUR', 100n)];

describe('an exchange', () => {
  it('settles all legs, signed by all parties', () => {
    const books = new Books();
    expect(books.code('alpha', exchangeOf(swap), 'beta')).toBe('OK');
    expect([books.balance('alpha-1'), books.balance('alpha-1', 'EUR')]).toEqual([905n, 100n]);
    expect([books.balance('beta-1'), books.balance('beta-1', 'EUR')]).toEqual([95n, 900n]);
  });

  it('may be sent by somebody who is no party', () => {
    expect(new Books().code('central', exchangeOf(swap), 'alpha', 'beta')).toBe('OK');
  });

  it('covers what is paid by what is received, in any order of the legs', () => {
    const ring = [
      leg('central-1', 'alpha-1', 'CHF', 500n),
      leg('beta-1', 'central-1', 'CHF', 500n),
      leg('alpha-1', 'beta-1', 'CHF', 500n),
    ];
    for (const legs of [ring, [...ring].reverse()]) {
      const books = new Books();
      const all = exchangeOf(legs, { parties: ['alpha', 'beta', 'central'] });
      expect(books.code('alpha', all, 'beta', 'central')).toBe('OK');
      expect(books.balance('alpha-1')).toBe(1000n);
    }
  });

  it('settles nothing when one leg is not covered', () => {
    const books = new Books();
    const legs = [leg('alpha-1', 'beta-1', 'CHF', 95n), leg('beta-1', 'alpha-1', 'EUR', 1001n)];
    expect(books.run('alpha', exchangeOf(legs), 'beta')).toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      detail: { subject: 'balance/beta-1/EUR', actual: '1000', needed: '1001' },
    });
    expect(books.balance('alpha-1')).toBe(1000n);
  });

  it('is in no block without the signatures of every party and of every account that pays', () => {
    const books = new Books();
    const judged = (operation: Exchange, ...signers: string[]) => {
      const transaction = transactionOf({ sender: 'alpha', operations: [operation], signers, validUntil: 3 });
      const declared = new Set(authorizationReads(transaction));
      const door = authorize(transaction, {
        get: (key) => {
          if (!declared.has(key)) throw new Error(`"${key}" was not declared`);
          return books.ledger.state.get(key);
        },
      });
      const output = books.ledger.block([transaction]);
      return [door, output.results[0]?.code, output.inadmissible.length];
    };
    expect(judged(exchangeOf(swap), 'alpha')).toEqual(['PARTY_NOT_AUTHORIZED', 'PARTY_NOT_AUTHORIZED', 1]);
    const own = exchangeOf([leg('alpha-2', 'beta-1', 'CHF', 95n), swap[1]!]);
    expect(judged(own, 'alpha', 'beta', 'a')).toEqual([
      'ACCOUNT_NOT_AUTHORIZED',
      'ACCOUNT_NOT_AUTHORIZED',
      1,
    ]);
    expect(judged(own, 'alpha', 'beta', 'a', 'b')).toEqual(['OK', 'OK', 0]);
  });

  it.each<[string, Exchange, string]>([
    ['after its deadline', exchangeOf(swap, { deadlineUnixMs: timeAt(0) }), 'DEADLINE_PASSED'],
    [
      'with a party that does not exist',
      exchangeOf(swap, { parties: ['alpha', 'beta', 'nobody'] }),
      'UNKNOWN_MEMBER',
    ],
    [
      'with an account of no party',
      exchangeOf([...swap, leg('alpha-1', 'central-1', 'CHF', 1n)]),
      'NOT_A_PARTY',
    ],
    [
      'with an account that does not exist',
      exchangeOf([...swap, leg('alpha-1', 'nobody', 'CHF', 1n)]),
      'UNKNOWN_ACCOUNT',
    ],
    [
      'with an asset that does not exist',
      exchangeOf([...swap, leg('alpha-1', 'beta-1', 'XAU', 1n)]),
      'UNKNOWN_ASSET',
    ],
    ['with a leg to itself', exchangeOf([...swap, leg('alpha-1', 'alpha-1', 'CHF', 1n)]), 'SAME_ACCOUNT'],
  ])('is refused %s', (_name, operation, code) => {
    const books = new Books();
    expect(books.code('alpha', operation, 'beta')).toBe(code);
    expect(books.balance('alpha-1')).toBe(1000n);
  });

  it('of the most legs and amounts that there may be stays exact', () => {
    const books = new Books();
    const legs = Array.from({ length: limits.maxExchangeLegs }, (_, index) =>
      index % 2 === 0
        ? leg('alpha-1', 'beta-1', 'CHF', limits.maxAmount)
        : leg('beta-1', 'alpha-1', 'CHF', limits.maxAmount),
    );
    expect(books.code('alpha', exchangeOf(legs), 'beta')).toBe('OK');
    expect([books.balance('alpha-1'), books.balance('beta-1')]).toEqual([1000n, 0n]);
  });
});

describe('under version 1 of the rules', () => {
  it('holds and exchanges are refused at the door and are in no block, and refusals have no details', () => {
    const ledger = new TestLedger(testGenesis());
    for (const operation of [place(), capture(1n), release(1n), exchangeOf(swap)]) {
      const transaction = transactionOf({ sender: 'alpha', operations: [operation], validUntil: 3 });
      expect(authorize(transaction, { get: (key) => ledger.state.get(key) })).toBe('RULES_NOT_ACTIVE');
      const output = ledger.block([transaction]);
      expect(output.inadmissible).toEqual([0]);
      expect(output.results[0]?.code).toBe('RULES_NOT_ACTIVE');
    }
    const poor = transactionOf({
      sender: 'alpha',
      operations: [transferOf('alpha-1', 'beta-1', 5000n)],
      validUntil: 9,
    });
    expect(ledger.block([poor]).results[0]).toEqual({
      txId: poor.txId,
      code: 'INSUFFICIENT_FUNDS',
      failedOperation: 1,
    });
  });
});
