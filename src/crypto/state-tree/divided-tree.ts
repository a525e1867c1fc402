/**
 * A state in parts: subtrees below prefixes of paths, in order and without gaps. What is known of each part alone adds
 * up to the root, and proves each part against it.
 */
import { equalBytes } from '../../types/index.js';
import { Changes } from './changes.js';
import { combine } from './combine.js';
import { emptySubtreeHash } from './hashing.js';
import { NodeArena, nothing, type Ref } from './node-arena.js';
import { bitAt, itemOf, type RangeProof } from './range.js';
import type { StateEntry } from './types.js';

/** Deepest prefix of a part, in bits. */
export const maxPartDepth = 32;
const hashBytes = 32;
const leafBytes = 64;

/** One part: how many bits its prefix has, and what its subtree holds: nothing, a leaf (64 bytes: path and hash of the
 * value), or several (32 bytes: their hash). */
export interface TreePart {
  readonly depth: number;
  readonly subtree: Uint8Array;
}

/** What the subtree at a depth holds that has exactly these entries; they are in ascending order of their paths, which
 * agree in `depth` bits. */
export function subtreeOf(entries: readonly StateEntry[], depth: number): Uint8Array {
  const leaves = Changes.ofEntries(entries);
  const arena = new NodeArena(Math.ceil(1.5 * leaves.count) + 64);
  for (let index = 0; index < leaves.count; index++) arena.addLeaf(leaves.bytes, index * leafBytes);
  const at = (start: number, end: number, level: number): Ref => {
    if (start === end) return nothing;
    if (end - start === 1) return -(start + 1);
    const middle = leaves.split(start, end, level);
    return combine(arena, at(start, middle, level + 1), at(middle, end, level + 1));
  };
  return itemOf(arena, at(0, leaves.count, depth));
}

/** Paths of a prefix that begins at `start` (in units of 2^-32 of all paths) and has `depth` bits. */
export function pathsOfPart(
  start: number,
  depth: number,
): { readonly from: Uint8Array; readonly to: Uint8Array } {
  const from = new Uint8Array(hashBytes);
  const to = new Uint8Array(hashBytes).fill(255);
  new DataView(from.buffer).setUint32(0, start);
  new DataView(to.buffer).setUint32(0, start + 2 ** (maxPartDepth - depth) - 1);
  return { from, to };
}

interface Branch {
  readonly ref: Ref;
  readonly left: Branch | undefined;
  readonly right: Branch | undefined;
}

/** All parts of a state. */
export class DividedTree {
  readonly root: Uint8Array;
  readonly #arena: NodeArena;
  readonly #top: Branch;

  private constructor(arena: NodeArena, top: Branch) {
    this.#arena = arena;
    this.#top = top;
    this.root = new Uint8Array(hashBytes);
    arena.copyHash(top.ref, this.root, 0);
  }

  /** Adds parts up; undefined when they do not cover all paths, or one is malformed. */
  static of(parts: readonly TreePart[]): DividedTree | undefined {
    const arena = new NodeArena(2 * parts.length + 64);
    let next = 0;
    let start = 0;
    const at = (depth: number): Branch | undefined => {
      const part = parts[next];
      if (part === undefined || depth > maxPartDepth || part.depth < depth) return undefined;
      if (part.depth === depth) {
        const ref = refOf(arena, part.subtree, pathsOfPart(start, depth).from, depth);
        next++;
        start += 2 ** (maxPartDepth - depth);
        return ref === undefined ? undefined : { ref, left: undefined, right: undefined };
      }
      const left = at(depth + 1);
      const right = left && at(depth + 1);
      return left && right && { ref: combine(arena, left.ref, right.ref), left, right };
    };
    const top = at(0);
    return top === undefined || next !== parts.length ? undefined : new DividedTree(arena, top);
  }

  /** What proves, under the root, the part with a prefix of `depth` bits that begins with the path `from`. */
  proof(from: Uint8Array, depth: number): RangeProof {
    const left: Uint8Array[] = [];
    const right: Uint8Array[] = [];
    let branch: Branch | undefined = this.#top;
    for (let level = 0; level < depth && branch !== undefined; level++) {
      const bit = bitAt(from, level);
      const beside: Branch | undefined = bit === 1 ? branch.left : branch.right;
      (bit === 1 ? left : right).push(itemOf(this.#arena, beside?.ref ?? nothing));
      branch = bit === 1 ? branch.right : branch.left;
    }
    for (const items of [left, right]) while (items.at(-1)?.length === 0) items.pop();
    return { left, right };
  }
}

/** A leaf is believed only below the prefix that it is said to be in. */
function refOf(arena: NodeArena, item: Uint8Array, prefix: Uint8Array, depth: number): Ref | undefined {
  if (item.length === 0) return nothing;
  if (item.length === hashBytes) {
    return equalBytes(item, emptySubtreeHash) ? undefined : arena.addStored(0, item, 0);
  }
  if (item.length !== leafBytes) return undefined;
  for (let at = 0; at < depth; at++) if (bitAt(item, at) !== bitAt(prefix, at)) return undefined;
  return arena.addLeaf(item, 0);
}
