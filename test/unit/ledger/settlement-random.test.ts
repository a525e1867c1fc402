import { expect, it } from '@jest/globals';
import { runSettlement } from '../../helpers/settlement-run.js';

/** `npm run fuzz:ledger` runs many more, from a seed of its own. */
const seeds = Array.from({ length: 12 }, (_, index) => 100 + index);

it('transfers, holds and exchanges do as the model does, and conserve every asset after every block', () => {
  const seen = new Map<string, number>();
  for (const seed of seeds) runSettlement(seed, 60, seen);
  // The generator reaches every result.
  expect([...seen.keys()].sort()).toEqual(
    [
      'OK',
      'UNKNOWN_ACCOUNT',
      'NOT_ACCOUNT_OWNER',
      'SAME_ACCOUNT',
      'UNKNOWN_ASSET',
      'UNKNOWN_MEMBER',
      'INSUFFICIENT_FUNDS',
      'DEADLINE_PASSED',
      'HOLD_EXISTS',
      'UNKNOWN_HOLD',
      'NOT_CAPTOR',
      'HOLD_EXPIRED',
      'HOLD_NOT_EXPIRED',
      'HOLD_EXCEEDED',
      'PREIMAGE_MISMATCH',
      'PARTY_NOT_AUTHORIZED',
      'NOT_A_PARTY',
    ].sort(),
  );
});
