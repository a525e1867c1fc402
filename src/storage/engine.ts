/**
 * The narrow interface that the store needs of a key-value engine. Engines know bytes only: neither key spaces nor
 * records. Keys sort as unsigned bytes.
 */
import type { WriteBatch } from './write-batch.js';

export interface KeyValuePair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface RangeOptions {
  /** First key, inclusive. */
  readonly from: Uint8Array;
  /** End, exclusive. */
  readonly to: Uint8Array;
  /** Most entries. */
  readonly limit: number;
  /** From the end. */
  readonly reverse?: boolean;
}

export interface KeyValueEngine {
  readonly name: 'rocksdb' | 'leveldb' | 'memory';
  /** Where it is, for messages. */
  readonly location: string;
  /** Values in the order of the keys. Rejects with a StorageError. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Entries of a range in the order of the keys. Rejects with a StorageError. */
  range(options: RangeOptions): Promise<readonly KeyValuePair[]>;
  /** Writes the batches as one atomic unit and resolves when it is on the disk itself. Rejects with a StorageError,
   * after which it is unknown whether the unit is there. One call at a time. */
  write(batches: readonly WriteBatch[]): Promise<void>;
  /** Gives back the room of removed entries between two keys, if the engine can be told to. Takes long. */
  compact(from: Uint8Array, to: Uint8Array): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
