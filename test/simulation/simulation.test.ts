/**
 * The whole network in virtual time, under faults and with faulty validators: thousands of different ones. A failure
 * prints its seed, its options and what happened last; add the seed to regressions.ts once it is understood.
 * `QUAESTOR_SIMULATIONS` says how many seeds to run; `npm run simulate` runs others.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { useSha256 } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import type { SimulationOptions } from './options.js';
import { regressions } from './regressions.js';
import { report, simulate } from './run.js';

const count = Number(process.env['QUAESTOR_SIMULATIONS'] ?? 1000);
const batch = 100;

// Far above what they take: a busy machine is no failure.
jest.setTimeout(600_000);

beforeAll(() => installNativeSha256());
afterAll(() => useSha256());

async function holds(seed: number, options: Partial<SimulationOptions> = {}): Promise<void> {
  const result = await simulate(seed, options);
  if (result.outcome.failure !== undefined) throw new Error(`\n${report(result)}`);
}

describe('a simulated network', () => {
  it('does exactly the same for the same seed', async () => {
    for (const seed of [3, 77, 1017, 5030]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(first.outcome.traceHash).toBe(second.outcome.traceHash);
      expect(first.outcome.counts.get('events')).toBe(second.outcome.counts.get('events'));
    }
    expect((await simulate(3)).outcome.traceHash).not.toBe((await simulate(4)).outcome.traceHash);
  });

  for (const { options, found } of regressions) {
    it(`keeps its promises with seed ${options.seed}, which found: ${found}`, () =>
      holds(options.seed, options));
  }

  for (let first = 10_000; first < 10_000 + count; first += batch) {
    const last = Math.min(first + batch, 10_000 + count) - 1;
    it(`keeps its promises with seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) await holds(seed);
    });
  }
});
