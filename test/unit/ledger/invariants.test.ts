import { describe, expect, it } from '@jest/globals';
import { encodeAccount, encodeBalance, encodeSupply } from '../../../src/codec/index.js';
import { checkInvariants, stateKeys } from '../../../src/ledger/index.js';
import { asAmount, asHeight, type StateKey } from '../../../src/types/index.js';
import { TestLedger } from '../../helpers/ledger.js';

/** Codes and keys of what is wrong after a change to a state that holds together. */
function violations(change: (state: Map<StateKey | string, Uint8Array>) => void): string[] {
  const state = new Map<StateKey | string, Uint8Array>(new TestLedger().state);
  change(state);
  return checkInvariants(state).violations.map(({ code, key }) => `${code} ${key}`);
}

const balance = (amount: bigint) => encodeBalance({ amount: asAmount(amount) });

describe('checkInvariants', () => {
  it('finds nothing wrong with a good state, in any order', () => {
    expect(violations(() => undefined)).toEqual([]);
    expect(checkInvariants([...new TestLedger().state].reverse()).violations).toEqual([]);
  });

  it('finds money that came from nowhere or went there', () => {
    expect(violations((state) => state.set(stateKeys.balance('alpha-1', 'CHF'), balance(1001n)))).toEqual([
      'NOT_CONSERVED supply/CHF',
    ]);
    expect(violations((state) => state.delete(stateKeys.balance('beta-1', 'CHF')))).toEqual([
      'NOT_CONSERVED supply/CHF',
    ]);
    expect(
      violations((state) => state.set(stateKeys.supply('CHF'), encodeSupply({ issued: 2001n, burned: 0n }))),
    ).toEqual(['NOT_CONSERVED supply/CHF']);
    expect(violations((state) => state.set(stateKeys.balance('alpha-2', 'EUR'), balance(1n)))).toEqual([
      'NOT_CONSERVED supply/EUR',
    ]);
  });

  it('finds names that lead nowhere', () => {
    expect(violations((state) => state.delete(stateKeys.account('alpha-1')))).toEqual([
      'DANGLING_REFERENCE balance/alpha-1/CHF',
    ]);
    expect(violations((state) => state.delete(stateKeys.member('beta')))).toEqual([
      'DANGLING_REFERENCE account/beta-1',
    ]);
    expect(violations((state) => state.delete(stateKeys.asset('EUR')))).toEqual([
      'DANGLING_REFERENCE supply/EUR',
    ]);
    expect(violations((state) => state.delete(stateKeys.supply('EUR')))).toEqual([
      'DANGLING_REFERENCE asset/EUR',
    ]);
  });

  it('finds records that are damaged, misplaced, unknown or missing', () => {
    expect(
      violations((state) => state.set(stateKeys.balance('alpha-2', 'CHF'), Uint8Array.of(0x0a, 1, 0x30))),
    ).toEqual(['BAD_RECORD balance/alpha-2/CHF']);
    expect(
      violations((state) =>
        state.set(stateKeys.balance('alpha-2', 'CHF'), Uint8Array.of(0x0a, 2, 0x2d, 0x31)),
      ),
    ).toEqual(['BAD_RECORD balance/alpha-2/CHF']);
    const other = encodeAccount({ account: 'alpha-1', owner: 'alpha', openedHeight: asHeight(0) });
    expect(violations((state) => state.set(stateKeys.account('alpha-2'), other))).toEqual([
      'WRONG_KEY account/alpha-2',
    ]);
    expect(violations((state) => state.set('holds/1', Uint8Array.of(1)))).toEqual(['BAD_RECORD holds/1']);
    expect(violations((state) => state.set('applied/0', new Uint8Array()))).toEqual(['BAD_RECORD applied/0']);
    expect(violations((state) => state.set('applied/1', Uint8Array.of(9)))).toEqual(['BAD_RECORD applied/1']);
    expect(violations((state) => state.delete(stateKeys.parameters))).toEqual(['MISSING_RECORD parameters']);
    expect(violations((state) => state.set(stateKeys.parameters, Uint8Array.of(9)))).toEqual([
      'BAD_RECORD parameters',
    ]);
  });
});
