/**
 * Catch-up: fetches final blocks from several peers at once, checks them, and passes them on in order. Memory is
 * bounded; what peers send is believed only as far as a quorum signed it. It neither executes nor stores blocks.
 */
import type { SignatureVerifier } from '../crypto/index.js';
import type { FetchedBlock } from '../network/types.js';
import type { Digest, Height, ValidatorIndex } from '../types/index.js';
import { QuaestorError, asHeight, equalBytes } from '../types/index.js';
import type { PeerFault, PlannerLimits, RangeRequest } from './planner.js';
import { SyncPlanner } from './planner.js';
import type { CertifiedBlock, Electorate } from './verify-block.js';
import { otherElectorate, verifyBlock } from './verify-block.js';

export interface SyncLimits extends PlannerLimits {
  /** Blocks that are checked but cannot be passed on yet: at most so many bytes, the next one in order aside. */
  readonly maxBufferBytes: number;
  /** A peer that brings no further block for so long is given up. */
  readonly progressTimeoutMs: number;
  /** Bound of a whole request. */
  readonly requestTimeoutMs: number;
}

export const defaultSyncLimits: SyncLimits = {
  maxRangeBlocks: 64,
  windowBlocks: 512,
  minShunMs: 200,
  maxShunMs: 5_000,
  liarShunMs: 60_000,
  maxFailures: 5,
  maxBufferBytes: 64 * 1024 * 1024,
  progressTimeoutMs: 5_000,
  requestTimeoutMs: 60_000,
};

/** Durations and timers. */
export interface SyncClock {
  /** Milliseconds of a clock that never goes back. */
  monotonicMs(): number;
  /** Calls back once after a delay; the returned function cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** Where blocks come from (see PeerNetwork.fetchBlocks). */
export interface BlockSource {
  fetchBlocks(
    peer: ValidatorIndex,
    options: { fromHeight: Height; maxBlocks: number; deadlineMs: number; signal: AbortSignal },
  ): AsyncIterable<FetchedBlock>;
}

export interface SyncOptions extends Electorate {
  /** The block that the first one must link to. */
  readonly base: { readonly height: Height; readonly digest: Digest };
  readonly target: Height;
  /** Peers and the heights that they say they have. */
  readonly peers: readonly { readonly index: ValidatorIndex; readonly height: Height }[];
  readonly source: BlockSource;
  readonly verifier: SignatureVerifier;
  readonly clock: SyncClock;
  readonly limits?: Partial<SyncLimits>;
  readonly signal?: AbortSignal;
  /** Takes the blocks, in order, each once; the next one comes when the returned promise has settled. */
  sink(block: CertifiedBlock): void | Promise<void>;
  /** A peer disappointed; for logs and metrics. */
  onFault?(peer: ValidatorIndex, fault: PeerFault, detail: string): void;
}

export interface SyncOutcome {
  /** `stuck`: no peer is left that could bring the rest. `complete` also at the last block of the electorate. */
  readonly end: 'complete' | 'aborted' | 'stuck';
  /** Of a catch-up that is stuck: number of peers that do not keep what they were asked for. */
  readonly lacking?: number;
  /** Last height that was passed on. */
  readonly height: Height;
}

export interface SyncRun {
  /**
   * Resolves at the end. Rejects with what the sink rejected with, or with QuaestorError CERTIFIED_FORK when two blocks
   * that a quorum signed do not link: more validators are faulty than the protocol bears, and somebody must look.
   */
  readonly done: Promise<SyncOutcome>;
  /** A peer says that it has all blocks up to a height. */
  report(peer: ValidatorIndex, height: Height): void;
  /** Raises the target. */
  extend(target: Height): void;
}

/** Starts a catch-up. */
export function startSync(options: SyncOptions): SyncRun {
  return new Run(options);
}

class Run implements SyncRun {
  readonly done: Promise<SyncOutcome>;
  readonly #options: SyncOptions;
  readonly #limits: SyncLimits;
  readonly #planner: SyncPlanner;
  readonly #aborting = new AbortController();
  readonly #buffer = new Map<number, { readonly block: CertifiedBlock; readonly bytes: number }>();
  readonly #waiting = new Set<() => void>();
  readonly #active = new Set<Promise<void>>();
  readonly #lacking = new Set<ValidatorIndex>();
  #bufferedBytes = 0;
  #handedOver = false;
  #digest: Digest;
  #failure: { readonly error: unknown } | undefined;
  #cancelWake: (() => void) | undefined;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#limits = { ...defaultSyncLimits, ...options.limits };
    this.#planner = new SyncPlanner(options.base.height, options.target, this.#limits);
    this.#digest = options.base.digest;
    for (const { index, height } of options.peers) this.#planner.report(index, height);
    this.done = this.#run();
  }

  report(peer: ValidatorIndex, height: Height): void {
    this.#planner.report(peer, height);
    this.#wake();
  }

  extend(target: Height): void {
    this.#planner.extend(target);
    this.#wake();
  }

