import { deepPrefixId } from './node-key.js';
import type { StateNode } from './node.js';

/**
 * Committed nodes, by their place in the tree: of each place the latest version that was put in. Bounded by two
 * generations: what is used moves to the young one, and when that is full, it becomes the old one and what was left in
 * the old one goes.
 */
export class NodeCache {
  readonly #generationSize: number;
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
    this.#keep(old);
    return old;
  }

  /** Adds a node unless a later one of its place is there. */
  put(node: StateNode): void {
    if (node.id === deepPrefixId) return;
    const known = this.#young.get(node.id) ?? this.#old.get(node.id);
    if (known !== undefined && known.version >= node.version) return;
    node.forgetHash();
    this.#keep(node);
  }

  #keep(node: StateNode): void {
    this.#young.set(node.id, node);
    if (this.#young.size < this.#generationSize) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
