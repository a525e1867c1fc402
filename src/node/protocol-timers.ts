import type { TimerId } from '../consensus/index.js';
import type { Clock } from './ports.js';

export interface ProtocolTimersOptions {
  readonly clock: Clock;
  /** Called when a timer is due; it fires when `fire` is called, unless it was cancelled meanwhile. */
  due(timer: TimerId, fire: () => void): void;
  fired(timer: TimerId): void;
}

/** The timers that the core has set: each one at most once. */
export class ProtocolTimers {
  readonly #options: ProtocolTimersOptions;
  readonly #cancels = new Map<TimerId, () => void>();

  constructor(options: ProtocolTimersOptions) {
    this.#options = options;
  }

  /** Sets a timer, in place of the one of its name. */
  set(timer: TimerId, delayMs: number): void {
    this.cancel(timer);
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      this.#cancels.delete(timer);
      this.#options.fired(timer);
    };
    const cancel = this.#options.clock.setTimer(delayMs, () => this.#options.due(timer, fire));
    this.#cancels.set(timer, () => {
      cancelled = true;
      cancel();
    });
  }

  cancel(timer: TimerId): void {
    this.#cancels.get(timer)?.();
    this.#cancels.delete(timer);
  }

  stop(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
