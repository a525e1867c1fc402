/**
 * A cache of bounded bytes that keeps what was used recently: two generations; the older one is dropped whole when the
 * younger one has half the bytes. One map access a hit, no list to maintain.
 */
export class RecentCache<Value> {
  readonly #halfBytes: number;
  #young = new Map<string, Entry<Value>>();
  #old = new Map<string, Entry<Value>>();
  #youngBytes = 0;
  /** Counts how often a generation was dropped: what was set is still there at a difference of up to one. */
  rotations = 0;

  constructor(maxBytes: number) {
    this.#halfBytes = maxBytes / 2;
  }

  /** The entry of a key; its value may be undefined. */
  get(key: string): Entry<Value> | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#add(key, old);
    }
    return old;
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  set(key: string, value: Value, bytes: number): void {
    const known = this.#young.get(key);
    if (known !== undefined) {
      this.#youngBytes += bytes - known.bytes;
      known.value = value;
      known.bytes = bytes;
      return;
    }
    this.#old.delete(key);
    this.#add(key, { value, bytes });
  }

  #add(key: string, entry: Entry<Value>): void {
    this.#young.set(key, entry);
    // 160: about what the map, the entry and the array object take.
    this.#youngBytes += entry.bytes + key.length + 160;
    if (this.#youngBytes < this.#halfBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
    this.rotations++;
  }
}

interface Entry<Value> {
  value: Value;
  bytes: number;
}
