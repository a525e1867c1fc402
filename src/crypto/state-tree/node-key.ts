import { nibbleAt } from './hashing.js';

/** Longest key of a stored node, in bytes. */
export const maxNodeKeyBytes = 7 + 32;

/**
 * Writes the key of a stored node and returns its length: version (6 bytes, big-endian) ‖ depth in half-bytes (1) ‖ the
 * half-bytes that lead to it, two a byte, filled up with zero. Keys of a version are next to each other and later
 * versions sort last: a block's nodes are written as one run at the end of the key space.
 *
 * The path starts at `pathOffset` of `path`.
 */
export function writeNodeKey(
  to: Uint8Array,
  offset: number,
  version: number,
  path: Uint8Array,
  pathOffset: number,
  depth: number,
): number {
  let rest = version;
  for (let index = 5; index >= 0; index--) {
    to[offset + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  to[offset + 6] = depth;
  const length = 7 + ((depth + 1) >>> 1);
  for (let index = 7; index < length; index++) to[offset + index] = path[pathOffset + index - 7] ?? 0;
  if ((depth & 1) === 1) to[offset + length - 1] = nibbleAt(path, depth - 1, pathOffset) << 4;
  return length;
}

/** Key of a stored node; see writeNodeKey. */
export function nodeKey(version: number, path: Uint8Array, pathOffset: number, depth: number): Uint8Array {
  const key = new Uint8Array(maxNodeKeyBytes);
  return key.slice(0, writeNodeKey(key, 0, version, path, pathOffset, depth));
}
