import type { BlockRef, ConsensusConfig, ConsensusEvent } from '../consensus/types.js';
import { assumeVerified, decodeTransaction } from '../ledger/index.js';
import {
  startSync,
  type BlockSource,
  type CertifiedBlock,
  type SyncLimits,
  type SyncOutcome,
  type SyncRun,
} from '../sync/index.js';
import { DefectError, faultyOf } from '../types/index.js';
import type { Height, ValidatorIndex } from '../types/index.js';
import type { DriverObserver } from './driver-options.js';
import type { DriverPorts } from './ports.js';
import type { Proposals } from './proposals.js';

/** Blocks that were handed to the core and are not durable yet: at most so many. */
const maxAhead = 16;

export interface CatchUpOptions {
  readonly ports: DriverPorts;
  readonly config: ConsensusConfig;
  readonly blocks: BlockSource;
  readonly limits: Partial<SyncLimits> | undefined;
  readonly proposals: Proposals;
  /** Heights that peers reported. */
  readonly heights: () => readonly { readonly index: ValidatorIndex; readonly height: Height }[];
  readonly dispatch: (event: ConsensusEvent) => void;
  /** A catch-up is over. */
  readonly ended: () => void;
  /** Two certified blocks do not fit together, or a defect. */
  readonly failed: (error: unknown) => void;
  readonly observer: DriverObserver;
}

interface Run {
  readonly abort: AbortController;
  target: Height;
  /** Peers' heights that came before the requests began. */
  readonly reports: Map<ValidatorIndex, Height>;
  /** Undefined until the requests begin. */
  sync: SyncRun | undefined;
}

/**
 * Runs the catch-ups that the core asks for, and hands it the blocks as fast as they become durable. A catch-up starts
 * from what is durable and ends when all that it handed over is: so no block is fetched a second time.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #waiting = new Set<() => void>();
  #run: Run | undefined;
  /** Last height that was handed to the core. */
  #handed = 0;
  #stopped = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  start(from: Height, target: Height, peers: readonly ValidatorIndex[]): void {
    if (this.#stopped) return;
    if (this.#run !== undefined) {
      if (target > this.#run.target) this.#run.target = target;
      this.#run.sync?.extend(target);
      return;
    }
    const run: Run = { abort: new AbortController(), target, reports: new Map(), sync: undefined };
    this.#run = run;
    this.#perform(run, from, peers).then(
      ({ end, height, lacking = 0 }) => {
        this.#run = undefined;
        // One of them is correct: blocks will not do.
        if (end === 'stuck' && lacking > faultyOf(this.#options.config.validatorSet.validators.length))
          this.#options.observer.historyPruned?.();
        this.#options.observer.syncEnded(end, height);
        this.#options.ended();
        this.#options.dispatch({ kind: 'syncEnded' });
      },
      (error: unknown) => {
        this.#run = undefined;
        this.#options.failed(error);
      },
    );
  }

  /** A peer says that it has all blocks up to a height. */
  report(peer: ValidatorIndex, height: Height): void {
    if (this.#run?.sync === undefined) this.#run?.reports.set(peer, height);
    else this.#run.sync.report(peer, height);
  }

  /** A block became durable: there may be room for the next. */
  committed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#run?.abort.abort();
    this.committed();
  }

  async #perform(run: Run, from: Height, peers: readonly ValidatorIndex[]): Promise<SyncOutcome> {
    const { ports, config, blocks, heights, observer, limits } = this.#options;
    // What is decided and still being written is not fetched again.
    await this.#durableUpTo(from - 1);
    const head = ports.store.head();
    if (head === undefined) throw new DefectError('A replica catches up from its committed head.');
    observer.syncStarted(from, run.target);
    run.sync = startSync({
      chainId: config.chainId,
      validatorSet: config.validatorSet,
      validatorSetHash: config.validatorSetHash,
      base: { height: head.height, digest: head.digest },
      target: run.target,
      peers: heights().filter(({ index }) => peers.includes(index)),
      source: blocks,
      verifier: ports.verifier,
      clock: ports.clock,
      signal: run.abort.signal,
      ...(limits === undefined ? {} : { limits }),
      sink: (block) => this.#take(block),
      onFault: (peer, fault, detail) => observer.syncFault(peer, fault, detail),
    });
    for (const [peer, height] of run.reports) run.sync.report(peer, height);
    const outcome = await run.sync.done;
    await this.#durableUpTo(this.#handed);
    return outcome;
  }

  /** Resolves when a height is durable, or this is stopped. */
  async #durableUpTo(height: number): Promise<void> {
    while (!this.#stopped && (this.#options.ports.store.head()?.height ?? 0) < height) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async #take(block: CertifiedBlock): Promise<void> {
    const { ports, config, proposals, dispatch } = this.#options;
    const { header, headerBytes, digest, transactionHashes, certificate } = block;
    await this.#durableUpTo(header.height - maxAhead);
    if (this.#stopped || header.height <= (ports.store.head()?.height ?? 0)) return;
    const transactions = block.envelopes.map((envelope) => {
      const decoded = decodeTransaction(envelope, config.chainId);
      // Correct validators signed for this block after they had decoded every envelope.
      if (!decoded.ok) {
        throw new DefectError(
          `A certified block holds an envelope that is refused: ${decoded.error.message}`,
        );
      }
      return assumeVerified(decoded.value);
    });
    proposals.adopt(digest, transactions);
    this.#handed = header.height;
    const ref: BlockRef = { header, headerBytes, digest, transactionHashes };
    this.#options.observer.syncBlock?.();
    dispatch({ kind: 'certified', block: ref, certificate });
  }
}
