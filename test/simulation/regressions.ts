import type { SimulationOptions } from './options.js';

/** Simulations that failed once, and what they found. */
export const regressions: readonly {
  readonly seed: number;
  readonly options?: Partial<SimulationOptions>;
  readonly found: string;
}[] = [
  { seed: 11, found: 'a builder that had only transactions too old for its height spun for ever' },
  {
    seed: 282,
    found: 'transactions of a block voted for before a restart were stuck when the next view dropped it',
  },
  { seed: 392, found: 'the same, after a blackout' },
  { seed: 1176, found: 'transactions of blocks of earlier views were stuck after a restart' },
  { seed: 1248, found: 'the same' },
  { seed: 1434, found: 'the same' },
];
