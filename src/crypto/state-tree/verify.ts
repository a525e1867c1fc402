import { equalBytes } from '../../types/index.js';
import { sha256, sha256Pair } from '../sha256.js';
import { emptySubtreeHash, stateKeyPath } from './hashing.js';
import type { StatePath } from './types.js';

const leafPrefix = Uint8Array.of(0);
const nodePrefix = 1;
const maxSiblings = 256;

/**
 * Whether a path proves that under a root `key` has `value`, or with an undefined value that it has none. Absence shows
 * in two ways: the place of the key is an empty subtree, or a subtree whose only leaf is another key's. False for
 * anything malformed. The caller has to trust the root, for example by a certified header.
 */
export function verifyStatePath(
  root: Uint8Array,
  key: string,
  value: Uint8Array | undefined,
  path: StatePath,
): boolean {
  const { siblings } = path;
  if (siblings.length > maxSiblings || root.length !== 32) return false;
  const place = stateKeyPath(key);
  let hash = bottomHash(place, value, path);
  for (let index = 0; hash !== undefined && index < siblings.length; index++) {
    const sibling = siblingHash(siblings[index]);
    if (sibling === undefined) return false;
    const isRight = bitAt(place, siblings.length - 1 - index) === 1;
    hash = isRight ? sha256Pair(nodePrefix, sibling, hash) : sha256Pair(nodePrefix, hash, sibling);
  }
  return hash !== undefined && equalBytes(hash, root);
}

/** Hash of the subtree at which the path starts, or undefined when it proves nothing about the key. */
function bottomHash(
  place: Uint8Array,
  value: Uint8Array | undefined,
  { siblings, otherLeafPath, otherLeafValueHash }: StatePath,
): Uint8Array | undefined {
  if (otherLeafPath.length === 0 && otherLeafValueHash.length === 0) {
    return value === undefined ? emptySubtreeHash : sha256(leafPrefix, place, sha256(value));
  }
  if (value !== undefined || otherLeafPath.length !== 32 || otherLeafValueHash.length !== 32)
    return undefined;
  if (equalBytes(otherLeafPath, place)) return undefined;
  // The other leaf proves something only when the key, if it were there, would be in the same subtree.
  for (let depth = 0; depth < siblings.length; depth++) {
    if (bitAt(otherLeafPath, depth) !== bitAt(place, depth)) return undefined;
  }
  return sha256(leafPrefix, otherLeafPath, otherLeafValueHash);
}

/** Only the short form of an empty subtree is accepted, so that a proof has one form. */
function siblingHash(item: Uint8Array | undefined): Uint8Array | undefined {
  if (item?.length === 0) return emptySubtreeHash;
  return item?.length === 32 && !equalBytes(item, emptySubtreeHash) ? item : undefined;
}

function bitAt(path: Uint8Array, depth: number): number {
  return ((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1;
}
