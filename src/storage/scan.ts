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
  const to = endKey(space);
  for (let from = firstKey(space); ;) {
    const page = await engine.range({ from, to, limit: pageSize });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    from = keyAfter(last.key);
  }
}
