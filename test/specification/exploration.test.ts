/**
 * The protocol's rules explored: everything in small systems, at random in larger ones. `QUAESTOR_TEST_SEED` and
 * `QUAESTOR_TEST_RUNS` choose other random traces; `npm run specification` explores for as long as asked.
 */
import { describe, expect, it, jest } from '@jest/globals';
import { flawed, flaws, nameOf, randomSystems, smallSystems } from './configurations.js';
import { exploreAll, exploreAtRandom, type Exploration } from './explore.js';

const seed = Number(process.env['QUAESTOR_TEST_SEED'] ?? 1);
const traces = Number(process.env['QUAESTOR_TEST_RUNS'] ?? 60);
const stepsPerTrace = 120;

// Far above what they take: a busy machine is no failure.
jest.setTimeout(300_000);

const explain = ({ violation }: Exploration): string =>
  violation === undefined
    ? ''
    : `${violation.property}: ${violation.problem}\n${violation.steps.map((step) => JSON.stringify(step)).join('\n')}`;

const say = (text: string): boolean => process.stdout.write(`specification: ${text}\n`);

describe('the protocol', () => {
  for (const system of smallSystems) {
    it(`keeps its promises in every state of ${nameOf(system)}`, () => {
      const explored = exploreAll(system.configuration, system.bounds, 1_000_000);
      expect(explain(explored)).toBe('');
      expect(explored.complete).toBe(true);
      say(`${nameOf(system)}: all ${explored.states} states, ${explored.steps} steps`);
    });
  }

  it('keeps its promises in random traces of other systems', () => {
    for (const system of randomSystems) {
      const { configuration, bounds } = system;
      const explored = exploreAtRandom(configuration, bounds, { seed, traces, steps: stepsPerTrace });
      expect(explain(explored)).toBe('');
      // A system of one has nobody to change the view with.
      const kinds = configuration.n === 1 ? 4 : 7;
      expect(explored.seen.size).toBeGreaterThanOrEqual(kinds);
      say(`${nameOf(system)}: ${explored.traces} traces, ${explored.steps} steps, seed ${seed}`);
    }
  });
});

describe('what the exploration notices', () => {
  for (const flaw of flaws) {
    it(`${flaw.flaw} breaks ${flaw.breaks.join(' or ')}`, () => {
      const { configuration, bounds } = flawed(flaw);
      const explored = exploreAtRandom(configuration, bounds, { seed: 1, traces: 20_000, steps: 120 });
      expect(flaw.breaks).toContain(explored.violation?.property);
    });
  }
});
