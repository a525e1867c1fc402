import type { Hash, Height, StateKey } from '../../types/index.js';
import type { PackedBytes, PackedEntries } from './packed-entries.js';

/** Reads stored nodes. */
export interface NodeReader {
  /** Values in the order of the keys; undefined where there is none. What it returns is never changed. */
  readNodes(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
}

/** What a key has. */
export interface StateEntry {
  readonly key: StateKey;
  readonly value: Uint8Array;
}

export interface StateTreeOptions {
  /** Memory for nodes of the committed version, in bytes. Those of pending updates come on top. */
  readonly maxBytes: number;
}

/** What a version of the tree adds to the one that it is based on. */
export interface TreeUpdate {
  /** The new version. */
  readonly version: Height;
  /** Root of the new version. */
  readonly root: Hash;
  /** Nodes to be stored with the block. */
  readonly nodes: PackedEntries;
  /** Keys of nodes of the base that this version no longer uses: they may be deleted when no version below this one is
   * retained. */
  readonly stale: PackedBytes;
}

/** The part of a StateProof (proto/quaestor/ledger/v1/block.proto) that leads from a leaf to the root. */
export interface StatePath {
  /** From the leaf upwards, 32 bytes each; an empty subtree is an empty item. At most 256. */
  readonly siblings: readonly Uint8Array[];
  /** For a proof of absence that ends at another key's leaf: that key's path, 32 bytes. Otherwise empty. */
  readonly otherLeafPath: Uint8Array;
  /** For a proof of absence that ends at another key's leaf: hash of its value, 32 bytes. Otherwise empty. */
  readonly otherLeafValueHash: Uint8Array;
}
