/**
 * Copies the state of one height from several peers at once, part by part: each chunk is proven against the certified
 * state root before it is kept. A peer that sends anything false is not asked again; what is kept stays over a restart.
 */
import type { InstallChunk, InstallProgress, SnapshotTarget, StateSegment } from '../storage/types.js';
import type { Height, ValidatorIndex } from '../types/index.js';
import { QuaestorError } from '../types/index.js';
import type { PeerFault } from './planner.js';
import type { SyncClock } from './runner.js';
import { verifyChunk, type FetchedState } from './verify-chunk.js';

export interface StateRequest {
  readonly height: Height;
  readonly from: Uint8Array;
  readonly until: Uint8Array;
  /** Bound of the whole request. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Where chunks come from (see PeerNetwork.fetchState). */
export interface StateSource {
  fetchState(peer: ValidatorIndex, request: StateRequest): AsyncIterable<FetchedState>;
}

/** Where chunks go (see StateInstall). */
export interface StateSink {
  readonly target: SnapshotTarget | undefined;
  readonly segments: readonly StateSegment[];
  put(segment: number, chunk: InstallChunk): Promise<void>;
  progress(): InstallProgress;
}

export interface CopyLimits {
  /** A peer that brings no further chunk for so long is given up. */
  readonly progressTimeoutMs: number;
  /** Bound of a whole request. */
  readonly requestTimeoutMs: number;
  /** How long a peer that did not deliver is left alone; doubles with each failure in a row. */
  readonly minShunMs: number;
  /** A peer that failed so often in a row is not asked again. */
  readonly maxFailures: number;
}

export const defaultCopyLimits: CopyLimits = {
  progressTimeoutMs: 10_000,
  requestTimeoutMs: 600_000,
  minShunMs: 200,
  maxFailures: 6,
};

export interface CopyOptions {
  readonly sink: StateSink;
  readonly source: StateSource;
  readonly peers: readonly ValidatorIndex[];
  readonly clock: SyncClock;
  readonly limits?: Partial<CopyLimits>;
  readonly signal?: AbortSignal;
  /** A chunk is durable. */
  onChunk?(peer: ValidatorIndex, progress: InstallProgress): void;
  /** A peer disappointed; for logs and metrics. */
  onFault?(peer: ValidatorIndex, fault: PeerFault, detail: string): void;
}

interface Peer {
  readonly index: ValidatorIndex;
  failures: number;
  banned: boolean;
}

/**
 * Copies what is missing. `stuck`: no peer is left that could bring the rest. Rejects with what the sink rejects with.
 */
export async function copyState(options: CopyOptions): Promise<'complete' | 'stuck' | 'aborted'> {
  return new Copy(options).run();
}

class Copy {
  readonly #options: CopyOptions;
  readonly #limits: CopyLimits;
  readonly #peers: readonly Peer[];
  readonly #taken = new Set<number>();
  readonly #stopping = new AbortController();
  /** Those who wait for a segment to become free, or for the end. */
  readonly #idle = new Set<() => void>();

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#limits = { ...defaultCopyLimits, ...options.limits };
    this.#peers = options.peers.map((index) => ({ index, failures: 0, banned: false }));
  }

  async run(): Promise<'complete' | 'stuck' | 'aborted'> {
    const { signal } = this.#options;
    const abort = (): void => {
      this.#stopping.abort();
      for (const look of [...this.#idle]) look();
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    try {
      const outcomes = await Promise.allSettled(this.#peers.map((peer) => this.#work(peer)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (this.#isComplete()) return 'complete';
    return this.#stopping.signal.aborted ? 'aborted' : 'stuck';
  }

  #isComplete(): boolean {
    return this.#options.sink.segments.every(({ next }) => next === undefined);
  }

  /** Works for one peer: a segment at a time, until nothing is missing or the peer is of no use any more. */
  async #work(peer: Peer): Promise<void> {
    const { maxFailures, minShunMs } = this.#limits;
    try {
      while (!this.#stopping.signal.aborted && !peer.banned && peer.failures < maxFailures) {
        if (this.#isComplete()) return;
        const segment = this.#freeSegment();
        if (segment === undefined) {
          // Others are at the last ones; one of them may fail.
          await new Promise<void>((resolve) => {
            const look = (): void => {
              this.#idle.delete(look);
              resolve();
            };
            this.#idle.add(look);
          });
          continue;
        }
        this.#taken.add(segment);
        const brought = await this.#fetch(peer, segment).finally(() => {
          this.#taken.delete(segment);
          for (const look of [...this.#idle]) look();
        });
        if (!brought) await this.#pause(minShunMs * 2 ** peer.failures);
      }
    } catch (error) {
      this.#stopping.abort();
      for (const look of [...this.#idle]) look();
      throw error;
    }
  }

  /** The first segment that nobody works at. */
  #freeSegment(): number | undefined {
    const { segments } = this.#options.sink;
    const free = segments.findIndex(({ next }, index) => next !== undefined && !this.#taken.has(index));
    return free < 0 ? undefined : free;
  }

  /** Fetches what a segment lacks. False when the peer failed. */
  async #fetch(peer: Peer, segment: number): Promise<boolean> {
    const { sink, source, clock } = this.#options;
    const { target, segments } = sink;
    const missing = segments[segment];
    if (target === undefined || missing?.next === undefined) return true;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    this.#stopping.signal.addEventListener('abort', onAbort, { once: true });
    let from = missing.next;
    const { until } = missing;
    let cancelTimer = clock.setTimer(this.#limits.progressTimeoutMs, onAbort);
    try {
      const chunks = source.fetchState(peer.index, {
        height: target.height,
        from,
        until,
        deadlineMs: this.#limits.requestTimeoutMs,
        signal: stop.signal,
      });
      for await (const chunk of chunks) {
        cancelTimer();
        if (this.#stopping.signal.aborted) return true;
        const checked = verifyChunk(chunk, { root: target.stateRoot, from, until });
        if (!checked.ok) {
          this.#fault(peer, 'lied', checked.error);
          return false;
        }
        await sink.put(segment, checked.value);
        peer.failures = 0;
        this.#options.onChunk?.(peer.index, sink.progress());
        const { next } = sink.segments[segment] ?? {};
        if (next === undefined) return true;
        from = next;
        cancelTimer = clock.setTimer(this.#limits.progressTimeoutMs, onAbort);
      }
      this.#fault(peer, 'failed', 'it ended before the end of the range');
      return false;
    } catch (error) {
      if (this.#stopping.signal.aborted) return true;
      if (!stop.signal.aborted && !isPeerFailure(error)) throw error;
      const lied = error instanceof QuaestorError && error.code === 'PEER_SENT_GARBAGE';
      this.#fault(peer, lied ? 'lied' : 'failed', error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      cancelTimer();
      this.#stopping.signal.removeEventListener('abort', onAbort);
      stop.abort();
    }
  }

  #fault(peer: Peer, fault: PeerFault, detail: string): void {
    peer.failures++;
    if (fault === 'lied') peer.banned = true;
    this.#options.onFault?.(peer.index, fault, detail);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stopping;
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#options.clock.setTimer(delayMs, done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** What the network says of a peer; anything else is a defect here, or the store's. */
function isPeerFailure(error: unknown): boolean {
  return error instanceof QuaestorError && /^(FETCH_|PEER_)/.test(error.code);
}
