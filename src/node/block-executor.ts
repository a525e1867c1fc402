import { encodeTransactionResult, type BlockHeader } from '../codec/index.js';
import {
  merkleLeafHash,
  merkleRoot,
  validatorSetHash,
  type NodeReader,
  type StateTree,
  type TreeUpdate,
} from '../crypto/index.js';
import {
  applyBlock,
  BlockHashes,
  governanceIn,
  readsOf,
  replayWindowStart,
  unknownRules,
  windowAbove,
  type BlockOutput,
  type CheckedTransaction,
  type CommittedHashes,
  type StateView,
} from '../ledger/index.js';
import type { Store } from '../storage/types.js';
import type { Clock } from './ports.js';
import { asHeight, DefectError, equalBytes, invariant, toHex } from '../types/index.js';
import type { Digest, Hash, Height, StateKey } from '../types/index.js';

/** What executing transactions on a parent's state gave. It waits in memory until its block is committed or dropped. */
export interface Execution {
  readonly parent: Digest;
  readonly height: Height;
  readonly transactions: readonly CheckedTransaction[];
  readonly transactionHashes: readonly Hash[];
  readonly output: BlockOutput;
  /** Canonical TransactionResults in order. */
  readonly resultBytes: readonly Uint8Array[];
  readonly transactionsRoot: Hash;
  readonly resultsRoot: Hash;
  readonly tree: TreeUpdate;
  readonly hashes: BlockHashes;
  /** Hash of the set that decides the next height, if it is another one than that of this block. */
  readonly nextValidatorSetHash: Hash | undefined;
}

/** What the header of a block must say of its execution. */
export type ExecutionRoots = Pick<
  BlockHeader,
  'transactionsRoot' | 'resultsRoot' | 'stateRoot' | 'transactionCount'
>;

export interface BlockExecutorOptions {
  readonly store: Store;
  readonly tree: StateTree;
  /** Idempotency hashes of the committed blocks; kept up to date here. */
  readonly committedHashes: CommittedHashes;
  readonly validityWindowBlocks: number;
  readonly clock: Clock;
  /** How long an execution took. */
  readonly executed: (ms: number) => void;
}

/**
 * Executes blocks on top of the committed state and of blocks in flight. Each execution is an overlay, found by its
 * block's digest; nothing is written here. Executions run one after the other.
 */
