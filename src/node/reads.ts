import type { NodeStatus, ReadPort } from '../api/ports.js';
import type { StateProof } from '../codec/index.js';
import type { NodeReader, StateTree } from '../crypto/index.js';
import type { Head, HistoryPage, Store, StoredBlock, StoredHeader } from '../storage/types.js';
import type { BlockArchive } from './block-archive.js';
import { ApiError } from '../api/errors.js';
import { asHeight, err, invariant, ok } from '../types/index.js';
import type { Height, StateKey, TxId } from '../types/index.js';

export interface NodeReadsOptions {
  readonly store: Store;
  readonly tree: StateTree;
  /** Blocks in sealed segments. */
  readonly archive?: Pick<BlockArchive, 'block' | 'range'> | undefined;
  /** A block of a segment could not be read. */
  readonly unreadable?: (height: Height, error: unknown) => void;
  /** The part of the status that is not in the store. */
  readonly status: () => Omit<NodeStatus, 'height' | 'digest' | 'stateRoot'>;
}

/** Reads of committed data for the api. */
export class NodeReads implements ReadPort {
  readonly #options: NodeReadsOptions;
  readonly #reader: NodeReader;
  readonly #listeners = new Set<(height: Height) => void>();

  constructor(options: NodeReadsOptions) {
    this.#options = options;
    this.#reader = { readNodes: (keys) => options.store.treeNodes(keys) };
  }

  /** Tells all listeners that a block can be read. */
  committed(height: Height): void {
    for (const listener of this.#listeners) listener(height);
  }

  status(): NodeStatus {
    const { height, digest, stateRoot } = this.head();
    return { ...this.#options.status(), height, digest, stateRoot };
  }

  head(): Head {
    const head = this.#options.store.head();
    invariant(head !== undefined, 'a node serves reads only once its genesis block is committed');
    return head;
  }

  oldestBlock(): Height {
    const { store, archive } = this.#options;
    const sealed = archive?.range;
    // Sealed blocks count when nothing is missing between them and the store.
    return sealed !== undefined && sealed.last >= store.base && sealed.first <= store.base
      ? sealed.first
      : this.oldestTransaction();
  }

  oldestTransaction(): Height {
    return asHeight(this.#options.store.base + 1);
  }

  oldestState(): Height {
    return this.#options.store.oldestState;
  }

  block(height: Height): Promise<StoredBlock | undefined> {
    return this.#orSealed(height, () => this.#options.store.block(height));
  }

  header(height: Height): Promise<StoredHeader | undefined> {
    return this.#orSealed(height, () => this.#options.store.header(height));
  }

  locate(txId: TxId): Promise<{ readonly height: Height; readonly index: number } | undefined> {
    return this.#options.store.locate(txId);
  }

  stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined> {
    return this.#ofState(height, () => this.#options.store.stateAt(key, height));
  }

  stateRange(
    options: Parameters<ReadPort['stateRange']>[0],
  ): Promise<readonly { readonly key: StateKey; readonly value: Uint8Array }[]> {
    return this.#ofState(options.height, () => this.#options.store.stateRange(options));
  }

  prove(keys: readonly StateKey[], height: Height): Promise<readonly StateProof[]> {
    return this.#ofState(height, () => this.#prove(keys, height));
  }

  async #prove(keys: readonly StateKey[], height: Height): Promise<readonly StateProof[]> {
    const { store, tree } = this.#options;
    const header = await store.header(height);
    invariant(header !== undefined, 'the api asks only for heights that are committed and retained');
    return Promise.all(
      keys.map(async (key): Promise<StateProof> => {
        const [path, value] = await Promise.all([
          tree.prove(this.#reader, height, key),
          store.stateAt(key, height),
        ]);
        return {
          header: header.headerBytes,
          ...(header.certificate === undefined ? {} : { certificate: header.certificate }),
          key,
          ...(value === undefined ? {} : { value }),
          ...path,
        };
      }),
    );
  }

  history(account: string, limit: number, before?: { height: Height; index: number }): Promise<HistoryPage> {
    return this.#options.store.history(account, limit, before);
  }

  /** What the store has of a block, or the block of a segment. */
  async #orSealed<T>(
    height: Height,
    read: () => Promise<T | undefined>,
  ): Promise<T | StoredBlock | undefined> {
    const { archive, store, unreadable } = this.#options;
    const found = await read();
    if (found !== undefined || archive === undefined || height > store.base) return found;
    try {
      return await archive.block(height);
    } catch (error) {
      unreadable?.(height, error);
      throw new ApiError(
        'HEIGHT_NOT_RETAINED',
        `Block ${height} is in a sealed segment that can not be read now. Ask another node, or try again later.`,
        { height: String(height), oldest: String(store.base + 1) },
      );
    }
  }

  /** What a read of a state gives; a state that was given up meanwhile is one that is not kept. */
  async #ofState<T>(height: Height, read: () => Promise<T>): Promise<T> {
    const outcome = await read().then(ok, (error: unknown) => err(error));
    const oldest = this.oldestState();
    if (height < oldest) {
      throw new ApiError(
        'HEIGHT_NOT_RETAINED',
        `The state of height ${height} is not kept by this node; the oldest is ${oldest}.`,
        { height: String(height), oldest: String(oldest) },
      );
    }
    if (!outcome.ok) throw outcome.error;
    return outcome.value;
  }

  onCommitted(listener: (height: Height) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
