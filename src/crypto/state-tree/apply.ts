import { groupsOf, type Change } from './changes.js';
import { nodeKey, prefixId } from './node-key.js';
import { leafBytes, StateNode, type Leaf, type Slot } from './node.js';
import { SnapshotArena } from './snapshot-arena.js';
import { keyOfVisit, type Visit } from './walk.js';

const pathBytes = 32;
const noLeaf: Leaf = { bytes: new Uint8Array(0), offset: 0 };
/** Says that a slot stays as it is. */
const unchanged: unique symbol = Symbol('unchanged');
type Outcome = Slot | typeof unchanged;

interface NewNode {
  readonly key: Uint8Array;
  readonly node: StateNode;
}

/** Applies changes to the nodes that were visited; reads nothing. */
export class ChangeApplication {
  readonly #version: number;
  readonly #changes: readonly Change[];
  readonly #snapshots = new SnapshotArena(64);
  /** New nodes, children before parents. */
  readonly nodes: NewNode[] = [];
  /** Keys of nodes that are no longer used. */
  readonly stale: Uint8Array[] = [];

  constructor(version: number, changes: readonly Change[]) {
    this.#version = version;
    this.#changes = changes;
  }

  /** The root of the new version; there is one for each version, even if nothing changed. */
  applyToRoot(root: Visit | undefined): StateNode {
    if (root === undefined) return this.#build(this.#leavesOf(0, this.#changes.length, undefined), 0);
    const { changed, slots } = this.#applyToSlots(root);
    return this.#replace(root, changed, slots);
  }

  #applyToNode(visit: Visit): Outcome {
    const { node } = visit;
    const { changed, slots } = this.#applyToSlots(visit);
    if (changed === 0 || node === undefined) return unchanged;
    const only = onlyLeaf(node, changed, slots);
    if (only === 'many') return this.#replace(visit, changed, slots);
    this.stale.push(keyOfVisit(visit, this.#changes));
    return only;
  }

  #replace(visit: Visit, changed: number, slots: readonly Slot[]): StateNode {
    this.stale.push(keyOfVisit(visit, this.#changes));
    const path = this.#changes[visit.start]?.bytes ?? noLeaf.bytes;
    return this.#record(path, visit.depth, visit.id, visit.node, changed, slots);
  }

  #record(
    path: Uint8Array,
    depth: number,
    id: number,
    old: StateNode | undefined,
    changed: number,
    slots: readonly Slot[],
  ): StateNode {
    const node = StateNode.create(this.#version, id, old, changed, slots, this.#snapshots);
    this.nodes.push({ key: nodeKey(this.#version, path, depth), node });
    return node;
  }

  #applyToSlots(visit: Visit): { changed: number; slots: readonly Slot[] } {
    const { node, groups, below, depth } = visit;
    const slots: Slot[] = [];
    let changed = 0;
    for (let index = 0; index < groups.length; index++) {
      const group = groups[index];
      if (node === undefined || group === undefined) continue;
      const { slot, start, end } = group;
      const child = below[index];
      let outcome: Outcome;
      if (child !== undefined) outcome = this.#applyToNode(child);
      else {
        const leaf = (node.leafMask & (1 << slot)) === 0 ? undefined : node.leaf(slot);
        outcome = this.#applyToLeaf(leaf, start, end, depth + 1);
      }
      if (outcome === unchanged) continue;
      changed |= 1 << slot;
      slots[slot] = outcome;
    }
    return { changed, slots };
  }

  /** Applies changes to a slot that had a leaf, or nothing. */
  #applyToLeaf(old: Leaf | undefined, start: number, end: number, depth: number): Outcome {
    const leaves = this.#leavesOf(start, end, old);
    if (leaves.length > 1) return this.#build(leaves, depth);
    const [leaf] = leaves;
    if (leaf === undefined) return old === undefined ? unchanged : undefined;
    return old !== undefined && isSameLeaf(old, leaf) ? unchanged : leaf;
  }

  /** The leaves that a slot has after the changes, in order of their paths. */
  #leavesOf(start: number, end: number, old: Leaf | undefined): Leaf[] {
    const leaves: Leaf[] = [];
    let kept = old;
    for (let index = start; index < end; index++) {
      const change = this.#changes[index];
      if (change === undefined) continue;
      const leaf: Leaf = change;
      if (kept !== undefined) {
        const order = comparePaths(kept, leaf);
        if (order < 0) leaves.push(kept);
        if (order <= 0) kept = undefined;
      }
      if (!change.removed) leaves.push(leaf);
    }
    if (kept !== undefined) leaves.push(kept);
    return leaves;
  }

  /** A new node over leaves, which are sorted: two or more, or any number at the root. */
  #build(leaves: readonly Leaf[], depth: number): StateNode {
    const slots: Slot[] = [];
    let changed = 0;
    for (const { slot, start, end } of groupsOf(leaves, 0, leaves.length, depth)) {
      changed |= 1 << slot;
      slots[slot] = end - start === 1 ? leaves[start] : this.#build(leaves.slice(start, end), depth + 1);
    }
    const [first = noLeaf] = leaves;
    const path = first.bytes.slice(first.offset, first.offset + pathBytes);
    return this.#record(path, depth, prefixId(path, depth), undefined, changed, slots);
  }
}

/** What is left of a node after its slots changed: 'many' leaves, only one, or nothing. */
function onlyLeaf(node: StateNode, changed: number, slots: readonly Slot[]): Leaf | undefined | 'many' {
  if ((node.innerMask & ~changed) !== 0) return 'many';
  let only: Leaf | undefined;
  for (let slot = 0; slot < 16; slot++) {
    const bit = 1 << slot;
    let child: Slot;
    if ((changed & bit) !== 0) child = slots[slot];
    else if ((node.leafMask & bit) !== 0) child = node.leaf(slot);
    if (child === undefined) continue;
    if (child instanceof StateNode || only !== undefined) return 'many';
    only = child;
  }
  return only;
}

function isSameLeaf(left: Leaf, right: Leaf): boolean {
  for (let index = 0; index < leafBytes; index++) {
    if (left.bytes[left.offset + index] !== right.bytes[right.offset + index]) return false;
  }
  return true;
}

function comparePaths(left: Leaf, right: Leaf): number {
  for (let index = 0; index < pathBytes; index++) {
    const difference = (left.bytes[left.offset + index] ?? 0) - (right.bytes[right.offset + index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
