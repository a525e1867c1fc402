/**
 * Reads that search: the state as of a height, ranges of it, the history of an account. All of them see blocks up to
 * the height that is passed in only, whatever is written meanwhile.
 */
import {
  asHeight,
  asStateKey,
  invariant,
  limits,
  type Height,
  type StateKey,
  type TxId,
} from '../types/index.js';
import { ByteReader } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import { endKey, firstKey, invertedHeightOf, keySpaces, makeKey, textOfKey, writeKey } from './key-spaces.js';
import {
  checked,
  corruptEntry,
  parsed,
  presentValue,
  readIndexes,
  readLatest,
  transactionIdAt,
} from './records.js';
import { keyAfter } from './scan.js';
import type { HistoryPage } from './types.js';

/** Value of a key after the block of a height. */
export async function stateAt(
  engine: KeyValueEngine,
  key: string,
  height: Height,
): Promise<Uint8Array | undefined> {
  const [entry] = await engine.range({
    from: makeKey((out) => writeKey.version(out, key, height)),
    to: keyAfter(makeKey((out) => writeKey.version(out, key, asHeight(0)))),
    limit: 1,
  });
  if (entry === undefined) return undefined;
  return parsed(entry.key, entry.value, (body) => presentValue(new ByteReader(body)));
}

/** Keys with a prefix and greater than `after`, with their values after the block of a height. */
export async function stateRange(
  engine: KeyValueEngine,
  options: {
    readonly prefix: string;
    readonly after: string;
    readonly height: Height;
    readonly limit: number;
  },
): Promise<readonly { readonly key: StateKey; readonly value: Uint8Array }[]> {
  const { prefix, after, height, limit } = options;
  invariant(limit > 0, 'a limit is positive');
  const found: { key: StateKey; value: Uint8Array }[] = [];
  const to = endKey(keySpaces.latest, prefix);
  let from =
    after >= prefix && after !== ''
      ? keyAfter(firstKey(keySpaces.latest, after))
      : firstKey(keySpaces.latest, prefix);
  // The latest state lists every key that ever was; what changed after `height` is looked up among the versions.
  for (;;) {
    const pageSize = Math.min(limit - found.length + 16, 1024);
    const page = await engine.range({ from, to, limit: pageSize });
    const values = await Promise.all(
      page.map(async ({ key, value }) => {
        const latest = parsed(key, value, readLatest);
        return latest.height <= height ? latest.value : stateAt(engine, textOfKey(key), height);
      }),
    );
    for (const [index, { key }] of page.entries()) {
      const value = values[index];
      if (value === undefined) continue;
      found.push({ key: asStateKey(textOfKey(key)), value });
      if (found.length === limit) return found;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return found;
    from = keyAfter(last.key);
  }
}

interface Position {
  readonly height: Height;
  readonly index: number;
}

/** Transactions that touched an account, newest first, those of blocks above `head` left out. */
export async function historyPage(
  engine: KeyValueEngine,
  options: {
    readonly account: string;
    readonly limit: number;
    readonly before: Position | undefined;
    readonly head: Height;
    /** Blocks up to this one are not kept. */
    readonly base: Height;
  },
): Promise<HistoryPage> {
  const { account, limit, before, head, base } = options;
  invariant(limit > 0, 'a limit is positive');
  const newest = asHeight(Math.min(before?.height ?? head, head, limits.maxHeight));
  const positions: Position[] = [];
  // One position more than asked for tells whether there is another page.
  const wanted = limit + 1;
  const oldest = makeKey((out) => writeKey.history(out, account, base));
  const to = base === 0 ? keyAfter(oldest) : oldest;
  let from = makeKey((out) => writeKey.history(out, account, newest));
  while (positions.length < wanted) {
    const pageSize = Math.min(wanted - positions.length, 256);
    const page = await engine.range({ from, to, limit: pageSize });
    for (const { key, value } of page) {
      const height = invertedHeightOf(key);
      for (const index of parsed(key, value, readIndexes)) {
        if (before !== undefined && height === before.height && index >= before.index) continue;
        if (positions.length < wanted) positions.push({ height, index });
      }
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) break;
    from = keyAfter(last.key);
  }
  const shown = positions.slice(0, limit);
  const txIds = await transactionIds(engine, shown);
  return {
    entries: shown.map((position, index) => ({ ...position, txId: txIds[index] as TxId })),
    next: positions.length > limit ? shown.at(-1) : undefined,
  };
}

/** Ids of the transactions at some positions. */
async function transactionIds(
  engine: KeyValueEngine,
  positions: readonly Position[],
): Promise<readonly TxId[]> {
  const heights = [...new Set(positions.map(({ height }) => height))];
  const keys = heights.map((height) => makeKey((out) => writeKey.transactionIds(out, height)));
  const stored = await engine.getMany(keys);
  const bodies = new Map<Height, { readonly key: Uint8Array; readonly body: Uint8Array }>();
  heights.forEach((height, index) => {
    const key = keys[index];
    const value = stored[index];
    if (key === undefined) return;
    if (value === undefined) throw corruptEntry(key, 'an entry of a committed block is missing');
    bodies.set(height, { key, body: checked(key, value) });
  });
  return positions.map(({ height, index }) => {
    const block = bodies.get(height);
    invariant(block !== undefined, 'every height was read');
    if ((index + 1) * 32 > block.body.length)
      throw corruptEntry(block.key, 'the history names a transaction that the block does not have');
    return transactionIdAt(block.body, index);
  });
}
