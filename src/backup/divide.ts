/** Divides the state of a height into parts that stay the same as long as what is in them does. */
import { encodeStatePart } from '../codec/index.js';
import { maxPartDepth, pathsOfPart, stateKeyPath, subtreeOf } from '../crypto/index.js';
import type { StateChunk, Store } from '../storage/types.js';
import { compareBytes, equalBytes, successorPath, type Height } from '../types/index.js';

/** A part has at most so many bytes of keys and values, unless its prefix can not be longer. */
export const partBytes = 256 * 1024;
/** Shortest prefix, in bits: one of the 16 strands of a copy. */
const minDepth = 4;

/** A part of a state and its place. */
export interface DividedPart {
  readonly depth: number;
  readonly entries: StateChunk['entries'];
  /** Canonical StatePart; empty when there are no entries. */
  readonly bytes: Uint8Array;
  readonly subtree: Uint8Array;
}

interface Waiting {
  readonly path: Uint8Array;
  readonly entry: StateChunk['entries'][number];
  readonly bytes: number;
}

/**
 * All parts of the state of a height, in the order of their paths: the shortest prefixes below which there are at most
 * `maxBytes`, or one entry. So the division depends on the state alone. Keeps two parts in memory. Rejects with a StorageError
 * (PRUNED when the state is given up meanwhile).
 */
export async function* divideState(
  store: Pick<Store, 'stateChunk'>,
  height: Height,
  maxBytes = partBytes,
): AsyncGenerator<DividedPart> {
  for (let strand = 0; strand < 2 ** minDepth; strand++) {
    const start = strand * 2 ** (maxPartDepth - minDepth);
    yield* new Strand(store, height, maxBytes, pathsOfPart(start, minDepth)).parts(start, minDepth);
  }
}

class Strand {
  readonly #store: Pick<Store, 'stateChunk'>;
  readonly #height: Height;
  readonly #maxBytes: number;
  readonly #until: Uint8Array;
  /** What was read and is in no part yet; `#next` is where reading goes on, undefined at the end. */
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #next: Uint8Array | undefined;

  constructor(
    store: Pick<Store, 'stateChunk'>,
    height: Height,
    maxBytes: number,
    { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  ) {
    this.#store = store;
    this.#height = height;
    this.#maxBytes = maxBytes;
    this.#next = from;
    this.#until = to;
  }

  async *parts(start: number, depth: number): AsyncGenerator<DividedPart> {
    const { to } = pathsOfPart(start, depth);
    await this.#read();
    const isWhole = this.#next === undefined || compareBytes(this.#next, to) > 0;
    const count = isWhole ? this.#countUpTo(to) : 0;
    if (isWhole && (count <= 1 || this.#bytesOf(count) <= this.#maxBytes)) {
      yield this.#take(count, depth);
      return;
    }
    if (depth === maxPartDepth) {
      // Keys that agree in so many bits are few.
      await this.#read(to);
      yield this.#take(this.#countUpTo(to), depth);
      return;
    }
    yield* this.parts(start, depth + 1);
    yield* this.parts(start + 2 ** (maxPartDepth - depth - 1), depth + 1);
  }

  /** Reads until more than a part is there (one entry is always a part), or all up to a path. */
  async #read(upTo?: Uint8Array): Promise<void> {
    while (this.#next !== undefined) {
      if (
        upTo === undefined
          ? this.#waiting.length > 1 && this.#waitingBytes > this.#maxBytes
          : compareBytes(this.#next, upTo) > 0
      )
        return;
      const { entries, to } = await this.#store.stateChunk({
        height: this.#height,
        from: this.#next,
        until: this.#until,
        maxBytes: this.#maxBytes,
      });
      for (const entry of entries) {
        const bytes = entry.key.length + entry.value.length;
        this.#waiting.push({ path: stateKeyPath(entry.key), entry, bytes });
        this.#waitingBytes += bytes;
      }
      this.#next = equalBytes(to, this.#until) ? undefined : successorPath(to);
    }
  }

  #countUpTo(to: Uint8Array): number {
    const beyond = this.#waiting.findIndex(({ path }) => compareBytes(path, to) > 0);
    return beyond < 0 ? this.#waiting.length : beyond;
  }

  #bytesOf(count: number): number {
    let bytes = 0;
    for (let index = 0; index < count; index++) bytes += this.#waiting[index]?.bytes ?? 0;
    return bytes;
  }

  #take(count: number, depth: number): DividedPart {
    this.#waitingBytes -= this.#bytesOf(count);
    const entries = this.#waiting.splice(0, count).map(({ entry }) => entry);
    return {
      depth,
      entries,
      bytes: entries.length === 0 ? new Uint8Array(0) : encodeStatePart({ entries }),
      subtree: subtreeOf(entries, depth),
    };
  }
}
