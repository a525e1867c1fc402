/**
 * The whole network in virtual time, under faults and with faulty validators: a fixed set of schedules, then fresh ones.
 * A failure prints its seed, its options and what happened last; add it to regressions.ts once it is understood. They
 * run in processes of their own, since jest's module system makes them several times slower.
 * `QUAESTOR_SIMULATIONS` says how many fresh ones to run, `QUAESTOR_SIMULATION_SEED` with which seed to begin. In CI there
 * are none by default: it has to say the same of the same commit.
 */
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runForJson } from '../helpers/program.js';
import { Coverage, faultKinds, messageKinds, replicaStates } from './coverage.js';

interface Simulated {
  readonly done: number;
  readonly blocks: number;
  readonly traceHash: string;
  readonly coverage: readonly (readonly [number, number])[];
}

const processes = 2;
const fixed = { seed: 10_000, count: 1000 };
const fresh = {
  seed: Number(process.env['QUAESTOR_SIMULATION_SEED'] ?? 1_000_000 + (Date.now() % 1_000_000_000)),
  count: Number(process.env['QUAESTOR_SIMULATIONS'] ?? (process.env['CI'] === undefined ? 400 : 0)),
};

// Far above what they take: a busy machine is no failure.
jest.setTimeout(600_000);

const simulations = async (seed: number, count: number, more: readonly string[] = []): Promise<Simulated> =>
  (await runForJson('test/simulation/main.ts', [
    ...['--seed', `${seed}`, '--count', `${count}`, '--processes', `${processes}`],
    ...more,
  ])) as Simulated;

describe('a simulated network', () => {
  it('does exactly the same for the same seeds, in whatever processes', async () => {
    const first = await simulations(20_000, 16);
    const again = await simulations(20_000, 16, ['--processes', '1']);
    expect(again).toEqual(first);
    expect((await simulations(20_001, 16)).traceHash).not.toBe(first.traceHash);
  });

  it('keeps its promises in all schedules that found a defect once', async () => {
    await simulations(0, 0, ['--regressions']);
  });

  (fresh.count > 0 ? it : it.skip)(
    `keeps its promises in ${fresh.count} fresh schedules from seed ${fresh.seed} on`,
    async () => {
      expect((await simulations(fresh.seed, fresh.count)).done).toBe(fresh.count);
    },
  );
});

describe(`a simulated network with the ${fixed.count} seeds from ${fixed.seed} on`, () => {
  const coverage = new Coverage();
  let result: Simulated;

  beforeAll(async () => {
    result = await simulations(fixed.seed, fixed.count);
    coverage.add(result.coverage);
  });

  it('keeps its promises', () => {
    expect(result.done).toBe(fixed.count);
    expect(result.blocks).toBeGreaterThan(5 * fixed.count);
  });

  it('sends every kind of message to replicas in every state, under every fault', () => {
    const missing: string[] = [];
    for (const message of messageKinds) {
      for (const state of replicaStates)
        if (coverage.total({ message, state }) === 0) missing.push(`${message} to one that is ${state}`);
      for (const fault of faultKinds)
        if (coverage.total({ message, fault }) === 0) missing.push(`${message} under ${fault}`);
    }
    for (const state of replicaStates)
      for (const fault of faultKinds)
        if (coverage.total({ state, fault }) === 0) missing.push(`${state} under ${fault}`);
    expect(missing).toEqual([]);
  });

  it('leaves hardly any combination of message, state and fault out', () => {
    // Each can occur; a few are so rare that they need more seeds.
    if (coverage.filled < 0.96 * coverage.cells) throw new Error(`\n${coverage.table()}`);
  });
});
