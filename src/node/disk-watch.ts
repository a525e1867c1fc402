import { statfs } from 'node:fs/promises';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { Clock } from './ports.js';

/** Between two looks at the file system, and between two additions of the sizes of the store's files. */
const lookMs = 5_000;
const measureMs = 60_000;
/** An operator is told when less than this part is free, at most so often. */
const lowFraction = 0.1;
const noticeMs = 60 * 60_000;

export interface DiskWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The data folder. */
  readonly dir: string;
  /** Approximate size of the store. */
  readonly storeBytes: () => Promise<number>;
  /** For tests: the file system that a folder is on. */
  readonly statfs?: (
    dir: string,
  ) => Promise<{ readonly bsize: number; readonly blocks: number; readonly bavail: number }>;
}

/**
 * Knows how full the disk is: as metrics, and as a warning when little is left. It looks on its own time, never at a
 * scrape: a disk that hangs must not take the other metrics along.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #looking = false;
  #nextLookMs = -Infinity;
  #nextMeasureMs = -Infinity;
  #nextNoticeMs = -Infinity;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** To be called now and then: looks if it is time. Resolves when it has looked. */
  async look(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#looking || nowMs < this.#nextLookMs) return;
    this.#looking = true;
    this.#nextLookMs = nowMs + lookMs;
    try {
      await this.#space(nowMs);
      if (nowMs >= this.#nextMeasureMs) {
        this.#nextMeasureMs = nowMs + measureMs;
        this.#options.metrics.storage.size.set(await this.#options.storeBytes());
      }
    } catch (error) {
      // The store says so itself when it matters; it may also just have been closed.
      this.#options.log.debug({ err: error }, 'The size of the disk could not be read.');
    } finally {
      this.#looking = false;
    }
  }

  async #space(nowMs: number): Promise<void> {
    const { dir, log, metrics } = this.#options;
    const { bsize, blocks, bavail } = await (this.#options.statfs ?? statfs)(dir);
    const sizeBytes = bsize * blocks;
    const availableBytes = bsize * bavail;
    metrics.storage.filesystemSize.set(sizeBytes);
    metrics.storage.filesystemAvailable.set(availableBytes);
    if (availableBytes >= sizeBytes * lowFraction || nowMs < this.#nextNoticeMs) return;
    this.#nextNoticeMs = nowMs + noticeMs;
    log.warn(
      { code: 'DISK_SPACE_LOW', dir, availableBytes, sizeBytes },
      `Only ${Math.floor(availableBytes / 1024 / 1024)} MiB are free on the disk of the data folder: make room, or the node will stop when it is full.`,
    );
  }
}
