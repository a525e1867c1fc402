/** Judges what a simulated network writes. */
import { optionsOf, type SimulationOptions } from '../simulation/options.js';
import { simulate } from '../simulation/run.js';
import { Conformance } from './conformance.js';

/** Runs the simulation of a seed, and holds it against the specification. */
export async function conformanceOf(
  seed: number,
  given: Partial<SimulationOptions> = {},
): Promise<Conformance> {
  const { faults, ...options } = optionsOf(seed, given);
  const { validators, byzantine, parameters } = options;
  // The specification knows one validator set, and replicas that forget nothing.
  const { oldFolder: _, ...others } = faults;
  const simulated = { ...options, faults: others, reconfiguration: { changes: 0, spares: 0 }, observers: 0 };
  const conformance = new Conformance({
    n: validators,
    faulty: byzantine.map(({ index }) => index),
    pipelineWindow: parameters.pipelineWindowBlocks,
  });
  await simulate(seed, simulated, undefined, (stage) => {
    stage.witness = conformance;
  });
  return conformance;
}
