import type { NodeReader, TreeUpdate } from '../../src/crypto/index.js';
import { toHex } from '../../src/types/index.js';

/** Nodes of the state tree in memory, with what was read counted. */
export class TreeStore implements NodeReader {
  readonly nodes = new Map<string, Uint8Array>();
  reads = 0;
  calls = 0;

  readNodes(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.calls++;
    this.reads += keys.length;
    return Promise.resolve(keys.map((key) => this.nodes.get(toHex(key))));
  }

  /** Stores copies, as a disk would. */
  add(update: TreeUpdate): void {
    for (const { key, value } of update.nodes) this.nodes.set(toHex(key), Uint8Array.from(value));
  }

  remove(keys: Iterable<Uint8Array>): void {
    for (const key of keys) this.nodes.delete(toHex(key));
  }
}
