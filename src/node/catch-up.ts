import type { BlockRef, ConsensusConfig, ConsensusEvent } from '../consensus/types.js';
import { assumeVerified, decodeTransaction } from '../ledger/index.js';
import {
  startSync,
  type BlockSource,
  type CertifiedBlock,
  type SyncLimits,
  type SyncRun,
} from '../sync/index.js';
import { DefectError } from '../types/index.js';
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

/** Runs the catch-ups that the core asks for, and hands it the blocks as fast as they become durable. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  #run: { readonly sync: SyncRun; readonly abort: AbortController } | undefined;
  #wake: (() => void) | undefined;
  #stopped = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  start(from: Height, target: Height, peers: readonly ValidatorIndex[]): void {
    if (this.#stopped) return;
    if (this.#run !== undefined) {
      this.#run.sync.extend(target);
      return;
    }
    const { ports, config, blocks, heights, observer, limits } = this.#options;
    const head = ports.store.head();
    if (head === undefined) throw new DefectError('A replica catches up from its committed head.');
    const abort = new AbortController();
    observer.syncStarted(from, target);
    const sync = startSync({
      chainId: config.chainId,
      validatorSet: config.validatorSet,
      validatorSetHash: config.validatorSetHash,
      base: { height: head.height, digest: head.digest },
      target,
      peers: heights().filter(({ index }) => peers.includes(index)),
      source: blocks,
      verifier: ports.verifier,
      clock: ports.clock,
      signal: abort.signal,
      ...(limits === undefined ? {} : { limits }),
      sink: (block) => this.#take(block),
      onFault: (peer, fault, detail) => observer.syncFault(peer, fault, detail),
    });
    this.#run = { sync, abort };
    sync.done.then(
      ({ end, height }) => {
        this.#run = undefined;
        observer.syncEnded(end, height);
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
    this.#run?.sync.report(peer, height);
  }

  /** A block became durable: there may be room for the next. */
  committed(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#run?.abort.abort();
    this.committed();
  }

  async #take(block: CertifiedBlock): Promise<void> {
    const { ports, config, proposals, dispatch } = this.#options;
    const { header, headerBytes, digest, transactionHashes, certificate } = block;
    const room = (): boolean => header.height <= (ports.store.head()?.height ?? 0) + maxAhead;
    while (!room() && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
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
    const ref: BlockRef = { header, headerBytes, digest, transactionHashes };
    dispatch({ kind: 'certified', block: ref, certificate });
  }
}
