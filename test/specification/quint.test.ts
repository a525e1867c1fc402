/**
 * The Quint text and protocol.ts say the same: along random traces of Quint's simulator the same steps are offered and
 * lead to the same states. And Quint's own invariants hold, and notice flaws.
 */
import { describe, expect, it, jest } from '@jest/globals';
import { replay, runQuint, soundModules } from './quint.js';

const seed = Number(process.env['QUAESTOR_TEST_SEED'] ?? 7);
const samples = Number(process.env['QUAESTOR_TEST_RUNS'] ?? 5);

// Far above what they take: a busy machine is no failure.
jest.setTimeout(300_000);

describe('the Quint specification', () => {
  for (const module of ['first', 'second', 'backup']) {
    it(`keeps its promises, and takes the steps of the rules here: ${module}`, async () => {
      const system = soundModules.get(module)!;
      const { violated, output, traces } = await runQuint(module, {
        seed,
        samples,
        steps: 35,
        traces: samples,
      });
      expect(violated ? output : '').toBe('');
      let steps = 0;
      for (const trace of traces) {
        const replayed = replay(trace, system);
        expect(replayed.difference).toBeUndefined();
        steps += replayed.steps;
      }
      expect(traces).toHaveLength(samples);
      process.stdout.write(
        `specification: Quint ${module}: ${samples} traces, ${steps} steps, seed ${seed}\n`,
      );
    });
  }

  it('notices a quorum that is too small, which is not what the rules here say', async () => {
    const { violated, traces } = await runQuint('smallQuorum', { seed, samples: 100, steps: 30, traces: 1 });
    expect(violated).toBe(true);
    const bounds = { heights: 1, views: 2, extras: false };
    const { difference } = replay(traces[0], { configuration: { n: 4, faulty: [0], window: 1 }, bounds });
    expect(difference).toMatch(/Quint offers|there is no/);
  });
});
