import type { BlockOutput, CheckedTransaction } from '../ledger/index.js';
import type { ValidatorSet } from '../codec/index.js';
import type { Digest, Hash, Height } from '../types/index.js';
import { BodyGatherer } from './bodies.js';
import { BlockExecutor } from './block-executor.js';
import type { DriverOptions } from './driver-options.js';
import { DurableQueue } from './durable-queue.js';
import { EvidencePool } from './evidence-pool.js';
import { Finalizer } from './finalizer.js';
import { Intake } from './intake.js';
import { OverdueWatch } from './overdue-watch.js';
import { Proposals } from './proposals.js';
import type { Recovered } from './recovery.js';
import { TransactionDesk } from './transaction-desk.js';

/** What the parts say to the driver. */
export interface DriverPartsCallbacks {
  admitted(transactions: readonly CheckedTransaction[]): void;
  committed(height: Height, digest: Digest, output: BlockOutput): void;
  /** A validator set whose members may be found guilty. */
  setOf(hash: Hash): ValidatorSet | undefined;
  overdue(): void;
  failed(reason: string, error: unknown): void;
}

/** The parts of a driver that do not change with the validator set. */
export interface DriverParts {
  readonly durable: DurableQueue;
  readonly executor: BlockExecutor;
  readonly gatherer: BodyGatherer;
  readonly proposals: Proposals;
  readonly desk: TransactionDesk;
  readonly finalizer: Finalizer;
  readonly evidence: EvidencePool;
  readonly overdueWatch: OverdueWatch;
}

export function makeDriverParts(
  options: DriverOptions,
  recovered: Recovered,
  callbacks: DriverPartsCallbacks,
): DriverParts {
  const { ports, config, parameters, mempool, observer } = options;
  const { clock, store, peers, verifier } = ports;
  const { committedHashes } = recovered;
  const { validityWindowBlocks } = parameters;
  const durable = new DurableQueue(
    store,
    (error) => callbacks.failed('the store could not be written', error),
    () => {
      const startedMs = clock.monotonicMs();
      return () => observer.logged?.(clock.monotonicMs() - startedMs);
    },
  );
  const executor = new BlockExecutor({
    store,
    tree: options.tree,
    committedHashes,
    validityWindowBlocks,
    clock,
    executed: (ms) => observer.executed(ms),
  });
  const intake = new Intake({
    chainId: config.chainId,
    clock,
    store,
    verifier,
    mempool,
    window: committedHashes,
    validityWindowBlocks,
  });
  const gatherer = new BodyGatherer({
    clock,
    peers,
    mempool,
    check: (envelopes) => intake.check(envelopes),
    graceMs: options.bodyGraceMs,
    retryMs: options.bodyRetryMs,
  });
  const proposals = new Proposals({ clock, executor, gatherer, mempool, parameters });
  for (const { digest, transactions } of recovered.bodies) proposals.adopt(digest, transactions);
  const desk = new TransactionDesk({
    ports,
    intake,
    mempool,
    observer,
    validityWindowBlocks,
    admitted: (transactions) => callbacks.admitted(transactions),
    failed: (error) => callbacks.failed('transactions could not be taken in', error),
  });
  const finalizer = new Finalizer({
    ports,
    durable,
    executor,
    proposals,
    mempool,
    desk,
    observer,
    committed: (height, digest, output) => callbacks.committed(height, digest, output),
  });
  const evidence = new EvidencePool(
    {
      ports,
      chainId: config.chainId,
      setOf: (hash) => callbacks.setOf(hash),
      observer,
      failed: (error) => callbacks.failed('evidence could not be stored', error),
    },
    recovered.evidence,
  );
  const overdueWatch = new OverdueWatch({
    clock,
    mempool,
    intake,
    desk,
    overdue: () => callbacks.overdue(),
    failed: (error) => callbacks.failed('the state could not be read', error),
  });
  return { durable, executor, gatherer, proposals, desk, finalizer, evidence, overdueWatch };
}
