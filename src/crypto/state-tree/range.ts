/**
 * Proofs of ranges: that the keys whose paths lie between two bounds are exactly these, with these values. What is left
 * of the range and what is right of it is given as the hashes of the largest subtrees that lie outside.
 */
import { compareBytes, equalBytes, invariant } from '../../types/index.js';
import { Changes } from './changes.js';
import { combine } from './combine.js';
import { emptySubtreeHash } from './hashing.js';
import { NodeArena, nothing as noSubtree, type Ref } from './node-arena.js';
import type { StateEntry } from './types.js';

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

/** What a proof says of a subtree. */
export function itemOf(arena: NodeArena, ref: Ref): Uint8Array {
  if (ref === noSubtree) return nothing;
  const item = new Uint8Array(ref < 0 ? leafBytes : hashBytes);
  if (ref < 0) arena.copyLeaf(ref, item, 0);
  else arena.copyHash(ref, item, 0);
  return item;
}

/** Version of the nodes in a proven range that hold something from outside of it. */
const mixed = 1;

/** The leaves of a range that was proven, with the hashes of everything above them. */
export class ProvenRange {
  readonly leaves: Changes;
  readonly arena: NodeArena;
  readonly root: Ref;

  constructor(leaves: Changes, arena: NodeArena, root: Ref) {
    this.leaves = leaves;
    this.arena = arena;
    this.root = root;
  }

  /** The leaf with an index. */
  leaf(index: number): Ref {
    return -(index + 1);
  }

  /** The subtree below one side of an inner node, or nothing when that is no inner node. */
  below(ref: Ref, side: 'left' | 'right'): Ref {
    if (ref <= noSubtree || !this.arena.isLoaded(ref)) return noSubtree;
    return Math.max(noSubtree, side === 'left' ? this.arena.left(ref) : this.arena.right(ref));
  }

  /** Whether an inner node has leaves of the range only. */
  isWithin(ref: Ref): boolean {
    return ref > noSubtree && this.arena.version(ref) !== mixed;
  }
}

/**
 * Checks that under a root exactly these entries have paths within `from` … `to`. They are in ascending order of their
 * paths. Undefined when that is not so, or for anything malformed.
 */
export function verifyStateRange(
  root: Uint8Array,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
  entries: readonly StateEntry[],
  proof: RangeProof,
): ProvenRange | undefined {
  const { from, to } = range;
  if (from.length !== hashBytes || to.length !== hashBytes || root.length !== hashBytes) return undefined;
  if (compareBytes(from, to) > 0) return undefined;
  const leaves = Changes.ofEntries(entries);
  if (!isAscending(from, leaves, to)) return undefined;
  const arena = new NodeArena(Math.ceil(1.5 * leaves.count) + 64);
  // The first leaves of an arena have the numbers from 1 on.
  for (let index = 0; index < leaves.count; index++) arena.addLeaf(leaves.bytes, index * leafBytes);
  const sides = { left: new Items(proof.left), right: new Items(proof.right) };
  const top = new RangeRoot(from, to, leaves, arena, sides).at(0, 0, leaves.count, true, true);
  if (Number.isNaN(top) || !sides.left.isUsedUp || !sides.right.isUsedUp) return undefined;
  const found = new Uint8Array(hashBytes);
  arena.copyHash(top, found, 0);
  if (!equalBytes(found, root)) return undefined;
  return new ProvenRange(leaves, arena, top);
}

function isAscending(from: Uint8Array, leaves: Changes, to: Uint8Array): boolean {
  const { bytes, count } = leaves;
  if (count === 0) return true;
  if (compareBytes(leaves.path(0), from) < 0 || compareBytes(leaves.path(count - 1), to) > 0) return false;
  for (let start = leafBytes; start < bytes.length; start += leafBytes) {
    let at = start;
    while (at < start + hashBytes && bytes[at] === bytes[at - leafBytes]) at++;
    if (at === start + hashBytes || (bytes[at] ?? 0) < (bytes[at - leafBytes] ?? 0)) return false;
  }
  return true;
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

/** In place of a subtree: the proof is malformed. */
const malformed = NaN;

/** Works the root out from the leaves of a range and what lies outside. */
class RangeRoot {
  readonly #from: Uint8Array;
  readonly #to: Uint8Array;
  readonly #leaves: Changes;
  readonly #arena: NodeArena;
  readonly #sides: { readonly left: Items; readonly right: Items };

  constructor(
    from: Uint8Array,
    to: Uint8Array,
    leaves: Changes,
    arena: NodeArena,
    sides: { readonly left: Items; readonly right: Items },
  ) {
    this.#from = from;
    this.#to = to;
    this.#leaves = leaves;
    this.#arena = arena;
    this.#sides = sides;
  }

  /** The subtree at a depth that has the leaves from `start` up to `end`; `onFrom` and `onTo` say whether a bound runs
   * through it. */
  at(depth: number, start: number, end: number, onFrom: boolean, onTo: boolean): Ref {
    if (!onFrom && !onTo) {
      if (start === end) return noSubtree;
      if (end - start === 1) return -(start + 1);
    }
    if (depth === pathBits) return start === end ? noSubtree : -(start + 1);
    const middle = this.#leaves.split(start, end, depth);
    const fromBit = onFrom ? bitAt(this.#from, depth) : 0;
    const toBit = onTo ? bitAt(this.#to, depth) : 1;
    // What is outside is taken first: the items of a side are in the order of depth.
    const before = fromBit === 1 ? this.#outside('left', depth) : undefined;
    const behind = toBit === 0 ? this.#outside('right', depth) : undefined;
    if (Number.isNaN(before) || Number.isNaN(behind)) return malformed;
    const left = before ?? this.at(depth + 1, start, middle, onFrom, onTo && toBit === 0);
    const right = behind ?? this.at(depth + 1, middle, end, onFrom && fromBit === 1, onTo);
    if (Number.isNaN(left) || Number.isNaN(right)) return malformed;
    const ref = combine(this.#arena, left, right);
    if (ref > noSubtree && (onFrom || onTo)) this.#arena.markStored(ref, mixed, 0, 0);
    return ref;
  }

  /** The next item of a side: the subtree beside the way at a depth. A leaf is believed only where its path leads. */
  #outside(side: keyof RangeProof, depth: number): Ref {
    const item = this.#sides[side].take();
    if (item.length === 0) return noSubtree;
    if (item.length === hashBytes) {
      return equalBytes(item, emptySubtreeHash) ? malformed : this.#arena.addStored(mixed, item, 0);
    }
    if (item.length !== leafBytes) return malformed;
    const bound = side === 'left' ? this.#from : this.#to;
    for (let at = 0; at < depth; at++) if (bitAt(item, at) !== bitAt(bound, at)) return malformed;
    if (bitAt(item, depth) === bitAt(bound, depth)) return malformed;
    return this.#arena.addLeaf(item, 0);
  }
}

/** The bit of a path that decides at a depth. */
export function bitAt(path: Uint8Array, depth: number): number {
  return ((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1;
}
