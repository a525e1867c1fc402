import type { StateKey } from '../types/index.js';
import { isKeyText, keyText } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import { makeKey, writeKey } from './key-spaces.js';
import { checked, parsed, readLatest } from './records.js';
import { RecentCache } from './recent-cache.js';
import type { BlockCommit } from './types.js';

/** Latest values of the state: those used recently, absence included. Coherent with the commits. */
export class StateCache {
  readonly #cache: RecentCache<Uint8Array | undefined>;

  constructor(maxBytes: number) {
    this.#cache = new RecentCache(maxBytes);
  }

  /** A block with these writes became durable. */
  committed(writes: BlockCommit['stateWrites']): void {
    for (const [key, value] of writes) this.#set(key, value);
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
      if (known !== undefined) values[index] = known.value;
      else if (isKeyText(key)) {
        missing.push(index);
        engineKeys.push(makeKey((out) => writeKey.latest(out, key)));
      }
    });
    if (missing.length === 0) return values;
    const rotations = this.#cache.rotations;
    const found = await engine.getMany(engineKeys);
    // A commit that ended meanwhile has set the key, and what it set is still there unless two generations went by.
    const mayFill = this.#cache.rotations - rotations < 2;
    missing.forEach((index, position) => {
      const key = keys[index];
      const engineKey = engineKeys[position];
      if (key === undefined || engineKey === undefined) return;
      const stored = found[position];
      const value = stored === undefined ? undefined : parsed(engineKey, stored, readLatest).value;
      values[index] = value;
      if (mayFill && !this.#cache.has(key)) this.#set(key, value);
    });
    return values;
  }

  #set(key: StateKey, value: Uint8Array | undefined): void {
    this.#cache.set(key, value, value?.length ?? 0);
  }
}

/** Nodes of the state tree that were used recently. A node never changes under its key. */
export class TreeCache {
  readonly #cache: RecentCache<Uint8Array>;

  constructor(maxBytes: number) {
    this.#cache = new RecentCache(maxBytes);
  }

  /** A block that adds these nodes became durable. */
  committed(nodes: BlockCommit['treeNodes']): void {
    for (const { key, value } of nodes) this.#cache.set(keyText(key), value, value.length);
  }

  async getMany(
    keys: readonly Uint8Array[],
    engine: KeyValueEngine,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const values = new Array<Uint8Array | undefined>(keys.length);
    const missing: number[] = [];
    const engineKeys: Uint8Array[] = [];
    keys.forEach((key, index) => {
      const known = this.#cache.get(keyText(key));
      if (known !== undefined) values[index] = known.value;
      else {
        missing.push(index);
        engineKeys.push(makeKey((out) => writeKey.treeNode(out, key)));
      }
    });
    if (missing.length === 0) return values;
    const found = await engine.getMany(engineKeys);
    missing.forEach((index, position) => {
      const key = keys[index];
      const engineKey = engineKeys[position];
      const stored = found[position];
      if (key === undefined || engineKey === undefined || stored === undefined) return;
      const value = checked(engineKey, stored);
      values[index] = value;
      this.#cache.set(keyText(key), value, value.length);
    });
    return values;
  }
}
