import type { KeyValueEngine, KeyValuePair } from './engine.js';
import { endKey, firstKey, type KeySpace } from './key-spaces.js';

const pageSize = 256;

/** Least key greater than a key. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** All entries of a key space, in order, page by page. */
export async function* scan(engine: KeyValueEngine, space: KeySpace): AsyncGenerator<KeyValuePair> {
  for await (const page of pages(engine, space, pageSize)) yield* page;
}

/** As `scan`, by pages; the next one is read while one is looked at. */
export async function* pages(
  engine: KeyValueEngine,
  space: KeySpace,
  limit: number,
): AsyncGenerator<readonly KeyValuePair[]> {
  const to = endKey(space);
  let reading = engine.range({ from: firstKey(space), to, limit });
  for (;;) {
    const page = await reading;
    const last = page.at(-1);
    if (last === undefined) return;
    const isLast = page.length < limit;
    if (!isLast) {
      reading = engine.range({ from: keyAfter(last.key), to, limit });
      // Whoever asks for it sees the error.
      reading.catch(() => undefined);
    }
    yield page;
    if (isLast) return;
  }
}
