/** Reads the state of a height in the order of the state tree, for those who copy it with proofs. */
import { asStateKey, type StateKey } from '../types/index.js';
import { keyText } from './byte-writer.js';
import { putPath, putPathsMark } from './commit-batch.js';
import type { KeyValueEngine } from './engine.js';
import { keySpaces, makeKey, textOfKey, writeKey } from './key-spaces.js';
import { checked, parsed, readLatest } from './records.js';
import { keyAfter, scan } from './scan.js';
import { stateAt } from './state-reads.js';
import type { StateChunk, StateChunkRequest } from './types.js';
import type { UnitWriter } from './unit-writer.js';
import { WriteBatch } from './write-batch.js';

const pageEntries = 256;
/** Entries that are added in one write to a store of an earlier version. */
const keysAtOnce = 2000;

/** Reads the chunk of a state; see Store.stateChunk. */
export async function readStateChunk(
  engine: KeyValueEngine,
  { height, from, until, maxBytes }: StateChunkRequest,
): Promise<StateChunk> {
  const entries: { key: StateKey; value: Uint8Array }[] = [];
  const end = keyAfter(makeKey((out) => writeKey.path(out, until)));
  let bytes = 0;
  for (let start = makeKey((out) => writeKey.path(out, from)); ;) {
    const page = await engine.range({ from: start, to: end, limit: pageEntries });
    const keys = page.map(({ key, value }) => keyText(checked(key, value)));
    const latestKeys = keys.map((key) => makeKey((out) => writeKey.latest(out, key)));
    const found = await engine.getMany(latestKeys);
    for (const [index, entry] of page.entries()) {
      const key = keys[index];
      const latestKey = latestKeys[index];
      const stored = found[index];
      if (key === undefined || latestKey === undefined || stored === undefined) continue;
      const latest = parsed(latestKey, stored, readLatest);
      const value = latest.height <= height ? latest.value : await stateAt(engine, key, height);
      if (value === undefined) continue;
      entries.push({ key: asStateKey(key), value });
      bytes += key.length + value.length;
      if (bytes >= maxBytes) return { entries, to: entry.key.slice(1) };
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageEntries) return { entries, to: until };
    start = keyAfter(last.key);
  }
}

/** Notes the paths of state keys that a store of an earlier version did not note. Does nothing when all are there. */
export async function completePaths(engine: KeyValueEngine, writer: UnitWriter): Promise<void> {
  const [mark] = await engine.getMany([makeKey((out) => writeKey.meta(out, 'paths'))]);
  if (mark !== undefined) return;
  let batch = new WriteBatch();
  for await (const { key } of scan(engine, keySpaces.latest)) {
    putPath(batch, asStateKey(textOfKey(key)));
    if (batch.count < keysAtOnce) continue;
    await writer.submit(batch, () => undefined);
    batch = new WriteBatch();
  }
  putPathsMark(batch);
  await writer.submit(batch, () => undefined);
}
