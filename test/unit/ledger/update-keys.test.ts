import { describe, expect, it } from '@jest/globals';
import { decodeAccount, decodeMember, type Operation } from '../../../src/codec/index.js';
import { checkInvariants, stateKeys } from '../../../src/ledger/index.js';
import { policyOf, testGenesis, TestLedger, transactionOf, transferOf } from '../../helpers/ledger.js';

const rules2 = (): TestLedger => new TestLedger(testGenesis({ rulesVersion: 2 }));

/** The code of an operation of a member's, and whether a block may hold it. */
function run(ledger: TestLedger, sender: string, operation: Operation, ...signers: string[]) {
  const transaction = transactionOf({
    sender,
    operations: [operation],
    signers,
    validUntil: ledger.height + 3,
  });
  const { results, inadmissible } = ledger.block([transaction]);
  expect(checkInvariants(ledger.state).violations).toEqual([]);
  return [results[0]!.code, inadmissible.length === 0 ? 'in a block' : 'in no block'];
}

const update = (...keys: string[]): Operation => ({
  kind: 'updateMember',
  name: 'Alpha & Co',
  policy: policyOf(keys.length, ...keys),
});
const pay = transferOf('alpha-1', 'beta-1', 1n);

describe('updateMember', () => {
  it('installs a name and keys that the old and the new keys have signed, at once', () => {
    const ledger = rules2();
    const first = transactionOf({
      sender: 'alpha',
      operations: [update('x', 'y')],
      signers: ['alpha', 'x', 'y'],
    });
    const byOld = transactionOf({ sender: 'alpha', operations: [pay], signers: ['alpha'] });
    const byNew = transactionOf({ sender: 'alpha', operations: [pay], signers: ['x', 'y'] });
    const { results, inadmissible } = ledger.block([first, byOld, byNew]);
    expect(results.map(({ code }) => code)).toEqual(['OK', 'SENDER_NOT_AUTHORIZED', 'OK']);
    expect(inadmissible).toEqual([1]);
    const member = decodeMember(ledger.state.get(stateKeys.member('alpha'))!);
    expect(member).toMatchObject({
      ok: true,
      value: { name: 'Alpha & Co', policy: policyOf(2, 'x', 'y'), roles: [] },
    });
  });

  it('leaves roles as they are', () => {
    const ledger = rules2();
    expect(run(ledger, 'central', update('x'), 'central', 'x')).toEqual(['OK', 'in a block']);
    const member = decodeMember(ledger.state.get(stateKeys.member('central'))!);
    expect(member).toMatchObject({ ok: true, value: { roles: ['registrar', 'assetAdmin'] } });
  });

  it('is in no block without the signatures of the new keys, or of the old ones', () => {
    const ledger = rules2();
    expect(run(ledger, 'alpha', update('x', 'y'), 'alpha', 'x')).toEqual([
      'NEW_POLICY_NOT_SATISFIED',
      'in no block',
    ]);
    expect(run(ledger, 'alpha', update('x', 'y'), 'x', 'y')).toEqual([
      'SENDER_NOT_AUTHORIZED',
      'in no block',
    ]);
    expect(run(ledger, 'alpha', pay, 'alpha')).toEqual(['OK', 'in a block']);
  });
});

describe('updateAccount', () => {
  const set = (account: string, ...keys: string[]): Operation => ({
    kind: 'updateAccount',
    account,
    ...(keys.length > 0 && { policy: policyOf(keys.length, ...keys) }),
  });

  it('gives an account keys of its own, changes them, and takes them away again', () => {
    const ledger = rules2();
    expect(run(ledger, 'alpha', set('alpha-1', 'a'), 'alpha', 'a')).toEqual(['OK', 'in a block']);
    expect(run(ledger, 'alpha', pay, 'alpha')).toEqual(['ACCOUNT_NOT_AUTHORIZED', 'in no block']);
    expect(run(ledger, 'alpha', pay, 'alpha', 'a')).toEqual(['OK', 'in a block']);
    expect(run(ledger, 'alpha', set('alpha-1', 'b', 'c'), 'alpha', 'b', 'c')).toEqual([
      'ACCOUNT_NOT_AUTHORIZED',
      'in no block',
    ]);
    expect(run(ledger, 'alpha', set('alpha-1', 'b', 'c'), 'alpha', 'a', 'b')).toEqual([
      'NEW_POLICY_NOT_SATISFIED',
      'in no block',
    ]);
    expect(run(ledger, 'alpha', set('alpha-1', 'b', 'c'), 'alpha', 'a', 'b', 'c')).toEqual([
      'OK',
      'in a block',
    ]);
    expect(run(ledger, 'alpha', set('alpha-1'), 'alpha', 'b', 'c')).toEqual(['OK', 'in a block']);
    expect(decodeAccount(ledger.state.get(stateKeys.account('alpha-1'))!)).toEqual({
      ok: true,
      value: { account: 'alpha-1', owner: 'alpha', openedHeight: 0 },
    });
    expect(run(ledger, 'alpha', pay, 'alpha')).toEqual(['OK', 'in a block']);
  });

  it('is for the owner, of an account that there is', () => {
    const ledger = rules2();
    expect(run(ledger, 'beta', set('alpha-1', 'a'), 'beta', 'a')).toEqual([
      'NOT_ACCOUNT_OWNER',
      'in a block',
    ]);
    expect(run(ledger, 'beta', set('nobody', 'a'), 'beta', 'a')).toEqual(['UNKNOWN_ACCOUNT', 'in a block']);
  });
});

it('both are refused under version 1 of the rules', () => {
  const ledger = new TestLedger(testGenesis());
  expect(run(ledger, 'alpha', update('x'), 'alpha', 'x')).toEqual(['RULES_NOT_ACTIVE', 'in no block']);
  const set: Operation = { kind: 'updateAccount', account: 'alpha-1', policy: policyOf(1, 'a') };
  expect(run(ledger, 'alpha', set, 'alpha', 'a')).toEqual(['RULES_NOT_ACTIVE', 'in no block']);
});
