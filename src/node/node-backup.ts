import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupError, collectBackups, lastBackupMs, takeBackup, type TakenBackup } from '../backup/index.js';
import type { NodeConfig } from '../config/index.js';
import { openObjects, type ObjectStore } from '../objects/index.js';
import type { Store, StoredBlock } from '../storage/types.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { Height } from '../types/index.js';
import type { Clock } from './ports.js';
import { sleep } from './sleep.js';

/** After a piece of work this waits so many times as long as it took, that the replica may go first. A wait for the
 * storage is no work, so it counts in part only. */
const restFactor = 3;
const maxWorkMs = 15;
const minRestMs = 5;
/** After a failure the next attempt waits so long; doubles up to the longer one. */
const minRetryMs = 30_000;
const maxRetryMs = 15 * 60_000;

export interface NodeBackupOptions {
  readonly config: Pick<NodeConfig, 'dataDir' | 'validator' | 'backup'> & {
    readonly network: Pick<NodeConfig['network'], 'genesisFile'>;
  };
  readonly version: string;
  readonly store: Store;
  /** Blocks that are not in the store any more. */
  readonly olderBlock?: (height: Height) => Promise<StoredBlock | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What an operator is told. */
export interface NodeBackupReport extends TakenBackup {
  readonly removedBackups: number;
}

/**
 * Backups of a node that runs: by its schedule and on request, one at a time, with a bounded share of the time. One that
 * fails harms nothing else and is tried again.
 */
export class NodeBackup {
  readonly #options: NodeBackupOptions;
  readonly #objects: ObjectStore | undefined;
  readonly #stopping = new AbortController();
  #running: Promise<NodeBackupReport> | undefined;
  /** Undefined until it was looked up. */
  #lastMs: number | undefined;
  #isLookingUp = false;
  #nextMs = -Infinity;
  #retryMs = minRetryMs;
  #workStartedMs = 0;

  constructor(options: NodeBackupOptions) {
    this.#options = options;
    const { backup } = options.config;
    this.#objects = backup && openObjects(backup.target);
    // Without a value the alert would not see that there is none.
    if (backup !== undefined) options.metrics.backup.success.set(0);
    options.metrics.backup.interval.set((backup?.everyMs ?? 0) / 1000);
  }

  /** Whether a backup reads the store: nothing of it may be given up. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** To be called now and then: starts a backup when one is due. */
  look(): void {
    const { clock, config, store } = this.#options;
    // Before the first block there is nothing that the genesis file does not have.
    if ((store.head()?.height ?? 0) === 0) return;
    const everyMs = config.backup?.everyMs;
    if (everyMs === undefined || this.#running !== undefined || this.#stopping.signal.aborted) return;
    if (clock.monotonicMs() < this.#nextMs || this.#isLookingUp) return;
    if (this.#lastMs === undefined) {
      void this.#lookUp();
      return;
    }
    if (clock.wallMs() - this.#lastMs >= everyMs) void this.#start(false).catch(() => undefined);
  }

  /** Takes a backup now. Rejects with what was in the way. */
  async runNow(full: boolean): Promise<NodeBackupReport> {
    await this.#running?.catch(() => undefined);
    return this.#start(full);
  }

  /** Ends a backup that is under way: what it wrote is used by the next one. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** When the last backup was taken, so that a restart does not begin the schedule anew. */
  async #lookUp(): Promise<void> {
    const objects = this.#objects;
    if (objects === undefined) return;
    this.#isLookingUp = true;
    try {
      this.#lastMs = (await lastBackupMs(objects)) ?? 0;
      this.#options.metrics.backup.success.set(this.#lastMs / 1000);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isLookingUp = false;
    }
  }

  #start(full: boolean): Promise<NodeBackupReport> {
    const { metrics } = this.#options;
    metrics.backup.running.set(1);
    const run = this.#take(full);
    this.#running = run;
    void run
      .catch((error: unknown) => this.#failed(error))
      .then(() => {
        metrics.backup.running.set(0);
        if (this.#running === run) this.#running = undefined;
      });
    return run;
  }

  async #take(full: boolean): Promise<NodeBackupReport> {
    const { config, version, store, olderBlock, clock, log, metrics } = this.#options;
    const { backup, dataDir, validator, network } = config;
    const objects = this.#objects;
    if (backup === undefined || objects === undefined) {
      throw new BackupError(
        'MISSING',
        'The configuration of this node names no place for backups (backup.target).',
      );
    }
    const startMs = clock.monotonicMs();
    this.#workStartedMs = startMs;
    const spoolDir = join(dataDir, 'backup-in-work');
    const taken = await takeBackup({
      store,
      objects,
      genesisFile: network.genesisFile,
      writer: validator,
      software: version,
      nowMs: clock.wallMs(),
      spoolDir,
      full,
      pause: () => this.#pause(),
      ...(olderBlock === undefined ? {} : { olderBlock }),
    }).finally(() => rm(spoolDir, { recursive: true, force: true }));
    this.#lastMs = taken.createdMs;
    this.#retryMs = minRetryMs;
    const durationMs = Math.round(clock.monotonicMs() - startMs);
    metrics.backup.success.set(taken.createdMs / 1000);
    metrics.backup.height.set(taken.height);
    metrics.backup.duration.set(durationMs / 1000);
    metrics.backup.bytes.set(taken.bytes);
    metrics.backup.written.inc(taken.writtenBytes);
    log.info(
      { code: 'BACKUP_TAKEN', ...taken, durationMs },
      `A backup of block ${taken.height} is complete.`,
    );
    const {
      backups,
      objects: removed,
      bytes,
    } = await collectBackups(objects, store.chainId, backup.keep, () => this.#pause());
    if (backups > 0 || removed > 0) {
      log.info(
        { code: 'BACKUP_COLLECTED', backups, objects: removed, bytes },
        `${backups} old backups were removed.`,
      );
    }
    return { ...taken, removedBackups: backups };
  }

  /** Lets the rest of the node go on: awaited between pieces of work. */
  async #pause(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    signal.throwIfAborted();
    const workedMs = clock.monotonicMs() - this.#workStartedMs;
    if (workedMs < minRestMs) return;
    await sleep(clock, Math.min(workedMs, maxWorkMs) * restFactor, signal);
    signal.throwIfAborted();
    this.#workStartedMs = clock.monotonicMs();
  }

  #failed(error: unknown): void {
    const { clock, log, metrics } = this.#options;
    if (this.#stopping.signal.aborted) return;
    this.#nextMs = clock.monotonicMs() + this.#retryMs;
    this.#retryMs = Math.min(maxRetryMs, 2 * this.#retryMs);
    metrics.backup.failures.inc();
    const reason = error instanceof Error ? error.message : String(error);
    log.warn({ code: 'BACKUP_FAILED', reason }, 'A backup could not be taken; it is tried again.');
  }
}
