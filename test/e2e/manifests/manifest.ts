/**
 * What a run against a network of real processes does, as a small YAML document: how many validators, on which engine,
 * which load, and what is done to them one after the other. `drawManifest` draws one from a seed.
 */
import { parse, stringify } from 'yaml';
import { faultyOf } from '../../../src/types/index.js';
import { Prng } from '../../helpers/prng.js';

export const perturbationKinds = [
  'kill',
  'restart',
  'pause',
  'disconnect',
  'delay',
  'fullDisk',
  'certificates',
  'upgrade',
] as const;
export type PerturbationKind = (typeof perturbationKinds)[number];

/** Something that is done to validators at the same time, until the others have gone on for a while. */
export interface Perturbation {
  readonly kind: PerturbationKind;
  /** Indexes of the validators. More than f of them stop the network until it is over. */
  readonly validators: readonly number[];
  /** Of `delay`: added to everything that these validators send and get, in milliseconds. */
  readonly delayMs?: number;
}

export interface Manifest {
  readonly seed: number;
  readonly validators: number;
  /** What the validators run at first: this build, or the release before it. `upgrade` puts this build in its place, or
   * the same build in another folder. Default: this one. */
  readonly build?: 'this' | 'previous';
  readonly engine: 'leveldb' | 'rocksdb';
  /** Blocks between checkpoints: small, so that a short run passes many. */
  readonly checkpointIntervalBlocks: number;
  readonly pipelineWindowBlocks: number;
  /** Clients that pay without end. */
  readonly load: readonly {
    readonly via: 'submit' | 'submitMany';
    /** Index of the validator asked first. */
    readonly validator: number;
    readonly inFlight: number;
  }[];
  /** Clients that transfer among a few accounts and read balances with proofs, whose history is checked afterwards. */
  readonly bankClients: number;
  readonly perturbations: readonly Perturbation[];
}

/** What can be done on this machine: a full disk needs the right to mount one. */
export interface Abilities {
  readonly fullDisk: boolean;
  readonly rocksdb: boolean;
  /** The release before this one can be built. */
  readonly previousRelease: boolean;
}

export function formatManifest(manifest: Manifest): string {
  return stringify(manifest, { flowCollectionPadding: true, lineWidth: 0 });
}

/** Reads a manifest; throws an Error with a sentence when it does not fit. */
export function parseManifest(text: string): Manifest {
  const manifest = parse(text) as Manifest;
  const { validators, perturbations, load, build } = manifest;
  if (!Number.isInteger(validators) || validators < 1 || validators > 9) {
    throw new Error(`"validators" is ${String(validators)}; expected 1 to 9.`);
  }
  for (const { kind, validators: named } of perturbations) {
    if (!perturbationKinds.includes(kind)) throw new Error(`"${kind}" is no kind of perturbation.`);
    if (named.some((index) => !(index >= 0 && index < validators))) {
      throw new Error(`"${kind}" names validators ${named.join(', ')}; there are 0 to ${validators - 1}.`);
    }
  }
  if (!['this', 'previous', undefined].includes(build)) {
    throw new Error(`"build" is ${String(build)}; expected "this" or "previous".`);
  }
  if (load.length === 0) throw new Error('"load" is empty: without payments nothing can be seen.');
  return manifest;
}

/** Draws a manifest. The same seed and abilities give the same. */
export function drawManifest(seed: number, steps: number, abilities: Abilities): Manifest {
  const random = new Prng(seed);
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!;
  const validators = pick([4, 4, 4, 5, 7]);
  const load = Array.from({ length: 2 + random.below(2) }, () => ({
    via: pick(['submit', 'submitMany'] as const),
    validator: random.below(validators),
    inFlight: pick([2, 8, 24]),
  }));
  const kinds = perturbationKinds.filter((kind) => kind !== 'fullDisk' || abilities.fullDisk);
  const manifest: Manifest = {
    seed,
    validators,
    engine: abilities.rocksdb && random.chance(0.3) ? 'rocksdb' : 'leveldb',
    checkpointIntervalBlocks: pick([5, 20, 100]),
    pipelineWindowBlocks: pick([1, 2, 8]),
    load,
    bankClients: 2 + random.below(3),
    perturbations: Array.from({ length: steps }, () => drawPerturbation(random, pick(kinds), validators)),
  };
  const upgrades = manifest.perturbations.some(({ kind }) => kind === 'upgrade');
  return upgrades && abilities.previousRelease ? { ...manifest, build: 'previous' } : manifest;
}

function drawPerturbation(random: Prng, kind: PerturbationKind, validators: number): Perturbation {
  const faulty = faultyOf(validators);
  // One in five goes beyond what is tolerated: then nothing may commit, and all must come back.
  const beyond = random.chance(0.2) && (kind === 'kill' || kind === 'pause' || kind === 'disconnect');
  const count =
    kind === 'fullDisk'
      ? 1
      : beyond
        ? faulty + 1 + random.below(validators - faulty)
        : 1 + random.below(faulty);
  const order = Array.from({ length: validators }, (_, index) => index);
  for (let index = order.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
  const named = order.slice(0, count).sort((left, right) => left - right);
  return { kind, validators: named, ...(kind === 'delay' ? { delayMs: 20 + random.below(400) } : {}) };
}
