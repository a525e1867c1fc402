import { encodeBlockHeader, type BlockHeader, type Parameters } from '../codec/index.js';
import { headerDigest } from '../crypto/index.js';
import type { BlockRef, ConsensusEffect } from '../consensus/types.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { Mempool } from '../mempool/index.js';
import type { ChainId, Hash, ValidatorIndex } from '../types/index.js';
import type { BlockExecutor, Execution } from './block-executor.js';
import type { Clock } from './ports.js';
import type { Proposals } from './proposals.js';

/** Standing order of the consensus core. */
export type BuildOrder = Extract<ConsensusEffect, { kind: 'build' }>;

export interface BuilderOptions {
  readonly clock: Clock;
  readonly mempool: Mempool;
  readonly executor: BlockExecutor;
  readonly proposals: Proposals;
  readonly parameters: Parameters;
  readonly chainId: ChainId;
  readonly validatorSetHash: Hash;
  readonly self: ValidatorIndex;
  /** While one other block is in flight, waits so long for more transactions before it builds a small block; ten times
   * as long while there are more. */
  readonly batchDelayMs: number;
  /** A block of so many transactions is not held back. */
  readonly batchTransactions: number;
  readonly built: (order: BuildOrder, block: BlockRef) => void;
  /** A transaction turned out to be one that no block may hold. */
  readonly inadmissible: (transaction: CheckedTransaction, code: string) => void;
  readonly failed: (error: unknown) => void;
}

/** How much longer a small block waits while more than one is in flight: many of them would cost more than they bring. */
const crowdedFactor = 10;

/**
 * Builds blocks on order of the core: takes transactions from the mempool, executes them on the parent, and makes the
 * header. With nothing in flight it builds at once, so that a lone payment waits for nobody; with blocks in flight it
 * lets transactions gather, so that blocks grow with the load: under a load that the processors only just bear, a block
 * follows when one is committed, and the price of a block is shared by many.
 */
export class BlockBuilder {
  readonly #options: BuilderOptions;
  #order: BuildOrder | undefined;
  #building = false;
  #cancelDelay: (() => void) | undefined;
  /** When transactions began to gather. */
  #gatheringSinceMs: number | undefined;
  /** Blocks that were built here or proposed to us and are not committed yet: set by the driver. */
  blocksInFlight = 0;

  constructor(options: BuilderOptions) {
    this.#options = options;
  }

  setOrder(order: BuildOrder): void {
    this.#order = order;
    this.poke();
  }

  clearOrder(): void {
    this.#order = undefined;
    this.#stopWaiting();
  }

  /** Looks again whether there is something to build: after admissions and commits. */
  poke(): void {
    if (this.#order === undefined || this.#building) return;
    const { mempool, batchTransactions, batchDelayMs, clock } = this.#options;
    const available = mempool.pendingTransactions;
    if (available === 0) {
      this.#stopWaiting();
      return;
    }
    const nowMs = clock.monotonicMs();
    const sinceMs = (this.#gatheringSinceMs ??= nowMs);
    const delayMs = this.blocksInFlight > 1 ? crowdedFactor * batchDelayMs : batchDelayMs;
    const leftMs = sinceMs + delayMs - nowMs;
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    if (this.blocksInFlight === 0 || available >= batchTransactions || leftMs <= 0) {
      this.#start();
      return;
    }
    this.#cancelDelay = clock.setTimer(leftMs, () => {
      this.#cancelDelay = undefined;
      if (!this.#building) this.#start();
    });
  }

  #stopWaiting(): void {
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    this.#gatheringSinceMs = undefined;
  }

  #start(): void {
    const order = this.#order;
    if (order === undefined) return;
    this.#gatheringSinceMs = undefined;
    this.#building = true;
    this.#build(order).then(
      (outcome) => {
        this.#building = false;
        // What the block could not be built from now may be enough after the next admission or commit, not before.
        if (outcome !== 'nothing') this.poke();
      },
      (error: unknown) => {
        this.#building = false;
        this.#options.failed(error);
      },
    );
  }

  /** `nothing`: no block was possible as things stand, though transactions may wait: they have expired at this height, or
   * the parent is not at hand. */
  async #build(order: BuildOrder): Promise<'done' | 'nothing'> {
    const { mempool, executor, parameters, clock } = this.#options;
    let transactions: readonly CheckedTransaction[] = mempool.take({
      height: order.height,
      maxTransactions: parameters.maxBlockTransactions,
      maxBytes: parameters.maxBlockBytes,
    });
    const timeMs = Math.max(Math.trunc(clock.wallMs()), order.parentTimeMs + 1);
    while (transactions.length > 0) {
      const execution = await executor.run(order.parent, order.height, timeMs, transactions);
      if (this.#order !== order) {
        if (execution !== undefined) executor.drop(execution);
        return 'done';
      }
      if (execution === undefined) return 'nothing';
      const { results, inadmissible } = execution.output;
      const refused = new Set(inadmissible);
      for (const index of inadmissible) {
        const transaction = transactions[index];
        const code = results[index]?.code;
        if (transaction !== undefined && code !== undefined) this.#options.inadmissible(transaction, code);
      }
      if (refused.size === 0) {
        this.#finish(order, timeMs, execution);
        return 'done';
      }
      executor.drop(execution);
      transactions = transactions.filter((_, index) => !refused.has(index));
      if (transactions.length === 0) return 'done';
    }
    return 'nothing';
  }

  #finish(order: BuildOrder, timeMs: number, execution: Execution): void {
    const { chainId, validatorSetHash, self, proposals, executor } = this.#options;
    const header: BlockHeader = {
      version: 1,
      chainId,
      height: order.height,
      view: order.view,
      prevHash: order.parent,
      transactionsRoot: execution.transactionsRoot,
      resultsRoot: execution.resultsRoot,
      stateRoot: execution.tree.root,
      validatorSetHash,
      nextValidatorSetHash: execution.nextValidatorSetHash ?? validatorSetHash,
      timeMs,
      proposer: self,
      transactionCount: execution.transactions.length,
    };
    const headerBytes = encodeBlockHeader(header);
    const digest = headerDigest(headerBytes);
    executor.keep(digest, execution);
    proposals.adopt(digest, execution.transactions);
    this.#order = undefined;
    this.#options.built(order, {
      header,
      headerBytes,
      digest,
      transactionHashes: execution.transactionHashes,
    });
  }
}
