/** Time constant of the average: what was longer ago hardly counts. */
const averageMs = 2000;

/** How many of something pass in a second, lately: an average that forgets exponentially. Time is passed in. */
export class FlowRate {
  /** Per averaging time. */
  #weight = 0;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  add(count: number, nowMs: number): void {
    this.#decay(nowMs);
    this.#weight += count;
  }

  perSecond(nowMs: number): number {
    this.#decay(nowMs);
    return (this.#weight * 1000) / averageMs;
  }

  #decay(nowMs: number): void {
    if (nowMs <= this.#atMs) return;
    this.#weight *= Math.exp((this.#atMs - nowMs) / averageMs);
    this.#atMs = nowMs;
  }
}
