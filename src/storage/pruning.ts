/**
 * Removes what is no longer kept, a bounded step at a time. Everything is found by lists that each block wrote about
 * itself, so that a step costs what it removes. Each step ends with a record of how far it came in the same write as its
 * last removals; removing twice does no harm, so that it may be interrupted anywhere.
 */
import { decodeBlockHeader } from '../codec/index.js';
import { stateKeyPath } from '../crypto/index.js';
import { asHeight, asStateKey, equalBytes, type Height } from '../types/index.js';
import { ByteReader, keyText } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import {
  endKey,
  firstKey,
  invertedHeightOf,
  keySpaces,
  makeKey,
  pruningLists,
  writeKey,
  type KeySpace,
} from './key-spaces.js';
import {
  checked,
  parsed,
  presentValue,
  readHeader,
  readLatest,
  readShortList,
  writeRetainBounds,
} from './records.js';
import { keyAfter } from './scan.js';
import type { PruneStep, RetainBounds } from './types.js';
import type { UnitWriter } from './unit-writer.js';
import { WriteBatch } from './write-batch.js';

/** Most heights of one step, and most keys that are looked up at once. */
const heightsAtOnce = 64;
const keysAtOnce = 64;
/** Versions of a key that are read at a time. */
const versionsAtOnce = 256;

export interface PruningParts {
  readonly engine: KeyValueEngine;
  readonly writer: UnitWriter;
  /** What is removed already. */
  readonly removed: RetainBounds;
}

/** Made and used by the store alone, one step at a time. */
export class Pruning {
  readonly #engine: KeyValueEngine;
  readonly #writer: UnitWriter;
  #removed: RetainBounds;
  #batch = new WriteBatch();
  #entries = 0;
  #maxEntries = 1;
  /** State keys that commits have written since the step began. */
  #written = new Set<string>();
  #isRunning = false;

  constructor({ engine, writer, removed }: PruningParts) {
    this.#engine = engine;
    this.#writer = writer;
    this.#removed = removed;
  }

