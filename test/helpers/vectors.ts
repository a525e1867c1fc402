import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/types/index.js';

/** Reads test/vectors/`name` as JSON of the shape that the caller says it has. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- one cast here instead of one a caller
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

/** Bytes of a hexadecimal text in a test; throws on anything else. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}
