import { asHeight, invariant, type Hash, type Height } from '../types/index.js';

const hashBytes = 32;
const minCapacity = 16;

let processSeed = 0;

/**
 * Sets the secret of all tables made from now on in this process: a random 32-bit number, once at the start. It decides
 * where entries lie, never what a call answers.
 */
export function seedHashTables(seed: number): void {
  processSeed = seed | 0;
}

/**
 * Hashes of 32 bytes with a height each, in the order in which they came; the oldest leave first. Open addressing over
 * typed arrays: about 50 bytes an entry at the usual load, nothing for the garbage collector to visit.
 *
 * The hashes are SHA-256 of text that a member chooses, so somebody could search for many that share a slot; a secret
 * seed (`seedHashTables`) makes that useless.
 */
export class HashTable {
  readonly #seed = processSeed;
  #capacity: number;
  /** Ring of entries: hash bytes and heights. */
  #hashes: Uint8Array;
  #heights: Float64Array;
  #head = 0;
  #count = 0;
  /** Index of an entry plus one; 0 is free. Twice as many as entries, so that probing stays short. */
  #slots: Int32Array;

  /** `expected` entries fit without growing. */
  constructor(expected = minCapacity) {
    this.#capacity = minCapacity;
    while (this.#capacity < expected) this.#capacity *= 2;
    this.#hashes = new Uint8Array(this.#capacity * hashBytes);
    this.#heights = new Float64Array(this.#capacity);
    this.#slots = new Int32Array(this.#capacity * 2);
  }

  /** Number of entries. A hash that came again counts until its older entry has left. */
  get size(): number {
    return this.#count;
  }

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.#hashes.byteLength + this.#heights.byteLength + this.#slots.byteLength;
  }

  /** Height of the latest entry of the hash. */
  get(hash: Uint8Array): Height | undefined {
    const entry = (this.#slots[this.#slotOf(hash)] ?? 0) - 1;
    return entry < 0 ? undefined : asHeight(this.#heights[entry] ?? 0);
  }

  /** Adds an entry. Heights never decrease. */
  add(hash: Hash, height: Height): void {
    invariant(hash.length === hashBytes, 'hashes have 32 bytes');
    if (this.#count === this.#capacity) this.#grow();
    const entry = (this.#head + this.#count) & (this.#capacity - 1);
    invariant(
      this.#count === 0 || height >= (this.#heights[(entry - 1) & (this.#capacity - 1)] ?? 0),
      'heights of the replay window never decrease',
    );
    this.#hashes.set(hash, entry * hashBytes);
    this.#heights[entry] = height;
    this.#count++;
    this.#slots[this.#slotOf(hash)] = entry + 1;
  }

  /** Removes all entries of heights below this one. */
  dropBelow(height: Height): void {
    while (this.#count > 0 && (this.#heights[this.#head] ?? 0) < height) {
      const entry = this.#head;
      const slot = this.#slotOf(this.#hashes.subarray(entry * hashBytes, (entry + 1) * hashBytes));
      // A hash that came again has its slot pointing to the later entry.
      if (this.#slots[slot] === entry + 1) this.#free(slot);
      this.#head = (entry + 1) & (this.#capacity - 1);
      this.#count--;
    }
  }

  /** The slot that holds the hash, or the free one where it belongs. */
  #slotOf(hash: Uint8Array): number {
    const mask = this.#slots.length - 1;
    let slot = this.#homeOf(hash, 0);
    for (;;) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry < 0 || this.#isAt(entry, hash)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #homeOf(hashes: Uint8Array, offset: number): number {
    const first = word(hashes, offset) ^ this.#seed;
    const second = word(hashes, offset + 4) + this.#seed;
    // Odd factors of the golden ratio and of MurmurHash3's finalizer: the upper bits depend on all of both words.
    const mixed =
      Math.imul(first, 0x9e3779b1) ^ Math.imul((second ^ (second >>> 15)) | 1, 0x85ebca6b ^ first);
    return (mixed ^ (mixed >>> 16)) & (this.#slots.length - 1);
  }

  #isAt(entry: number, hash: Uint8Array): boolean {
    const start = entry * hashBytes;
    for (let index = 0; index < hashBytes; index++) {
      if (this.#hashes[start + index] !== hash[index]) return false;
    }
    return true;
  }

  /** Frees a slot and moves those behind it up, so that no probe ends early (Knuth, volume 3, 6.4, algorithm R). */
  #free(slot: number): void {
    const mask = this.#slots.length - 1;
    let free = slot;
    let next = (slot + 1) & mask;
    for (;;) {
      const stored = this.#slots[next] ?? 0;
      if (stored === 0) break;
      const home = this.#homeOf(this.#hashes, (stored - 1) * hashBytes);
      // Whether the entry's home lies at or before the free slot, cyclically.
      if (((next - home) & mask) >= ((next - free) & mask)) {
        this.#slots[free] = stored;
        free = next;
      }
      next = (next + 1) & mask;
    }
    this.#slots[free] = 0;
  }

  #grow(): void {
    const older = {
      hashes: this.#hashes,
      heights: this.#heights,
      head: this.#head,
      capacity: this.#capacity,
    };
    this.#capacity *= 2;
    this.#hashes = new Uint8Array(this.#capacity * hashBytes);
    this.#heights = new Float64Array(this.#capacity);
    this.#slots = new Int32Array(this.#capacity * 2);
    this.#head = 0;
    for (let index = 0; index < this.#count; index++) {
      const from = (older.head + index) & (older.capacity - 1);
      const hash = older.hashes.subarray(from * hashBytes, (from + 1) * hashBytes);
      this.#hashes.set(hash, index * hashBytes);
      this.#heights[index] = older.heights[from] ?? 0;
      this.#slots[this.#slotOf(hash)] = index + 1;
    }
  }
}

function word(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24)
  );
}