  /** A block that writes these keys was handed to the writer. */
  noteWrites(keys: Iterable<string>): void {
    if (this.#isRunning) for (const key of keys) this.#written.add(key);
  }

  /** Removes some of what `kept` no longer has. */
  async step(kept: RetainBounds, maxEntries: number): Promise<PruneStep> {
    this.#batch = new WriteBatch();
    this.#entries = 0;
    this.#maxEntries = maxEntries;
    this.#written = new Set();
    this.#isRunning = true;
    try {
      let { blocks, states } = this.#removed;
      // States first: their lists go before the blocks', and they are the larger part.
      if (states < kept.states) states = await this.#pruneStates(states, kept.states);
      if (this.#entries < maxEntries && blocks < kept.blocks)
        blocks = await this.#pruneBlocks(blocks, kept.blocks);
      const removed = { blocks, states };
      if (blocks !== this.#removed.blocks || states !== this.#removed.states) {
        writeKey.meta(this.#batch.begin(), 'pruned');
        writeRetainBounds(this.#batch.value(), removed);
        this.#batch.end();
        await this.#writer.submit(this.#batch, () => undefined);
        this.#removed = removed;
      }
      const done = blocks >= kept.blocks && states >= kept.states;
      return { entries: this.#entries, removed, done };
    } finally {
      this.#isRunning = false;
    }
  }

  /** Versions and nodes that only states below `end` used; `from` is the lowest height whose state is whole. */
  async #pruneStates(from: Height, end: Height): Promise<Height> {
    const heights = heightsFrom(from + 1, end);
    const lists = await this.#lists(heights, pruningLists.state);
    const lastWrite = new Map<string, Height>();
    const used: Uint8Array[] = [];
    let reached = from;
    for (const [index, height] of heights.entries()) {
      const list = lists[index];
      if (list !== undefined) {
        const [keys, nodes] = parsed(list.key, list.value, (body) => {
          const reader = new ByteReader(body);
          return [readShortList(reader), readShortList(reader)] as const;
        });
        for (const key of keys) lastWrite.set(keyText(key), height);
        for (const node of nodes) await this.#remove(makeKey((out) => writeKey.treeNode(out, node)));
        used.push(list.key);
      }
      reached = height;
      if (this.#entries + lastWrite.size >= this.#maxEntries) break;
    }
    const changed = [...lastWrite];
    for (let start = 0; start < changed.length; start += keysAtOnce) {
      const some = changed.slice(start, start + keysAtOnce);
      const gone = (await Promise.all(some.map(([key, height]) => this.#pruneVersions(key, height)))).flat();
      await this.#forget(gone, end);
    }
    for (const key of used) await this.#remove(key);
    return reached;
  }

  /** Removes the versions of a key below the one of a height; gives the key back if it had no value there either. */
  async #pruneVersions(key: string, height: Height): Promise<readonly string[]> {
    const to = keyAfter(makeKey((out) => writeKey.version(out, key, asHeight(0))));
    let from = makeKey((out) => writeKey.version(out, key, height));
    let isAbsent = true;
    let marker: Uint8Array | undefined;
    for (let isFirst = true; ; isFirst = false) {
      const limit = isFirst ? 8 : versionsAtOnce;
      const page = await this.#engine.range({ from, to, limit });
      for (const [index, entry] of page.entries()) {
        // One that says "removed" goes too, but after those below it: without it they would be seen again.
        if (isFirst && index === 0 && invertedHeightOf(entry.key) === height) {
          isAbsent =
            parsed(entry.key, entry.value, (body) => presentValue(new ByteReader(body))) === undefined;
          if (isAbsent) marker = entry.key;
          continue;
        }
        await this.#remove(entry.key);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < limit) break;
      from = keyAfter(last.key);
    }
    if (marker !== undefined) await this.#remove(marker);
    return isAbsent ? [key] : [];
  }

  /** Removes the last traces of keys that have no value in any state that is kept, and none in the latest one. */
  async #forget(keys: readonly string[], end: Height): Promise<void> {
    if (keys.length === 0) return;
    const latestKeys = keys.map((key) => makeKey((out) => writeKey.latest(out, key)));
    const found = await this.#engine.getMany(latestKeys);
    for (const [index, key] of keys.entries()) {
      const latestKey = latestKeys[index];
      const stored = found[index];
      if (latestKey === undefined || stored === undefined) continue;
      const latest = parsed(latestKey, stored, readLatest);
      if (latest.value !== undefined || latest.height > end || this.#written.has(key)) continue;
      // Nothing is awaited up to the end of the unit: no block that writes the key comes in between.
      this.#put(latestKey);
      this.#put(makeKey((out) => writeKey.path(out, stateKeyPath(asStateKey(key)))));
    }
    await this.#flushIfFull();
  }

  /** Everything of blocks above `from` up to `end` but for what proves a change of the validator set, and the header of
   * `end`. */
  async #pruneBlocks(from: Height, end: Height): Promise<Height> {
    let reached = from;
    for (const height of heightsFrom(from + 1, end)) {
      const idsKey = makeKey((out) => writeKey.transactionIds(out, height));
      const below = asHeight(height - 1);
      const headerKey = makeKey((out) => writeKey.header(out, below));
      const accountsKey = makeKey((out) => writeKey.stale(out, height, pruningLists.accounts));
      const [ids, accounts, header] = await this.#engine.getMany([idsKey, accountsKey, headerKey]);
      const idBytes = ids === undefined ? new Uint8Array(0) : checked(idsKey, ids);
      for (let at = 0; at + 32 <= idBytes.length; at += 32) {
        const txId = idBytes.subarray(at, at + 32);
        await this.#remove(makeKey((out) => writeKey.transaction(out, txId)));
      }
      if (accounts !== undefined) {
        const names = parsed(accountsKey, accounts, (body) => readShortList(new ByteReader(body)));
        for (const name of names)
          await this.#remove(makeKey((out) => writeKey.history(out, keyText(name), height)));
      }
      // The genesis block stays.
      if (header !== undefined && below > 0) {
        const { headerBytes } = parsed(headerKey, header, (body) => readHeader(below, body));
        if (!handsOver(headerBytes)) await this.#remove(headerKey);
      }
      await this.#remove(makeKey((out) => writeKey.envelopes(out, height)));
      await this.#remove(makeKey((out) => writeKey.results(out, height)));
      // By these the rest is found, so they go last.
      this.#put(accountsKey);
      this.#put(idsKey);
      reached = height;
      if (this.#entries >= this.#maxEntries) break;
    }
    return reached;
  }

  async #lists(heights: readonly Height[], list: 0 | 1) {
    const keys = heights.map((height) => makeKey((out) => writeKey.stale(out, height, list)));
    const found = await this.#engine.getMany(keys);
    return keys.map((key, index) => {
      const value = found[index];
      return value === undefined ? undefined : { key, value };
    });
  }

  async #remove(key: Uint8Array): Promise<void> {
    this.#put(key);
    await this.#flushIfFull();
  }

  #put(key: Uint8Array): void {
    this.#batch.begin().bytes(key);
    this.#batch.remove();
    this.#entries++;
  }

  async #flushIfFull(): Promise<void> {
    if (this.#batch.count < this.#maxEntries) return;
    const full = this.#batch;
    this.#batch = new WriteBatch();
    await this.#writer.submit(full, () => undefined);
  }
}

function heightsFrom(first: number, last: number): readonly Height[] {
  const count = Math.max(0, Math.min(heightsAtOnce, last - first + 1));
  return Array.from({ length: count }, (_, index) => asHeight(first + index));
}

/** Whether a header proves which validator set follows. */
function handsOver(headerBytes: Uint8Array): boolean {
  const header = decodeBlockHeader(headerBytes);
  return !header.ok || !equalBytes(header.value.validatorSetHash, header.value.nextValidatorSetHash);
}

const byHeight: readonly KeySpace[] = [
  keySpaces.header,
  keySpaces.envelopes,
  keySpaces.results,
  keySpaces.transactionIds,
  keySpaces.stale,
];

/** Gives back the room of what was removed up to a height; with `everything`, of all key spaces. */
export async function compactPruned(
  engine: KeyValueEngine,
  { blocks, states }: RetainBounds,
  everything: boolean,
): Promise<void> {
  if (everything) {
    for (const space of Object.values(keySpaces)) await engine.compact(firstKey(space), endKey(space));
    return;
  }
  const end = Math.max(blocks, states) + 1;
  for (const space of byHeight) {
    await engine.compact(
      firstKey(space),
      makeKey((out) => out.u8(space.prefix).u48(end)),
    );
  }
  // Keys of nodes begin with the version that made them.
  await engine.compact(
    firstKey(keySpaces.treeNode),
    makeKey((out) => out.u8(keySpaces.treeNode.prefix).u48(end)),
  );
}