export class BlockExecutor {
  readonly #options: BlockExecutorOptions;
  readonly #overlays = new Map<string, Execution>();
  readonly #reader: NodeReader;
  /** Updates of committed blocks that the tree has not been told of yet. */
  readonly #settling: TreeUpdate[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: BlockExecutorOptions) {
    this.#options = options;
    this.#reader = { readNodes: (keys) => options.store.treeNodes(keys) };
  }

  /**
   * Executes transactions as the block at `height` on the state after `parent`, which is the committed head or has an
   * overlay. Undefined when it is neither, or no longer: then the answer would be about a past that is no more. Undefined,
   * too, at a height whose rules this software does not know: it stops once the block below is committed.
   */
  run(
    parent: Digest,
    height: Height,
    timeMs: number,
    transactions: readonly CheckedTransaction[],
  ): Promise<Execution | undefined> {
    const result = this.#last.then(() => this.#run(parent, height, timeMs, transactions));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Keeps an execution as the overlay of a block. The first one stays: others may be based on it. */
  keep(digest: Digest, execution: Execution): void {
    if (this.overlay(digest) === undefined) this.#overlays.set(toHex(digest), execution);
    else this.drop(execution);
  }

  overlay(digest: Digest): Execution | undefined {
    return this.#overlays.get(toHex(digest));
  }

  /** The block of this overlay was given up. */
  discard(digest: Digest): void {
    const execution = this.overlay(digest);
    if (execution === undefined) return;
    this.#overlays.delete(toHex(digest));
    this.drop(execution);
  }

  /** Frees what an execution holds that is no overlay. */
  drop({ tree }: Execution): void {
    // After the executions that are under way, which may be based on it.
    this.#last = this.#last.then(() => {
      this.#options.tree.release(tree);
    });
  }

  /** The block of this overlay is durable now: its effects are read from the store from here on. */
  committed(digest: Digest): void {
    const execution = this.overlay(digest);
    invariant(execution !== undefined, 'a committed block was executed here');
    const { committedHashes, tree, validityWindowBlocks } = this.#options;
    committedHashes.add(execution.height, execution.output.idempotencyHashes);
    committedHashes.dropBelow(replayWindowStart(asHeight(execution.height + 1), validityWindowBlocks));
    this.#overlays.delete(toHex(digest));
    // After the executions that are under way: one of them may still be based on another candidate of this height.
    this.#settling.push(execution.tree);
    this.#last = this.#last.then(() => {
      this.#settling.shift();
      tree.committed(execution.tree);
    });
  }

  /** Number of overlays. */
  get size(): number {
    return this.#overlays.size;
  }

  async #run(
    parent: Digest,
    height: Height,
    timeMs: number,
    transactions: readonly CheckedTransaction[],
  ): Promise<Execution | undefined> {
    const chain = this.#chainTo(parent);
    if (chain === undefined) return undefined;
    // What the tree is told, and what is given up, from now on takes effect after this execution.
    const settling = [...this.#settling];
    const untold = this.#untoldTo(parent);
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const values = await this.#prefetch(readsOf(transactions), chain);
    // A block that it builds on may have been given up meanwhile: what it had changed is nowhere then.
    if (this.#chainTo(parent) === undefined) return undefined;
    const state: StateView = {
      get(key) {
        const value = values.get(key);
        if (value === undefined && !values.has(key)) {
          throw new DefectError(`The state key "${key}" was read without being declared.`);
        }
        return value;
      },
    };
    if (unknownRules(governanceIn(state), asHeight(height - 1)) !== undefined) return undefined;
    const window = windowAbove(
      this.#options.committedHashes,
      untold.map((execution) => execution.hashes),
    );
    const output = applyBlock({ height, timeMs, transactions, state, window });
    const base = asHeight(height - 1);
    const branch = [...settling, ...untold.map((execution) => execution.tree)];
    const tree = await this.#options.tree.update(this.#reader, base, height, output.writes, branch);
    if (!this.#stillBelow(chain, parent)) return undefined;
    const resultBytes = output.results.map(encodeTransactionResult);
    const transactionHashes = transactions.map((transaction) => transaction.leafHash);
    this.#options.executed(clock.monotonicMs() - startedMs);
    return {
      parent,
      height,
      transactions,
      transactionHashes,
      output,
      resultBytes,
      transactionsRoot: merkleRoot(transactionHashes),
      resultsRoot: merkleRoot(resultBytes.map(merkleLeafHash)),
      tree,
      hashes: BlockHashes.of(height, output.idempotencyHashes),
      nextValidatorSetHash:
        output.nextValidatorSet === undefined ? undefined : validatorSetHash(output.nextValidatorSet),
    };
  }

  /** Overlays from the committed head (exclusive) up to a block, ascending; undefined when they don't connect. */
  #chainTo(digest: Digest): readonly Execution[] | undefined {
    const head = this.#options.store.head();
    if (head === undefined) return undefined;
    const chain: Execution[] = [];
    let current = digest;
    while (!equalBytes(current, head.digest)) {
      const execution = this.overlay(current);
      if (execution === undefined || execution.height <= head.height) return undefined;
      chain.unshift(execution);
      current = execution.parent;
    }
    return chain;
  }

  /**
   * Overlays up to a block that have not come to `committed`, ascending. They begin at or below the committed head: a block
   * is durable a little before this is told of it, and neither the tree nor the committed hashes have it until then.
   */
  #untoldTo(digest: Digest): readonly Execution[] {
    const chain: Execution[] = [];
    for (let each = this.overlay(digest); each !== undefined; each = this.overlay(each.parent)) {
      chain.unshift(each);
    }
    return chain;
  }

  /** Whether the committed head is still the parent or below it on the same chain. */
  #stillBelow(chain: readonly Execution[], parent: Digest): boolean {
    const head = this.#options.store.head();
    if (head === undefined) return false;
    if (equalBytes(head.digest, parent)) return true;
    return chain.some((execution) => equalBytes(execution.parent, head.digest));
  }

  async #prefetch(
    keys: readonly StateKey[],
    chain: readonly Execution[],
  ): Promise<ReadonlyMap<StateKey, Uint8Array | undefined>> {
    const values = new Map<StateKey, Uint8Array | undefined>();
    const missing: StateKey[] = [];
    for (const key of keys) {
      const overlay = chain.findLast((execution) => execution.output.writes.has(key));
      if (overlay === undefined) missing.push(key);
      else values.set(key, overlay.output.writes.get(key));
    }
    const read = await this.#options.store.stateMany(missing);
    for (const [index, key] of missing.entries()) values.set(key, read[index]);
    return values;
  }
}
