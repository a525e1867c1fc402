/**
 * Whether the event loop, on which consensus runs, can still keep up: a timer that comes late several times in a row
 * says that it has more to do than it can, for which clients' calls are the usual reason and the one that can be put off.
 * A single late one, such as a collection of garbage causes, says nothing (the idea of CoDel, RFC 8289: what stands for
 * an interval, not what spikes).
 */
export interface LoopLagOptions {
  /** A timer that comes so late is late. */
  readonly lateMs: number;
  /** So many late ones in a row are a load that is too high. */
  readonly inARow: number;
  readonly intervalMs: number;
}

/** Seldom enough that an idle node stays idle. */
export const defaultLoopLag: LoopLagOptions = { lateMs: 200, inARow: 3, intervalMs: 200 };

export class LoopLag {
  readonly #options: LoopLagOptions;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;
  #late = 0;
  #lagMs = 0;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(options: LoopLagOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  start(): void {
    this.#dueMs = this.#now() + this.#options.intervalMs;
    this.#timer = setInterval(() => this.tick(), this.#options.intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The timer has come. */
  tick(): void {
    const nowMs = this.#now();
    this.#lagMs = nowMs - this.#dueMs;
    this.#late = this.#lagMs >= this.#options.lateMs ? this.#late + 1 : 0;
    this.#dueMs = nowMs + this.#options.intervalMs;
  }

  /** By how many milliseconds the loop is behind while the load is too high; 0 while it is not. */
  get overloadMs(): number {
    return this.#late >= this.#options.inARow ? this.#lagMs : 0;
  }
}
