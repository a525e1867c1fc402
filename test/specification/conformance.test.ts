/**
 * What the running code writes to its disks, step by step, against the rules of the specification: simulated networks
 * with faults and faulty validators. Runs of other kinds are in real-clock.test.ts and tampering.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { useSha256 } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { conformanceOf } from './witness.js';

const firstSeed = Number(process.env['QUAESTOR_TEST_SEED'] ?? 20_000);
const runs = Number(process.env['QUAESTOR_TEST_RUNS'] ?? 15);

jest.setTimeout(600_000);
beforeAll(() => installNativeSha256());
afterAll(() => useSha256());

describe('the running code', () => {
  it('takes only steps that the specification allows, in simulated networks', async () => {
    const steps = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const { deviation, steps: taken } = await conformanceOf(seed);
      if (deviation !== undefined) throw new Error(`seed ${seed}: ${JSON.stringify(deviation)}`);
      for (const [kind, count] of taken) steps.set(kind, (steps.get(kind) ?? 0) + count);
    }
    process.stdout.write(
      `specification: ${runs} simulations from seed ${firstSeed} conform: ${[...steps].map(([kind, count]) => `${count} ${kind}`).join(', ')}\n`,
    );
    // All that a protocol does was there to be judged.
    for (const kind of ['propose', 'prepare', 'commit', 'finalize', 'ask', 'start', 'enter', 'restart'])
      expect(steps.get(kind)).toBeGreaterThan(0);
  });
});
