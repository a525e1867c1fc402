/** Lines of one code within one window that are written. */
const maxLines = 50;
const windowMs = 10_000;
/** Codes that are watched at once; those beyond share one count. */
const maxCodes = 256;

/**
 * Keeps a peer or client that causes lines by the thousand from filling the disk: of each code, so many lines in a
 * window are written, the rest are counted.
 */
export class LineLimiter {
  readonly #nowMs: () => number;
  readonly #counts = new Map<string, number>();
  #windowEndMs = -Infinity;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Whether a line of this code may be written. When a window has ended, `onSuppressed` is first told how many lines of
   * which codes were left out in it.
   */
  allows(code: string, onSuppressed: (code: string, lines: number) => void): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#windowEndMs) {
      for (const [name, count] of this.#counts) if (count > maxLines) onSuppressed(name, count - maxLines);
      this.#counts.clear();
      this.#windowEndMs = nowMs + windowMs;
    }
    const name = this.#counts.has(code) || this.#counts.size < maxCodes ? code : 'other';
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count <= maxLines;
  }
}
