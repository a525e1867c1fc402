import type { StateKey } from '../../types/index.js';
import { compareBytes } from '../../types/index.js';
import { sha256, sha256To } from '../sha256.js';
import { stateKeyPath, writeStateKeyPath } from './hashing.js';
import type { StateEntry } from './types.js';

const hashBytes = 32;
const leafBytes = 64;

/** Writes to the state by their places in the tree, in the order of their paths. */
export class Changes {
  readonly count: number;
  /** 64 bytes each: path and hash of the value. */
  readonly bytes: Uint8Array;
  readonly #removed: Uint8Array;

  private constructor(count: number) {
    this.count = count;
    this.bytes = new Uint8Array(count * leafBytes);
    this.#removed = new Uint8Array(count);
  }

  /** Places to be looked at, in ascending order; what they have is left open. */
  static ofPaths(paths: readonly Uint8Array[]): Changes {
    const changes = new Changes(paths.length);
    paths.forEach((path, index) => changes.bytes.set(path, index * leafBytes));
    return changes;
  }

  /** Entries to be there, in ascending order of their paths. */
  static ofEntries(entries: readonly StateEntry[]): Changes {
    const changes = new Changes(entries.length);
    entries.forEach(({ key, value }, index) => {
      writeStateKeyPath(key, changes.bytes, index * leafBytes);
      sha256To(value, changes.bytes, index * leafBytes + hashBytes);
    });
    return changes;
  }

  /** Values of keys; undefined removes a key. */
  static of(writes: ReadonlyMap<StateKey, Uint8Array | undefined>): Changes {
    const unsorted: {
      readonly path: Uint8Array;
      readonly rank: number;
      readonly value: Uint8Array | undefined;
    }[] = [];
    for (const [key, value] of writes) {
      const path = stateKeyPath(key);
      unsorted.push({ path, rank: rankOf(path), value });
    }
    unsorted.sort((a, b) => (a.rank !== b.rank ? a.rank - b.rank : compareBytes(a.path, b.path)));
    const changes = new Changes(unsorted.length);
    unsorted.forEach(({ path, value }, index) => {
      changes.bytes.set(path, index * leafBytes);
      if (value === undefined) changes.#removed[index] = 1;
      else changes.bytes.set(sha256(value), index * leafBytes + hashBytes);
    });
    return changes;
  }

  /** A view of the path of a change. */
  path(index: number): Uint8Array {
    return this.bytes.subarray(index * leafBytes, index * leafBytes + hashBytes);
  }

  isRemoval(index: number): boolean {
    return this.#removed[index] === 1;
  }

  /** First index of a run, whose paths agree in `depth` bits, that goes right there; `end` if none does. */
  split(start: number, end: number, depth: number): number {
    let from = start;
    let to = end;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const byte = this.bytes[middle * leafBytes + (depth >>> 3)] ?? 0;
      if (((byte >>> (7 - (depth & 7))) & 1) === 1) to = middle;
      else from = middle + 1;
    }
    return from;
  }
}

/** First 48 bits of a path, for sorting. */
function rankOf(path: Uint8Array): number {
  let rank = 0;
  for (let index = 0; index < 6; index++) rank = rank * 256 + (path[index] ?? 0);
  return rank;
}
