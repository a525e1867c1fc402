/** Slots of a bucket: what a key competes with. */
const ways = 8;
/** 32-bit words of a key. */
const keyWords = 8;

/**
 * A bounded set of SHA-256 hashes that forgets what was not asked for lately: an 8-way set-associative cache, in which
 * each bucket of eight keeps its keys by last use. One array of 32 bytes a key, allocated once: no garbage, and no
 * object that a flood of keys could multiply. Keys are compared in full.
 */
export class VerifiedSet {
  readonly #words: Uint32Array;
  readonly #bucketMask: number;
  readonly #key = new Uint32Array(keyWords);
  readonly #keyBytes = new Uint8Array(this.#key.buffer);

  /** @param capacity Least number of keys that fit; rounded up to a power of two. 0 keeps none. */
  constructor(capacity: number) {
    let buckets = capacity > 0 ? 1 : 0;
    while (buckets * ways < capacity) buckets *= 2;
    this.#words = new Uint32Array(buckets * ways * keyWords);
    this.#bucketMask = buckets - 1;
  }

  /** Number of keys that fit. */
  get capacity(): number {
    return this.#words.length / keyWords;
  }

  /** Whether the set has a key of 32 bytes. It becomes the last used of its bucket. */
  has(key: Uint8Array): boolean {
    if (this.#words.length === 0) return false;
    const bucket = this.#locate(key);
    for (let way = 0; way < ways; way++) {
      if (!this.#isAt(bucket + way * keyWords)) continue;
      if (way > 0) this.#moveToFront(bucket, way);
      return true;
    }
    return false;
  }

  /** Adds a key of 32 bytes that the set has not; the least recently used of its bucket is forgotten. */
  add(key: Uint8Array): void {
    if (this.#words.length === 0) return;
    this.#moveToFront(this.#locate(key), ways - 1);
  }

  /** Loads the key; gives the index of its bucket's first word. */
  #locate(key: Uint8Array): number {
    this.#keyBytes.set(key);
    return ((this.#key[0] ?? 0) & this.#bucketMask) * ways * keyWords;
  }

  #isAt(start: number): boolean {
    for (let word = 0; word < keyWords; word++) {
      if (this.#words[start + word] !== this.#key[word]) return false;
    }
    return true;
  }

  /** Puts the loaded key in front and moves the `way` keys before it back by one. */
  #moveToFront(bucket: number, way: number): void {
    this.#words.copyWithin(bucket + keyWords, bucket, bucket + way * keyWords);
    this.#words.set(this.#key, bucket);
  }
}
