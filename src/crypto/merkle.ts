import { asHash, type Hash } from '../types/index.js';
import { sha256, sha256Pair } from './sha256.js';

/**
 * Merkle trees of RFC 6962, section 2.1: leaves and inner nodes are hashed under different prefixes, and a node
 * without a right sibling moves up a level as it is.
 */
const leafPrefix = Uint8Array.of(0);
const nodePrefix = 1;
/** Larger trees are refused: no block has as many leaves. */
const maxTreeSize = 2 ** 31 - 1;

/** SHA-256(0x00 ‖ leaf). */
export function merkleLeafHash(leaf: Uint8Array): Hash {
  return asHash(sha256(leafPrefix, leaf));
}

/** Hashes of the next level up. */
function levelAbove(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const left = level[index];
    const right = level[index + 1];
    if (left === undefined) continue;
    above.push(right === undefined ? left : sha256Pair(nodePrefix, left, right));
  }
  return above;
}

/** All levels, from the leaves to the root. */
function levelsOf(leafHashes: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const levels = [leafHashes];
  let level = leafHashes;
  while (level.length > 1) {
    level = levelAbove(level);
    levels.push(level);
  }
  return levels;
}

function pathIn(levels: readonly (readonly Uint8Array[])[], index: number): Hash[] {
  const path: Hash[] = [];
  let position = index;
  for (const level of levels) {
    const sibling = level[position ^ 1];
    if (sibling !== undefined) path.push(asHash(sibling));
    position >>>= 1;
  }
  return path;
}

/** Root over leaf hashes; of no leaves, SHA-256 of the empty string. */
export function merkleRoot(leafHashes: readonly Uint8Array[]): Hash {
  if (leafHashes.length === 0) return asHash(sha256(new Uint8Array(0)));
  let level = leafHashes;
  while (level.length > 1) level = levelAbove(level);
  const [root] = level;
  return asHash(root ?? new Uint8Array(32));
}

/** Audit path of a leaf, from the leaf upwards. Throws a RangeError when there is no such leaf. */
export function merklePath(leafHashes: readonly Uint8Array[], index: number): readonly Hash[] {
  if (!Number.isInteger(index) || index < 0 || index >= leafHashes.length) {
    throw new RangeError(`there is no leaf ${index} in a tree of ${leafHashes.length}`);
  }
  return pathIn(levelsOf(leafHashes), index);
}

/** Audit paths of all leaves, in their order: the tree is hashed once. */
export function merklePaths(leafHashes: readonly Uint8Array[]): readonly (readonly Hash[])[] {
  const levels = levelsOf(leafHashes);
  return leafHashes.map((_, index) => pathIn(levels, index));
}

/**
 * Root that an audit path leads to (RFC 9162, section 2.1.3.2), or undefined when the path does not fit a leaf
 * `index` in a tree of `size` leaves. The caller compares it with a root that it trusts.
 */
export function merkleRootFromPath(
  leafHash: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Hash | undefined {
  if (!Number.isInteger(size) || size > maxTreeSize) return undefined;
  if (!Number.isInteger(index) || index < 0 || index >= size || leafHash.length !== 32) return undefined;
  let position = index;
  let last = size - 1;
  let hash: Uint8Array = leafHash;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== 32) return undefined;
    // The last node of a level with an odd number of nodes moves up until it is a right child.
    while (position === last && (position & 1) === 0) {
      position >>>= 1;
      last >>>= 1;
    }
    hash =
      (position & 1) === 1 ? sha256Pair(nodePrefix, sibling, hash) : sha256Pair(nodePrefix, hash, sibling);
    position >>>= 1;
    last >>>= 1;
  }
  return last === 0 ? asHash(hash) : undefined;
}
