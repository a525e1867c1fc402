/**
 * Runs targets on mutants of their samples, by seed: the same seed gives the same inputs. A target throws when an input
 * makes the code under test do what it must not do.
 */
import { createHash } from 'node:crypto';
import { Prng } from '../helpers/prng.js';
import { mutateBytes } from './mutate-bytes.js';
import { mutateText } from './mutate-text.js';

export type Target = {
  readonly name: string;
  /** Most bytes, or characters, of an input. */
  readonly maxSize?: number;
  /** How many times as long as a usual one an input takes: targets are given equal time. */
  readonly cost?: number;
} & (
  | {
      readonly kind: 'bytes';
      readonly samples: readonly Uint8Array[];
      run(input: Uint8Array): void | Promise<void>;
    }
  | { readonly kind: 'text'; readonly samples: readonly string[]; run(input: string): void | Promise<void> }
);

/** Tells which of the latest inputs were worth keeping. */
export interface Guide {
  /** Whether code ran that never ran before. */
  reachedNew(): Promise<boolean>;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Asked before each round of inputs. */
  readonly goOn: (inputs: number) => boolean;
  readonly guide?: Guide;
}

/** A target's name as part of a file's name. */
export const nameOf = (target: string): string => target.replace(/[^A-Za-z0-9.]+/g, '-');

/** A failure, with what repeats it. */
export class FuzzFailure extends Error {
  readonly target: string;
  readonly input: Uint8Array;
  /** Name of the file that keeps the input as a regression. */
  readonly fileName: string;

  constructor(target: string, seed: number, number: number, input: Uint8Array, cause: unknown) {
    const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    const shown = Buffer.from(input.subarray(0, 2000)).toString('hex');
    super(`${target}, seed ${seed}, input ${number} of ${input.length} bytes (hex): ${shown}\n${what}`, {
      cause,
    });
    this.target = target;
    this.input = input;
    this.fileName = `${nameOf(target)}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`;
  }
}

/** Inputs that are tried between two questions: to read the counters takes as long as some hundred small inputs. */
const roundInputs = 16;
const guidedRoundInputs = 256;
/** Most inputs that are kept because they reached something new. */
const maxKept = 2000;

/** Tries a target. Gives the number of inputs, and of those that were kept; throws a FuzzFailure. */
export async function fuzz(
  target: Target,
  { seed, goOn, guide }: FuzzOptions,
): Promise<{ readonly inputs: number; readonly kept: number }> {
  const random = new Prng(seed ^ hashOf(target.name));
  const maxSize = target.maxSize ?? 16 * 1024;
  let inputs = 0;
  let kept = 0;
  const rounds = async <T>(
    samples: T[],
    mutate: (from: readonly T[]) => T,
    run: (input: T) => void | Promise<void>,
    bytesOf: (input: T) => Uint8Array,
  ): Promise<void> => {
    while (goOn(inputs)) {
      const tried: T[] = [];
      const size = guide === undefined ? roundInputs : Math.ceil(guidedRoundInputs / (target.cost ?? 1));
      for (let count = 0; count < size; count++) {
        const input = mutate(samples);
        tried.push(input);
        inputs++;
        try {
          await run(input);
        } catch (error) {
          throw new FuzzFailure(target.name, seed, inputs, bytesOf(input), error);
        }
      }
      if (guide === undefined || !(await guide.reachedNew()) || kept >= maxKept) continue;
      // Which of them it was is not known: some of them, so that the samples stay varied.
      const chosen = tried.filter(() => random.chance(8 / tried.length));
      samples.push(...chosen);
      kept += chosen.length;
    }
  };
  if (target.kind === 'bytes') {
    await rounds<Uint8Array>(
      [...target.samples],
      (samples) => mutateBytes(random, samples, maxSize),
      (input) => target.run(input),
      (input) => input,
    );
  } else {
    await rounds<string>(
      [...target.samples],
      (samples) => mutateText(random, samples, maxSize),
      (input) => target.run(input),
      (input) => new TextEncoder().encode(input),
    );
  }
  return { inputs, kept };
}

/** Runs one input that is kept as a regression. */
export async function replay(target: Target, input: Uint8Array): Promise<void> {
  await (target.kind === 'bytes' ? target.run(input) : target.run(new TextDecoder().decode(input)));
}

function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE();
}
