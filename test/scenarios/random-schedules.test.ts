import { describe, expect, it } from '@jest/globals';
import { Schedule } from '../helpers/consensus-schedule.js';
import { Prng } from '../helpers/prng.js';

const firstSeed = Number(process.env['QUAESTOR_TEST_SEED'] ?? 1);
const runs = Number(process.env['QUAESTOR_TEST_RUNS'] ?? 50);

/** Options of a run: all follow from its seed. */
function optionsOf(seed: number, byzantine: boolean): ConstructorParameters<typeof Schedule>[0] {
  const random = new Prng(seed ^ 0x5eed);
  const n = byzantine ? random.pick([4, 4, 4, 5, 7]) : random.pick([1, 2, 3, 4, 4, 4, 5, 6, 7]);
  return {
    n,
    seed,
    window: random.pick([1, 2, 4, 8]),
    checkpointInterval: random.pick([4, 10]),
    lossy: random.pick([0, 0.02, 0.1, 0.3]),
    crashes: random.below(8),
    ...(byzantine && { byzantine: random.below(n) }),
    chaosMs: 3000 + random.below(12_000),
    target: 10,
    calmMs: 240_000,
    timeouts: { viewTimeoutMs: random.pick([100, 400, 2000]), retransmitMs: random.pick([50, 300]) },
  };
}

function runAll(byzantine: boolean): void {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    try {
      new Schedule(optionsOf(seed, byzantine)).run();
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(
        `seed ${seed} (QUAESTOR_TEST_SEED=${seed} QUAESTOR_TEST_RUNS=1 repeats it): ${reason}`,
        { cause: error },
      );
    }
  }
}

/** Far above what they take: a busy machine is no failure. */
const timeLimitMs = 300_000;

describe('random schedules', () => {
  it(
    'agree under loss, delay, duplication, crashes and restarts, and go on once the network is calm',
    () => {
      runAll(false);
      expect(runs).toBeGreaterThan(0);
    },
    timeLimitMs,
  );

  it(
    'agree and go on with a Byzantine validator among them',
    () => {
      runAll(true);
      expect(runs).toBeGreaterThan(0);
    },
    timeLimitMs,
  );
});
