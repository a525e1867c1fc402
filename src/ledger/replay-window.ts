/**
 * Which idempotency hashes were used lately: the committed ones in one table, those of each block in flight in a small
 * one, put together for the block that is executed on top of them.
 */
import { decodeAppliedBlock } from '../codec/index.js';
import { DefectError, type Hash, type Height } from '../types/index.js';
import { HashTable } from './hash-table.js';
import type { ReplayWindow } from './types.js';

/** The idempotency hashes that one block uses. */
export class BlockHashes implements ReplayWindow {
  readonly height: Height;
  readonly #table: HashTable;

  /** `expected` hashes fit without growing. */
  constructor(height: Height, expected: number) {
    this.height = height;
    this.#table = new HashTable(expected);
  }

  /** Hashes of a block from its output. */
  static of(height: Height, hashes: readonly Hash[]): BlockHashes {
    const block = new BlockHashes(height, hashes.length);
    for (const hash of hashes) block.add(hash);
    return block;
  }

  has(hash: Hash): boolean {
    return this.#table.get(hash) !== undefined;
  }

  lastUse(hash: Hash): Height | undefined {
    return this.#table.get(hash);
  }

  /** Adds a hash; false when it was there. */
  add(hash: Hash): boolean {
    if (this.has(hash)) return false;
    this.#table.add(hash, this.height);
    return true;
  }
}

/** The idempotency hashes of the committed blocks within the validity window. */
export class CommittedHashes implements ReplayWindow {
  readonly #table = new HashTable(1024);

  /** Number of hashes. */
  get size(): number {
    return this.#table.size;
  }

  /** Bytes that they take in memory. */
  get bytes(): number {
    return this.#table.bytes;
  }

  lastUse(hash: Hash): Height | undefined {
    return this.#table.get(hash);
  }

  /** Adds what a committed block used up. Blocks come in order. */
  add(height: Height, hashes: readonly Hash[]): void {
    for (const hash of hashes) this.#table.add(hash, height);
  }

  /** Adds the state record "applied/<height>". Throws a DefectError when it is damaged. */
  load(height: Height, record: Uint8Array): void {
    const decoded = decodeAppliedBlock(record);
    if (!decoded.ok) {
      throw new DefectError(
        `The state's record "applied/${height}" is damaged: ${decoded.error.message} Restore this validator's store from a backup or from its peers.`,
      );
    }
    this.add(height, decoded.value.idempotencyHashes);
  }

  /** Forgets the blocks below a height: `replayWindowStart` of the next block to commit. */
  dropBelow(height: Height): void {
    this.#table.dropBelow(height);
  }
}

/** The window as a block sees it that is executed on top of blocks in flight, given in ascending order of height. */
export function windowAbove(committed: ReplayWindow, inFlight: readonly ReplayWindow[]): ReplayWindow {
  if (inFlight.length === 0) return committed;
  return {
    lastUse: (hash) => {
      for (let index = inFlight.length - 1; index >= 0; index--) {
        const height = inFlight[index]?.lastUse(hash);
        if (height !== undefined) return height;
      }
      return committed.lastUse(hash);
    },
  };
}
