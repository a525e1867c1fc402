import type { CommitCertificate } from '../codec/index.js';
import type { BlockRef } from '../consensus/types.js';
import type { BlockOutput } from '../ledger/index.js';
import type { Mempool } from '../mempool/index.js';
import { invariant } from '../types/index.js';
import type { Digest, Height } from '../types/index.js';
import type { BlockExecutor, Execution } from './block-executor.js';
import type { DriverObserver } from './driver-options.js';
import type { DurableQueue } from './durable-queue.js';
import type { DriverPorts } from './ports.js';
import type { Proposals } from './proposals.js';
import type { TransactionDesk } from './transaction-desk.js';

export interface FinalizerOptions {
  readonly ports: DriverPorts;
  readonly durable: DurableQueue;
  readonly executor: BlockExecutor;
  readonly proposals: Proposals;
  readonly mempool: Mempool;
  readonly desk: TransactionDesk;
  readonly observer: DriverObserver;
  /** Called after a block is durable and everybody here knows. */
  readonly committed: (height: Height, digest: Digest, output: BlockOutput) => void;
}

/** Makes decided blocks durable and then tells everybody, in this order. */
export class Finalizer {
  readonly #options: FinalizerOptions;

  constructor(options: FinalizerOptions) {
    this.#options = options;
  }

  /** Writes a decided block in one synced batch; the blocks come in order of height. */
  commit(block: BlockRef, certificate: CommitCertificate): void {
    const { executor, durable, ports } = this.#options;
    const execution = executor.overlay(block.digest);
    invariant(execution !== undefined, 'a block is decided only after it was executed here');
    const startedMs = ports.clock.monotonicMs();
    const { transactions, output, resultBytes, tree } = execution;
    durable.commit(
      {
        block: {
          height: block.header.height,
          digest: block.digest,
          headerBytes: block.headerBytes,
          certificate,
          envelopes: transactions.map((transaction) => transaction.envelopeBytes),
          results: resultBytes,
        },
        txIds: transactions.map((transaction) => transaction.txId),
        stateWrites: output.writes,
        treeNodes: tree.nodes,
        staleNodes: tree.stale,
        touchedAccounts: output.touchedAccounts,
      },
      () => this.#durable(block, certificate, execution, ports.clock.monotonicMs() - startedMs),
    );
  }

  #durable(block: BlockRef, certificate: CommitCertificate, execution: Execution, storeMs: number): void {
    const { executor, proposals, mempool, desk, observer, ports } = this.#options;
    const { transactions, resultBytes } = execution;
    const { height } = block.header;
    executor.committed(block.digest);
    const ruledOut = mempool.commit(
      { height, digest: block.digest, transactions },
      ports.clock.monotonicMs(),
    );
    proposals.settle(block.digest);
    observer.committed(block, execution, storeMs);
    this.#options.committed(height, block.digest, execution.output);
    desk.finalize({
      height,
      headerBytes: block.headerBytes,
      certificate,
      results: resultBytes,
      txIds: transactions.map((transaction) => transaction.txId),
    });
    desk.expire(ruledOut.expired);
    for (const transaction of ruledOut.superseded) desk.drop(transaction, 'DUPLICATE');
  }
}
