import { describe, expect, it } from '@jest/globals';
import {
  firstValidatorSet,
  decodeBalance,
  decodeSupply,
  encodeGenesis,
  type Genesis,
} from '../../../src/codec/index.js';
import { chainIdOf, merkleRoot, validatorSetHash } from '../../../src/crypto/index.js';
import { checkInvariants, genesisHeader, genesisWrites, stateKeys } from '../../../src/ledger/index.js';
import { asAmount, asHash, asHeight, limits } from '../../../src/types/index.js';
import { keyOf, memberOf, policyOf, testGenesis, testParameters } from '../../helpers/ledger.js';

function refusal(change: Partial<Genesis>): string {
  const writes = genesisWrites(testGenesis(change));
  return writes.ok ? 'OK' : `${writes.error.code} ${writes.error.path}`;
}

const balance = (account: string, asset: string, amount: bigint) => ({
  account,
  asset,
  amount: asAmount(amount),
});
const { accounts, assets, members, validators } = testGenesis();

describe('genesisWrites', () => {
  it('makes a state that holds together, with the supply that the balances add up to', () => {
    const writes = genesisWrites(testGenesis());
    if (!writes.ok) throw new Error(writes.error.message);
    const state = [...writes.value].map(([key, value]): [string, Uint8Array] => [
      key,
      value ?? new Uint8Array(),
    ]);
    const report = checkInvariants(state);
    expect(report.violations).toEqual([]);
    expect(report.assets.get('CHF')).toEqual({ issued: 2000n, burned: 0n, held: 2000n });
    expect(report.assets.get('EUR')).toEqual({ issued: 0n, burned: 0n, held: 0n });
    const supply = decodeSupply(writes.value.get(stateKeys.supply('CHF')) ?? new Uint8Array());
    expect(supply.ok && supply.value.issued).toBe(2000n);
    const held = decodeBalance(writes.value.get(stateKeys.balance('alpha-1', 'CHF')) ?? new Uint8Array());
    expect(held.ok && held.value.amount).toBe(1000n);
  });

  it('refuses names that lead nowhere', () => {
    expect(refusal({ members: members.slice(0, 2) })).toBe('UNKNOWN_MEMBER validators[0].member');
    expect(refusal({ assets: [{ ...assets[0]!, issuer: 'gamma' }, assets[1]!] })).toBe(
      'UNKNOWN_MEMBER assets[0].issuer',
    );
    expect(refusal({ accounts: [{ ...accounts[0]!, owner: 'gamma' }, ...accounts.slice(1)] })).toBe(
      'UNKNOWN_MEMBER accounts[0].owner',
    );
    expect(refusal({ balances: [balance('alpha-9', 'CHF', 1n)] })).toBe(
      'UNKNOWN_ACCOUNT balances[0].account',
    );
    expect(refusal({ balances: [balance('alpha-1', 'CHF', 1n), balance('alpha-1', 'USD', 1n)] })).toBe(
      'UNKNOWN_ASSET balances[1].asset',
    );
  });

  it('refuses balances that add up to more than 2^128 - 1', () => {
    const most = balance('alpha-1', 'CHF', limits.maxAmount);
    expect(refusal({ balances: [most, balance('alpha-1', 'EUR', limits.maxAmount)] })).toBe('OK');
    expect(refusal({ balances: [most, balance('beta-1', 'CHF', 1n)] })).toBe(
      'AMOUNT_OVERFLOW balances[1].amount',
    );
  });

  it('refuses what is not in order, there twice, empty, zero or out of bounds', () => {
    expect(refusal({ members: [...members].reverse() })).toMatch(/^MALFORMED members/);
    expect(refusal({ accounts: [accounts[0]!, accounts[0]!] })).toMatch(/^MALFORMED accounts/);
    expect(refusal({ validators: [] })).toMatch(/^MALFORMED validators/);
    expect(refusal({ validators: [validators[0]!, { ...validators[0]!, id: 'v1' }] })).toMatch(
      /^MALFORMED validators/,
    );
    expect(refusal({ validators: [validators[0]!, { ...validators[0]!, publicKey: keyOf('x') }] })).toMatch(
      /^MALFORMED validators/,
    );
    expect(refusal({ balances: [balance('alpha-1', 'CHF', 0n)] })).toMatch(/^MALFORMED balances/);
    expect(refusal({ balances: [balance('alpha-1', 'CHF', -1n)] })).toMatch(/^MALFORMED/);
    expect(
      refusal({
        members: [
          { ...memberOf('alpha'), policy: { ...policyOf(1, 'a'), threshold: 2 } },
          ...members.slice(1),
        ],
      }),
    ).toMatch(/^MALFORMED members/);
    expect(
      refusal({
        parameters: { ...testParameters, validityWindowBlocks: limits.maxValidityWindowBlocks + 1 },
      }),
    ).toMatch(/^MALFORMED parameters/);
  });

  it('refuses parameters that no network can work with', () => {
    expect(refusal({ parameters: { ...testParameters, maxBlockBytes: limits.maxEnvelopeBytes - 1 } })).toBe(
      'PARAMETER_OUT_OF_RANGE parameters.max_block_bytes',
    );
    expect(refusal({ parameters: { ...testParameters, validityWindowBlocks: 3 } })).toBe(
      'PARAMETER_OUT_OF_RANGE parameters.validity_window_blocks',
    );
  });

  it('refuses an account that was opened later', () => {
    expect(
      refusal({ accounts: [{ ...accounts[0]!, openedHeight: asHeight(1) }, ...accounts.slice(1)] }),
    ).toBe('OPENED_HEIGHT accounts[0].opened_height');
  });
});

describe('genesisHeader', () => {
  it('is fixed by the genesis and the root of its state', () => {
    const genesis = testGenesis();
    const stateRoot = asHash(new Uint8Array(32).fill(9));
    const set = validatorSetHash(firstValidatorSet(genesis.validators));
    const empty = merkleRoot([]);
    expect(genesisHeader(genesis, stateRoot)).toEqual({
      version: 1,
      chainId: chainIdOf(encodeGenesis(genesis)),
      height: 0,
      view: 0,
      prevHash: new Uint8Array(32),
      transactionsRoot: empty,
      resultsRoot: empty,
      stateRoot,
      validatorSetHash: set,
      nextValidatorSetHash: set,
      timeMs: genesis.timeMs,
      proposer: 0,
      transactionCount: 0,
    });
  });
});
