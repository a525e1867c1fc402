/**
 * A token bucket (RFC 2697's idea) with one second's worth of burst that can go into debt: whoever finds one may take
 * more than there are, and nobody gets any until that is paid. So single requests larger than the burst pass, and the
 * rate still holds.
 */
export class RateLimit {
  #perSecond: number;
  #tokens: number;
  #refilledMs: number;
  /** What was refused lately; forgotten at the rate, at which those who come back will be served. */
  #refused = 0;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#refilledMs = nowMs;
  }

  /** Another rate from now on. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, perSecond);
  }

  /** Whether something may be taken now. */
  hasRoom(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= 1;
  }

  /** Takes tokens; returns for how many milliseconds nothing more should be taken. */
  take(count: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#tokens -= count;
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond);
  }

  /** Notes a refusal; returns after how many milliseconds to come back, so that those refused are spread over the time
   * in which they can be served. */
  refuse(count: number, nowMs: number): number {
    this.#refill(nowMs);
    const waitMs = ((Math.max(0, -this.#tokens) + this.#refused) * 1000) / this.#perSecond;
    this.#refused += count;
    return Math.ceil(waitMs);
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#refilledMs) return;
    const gained = ((nowMs - this.#refilledMs) * this.#perSecond) / 1000;
    this.#refilledMs = nowMs;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained);
    this.#refused = Math.max(0, this.#refused - gained);
  }
}
