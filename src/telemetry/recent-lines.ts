import type { LineSink } from './pretty.js';

const maxLines = 500;
const maxLineLength = 2000;

/** Passes lines on and remembers the last ones, for a diagnosis. */
export class RecentLines implements LineSink {
  readonly #sink: LineSink;
  readonly #lines: string[] = [];
  #next = 0;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  write(line: string): void {
    this.#lines[this.#next] = line.slice(0, maxLineLength).trimEnd();
    this.#next = (this.#next + 1) % maxLines;
    this.#sink.write(line);
  }

  /** Oldest first. */
  list(): readonly string[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
  }
}
