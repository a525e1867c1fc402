/** Judges what a simulated network writes. */
import type { SimulationOptions } from '../simulation/options.js';
import type { Witness } from '../simulation/world.js';
import { Conformance } from './conformance.js';

/** A witness for one simulation, and what it found. */
export function witnessOf(): {
  readonly make: (options: SimulationOptions) => Witness;
  readonly conformance: () => Conformance;
} {
  let conformance: Conformance | undefined;
  return {
    make: ({ validators, byzantine, parameters }) => {
      conformance = new Conformance({
        n: validators,
        faulty: byzantine.map(({ index }) => index),
        pipelineWindow: parameters.pipelineWindowBlocks,
      });
      return conformance;
    },
    conformance: () => {
      if (conformance === undefined) throw new Error('the simulation has not started');
      return conformance;
    },
  };
}
