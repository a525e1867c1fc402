import { nibbleAt } from './hashing.js';

/**
 * Key of a stored node: version (6 bytes, big-endian) ‖ depth in half-bytes (1) ‖ the half-bytes that lead to it, two a
 * byte, filled up with zero. Keys of a version are next to each other and later versions sort last: a block's nodes are
 * written as one run at the end of the key space, and in the order in which a walk from the root meets them.
 */
export function nodeKey(version: number, path: Uint8Array, depth: number): Uint8Array {
  const key = new Uint8Array(7 + ((depth + 1) >>> 1));
  let rest = version;
  for (let index = 5; index >= 0; index--) {
    key[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  key[6] = depth;
  for (let index = 7; index < key.length; index++) key[index] = path[index - 7] ?? 0;
  if ((depth & 1) === 1) key[key.length - 1] = nibbleAt(path, depth - 1) << 4;
  return key;
}

/** Longest prefix, in half-bytes, that `prefixId` tells apart exactly. */
const maxPrefixDepth = 12;
/** Stands for the deeper ones, which nobody meets but who grinds hashes for it. */
export const deepPrefixId = 0;

/** A number for the first `depth` half-bytes of a path, different for each prefix; deepPrefixId beyond 12 of them. */
export function prefixId(path: Uint8Array, depth: number): number {
  if (depth > maxPrefixDepth) return deepPrefixId;
  let id = 1;
  for (let index = 0; index < depth; index++) id = id * 16 + nibbleAt(path, index);
  return id;
}
