import type { PruneStep, RetainBounds, Store } from '../storage/types.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { asHeight, QuaestorError, type Height } from '../types/index.js';
import type { Clock } from './ports.js';
import type { Sealer } from './sealer.js';
import { sleep } from './sleep.js';

/** Entries of one step: some milliseconds of a disk. */
const stepEntries = 2000;
/** After a piece of work this waits so many times as long as it took: it has a quarter of the time at most. A wait for
 * something else, such as object storage, is no work. */
const restFactor = 3;
const maxWorkMs = 50;
const minRestMs = 5;
/** After a failure the next attempt waits so long; doubles up to the longer one. */
const minRetryMs = 5_000;
const maxRetryMs = 5 * 60_000;
/** Part of the size of the store that may be removed before all key spaces are compacted. */
const compactFraction = 0.25;
/** So many entries are removed before the key spaces in order of height are compacted. */
const compactEntries = 200_000;

/** So many heights more than are to be kept gather before a pass, so that passes are few. */
const slackOf = (retained: number | undefined): number =>
  Math.max(1, Math.min(1000, Math.floor((retained ?? 0) / 100)));

/** What a node keeps, in heights below the head; undefined is everything. */
export interface RetainedHeights {
  readonly blocks: number | undefined;
  readonly states: number | undefined;
}

export interface RetentionOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly retained: RetainedHeights;
  /** Undefined when blocks are not sealed. */
  readonly sealer: Sealer | undefined;
  /** Nothing above it is sealed, and nothing from it on is given up. */
  readonly stableHeight: () => Height;
  /** Whether nothing may be given up for now: a backup reads it. */
  readonly held?: () => boolean;
}

/** What an operator is told. */
export interface RetentionReport {
  readonly oldestBlock: Height;
  readonly oldestState: Height;
  readonly removedEntries: number;
  readonly freedBytes: number;
}

/** Fewest heights that a network needs its nodes to keep: for receipts of what may still be submitted again, for
 * checkpoints that others copy, for what is in flight. */
export function fewestRetained(parameters: {
  readonly validityWindowBlocks: number;
  readonly checkpointIntervalBlocks: number;
  readonly pipelineWindowBlocks: number;
}): number {
  const { validityWindowBlocks, checkpointIntervalBlocks, pipelineWindowBlocks } = parameters;
  return Math.max(validityWindowBlocks, 2 * checkpointIntervalBlocks) + pipelineWindowBlocks + 8;
}

/** Throws a QuaestorError when a configuration keeps too little. */
export function checkRetained(retained: RetainedHeights, fewest: number): void {
  for (const [name, heights] of [
    ['blocks', retained.blocks],
    ['states', retained.states],
  ] as const) {
    if (heights === undefined || heights >= fewest) continue;
    throw new QuaestorError(
      'RETENTION_TOO_SHORT',
      `storage.retain.${name} is ${heights}; this network needs ${fewest} heights at least (its validity window, two ` +
        'checkpoints and what is in flight). Set it higher, or leave it out to keep everything.',
      { field: `storage.retain.${name}`, fewest: String(fewest) },
    );
  }
}