  async #run(): Promise<SyncOutcome> {
    const { signal } = this.#options;
    const abort = (): void => this.#aborting.abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    this.#aborting.signal.addEventListener('abort', () => this.#wake(), { once: true });
    try {
      while (!this.#over()) {
        this.#startRequests();
        const next = this.#buffer.get(this.#planner.delivered + 1);
        if (next !== undefined) await this.#deliver(next.block, next.bytes);
        else if (!this.#over()) await this.#change();
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#aborting.abort();
      this.#cancelWake?.();
      await Promise.all(this.#active);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    const height = this.#planner.delivered;
    if (this.#planner.complete || this.#handedOver) return { end: 'complete', height };
    const end = signal?.aborted === true ? 'aborted' : 'stuck';
    return this.#lacking.size === 0 ? { end, height } : { end, height, lacking: this.#lacking.size };
  }

  #over(): boolean {
    return (
      this.#planner.complete ||
      this.#handedOver ||
      this.#aborting.signal.aborted ||
      (this.#planner.stuck && !this.#buffer.has(this.#planner.delivered + 1))
    );
  }

  #startRequests(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const request of this.#planner.next(nowMs)) {
      const work = this.#fetch(request)
        .catch((error: unknown) => {
          // Not a fault of a peer: a defect here. It ends the catch-up.
          this.#failure ??= { error };
          this.#aborting.abort();
        })
        .finally(() => {
          this.#active.delete(work);
          if (!this.#over()) this.#startRequests();
          this.#wake();
        });
      this.#active.add(work);
    }
    this.#cancelWake?.();
    const wakeMs = this.#planner.wakeMs(nowMs);
    this.#cancelWake =
      wakeMs === undefined ? undefined : this.#options.clock.setTimer(wakeMs - nowMs, () => this.#wake());
  }

  /** Carries one request out, whatever comes of it. */
  async #fetch(request: RangeRequest): Promise<void> {
    const { source, clock } = this.#options;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    this.#aborting.signal.addEventListener('abort', onAbort, { once: true });
    let cancelTimer: (() => void) | undefined;
    const watch = (): void => {
      cancelTimer = clock.setTimer(this.#limits.progressTimeoutMs, onAbort);
    };
    try {
      watch();
      const blocks = source.fetchBlocks(request.peer, {
        fromHeight: request.from,
        maxBlocks: request.to - request.from + 1,
        deadlineMs: this.#limits.requestTimeoutMs,
        signal: stop.signal,
      });
      let height: number = request.from;
      for await (const block of blocks) {
        cancelTimer?.();
        if (this.#aborting.signal.aborted) return;
        const checked = await verifyBlock(block, asHeight(height), this.#options, this.#options.verifier);
        if (!checked.ok) {
          const fault = checked.error === otherElectorate ? 'failed' : 'lied';
          this.#fail(request, fault, `block ${height}: ${checked.error}`);
          return;
        }
        if (!(await this.#keep(checked.value, sizeOf(block), request))) {
          this.#planner.abandon(request.id);
          return;
        }
        if (height === Number(request.to)) break;
        height++;
        watch();
      }
      this.#planner.finished(request.id, clock.monotonicMs());
    } catch (error) {
      if (!(error instanceof QuaestorError) && !stop.signal.aborted) throw error;
      if (error instanceof QuaestorError && error.code === 'NOT_RETAINED') {
        this.#lacking.add(request.peer);
        this.#planner.lacks(request.id);
        this.#options.onFault?.(request.peer, 'pruned', error.message);
        return;
      }
      this.#fail(request, garbage(error) ? 'lied' : 'failed', String(error));
    } finally {
      cancelTimer?.();
      this.#aborting.signal.removeEventListener('abort', onAbort);
      stop.abort();
    }
  }

  #fail(request: RangeRequest, fault: PeerFault, detail: string): void {
    if (this.#aborting.signal.aborted) return;
    this.#planner.failed(request.id, fault, this.#options.clock.monotonicMs());
    this.#options.onFault?.(request.peer, fault, detail);
  }

  /**
   * Keeps a block until its turn, once there is room for it. False when it should be let go: the next block in order is
   * missing and nobody was asked for it, so this peer is more use there.
   */
  async #keep(block: CertifiedBlock, bytes: number, request: RangeRequest): Promise<boolean> {
    const { height } = block.header;
    for (;;) {
      const next = this.#planner.delivered + 1;
      const room = this.#bufferedBytes + bytes <= this.#limits.maxBufferBytes;
      if (room || height === next) break;
      if (this.#aborting.signal.aborted) return false;
      if (!this.#buffer.has(next) && !this.#planner.isAwaited(next)) return false;
      await this.#change();
    }
    this.#planner.received(request.id);
    this.#buffer.set(height, { block, bytes });
    this.#bufferedBytes += bytes;
    this.#wake();
    return true;
  }

  async #deliver(block: CertifiedBlock, bytes: number): Promise<void> {
    const { header } = block;
    if (!equalBytes(header.prevHash, this.#digest)) {
      throw new QuaestorError(
        'CERTIFIED_FORK',
        `Block ${header.height} is certified by a quorum but does not follow from the block below it, which is as ` +
          'well. More validators are faulty than the protocol tolerates: stop, and compare the chains of all validators.',
        { height: String(header.height) },
      );
    }
    await this.#options.sink(block);
    this.#buffer.delete(header.height);
    this.#bufferedBytes -= bytes;
    this.#digest = block.digest;
    this.#planner.deliveredUpTo(header.height);
    // What is above is for the electorate that this block hands over to.
    if (!equalBytes(header.nextValidatorSetHash, this.#options.validatorSetHash)) this.#handedOver = true;
    this.#wake();
  }

  /** Resolves when something has changed. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }
}

function garbage(error: unknown): boolean {
  return error instanceof QuaestorError && error.code === 'PEER_SENT_GARBAGE';
}

function sizeOf(block: FetchedBlock): number {
  return block.envelopes.reduce((bytes, envelope) => bytes + envelope.length, block.headerBytes.length);
}
