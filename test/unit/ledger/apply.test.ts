import { describe, expect, it } from '@jest/globals';
import { decodeAccount, decodeBalance, decodeMember, type Operation } from '../../../src/codec/index.js';
import {
  applyBlock,
  checkInvariants,
  CommittedHashes,
  isSettledByUse,
  readsOf,
  stateKeys,
  usesIdempotencyKey,
} from '../../../src/ledger/index.js';
import { asAmount, asHeight, limits, type StateKey } from '../../../src/types/index.js';
import {
  declaredView,
  memberOf,
  policyOf,
  testGenesis,
  TestLedger,
  testParameters,
  transactionOf,
  transferOf,
} from '../../helpers/ledger.js';

const mintOf = (account: string, amount: bigint, asset = 'CHF'): Operation => ({
  kind: 'mint',
  asset,
  account,
  amount: asAmount(amount),
});
const burnOf = (account: string, amount: bigint, asset = 'CHF'): Operation => ({
  kind: 'burn',
  asset,
  account,
  amount: asAmount(amount),
});
const openOf = (account: string): Operation => ({ kind: 'createAccount', account });

function balanceOf(ledger: TestLedger, account: string, asset = 'CHF'): bigint {
  const bytes = ledger.state.get(stateKeys.balance(account, asset));
  if (bytes === undefined) return 0n;
  const decoded = decodeBalance(bytes);
  if (!decoded.ok) throw decoded.error;
  return decoded.value.amount;
}

/** The code that one transaction with these operations gets on a fresh ledger. */
function codeOf(sender: string, ...operations: Operation[]): string {
  return new TestLedger().codes(transactionOf({ sender, operations }))[0] ?? '';
}

describe('applyBlock: what takes effect', () => {
  it('moves funds and says whose history it belongs to', () => {
    const ledger = new TestLedger();
    const output = ledger.block([
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 300n)] }),
    ]);
    expect(output.results[0]).toMatchObject({ code: 'OK', failedOperation: 0 });
    expect(output.touchedAccounts).toEqual([['alpha-1', 'beta-1']]);
    expect(balanceOf(ledger, 'alpha-1')).toBe(700n);
    expect(balanceOf(ledger, 'beta-1')).toBe(1300n);
  });

  it('removes the record of a balance that becomes zero', () => {
    const ledger = new TestLedger();
    const output = ledger.block([
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 1000n)] }),
    ]);
    expect(output.writes.has(stateKeys.balance('alpha-1', 'CHF'))).toBe(true);
    expect(ledger.state.has(stateKeys.balance('alpha-1', 'CHF'))).toBe(false);
  });

  it('writes no record that ends as it began', () => {
    const ledger = new TestLedger();
    const output = ledger.block([
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 5n)] }),
      transactionOf({ sender: 'beta', operations: [transferOf('beta-1', 'alpha-1', 5n)] }),
      transactionOf({
        sender: 'alpha',
        operations: [transferOf('alpha-1', 'alpha-2', 1n), transferOf('alpha-2', 'alpha-1', 1n)],
      }),
    ]);
    expect(output.results.map(({ code }) => code)).toEqual(['OK', 'OK', 'OK']);
    expect([...output.writes.keys()]).toEqual(['applied/1']);
  });

  it('lets later operations and transactions of a block see earlier ones', () => {
    const ledger = new TestLedger();
    expect(
      ledger.codes(
        transactionOf({
          sender: 'alpha',
          operations: [
            openOf('alpha-3'),
            transferOf('alpha-1', 'alpha-3', 10n),
            transferOf('alpha-3', 'beta-1', 4n),
          ],
        }),
        transactionOf({ sender: 'beta', operations: [transferOf('beta-1', 'alpha-3', 1004n)] }),
      ),
    ).toEqual(['OK', 'OK']);
    expect(balanceOf(ledger, 'alpha-3')).toBe(1010n);
  });

  it('registers a member without roles, which can then act', () => {
    const ledger = new TestLedger();
    const registration = transactionOf({
      sender: 'central',
      operations: [{ kind: 'registerMember', member: 'gamma', name: 'Gamma', policy: policyOf(1, 'gamma') }],
    });
    expect(
      ledger.codes(registration, transactionOf({ sender: 'gamma', operations: [openOf('gamma-1')] })),
    ).toEqual(['OK', 'OK']);
    const member = decodeMember(ledger.state.get(stateKeys.member('gamma')) ?? new Uint8Array());
    expect(member.ok && member.value.roles).toEqual([]);
    const account = decodeAccount(ledger.state.get(stateKeys.account('gamma-1')) ?? new Uint8Array());
    expect(account.ok && account.value).toEqual({ account: 'gamma-1', owner: 'gamma', openedHeight: 1 });
  });

  it('mints and burns, counting the supply', () => {
    const ledger = new TestLedger();
    expect(
      ledger.codes(
        transactionOf({
          sender: 'central',
          operations: [mintOf('central-1', 50n), burnOf('central-1', 20n)],
        }),
        transactionOf({
          sender: 'central',
          operations: [{ kind: 'createAsset', asset: 'BOND-1', exponent: 0, issuer: 'alpha', name: '' }],
        }),
        transactionOf({ sender: 'alpha', operations: [mintOf('beta-1', 7n, 'BOND-1')] }),
      ),
    ).toEqual(['OK', 'OK', 'OK']);
    const { assets, violations } = checkInvariants(ledger.state);
    expect(violations).toEqual([]);
    expect(assets.get('CHF')).toEqual({ issued: 2050n, burned: 20n, held: 2030n });
    expect(assets.get('BOND-1')).toEqual({ issued: 7n, burned: 0n, held: 7n });
  });
});

