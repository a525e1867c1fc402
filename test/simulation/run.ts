/** Runs simulations and says how they went. */
import { sealed } from './guards.js';
import { optionsOf, type SimulationOptions } from './options.js';
import { World, type Outcome, type Stage } from './world.js';

/** Runs the simulation of a seed; parts of its options may be given, and a script may do things in it by hand. */
export async function simulate(
  seed: number,
  given: Partial<SimulationOptions> = {},
  traceLines?: number,
  script?: (stage: Stage) => void,
): Promise<{ readonly options: SimulationOptions; readonly outcome: Outcome }> {
  const options = optionsOf(seed, given);
  const outcome = await sealed(async () => {
    const world = new World(options, traceLines);
    script?.(world.stage);
    const rejected = (error: unknown): void =>
      world.fail(
        `DEFECT: unhandled rejection: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    process.on('unhandledRejection', rejected);
    try {
      return await world.run();
    } finally {
      process.off('unhandledRejection', rejected);
    }
  });
  return { options, outcome };
}

/** A failed simulation for people: what happened last, with which options, and how to see it again. */
export function report({ options, outcome }: Awaited<ReturnType<typeof simulate>>, lines = 120): string {
  return [
    ...outcome.trace.lines().slice(-lines),
    '',
    `options ${JSON.stringify(options)}`,
    `again: npm run simulate -- --seed ${options.seed} --count 1 --trace 400`,
    `trace hash ${outcome.traceHash} of ${outcome.trace.count} entries`,
    `seed ${options.seed}: ${outcome.failure ?? `height ${outcome.height}, view ${outcome.highestView}`}`,
  ].join('\n');
}
