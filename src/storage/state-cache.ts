import type { StateKey } from '../types/index.js';
import { isKeyText } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import { makeKey, writeKey } from './key-spaces.js';
import { PackedCache } from './packed-cache.js';
import { parsed, readLatest } from './records.js';
import type { BlockCommit } from './types.js';

/** Latest values of the state: those used recently, absence included. Coherent with the commits. */
export class StateCache {
  readonly #cache: PackedCache;
  #commits = 0;

  constructor(maxBytes: number, seed: number) {
    this.#cache = new PackedCache(maxBytes, seed);
  }

  /** A block with these writes became durable. */
  committed(writes: BlockCommit['stateWrites']): void {
    this.#commits++;
    for (const [key, value] of writes) this.#cache.set(key, value ?? null);
  }

  /** Whether a key is known to have a value. */
  has(key: StateKey): boolean {
    return (this.#cache.get(key) ?? null) !== null;
  }

  async getMany(
    keys: readonly StateKey[],
    engine: KeyValueEngine,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const values = new Array<Uint8Array | undefined>(keys.length);
    const missing: number[] = [];
    const engineKeys: Uint8Array[] = [];
    keys.forEach((key, index) => {
      const known = this.#cache.get(key);
      if (known !== undefined) values[index] = known ?? undefined;
      else if (isKeyText(key)) {
        missing.push(index);
        engineKeys.push(makeKey((out) => writeKey.latest(out, key)));
      }
    });
    if (missing.length === 0) return values;
    const commits = this.#commits;
    const found = await engine.getMany(engineKeys);
    // A commit that ended meanwhile may have set the key, and what it set may be gone from here already.
    const mayFill = this.#commits === commits;
    missing.forEach((index, position) => {
      const key = keys[index];
      const engineKey = engineKeys[position];
      if (key === undefined || engineKey === undefined) return;
      const stored = found[position];
      const value = stored === undefined ? undefined : parsed(engineKey, stored, readLatest).value;
      values[index] = value;
      if (mayFill) this.#cache.set(key, value ?? null);
    });
    return values;
  }
}