describe('applyBlock: refusals by name', () => {
  it('UNKNOWN_SENDER: the sender is no member', () => {
    expect(codeOf('nobody', transferOf('alpha-1', 'beta-1', 1n))).toBe('UNKNOWN_SENDER');
  });

  it("SENDER_NOT_AUTHORIZED: somebody else's signature, too few, or a weight too small", () => {
    const treasury = { ...memberOf('alpha'), policy: policyOf(2, 'a', 'b', 'c') };
    const ledger = new TestLedger(
      testGenesis({ members: [treasury, memberOf('beta'), memberOf('central')] }),
    );
    const signedBy = (...signers: string[]) =>
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 1n)], signers });
    expect(
      ledger.codes(
        signedBy('beta'),
        signedBy('a'),
        signedBy('c', 'beta'),
        signedBy('a', 'c'),
        signedBy('a', 'b', 'c', 'x'),
      ),
    ).toEqual(['SENDER_NOT_AUTHORIZED', 'SENDER_NOT_AUTHORIZED', 'SENDER_NOT_AUTHORIZED', 'OK', 'OK']);
  });

  it('ROLE_REQUIRED: registrar, asset administrator, issuer', () => {
    expect(
      codeOf('alpha', { kind: 'registerMember', member: 'gamma', name: '', policy: policyOf(1, 'g') }),
    ).toBe('ROLE_REQUIRED');
    expect(
      codeOf('alpha', { kind: 'createAsset', asset: 'USD', exponent: 2, issuer: 'alpha', name: '' }),
    ).toBe('ROLE_REQUIRED');
    expect(codeOf('alpha', mintOf('alpha-1', 1n))).toBe('ROLE_REQUIRED');
    expect(codeOf('alpha', burnOf('alpha-1', 1n))).toBe('ROLE_REQUIRED');
  });

  it('UNKNOWN_MEMBER and MEMBER_EXISTS', () => {
    expect(
      codeOf('central', { kind: 'createAsset', asset: 'USD', exponent: 2, issuer: 'gamma', name: '' }),
    ).toBe('UNKNOWN_MEMBER');
    expect(
      codeOf('central', {
        kind: 'registerMember',
        member: 'alpha',
        name: '',
        policy: policyOf(1, 'mallory'),
      }),
    ).toBe('MEMBER_EXISTS');
  });

  it('UNKNOWN_ACCOUNT: payer, receiver, minted to, burned from', () => {
    expect(codeOf('alpha', transferOf('alpha-9', 'beta-1', 1n))).toBe('UNKNOWN_ACCOUNT');
    expect(codeOf('alpha', transferOf('alpha-1', 'beta-9', 1n))).toBe('UNKNOWN_ACCOUNT');
    expect(codeOf('central', mintOf('beta-9', 1n))).toBe('UNKNOWN_ACCOUNT');
    expect(codeOf('central', burnOf('beta-9', 1n))).toBe('UNKNOWN_ACCOUNT');
  });

  it('ACCOUNT_EXISTS and ASSET_EXISTS', () => {
    expect(codeOf('alpha', openOf('beta-1'))).toBe('ACCOUNT_EXISTS');
    expect(codeOf('alpha', openOf('alpha-3'), openOf('alpha-3'))).toBe('ACCOUNT_EXISTS');
    expect(
      codeOf('central', { kind: 'createAsset', asset: 'CHF', exponent: 2, issuer: 'central', name: '' }),
    ).toBe('ASSET_EXISTS');
  });

  it("NOT_ACCOUNT_OWNER: another member's account pays or is burned from", () => {
    expect(codeOf('beta', transferOf('alpha-1', 'beta-1', 1n))).toBe('NOT_ACCOUNT_OWNER');
    expect(codeOf('central', burnOf('alpha-1', 1n))).toBe('NOT_ACCOUNT_OWNER');
  });

  it("ACCOUNT_NOT_AUTHORIZED: the account has a policy of its own, besides its owner's", () => {
    const ledger = new TestLedger();
    const open: Operation = { kind: 'createAccount', account: 'alpha-3', policy: policyOf(2, 'a', 'b') };
    expect(
      ledger.codes(
        transactionOf({ sender: 'alpha', operations: [open, transferOf('alpha-1', 'alpha-3', 9n)] }),
      ),
    ).toEqual(['OK']);
    const pay = (...signers: string[]) =>
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-3', 'beta-1', 1n)], signers });
    expect(ledger.codes(pay('alpha'), pay('alpha', 'a'), pay('a', 'b'), pay('alpha', 'a', 'b'))).toEqual([
      'ACCOUNT_NOT_AUTHORIZED',
      'ACCOUNT_NOT_AUTHORIZED',
      'SENDER_NOT_AUTHORIZED',
      'OK',
    ]);
  });

  it('UNKNOWN_ASSET', () => {
    expect(codeOf('alpha', transferOf('alpha-1', 'beta-1', 1n, 'USD'))).toBe('UNKNOWN_ASSET');
    expect(codeOf('central', mintOf('alpha-1', 1n, 'USD'))).toBe('UNKNOWN_ASSET');
    expect(codeOf('central', burnOf('alpha-1', 1n, 'USD'))).toBe('UNKNOWN_ASSET');
  });

  it('INSUFFICIENT_FUNDS: an overdraft by one, or of an asset that the account never held', () => {
    expect(codeOf('alpha', transferOf('alpha-1', 'beta-1', 1001n))).toBe('INSUFFICIENT_FUNDS');
    expect(codeOf('alpha', transferOf('alpha-1', 'beta-1', 1n, 'EUR'))).toBe('INSUFFICIENT_FUNDS');
    expect(codeOf('central', burnOf('central-1', 1n))).toBe('INSUFFICIENT_FUNDS');
  });

  it('AMOUNT_OVERFLOW: what was ever issued stays below 2^128', () => {
    expect(codeOf('central', mintOf('central-1', limits.maxAmount - 2000n))).toBe('OK');
    expect(codeOf('central', mintOf('central-1', limits.maxAmount - 1999n))).toBe('AMOUNT_OVERFLOW');
    // Burning makes no room: the count of what was issued would not fit its record.
    expect(
      codeOf(
        'central',
        mintOf('central-1', limits.maxAmount - 2000n),
        burnOf('central-1', 5n),
        mintOf('central-1', 1n),
      ),
    ).toBe('AMOUNT_OVERFLOW');
  });

  it('SAME_ACCOUNT', () => {
    expect(codeOf('alpha', transferOf('alpha-1', 'alpha-1', 1n))).toBe('SAME_ACCOUNT');
  });
});

