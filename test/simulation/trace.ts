/**
 * What happened, as a running hash (two runs of one seed must agree on it) and, for people, the last part of it. Words
 * are made only when somebody reads them.
 */

/** Mixes an integer into a hash of 32 bits. */
export function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ (value | 0), 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ Math.trunc(value / 2 ** 32), 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 13)) | 0;
}

/** Mixes bytes into a hash of 32 bits: FNV-1a and the length. */
export function mixBytes(hash: number, bytes: Uint8Array): number {
  let mixed = hash ^ 0x811c_9dc5;
  for (let index = 0; index < bytes.length; index++) {
    mixed = Math.imul(mixed ^ bytes[index]!, 0x0100_0193);
  }
  return mix(mixed, bytes.length);
}

const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);

interface Entry {
  readonly atMs: number;
  readonly text: () => string;
}

export class Trace {
  readonly #capacity: number;
  readonly #entries: Entry[] = [];
  #next = 0;
  #low = 1;
  #high = 2;
  #count = 0;

  /** Keeps the last `capacity` entries in words. */
  constructor(capacity = 400) {
    this.#capacity = capacity;
  }

  /** Adds an entry: `numbers` identify what happened, `text` says it. */
  add(atMs: number, numbers: readonly number[], text: () => string): void {
    scratch[0] = atMs;
    this.#low = mix(mix(this.#low, scratchWords[0]!), scratchWords[1]!);
    for (const number of numbers) {
      this.#low = mix(this.#low, number);
      this.#high = mix(this.#high ^ this.#low, number);
    }
    this.#count++;
    this.#entries[this.#next] = { atMs, text };
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.#low, this.#high].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  get count(): number {
    return this.#count;
  }

  /** The last entries, one a line. */
  lines(): readonly string[] {
    return [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)].map(
      ({ atMs, text }) => `${atMs.toFixed(2).padStart(9)} ms  ${text()}`,
    );
  }
}
