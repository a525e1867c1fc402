/**
 * Proofs of ranges: that the keys whose paths lie between two bounds are exactly these, with these values. What is left
 * of the range and what is right of it is given as the hashes of the largest subtrees that lie outside.
 */
import { compareBytes, equalBytes, invariant } from '../../types/index.js';
import { sha256, sha256Pair } from '../sha256.js';
import { emptySubtreeHash } from './hashing.js';
import { nothing as noSubtree, type NodeArena, type Ref } from './node-arena.js';
import type { LeafOfState } from './types.js';

/**
 * What proves a range of paths `from` … `to`, both included. For each bit of `from` that is 1, from the first on, `left`
 * has what the subtree beside the way holds, which lies before the range; for each bit of `to` that is 0, `right` has
 * what lies behind it. An item is empty (an empty subtree), 64 bytes (a subtree with one leaf: its path and value hash)
 * or 32 bytes (the hash of any other subtree). Empty items at the end are left out. At most 256 items each.
 */
export interface RangeProof {
  readonly left: readonly Uint8Array[];
  readonly right: readonly Uint8Array[];
}

const hashBytes = 32;
const leafBytes = 64;
const pathBits = 256;
const nothing = new Uint8Array(0);
const leafPrefix = Uint8Array.of(0);
const nodePrefix = 1;

/**
 * Walks down along a bound and notes what lies beyond it: on the side of bit 0 (`left`), or of bit 1 (`right`). The nodes
 * on the way are in memory.
 */
export function outsideOf(
  arena: NodeArena,
  root: Ref,
  bound: Uint8Array,
  side: keyof RangeProof,
): readonly Uint8Array[] {
  const turn = side === 'left' ? 1 : 0;
  const items: Uint8Array[] = [];
  let ref = root;
  let depth = 0;
  for (; ref > 0; depth++) {
    invariant(arena.isLoaded(ref), 'the way of a bound was read');
    const bit = bitAt(bound, depth);
    if (bit === turn) items.push(itemOf(arena, bit === 1 ? arena.left(ref) : arena.right(ref)));
    ref = bit === 1 ? arena.right(ref) : arena.left(ref);
  }
  if (ref < 0) placeLeaf(items, itemOf(arena, ref), bound, turn, depth);
  while (items.length > 0 && items.at(-1)?.length === 0) items.pop();
  return items;
}

/** The only leaf of a subtree at `depth` that the bound runs through lies beside the way where their paths part. */
function placeLeaf(
  items: Uint8Array[],
  leaf: Uint8Array,
  bound: Uint8Array,
  turn: number,
  depth: number,
): void {
  for (let at = depth; at < pathBits; at++) {
    const bit = bitAt(bound, at);
    const parts = bitAt(leaf, at) !== bit;
    if (bit === turn) items.push(parts ? leaf : nothing);
    if (parts) return;
  }
}

function itemOf(arena: NodeArena, ref: Ref): Uint8Array {
  if (ref === noSubtree) return nothing;
  const item = new Uint8Array(ref < 0 ? leafBytes : hashBytes);
  if (ref < 0) arena.copyLeaf(ref, item, 0);
  else arena.copyHash(ref, item, 0);
  return item;
}

/** What a subtree holds, and its hash. */
interface Part {
  readonly kind: 'empty' | 'leaf' | 'many';
  readonly hash: Uint8Array;
}

const emptyPart: Part = { kind: 'empty', hash: emptySubtreeHash };

/**
 * Whether under a root exactly these leaves have paths within `from` … `to`. The leaves are in ascending order of their
 * paths. False for anything malformed.
 */
export function verifyStateRange(
  root: Uint8Array,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
  leaves: readonly LeafOfState[],
  proof: RangeProof,
): boolean {
  const { from, to } = range;
  if (from.length !== hashBytes || to.length !== hashBytes || root.length !== hashBytes) return false;
  if (compareBytes(from, to) > 0 || !isAscending(from, leaves, to)) return false;
  const sides = { left: new Items(proof.left), right: new Items(proof.right) };
  const part = new RangeRoot(from, to, leaves, sides).at(0, 0, leaves.length, true, true);
  if (part === undefined || !sides.left.isUsedUp || !sides.right.isUsedUp) return false;
  return equalBytes(part.hash, root);
}

