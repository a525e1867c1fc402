import type { Metrics } from '../telemetry/index.js';
import type { Clock } from './ports.js';

/** What a proposer's last proposal said of its clock is worth nothing after so long. */
const staleMs = 60_000;

/** How far the clocks of others are off, by the times in their fresh proposals. One that came late, for example after
 * this node was away, looks like a clock that is behind: only what lasts means something. */
export class ClockOffsets {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  /** When each proposer was heard last, in milliseconds of the monotonic clock. As many as there are validators. */
  readonly #heardMs = new Map<string, number>();

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** A fresh proposal came whose time is so far ahead of the clock here. */
  note(proposer: string, aheadMs: number): void {
    this.#heardMs.set(proposer, this.#clock.monotonicMs());
    this.#metrics.consensus.clockOffset.with({ proposer }).set(aheadMs / 1000);
  }

  /** Forgets what is stale; to be called now and then. */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [proposer, heardMs] of this.#heardMs) {
      if (nowMs - heardMs < staleMs) continue;
      this.#heardMs.delete(proposer);
      this.#metrics.consensus.clockOffset.with({ proposer }).clear();
    }
  }
}
