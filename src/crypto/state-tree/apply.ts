import { combine } from './combine.js';
import type { Changes } from './changes.js';
import { isStoredDepth, levelsPerNode, nothing, type NodeArena, type Ref } from './node-arena.js';
import { maxNodeKeyBytes, writeNodeKey } from './node-key.js';
import { PackedBytes, PackedEntries } from './packed-entries.js';
import type { ProvenRange } from './range.js';
import { writeNode } from './stored-node.js';

const hashBytes = 32;
const leafBytes = 64;

/** Applies changes to a tree whose nodes on the ways of the changes are in memory; reads nothing. */
export class ChangeApplication {
  readonly #arena: NodeArena;
  readonly #changes: Changes;
  readonly #version: number;
  readonly #time: number;
  /** Has the hashes of subtrees that the changes make where nothing was. */
  readonly #proven: ProvenRange | undefined;
  /** New nodes and leaves. */
  readonly created: Ref[] = [];
  /** Nodes and leaves of the base that the new version does not have. */
  readonly replaced: Ref[] = [];
  readonly nodes = new PackedEntries();
  /** Keys of stored nodes that are no longer used. */
  readonly stale = new PackedBytes();

  constructor(
    arena: NodeArena,
    changes: Changes,
    version: number,
    time: number,
    proven: ProvenRange | undefined,
  ) {
    this.#arena = arena;
    this.#changes = changes;
    this.#version = version;
    this.#time = time;
    this.#proven = proven;
  }

  /** The root of the new version, which is stored even if nothing changed. */
  applyToRoot(base: number | undefined, root: Ref): Ref {
    let next = this.#apply(root, 0, 0, this.#changes.count, this.#proven?.root ?? nothing);
    if (next === root && root > 0) {
      // Nodes do not change, and what is stored for this version differs.
      next = this.#arena.addInner(this.#arena.left(root), this.#arena.right(root));
      this.created.push(next);
      this.replaced.push(root);
    }
    this.#store(next, root, base, 0, 0);
    return next;
  }

  /** Applies the changes from `start` up to `end`, which are below a subtree at a depth of so many bits; `known` is the
   * subtree there of what was proven, if that is an inner node. */
  #apply(ref: Ref, depth: number, start: number, end: number, known: Ref): Ref {
    if (start === end) return ref;
    const proven = this.#proven;
    if (ref === nothing && proven?.isWithin(known) === true) return this.#adopt(proven, known, depth, start);
    if (ref <= 0 && end - start === 1) {
      const isOwn = ref !== nothing && this.#hasPath(ref, start);
      if (this.#changes.isRemoval(start)) {
        if (isOwn) this.replaced.push(ref);
        return isOwn ? nothing : ref;
      }
      if (ref === nothing) return this.#addLeaf(start);
      if (isOwn) {
        if (this.#hasValue(ref, start)) return ref;
        this.replaced.push(ref);
        return this.#addLeaf(start);
      }
    }
    const middle = this.#changes.split(start, end, depth);
    let oldLeft = nothing;
    let oldRight = nothing;
    if (ref > 0) {
      oldLeft = this.#arena.left(ref);
      oldRight = this.#arena.right(ref);
    } else if (ref < 0) {
      // A leaf that gets company moves down until their ways part.
      if (((this.#arena.leafByte(ref, depth >>> 3) >>> (7 - (depth & 7))) & 1) === 1) oldRight = ref;
      else oldLeft = ref;
    }
    const left = this.#apply(oldLeft, depth + 1, start, middle, proven?.below(known, 'left') ?? nothing);
    const right = this.#apply(oldRight, depth + 1, middle, end, proven?.below(known, 'right') ?? nothing);
    if (ref > 0) {
      if (left === oldLeft && right === oldRight) return ref;
      this.replaced.push(ref);
    }
    const next = combine(this.#arena, left, right);
    if (next > 0) this.created.push(next);
    if (isStoredDepth(depth)) {
      if (next > 0) this.#store(next, ref, ref > 0 ? this.#arena.version(ref) : undefined, start, depth);
      else if (ref > 0) this.#unstore(ref, this.#arena.version(ref), start, depth);
    }
    return next;
  }

  /** Takes over a subtree of what was proven, whose first leaf has an index. */
  #adopt(proven: ProvenRange, known: Ref, depth: number, start: number): Ref {
    let index = start;
    const take = (ref: Ref, at: number): Ref => {
      if (ref === nothing) return nothing;
      if (ref < 0) return this.#addLeaf(index++);
      const first = index;
      const left = take(proven.arena.left(ref), at + 1);
      const right = take(proven.arena.right(ref), at + 1);
      const taken = this.#arena.addCopy(left, right, proven.arena, ref);
      this.created.push(taken);
      if (isStoredDepth(at)) this.#store(taken, nothing, undefined, first, at);
      return taken;
    };
    return take(known, depth);
  }

  #addLeaf(index: number): Ref {
    const proven = this.#proven;
    const leaf =
      proven === undefined
        ? this.#arena.addLeaf(this.#changes.bytes, index * leafBytes)
        : this.#arena.addLeafCopy(proven.arena, proven.leaf(index));
    this.created.push(leaf);
    return leaf;
  }

  #hasPath(leaf: Ref, index: number): boolean {
    return this.#agree(leaf, index, 0);
  }

  #hasValue(leaf: Ref, index: number): boolean {
    return this.#agree(leaf, index, hashBytes);
  }

  #agree(leaf: Ref, index: number, from: number): boolean {
    const { bytes } = this.#changes;
    for (let at = from; at < from + hashBytes; at++) {
      if (this.#arena.leafByte(leaf, at) !== bytes[index * leafBytes + at]) return false;
    }
    return true;
  }

  /**
   * Adds a node to what is stored, in the place of `old`, which a version stored, or of no stored node (undefined). The
   * place is the way of a change, down to a depth.
   */
  #store(ref: Ref, old: Ref, oldVersion: number | undefined, change: number, depth: number): void {
    this.#addKey(this.nodes.keys, this.#version, change, depth);
    const { values } = this.nodes;
    const isDelta = writeNode(this.#arena, ref, old, this.#version, depth / levelsPerNode, values);
    if (ref > 0) this.#arena.markUsed(ref, this.#time);
    if (oldVersion === undefined) return;
    if (!isDelta) this.#unstore(old, oldVersion, change, depth);
    // A delta needs the full form that the old one was, or built on.
    else if (this.#arena.fullVersion(old) !== oldVersion) this.#addKey(this.stale, oldVersion, change, depth);
  }

  /** A stored node is no longer used, nor is the full form that it builds on. */
  #unstore(old: Ref, oldVersion: number, change: number, depth: number): void {
    this.#addKey(this.stale, oldVersion, change, depth);
    const full = old > 0 ? this.#arena.fullVersion(old) : oldVersion;
    if (full !== oldVersion) this.#addKey(this.stale, full, change, depth);
  }

  #addKey(to: PackedBytes, version: number, change: number, depth: number): void {
    const { bytes, start } = to.reserve(maxNodeKeyBytes);
    to.add(
      writeNodeKey(bytes, start, version, this.#changes.bytes, change * leafBytes, depth / levelsPerNode),
    );
  }
}
