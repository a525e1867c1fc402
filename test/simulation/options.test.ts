/** What simulations are drawn, and what is given. */
import { describe, expect, it } from '@jest/globals';
import { faultyOf } from '../../src/types/index.js';
import { optionsOf } from './options.js';

describe('the options of a simulation', () => {
  it('have no more faulty validators than are tolerated, an old folder included, whatever is given (seed 30074)', () => {
    const faultyOnes = (seed: number, given: Parameters<typeof optionsOf>[1]): number => {
      const { byzantine, faults } = optionsOf(seed, given);
      const machines = new Set(byzantine.map(({ index }) => index));
      if (faults.oldFolder !== undefined) machines.add(faults.oldFolder.machine);
      return machines.size;
    };
    let old = 0;
    for (let seed = 30_000; seed < 32_000; seed++) {
      const given = { validators: 4, byzantine: [{ index: seed % 4, strategies: ['doubleVotes'] as const }] };
      expect(faultyOnes(seed, given)).toBeLessThanOrEqual(1);
      const drawn = optionsOf(seed);
      expect(faultyOnes(seed, {})).toBeLessThanOrEqual(faultyOf(drawn.validators));
      if (drawn.faults.oldFolder !== undefined) old++;
    }
    expect(old).toBeGreaterThan(20);
  });

  it('are taken as they are when all are given: a regression stays what it was', () => {
    for (let seed = 1; seed < 500; seed++) {
      const drawn = optionsOf(seed);
      expect(optionsOf(seed, drawn)).toEqual(drawn);
    }
  });
});