describe('applyBlock: all or none', () => {
  it('takes back every operation before the refused one, and names it', () => {
    const ledger = new TestLedger();
    const before = new Map(ledger.state);
    const output = ledger.block([
      transactionOf({
        sender: 'alpha',
        operations: [
          openOf('alpha-3'),
          transferOf('alpha-1', 'alpha-3', 600n),
          transferOf('alpha-1', 'beta-1', 600n),
        ],
      }),
    ]);
    expect(output.results[0]).toMatchObject({ code: 'INSUFFICIENT_FUNDS', failedOperation: 3 });
    expect(output.touchedAccounts).toEqual([[]]);
    ledger.state.delete(stateKeys.applied(asHeight(1)));
    expect(ledger.state).toEqual(before);
  });

  it('keeps what earlier transactions of the block wrote to the same records', () => {
    const ledger = new TestLedger();
    const codes = ledger.codes(
      transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'alpha-2', 100n)] }),
      transactionOf({
        sender: 'alpha',
        operations: [transferOf('alpha-2', 'beta-1', 100n), transferOf('alpha-1', 'beta-1', 901n)],
      }),
      transactionOf({
        sender: 'alpha',
        operations: [transferOf('alpha-2', 'beta-1', 100n), transferOf('alpha-1', 'beta-1', 900n)],
      }),
    );
    expect(codes).toEqual(['OK', 'INSUFFICIENT_FUNDS', 'OK']);
    expect(balanceOf(ledger, 'beta-1')).toBe(2000n);
  });
});