/**
 * Gives up, in the background, what a node need not keep: seals blocks if it is to, then prunes them. It has a bounded
 * share of the time, fails without harm to anything else, and tries again.
 */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #stopping = new AbortController();
  #running: Promise<RetentionReport> | undefined;
  #nextMs = -Infinity;
  #retryMs = minRetryMs;
  #failing = false;
  #sinceCompaction = 0;
  #removedSinceFull = 0;
  #workStartedMs = 0;
  /** Something may be left that was given up before the start, or in a pass that failed. */
  #isUnfinished = true;

  constructor(options: RetentionOptions) {
    this.#options = options;
    // Not only once it happens: an alert has to tell 0 from a node that says nothing.
    options.metrics.storage.retentionFailing.set(0);
    options.metrics.storage.sealedHeight.set(0);
  }

  /** To be called now and then: starts a pass when there is something to do. */
  look(): void {
    const { clock, metrics, store } = this.#options;
    metrics.storage.oldestBlock.set(store.base + 1);
    metrics.storage.oldestState.set(store.oldestState);
    if (this.#running !== undefined || this.#stopping.signal.aborted || clock.monotonicMs() < this.#nextMs)
      return;
    if (!this.#isDue()) return;
    void this.#start(false).catch(() => undefined);
  }

  /** Seals and prunes now all that may be, and gives back the room. Rejects with what was in the way. */
  async runNow(): Promise<RetentionReport> {
    await this.#running?.catch(() => undefined);
    return this.#start(true);
  }

  /** Ends a pass that is under way; it goes on after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Lets the rest of the node go on: to be awaited between pieces of work. */
  async pause(): Promise<void> {
    const { clock } = this.#options;
    this.#stopping.signal.throwIfAborted();
    const workedMs = clock.monotonicMs() - this.#workStartedMs;
    if (workedMs < minRestMs) return;
    await sleep(clock, Math.min(workedMs, maxWorkMs) * restFactor, this.#stopping.signal);
    this.#stopping.signal.throwIfAborted();
    this.#workStartedMs = clock.monotonicMs();
  }

  #start(everything: boolean): Promise<RetentionReport> {
    const { clock, log, metrics } = this.#options;
    this.#workStartedMs = clock.monotonicMs();
    const run = this.#pass(everything).then(
      (report) => {
        this.#retryMs = minRetryMs;
        metrics.storage.retentionFailing.set(0);
        metrics.storage.retentionSuccess.set(clock.wallMs() / 1000);
        if (this.#failing) log.info({ code: 'RETENTION_RESUMED' }, 'Old blocks are sealed and pruned again.');
        this.#failing = false;
        return report;
      },
      (error: unknown) => {
        if (this.#stopping.signal.aborted) throw error;
        this.#isUnfinished = true;
        this.#nextMs = clock.monotonicMs() + this.#retryMs;
        this.#retryMs = Math.min(maxRetryMs, 2 * this.#retryMs);
        metrics.storage.retentionFailing.set(1);
        metrics.storage.retentionFailures.inc();
        this.#failing = true;
        log.warn(
          { code: 'RETENTION_FAILED', reason: error instanceof Error ? error.message : String(error) },
          'Old blocks could not be sealed or pruned: they stay, and it is tried again.',
        );
        throw error;
      },
    );
    this.#running = run;
    void run
      .catch(() => undefined)
      .then(() => {
        if (this.#running === run) this.#running = undefined;
      });
    return run;
  }

  /** Whether a pass would do something worth while. */
  #isDue(): boolean {
    const { store, sealer, retained } = this.#options;
    if (this.#isUnfinished || sealer?.isDue(this.#options.stableHeight()) === true) return true;
    const { blocks, states } = this.#target();
    return (
      blocks - store.base >= slackOf(retained.blocks) ||
      states - store.oldestState >= slackOf(retained.states)
    );
  }

  /** What may be given up now: by the configuration, and blocks only if they are sealed. */
  #target(): RetainBounds {
    const { store, retained, stableHeight, sealer, held } = this.#options;
    if (held?.() === true) return { blocks: store.base, states: store.oldestState };
    const head = store.head()?.height ?? 0;
    const stable = Math.max(0, stableHeight() - 1);
    const below = (heights: number | undefined): number =>
      heights === undefined ? 0 : Math.max(0, Math.min(head - heights, stable));
    const sealed = sealer === undefined ? Infinity : (sealer.sealedTo ?? 0);
    const blocks = Math.min(below(retained.blocks), sealed);
    return { blocks: asHeight(blocks), states: asHeight(Math.max(blocks, below(retained.states))) };
  }

  async #pass(everything: boolean): Promise<RetentionReport> {
    const { store, sealer, metrics, log, stableHeight } = this.#options;
    const before = store.base;
    if (sealer !== undefined) {
      await sealer.sealUpTo(stableHeight());
      metrics.storage.sealedHeight.set(sealer.sealedTo ?? 0);
    }
    await store.retain(this.#target());
    let removedEntries = 0;
    for (;;) {
      const step: PruneStep = await store.prune(stepEntries);
      removedEntries += step.entries;
      metrics.storage.prunedEntries.inc(step.entries);
      if (step.done) break;
      if (!everything) await this.pause();
      this.#stopping.signal.throwIfAborted();
    }
    this.#isUnfinished = false;
    const freedBytes = await this.#compact(removedEntries, everything);
    metrics.storage.oldestBlock.set(store.base + 1);
    metrics.storage.oldestState.set(store.oldestState);
    if (store.base > before || removedEntries > 0) {
      log.debug(
        { code: 'PRUNED', base: store.base, oldestState: store.oldestState, removedEntries, freedBytes },
        'Blocks and states that need not be kept were removed.',
      );
    }
    return {
      oldestBlock: asHeight(store.base + 1),
      oldestState: store.oldestState,
      removedEntries,
      freedBytes,
    };
  }

  /** Gives back the room once enough was removed. */
  async #compact(removed: number, everything: boolean): Promise<number> {
    const { store, metrics } = this.#options;
    this.#sinceCompaction += removed;
    this.#removedSinceFull += removed;
    if (!everything && this.#sinceCompaction < compactEntries) return 0;
    const before = await store.sizeBytes();
    // An entry has some hundred bytes.
    const isFull = everything || this.#removedSinceFull * 100 > before * compactFraction;
    await store.compact(isFull);
    this.#sinceCompaction = 0;
    if (isFull) this.#removedSinceFull = 0;
    const freed = Math.max(0, before - (await store.sizeBytes()));
    metrics.storage.freedBytes.inc(freed);
    return freed;
  }
}
