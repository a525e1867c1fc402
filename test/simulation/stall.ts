/** How long nothing was committed or answered although there was work. Time without work is no stall. */
export class StallWatch {
  #lastMs: number;
  #waiting = false;
  longestMs = 0;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** Whether a correct replica has something to commit: to be told often. */
  work(waiting: boolean, nowMs: number): void {
    if (waiting && !this.#waiting) this.#lastMs = nowMs;
    this.#waiting = waiting;
    // Seen while it lasts, too: one that never ends is the longest.
    this.#note(nowMs);
  }

  /** Something was committed or answered. */
  progress(nowMs: number): void {
    this.#note(nowMs);
    this.#lastMs = nowMs;
  }

  #note(nowMs: number): void {
    if (this.#waiting) this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
  }
}
