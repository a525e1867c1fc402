/** Judges what a simulated network writes. */
import { optionsOf, type SimulationOptions } from '../simulation/options.js';
import { simulate } from '../simulation/run.js';
import { Conformance } from './conformance.js';

/** Runs the simulation of a seed, and holds it against the specification. */
export async function conformanceOf(
  seed: number,
  given: Partial<SimulationOptions> = {},
): Promise<Conformance> {
  const { validators, byzantine, parameters } = optionsOf(seed, given);
  const conformance = new Conformance({
    n: validators,
    faulty: byzantine.map(({ index }) => index),
    pipelineWindow: parameters.pipelineWindowBlocks,
  });
  await simulate(seed, given, undefined, (stage) => {
    stage.witness = conformance;
  });
  return conformance;
}