describe('applyBlock: validity and replay', () => {
  const window = testParameters.validityWindowBlocks;
  const pay = (key: string, validUntil: number, signers = ['alpha'], amount = 1n) =>
    transactionOf({
      sender: 'alpha',
      operations: [transferOf('alpha-1', 'beta-1', amount)],
      key,
      validUntil,
      signers,
    });

  it('EXPIRED above valid_until_height, not at it', () => {
    const ledger = new TestLedger();
    ledger.block([], 4);
    expect(ledger.codes(pay('a', 5), pay('b', 4))).toEqual(['OK', 'EXPIRED']);
  });

  it('VALIDITY_TOO_LONG beyond the window, not at its end', () => {
    expect(new TestLedger().codes(pay('a', 1 + window), pay('b', 2 + window))).toEqual([
      'OK',
      'VALIDITY_TOO_LONG',
    ]);
  });

  it('DUPLICATE: the same transaction, or another with the same key, in the same block or a later one', () => {
    const ledger = new TestLedger();
    expect(ledger.codes(pay('a', 10), pay('a', 10), pay('a', 11, ['alpha'], 2n))).toEqual([
      'OK',
      'DUPLICATE',
      'DUPLICATE',
    ]);
    expect(ledger.codes(pay('a', 10), pay('b', 10))).toEqual(['DUPLICATE', 'OK']);
    expect(balanceOf(ledger, 'beta-1')).toBe(1002n);
  });

  it('does not mix up the same key of two senders', () => {
    const ledger = new TestLedger();
    const other = transactionOf({
      sender: 'beta',
      operations: [transferOf('beta-1', 'alpha-1', 1n)],
      key: 'a',
    });
    expect(ledger.codes(pay('a', 5), other)).toEqual(['OK', 'OK']);
  });

  it('refuses a replay at every later height, whatever the validity', () => {
    for (let validUntil = 1; validUntil <= 1 + window; validUntil++) {
      const ledger = new TestLedger();
      expect(ledger.codes(pay('a', validUntil))).toEqual(['OK']);
      for (let height = 2; height <= 3 * window; height++) {
        const [code] = ledger.codes(pay('a', validUntil));
        expect(code).toBe(height <= validUntil ? 'DUPLICATE' : 'EXPIRED');
      }
      expect(balanceOf(ledger, 'beta-1')).toBe(1001n);
    }
  });

  it('does not execute what was refused as a duplicate once what it duplicates is forgotten', () => {
    const ledger = new TestLedger();
    expect(ledger.codes(pay('a', 2))).toEqual(['OK']);
    ledger.block([], 5);
    const longer = pay('a', 5 + window, ['alpha'], 500n);
    expect(ledger.codes(longer)).toEqual(['DUPLICATE']);
    for (let height = 7; height <= 5 + window; height++) expect(ledger.codes(longer)).toEqual(['DUPLICATE']);
    expect(ledger.codes(longer)).toEqual(['EXPIRED']);
    expect(balanceOf(ledger, 'beta-1')).toBe(1001n);
  });

  it('frees a key after the window', () => {
    const ledger = new TestLedger();
    expect(ledger.codes(pay('a', 5))).toEqual(['OK']);
    ledger.block([], window);
    expect(ledger.codes(pay('a', 11 + window))).toEqual(['DUPLICATE']);
    const later = new TestLedger();
    expect(later.codes(pay('a', 5))).toEqual(['OK']);
    later.block([], 1 + window);
    expect(later.codes(pay('a', 12 + window))).toEqual(['OK']);
  });

  it('judges by the window alone: a node that remembers more decides alike', () => {
    const ledger = new TestLedger();
    const forgetful = new CommittedHashes();
    const thorough = new CommittedHashes();
    const first = pay('a', 5);
    thorough.add(asHeight(1), [first.idempotencyHash]);
    const again = pay('a', 12 + window);
    const codes = [forgetful, thorough].map((view) => {
      const input = { height: asHeight(2 + window), timeMs: 1, transactions: [again], window: view };
      return applyBlock({ ...input, state: declaredView(ledger.state, [again]) }).results[0]?.code;
    });
    expect(codes).toEqual(['OK', 'OK']);
  });

  it("never uses up a key by what is not its owner's doing", () => {
    const multisig = testGenesis({
      accounts: [
        { account: 'alpha-1', owner: 'alpha', policy: policyOf(2, 'a', 'b'), openedHeight: asHeight(0) },
        { account: 'beta-1', owner: 'beta', openedHeight: asHeight(0) },
      ],
    });
    const ledger = new TestLedger(multisig);
    const signers = ['alpha', 'a', 'b'];
    const early = pay('a', 2 + window, signers);
    expect(ledger.codes(early)).toEqual(['VALIDITY_TOO_LONG']);
    ledger.block([], 5);
    const expired = pay('a', 5, signers);
    const stolen = pay('a', 8, ['mallory']);
    const stripped = pay('a', 8, ['alpha', 'a']);
    const output = ledger.block([expired, stolen, stripped]);
    expect(output.results.map(({ code }) => code)).toEqual([
      'EXPIRED',
      'SENDER_NOT_AUTHORIZED',
      'ACCOUNT_NOT_AUTHORIZED',
    ]);
    expect(output.idempotencyHashes).toEqual([]);
    expect(output.inadmissible).toEqual([0, 1, 2]);
    expect(ledger.codes(pay('a', 8, signers), stripped)).toEqual(['OK', 'DUPLICATE']);
  });

  it('takes a duplicate into a block only if it would outlive the memory of what it duplicates', () => {
    const ledger = new TestLedger();
    const first = pay('a', 3);
    expect(ledger.block([first, first, pay('a', 1 + window)]).inadmissible).toEqual([1, 2]);
    const [harmless, lasting] = [pay('a', 1 + window, ['alpha'], 2n), pay('a', 2 + window, ['alpha'], 2n)];
    const output = ledger.block([first, harmless, lasting, lasting]);
    expect(output.results.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => 'DUPLICATE'));
    expect(output.inadmissible).toEqual([0, 1, 3]);
    expect(output.idempotencyHashes).toEqual([lasting.idempotencyHash]);
    expect(ledger.block([lasting]).inadmissible).toEqual([0]);
    expect(isSettledByUse(asHeight(1 + window), asHeight(1), window)).toBe(true);
    expect(isSettledByUse(asHeight(2 + window), asHeight(1), window)).toBe(false);
  });

  it('uses up the key of what fails by its own rules: the failure is final', () => {
    const ledger = new TestLedger();
    const overdraft = pay('a', 5, ['alpha'], 5000n);
    const funding = transactionOf({ sender: 'central', operations: [mintOf('alpha-1', 9000n)] });
    expect(ledger.codes(overdraft, funding, overdraft)).toEqual(['INSUFFICIENT_FUNDS', 'OK', 'DUPLICATE']);
    expect(usesIdempotencyKey('INSUFFICIENT_FUNDS')).toBe(true);
    expect(usesIdempotencyKey('SENDER_NOT_AUTHORIZED')).toBe(false);
  });

  it('keeps a record for each block of the window, and no other', () => {
    const ledger = new TestLedger();
    for (let height = 1; height <= 25; height++) {
      ledger.block(height % 3 === 0 ? [] : [pay(`key ${height.toString()}`, height)]);
      const kept = [...ledger.state.keys()].filter((key) => key.startsWith('applied/'));
      const oldest = Math.max(1, height - window + 1);
      expect(kept).toEqual(
        Array.from({ length: height - oldest + 1 }, (_, index) => `applied/${(oldest + index).toString()}`),
      );
    }
  });
});