function isAscending(from: Uint8Array, leaves: readonly LeafOfState[], to: Uint8Array): boolean {
  let last: Uint8Array | undefined;
  for (const { path } of leaves) {
    if (path.length !== hashBytes) return false;
    if (last === undefined ? compareBytes(path, from) < 0 : compareBytes(path, last) <= 0) return false;
    last = path;
  }
  return last === undefined || compareBytes(last, to) <= 0;
}

/** Items of one side, taken one after the other; beyond the last one all are empty. */
class Items {
  readonly #items: readonly Uint8Array[];
  #next = 0;

  constructor(items: readonly Uint8Array[]) {
    this.#items = items;
  }

  /** So that a proof has one form, the last item is not empty. */
  get isUsedUp(): boolean {
    return this.#next >= this.#items.length && this.#items.at(-1)?.length !== 0;
  }

  take(): Uint8Array {
    return this.#items[this.#next++] ?? nothing;
  }
}

/** Works the root out from the leaves of a range and what lies outside. */
class RangeRoot {
  readonly #from: Uint8Array;
  readonly #to: Uint8Array;
  readonly #leaves: readonly LeafOfState[];
  readonly #sides: { readonly left: Items; readonly right: Items };

  constructor(
    from: Uint8Array,
    to: Uint8Array,
    leaves: readonly LeafOfState[],
    sides: { readonly left: Items; readonly right: Items },
  ) {
    this.#from = from;
    this.#to = to;
    this.#leaves = leaves;
    this.#sides = sides;
  }

  /** The subtree at a depth that has the leaves from `start` up to `end`; `onFrom` and `onTo` say whether a bound runs
   * through it. Undefined when the proof is malformed. */
  at(depth: number, start: number, end: number, onFrom: boolean, onTo: boolean): Part | undefined {
    if (!onFrom && !onTo) {
      if (start === end) return emptyPart;
      if (end - start === 1) return this.#leafPart(start);
    }
    if (depth === pathBits) return start === end ? emptyPart : this.#leafPart(start);
    const middle = this.#split(depth, start, end);
    const fromBit = bitAt(this.#from, depth);
    const toBit = bitAt(this.#to, depth);
    // What is outside is taken first: the items of a side are in the order of depth.
    const before = onFrom && fromBit === 1 ? this.#outside('left', depth) : undefined;
    const behind = onTo && toBit === 0 ? this.#outside('right', depth) : undefined;
    if (before === 'malformed' || behind === 'malformed') return undefined;
    const left = before ?? this.at(depth + 1, start, middle, onFrom, onTo && toBit === 0);
    const right = behind ?? this.at(depth + 1, middle, end, onFrom && fromBit === 1, onTo);
    if (left === undefined || right === undefined) return undefined;
    if (right.kind === 'empty' && left.kind !== 'many') return left;
    if (left.kind === 'empty' && right.kind !== 'many') return right;
    return { kind: 'many', hash: sha256Pair(nodePrefix, left.hash, right.hash) };
  }

  #leafPart(index: number): Part | undefined {
    const leaf = this.#leaves[index];
    return leaf && { kind: 'leaf', hash: sha256(leafPrefix, leaf.path, leaf.valueHash) };
  }

  /** First index of a leaf whose bit at a depth is 1. */
  #split(depth: number, start: number, end: number): number {
    let low = start;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bitAt(this.#leaves[middle]?.path ?? nothing, depth) === 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The next item of a side: the subtree beside the way at a depth. A leaf is believed only where its path leads. */
  #outside(side: keyof RangeProof, depth: number): Part | 'malformed' {
    const item = this.#sides[side].take();
    if (item.length === 0) return emptyPart;
    if (item.length === hashBytes) {
      return equalBytes(item, emptySubtreeHash) ? 'malformed' : { kind: 'many', hash: item };
    }
    if (item.length !== leafBytes) return 'malformed';
    const bound = side === 'left' ? this.#from : this.#to;
    for (let at = 0; at < depth; at++) if (bitAt(item, at) !== bitAt(bound, at)) return 'malformed';
    if (bitAt(item, depth) === bitAt(bound, depth)) return 'malformed';
    return { kind: 'leaf', hash: sha256(leafPrefix, item) };
  }
}

function bitAt(path: Uint8Array, depth: number): number {
  return ((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1;
}
