import { deepPrefixId } from './node-key.js';
import type { StateNode } from './node.js';
import { SnapshotArena, snapshotBytes } from './snapshot-arena.js';

/**
 * Committed nodes, by their place in the tree: of each place the latest version that was put in. Bounded by two
 * generations: what is used moves to the young one, and when that is full, it becomes the old one and what was left in
 * the old one goes.
 *
 * The snapshots of its nodes are in memory of the cache, at most one for each node; a node that leaves loses its own,
 * so that an update that still holds it computes its hashes anew.
 */
export class NodeCache {
  readonly #generationSize: number;
  readonly #snapshots = new SnapshotArena(256);
  #young = new Map<number, StateNode>();
  #old = new Map<number, StateNode>();

  constructor(maxNodes: number) {
    this.#generationSize = Math.max(1, Math.floor(maxNodes / 2));
  }

  get(id: number, version: number): StateNode | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young.version === version ? young : undefined;
    const old = this.#old.get(id);
    if (old?.version !== version) return undefined;
    this.#old.delete(id);
    this.#add(old);
    return old;
  }

  /** Adds a node unless one of its place and of the same or a later version is there. */
  put(node: StateNode): void {
    const known = this.#young.get(node.id) ?? this.#old.get(node.id);
    if (node.id === deepPrefixId || (known !== undefined && known.version >= node.version)) {
      node.snapshot = undefined;
      return;
    }
    if (known !== undefined) this.#release(known);
    this.#old.delete(node.id);
    node.forgetHash();
    const { snapshot } = node;
    if (snapshot !== undefined) {
      const own = this.#snapshots.take();
      own.chunk.set(snapshot.chunk.subarray(snapshot.offset, snapshot.offset + snapshotBytes), own.offset);
      node.snapshot = own;
    }
    this.#add(node);
  }

  #add(node: StateNode): void {
    this.#young.set(node.id, node);
    if (this.#young.size < this.#generationSize) return;
    for (const left of this.#old.values()) this.#release(left);
    this.#old = this.#young;
    this.#young = new Map();
  }

  #release(node: StateNode): void {
    if (node.snapshot !== undefined) this.#snapshots.give(node.snapshot);
    node.snapshot = undefined;
  }
}
