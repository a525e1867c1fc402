import type { StateKey } from '../types/index.js';
import { isKeyText } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import { makeKey, writeKey } from './key-spaces.js';
import { PackedCache } from './packed-cache.js';
import { checked, parsed, readLatest } from './records.js';
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

/** Bytes of the version that a node's key starts with; the rest is its place in the tree. */
const versionBytes = 6;

/** Nodes of the state tree that were used recently: of each place in the tree one version, the last that was seen. */
export class TreeCache {
  readonly #cache: PackedCache;

  constructor(maxBytes: number, seed: number) {
    this.#cache = new PackedCache(maxBytes, seed);
  }

  /** A block that adds these nodes became durable. */
  committed(nodes: BlockCommit['treeNodes']): void {
    for (const { key, value } of nodes) this.#set(key, value);
  }

  async getMany(
    keys: readonly Uint8Array[],
    engine: KeyValueEngine,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const values = new Array<Uint8Array | undefined>(keys.length);
    const missing: number[] = [];
    const engineKeys: Uint8Array[] = [];
    keys.forEach((key, index) => {
      const known = this.#get(key);
      if (known !== undefined) values[index] = known;
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
      // A read of the past does not take the place of the present.
      if (!this.#cache.has(key, versionBytes)) this.#set(key, value);
    });
    return values;
  }

  /** A node never changes under its key: what is cached of the right version is right. */
  #get(key: Uint8Array): Uint8Array | undefined {
    return this.#cache.get(key, versionOf(key), versionBytes) ?? undefined;
  }

  #set(key: Uint8Array, value: Uint8Array): void {
    this.#cache.set(key, value, versionOf(key), versionBytes);
  }
}

function versionOf(key: Uint8Array): number {
  let version = 0;
  for (let index = 0; index < versionBytes; index++) version = version * 256 + (key[index] ?? 0);
  return version;
}
