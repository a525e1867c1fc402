/**
 * A rate limit that is paid afterwards: what arrived is counted, and when more arrived than the rate allows, the caller
 * waits until the debt is paid. A burst of one second's worth is free.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #refilledMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#refilledMs = nowMs;
  }

  /** Takes tokens; returns for how many milliseconds nothing more should be taken. */
  take(count: number, nowMs: number): number {
    const gained = ((nowMs - this.#refilledMs) * this.#perSecond) / 1000;
    this.#refilledMs = nowMs;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained) - count;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond);
  }
}