describe('applyBlock: determinism', () => {
  const transactions = [
    transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 3n)] }),
    transactionOf({ sender: 'central', operations: [mintOf('alpha-2', 5n, 'EUR'), mintOf('beta-1', 5n)] }),
    transactionOf({ sender: 'beta', operations: [transferOf('beta-1', 'alpha-2', 2000n)] }),
    transactionOf({ sender: 'beta', operations: [openOf('beta-2'), transferOf('beta-1', 'beta-2', 1n)] }),
  ];

  it('gives the same writes in the same order, however the state is held', () => {
    const outputs = [false, true].map((reversed) => {
      const ledger = new TestLedger();
      const entries = [...ledger.state];
      const state = new Map<StateKey, Uint8Array>(reversed ? entries.reverse() : entries);
      const view = declaredView(state, transactions);
      return applyBlock({ height: asHeight(1), timeMs: 1, transactions, state: view, window: ledger.window });
    });
    expect([...(outputs[0]?.writes ?? [])]).toEqual([...(outputs[1]?.writes ?? [])]);
    expect(outputs[0]).toEqual(outputs[1]);
  });

  it('declares each key once, the parameters and senders included', () => {
    const keys = readsOf(transactions);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(
      expect.arrayContaining([
        'parameters',
        'member/alpha',
        'member/central',
        'balance/beta-1/CHF',
        'supply/EUR',
      ]),
    );
    expect(readsOf(transactions)).toEqual(keys);
  });

  it('leaves its input alone, so that a block can be executed again', () => {
    const ledger = new TestLedger();
    const before = new Map(ledger.state);
    const input = { height: asHeight(1), timeMs: 1, transactions, window: ledger.window };
    const first = applyBlock({ ...input, state: declaredView(ledger.state, transactions) });
    expect(ledger.state).toEqual(before);
    expect(applyBlock({ ...input, state: declaredView(ledger.state, transactions) })).toEqual(first);
  });

  it('stops on a damaged record instead of guessing', () => {
    const ledger = new TestLedger();
    ledger.state.set(stateKeys.balance('alpha-1', 'CHF'), Uint8Array.of(0x0a, 1, 0x30));
    expect(() => ledger.block(transactions)).toThrow(/record "balance\/alpha-1\/CHF" is damaged/);
    ledger.state.delete(stateKeys.parameters);
    expect(() => ledger.block([])).toThrow(/record "parameters" is missing/);
  });
});
