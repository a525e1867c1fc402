import { toHex } from '../../types/index.js';
import type { NodeReader, TreeUpdate } from './types.js';

/** Reads from a store as if the updates of a branch were in it: for those that are not in memory any more. */
export class BranchReader implements NodeReader {
  readonly #branch: readonly TreeUpdate[];
  readonly #reader: NodeReader;
  /** Made when something is read for the first time, which is seldom. */
  #nodes: Map<string, Uint8Array> | undefined;

  constructor(branch: readonly TreeUpdate[], reader: NodeReader) {
    this.#branch = branch;
    this.#reader = reader;
  }

  async readNodes(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#nodes ??= this.#nodesOfBranch();
    const nodes = this.#nodes;
    const known = keys.map((key) => nodes.get(toHex(key)));
    const stored = await this.#reader.readNodes(keys.filter((_, index) => known[index] === undefined));
    let next = 0;
    return known.map((value) => value ?? stored[next++]);
  }

  #nodesOfBranch(): Map<string, Uint8Array> {
    const nodes = new Map<string, Uint8Array>();
    for (const update of this.#branch)
      for (const { key, value } of update.nodes) nodes.set(toHex(key), value);
    return nodes;
  }
}
