/**
 * A cache of bounded bytes in two arrays, with nothing for the garbage collector to visit: entries lie one after the
 * other in a ring, and an index of open addressing finds them. The oldest entry leaves first; a value that is replaced
 * by one of the same length stays where it is. Reads copy.
 */
const maxKeyBytes = 512;
/** Larger values are not worth the room that they take from many small ones. */
const maxValueBytes = 4096;
/** Words of four bytes before the key: its hash, the lengths. */
const headerBytes = 8;
const absent = 0xffff;
/** Stands in the place of the lengths where nothing more fits before the end of the ring. */
const gap = 0xffffffff;

export class PackedCache {
  readonly #capacity: number;
  readonly #ring: Uint8Array;
  readonly #words: Uint32Array;
  /** Position of an entry, in units of eight bytes, plus one; 0 is free. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #maxCount: number;
  readonly #seed: number;
  readonly #key = new Uint8Array(maxKeyBytes);
  #keyLength = 0;
  #hash = 0;
  #count = 0;
  /** Where the oldest entry is, and where the next one goes; equal when the ring is empty or full. */
  #tail = 0;
  #head = 0;
  #used = 0;

  /** `seed`, 32 bits, decides where entries lie: nobody who does not know it can choose keys that collide. */
  constructor(maxBytes: number, seed: number) {
    this.#seed = seed;
    let slots = 64;
    // An entry takes 48 bytes or more in practice, and a quarter of the slots stays free.
    while (slots * 36 < maxBytes) slots *= 2;
    this.#capacity = Math.max(2 * (headerBytes + maxKeyBytes + maxValueBytes), maxBytes - (maxBytes % 8));
    this.#ring = new Uint8Array(this.#capacity);
    this.#words = new Uint32Array(this.#ring.buffer);
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#maxCount = Math.floor(slots * 0.75);
  }

  get size(): number {
    return this.#count;
  }

  /** A copy of the value of a key; null when the key is known to have none, undefined when nothing is known. */
  get(key: string): Uint8Array | null | undefined {
    if (!this.#load(key)) return undefined;
    const position = (this.#slots[this.#find()] ?? 0) - 1;
    if (position < 0) return undefined;
    const lengths = this.#words[position * 2 + 1] ?? 0;
    const length = lengths & 0xffff;
    if (length === absent) return null;
    const start = position * 8 + headerBytes + (lengths >>> 16);
    const value = new Uint8Array(length);
    if (length > 64) value.set(this.#ring.subarray(start, start + length));
    else for (let index = 0; index < length; index++) value[index] = this.#ring[start + index] ?? 0;
    return value;
  }

  /** Sets the value of a key; null says that it has none. What does not fit is forgotten. */
  set(key: string, value: Uint8Array | null): void {
    if (!this.#load(key)) return;
    const length = value === null ? absent : value.length;
    const slot = this.#find();
    const position = (this.#slots[slot] ?? 0) - 1;
    if (position >= 0) {
      const lengths = this.#words[position * 2 + 1] ?? 0;
      if ((lengths & 0xffff) === length) {
        if (value !== null) this.#ring.set(value, position * 8 + headerBytes + this.#keyLength);
        return;
      }
      this.#free(slot);
    }
    if (value !== null && length > maxValueBytes) return;
    this.#append(value, length);
  }

  #append(value: Uint8Array | null, length: number): void {
    const bytes = headerBytes + this.#keyLength + (value === null ? 0 : length);
    const size = (bytes + 7) & ~7;
    if (this.#head + size > this.#capacity) {
      // Entries are never cut in two: the rest of the ring stays empty.
      const rest = this.#capacity - this.#head;
      this.#makeRoom(rest);
      if (rest > 0) this.#words[this.#head / 4 + 1] = gap;
      this.#used += rest;
      this.#head = 0;
    }
    this.#makeRoom(size);
    while (this.#count >= this.#maxCount) this.#dropOldest();
    const position = this.#head / 8;
    this.#words[position * 2] = this.#hash;
    this.#words[position * 2 + 1] = (this.#keyLength << 16) | length;
    const start = this.#head + headerBytes;
    for (let index = 0; index < this.#keyLength; index++) this.#ring[start + index] = this.#key[index] ?? 0;
    if (value !== null) this.#ring.set(value, start + this.#keyLength);
    // Looked for again: entries that left may have moved the free slot.
    this.#slots[this.#find()] = position + 1;
    this.#count++;
    this.#used += size;
    this.#head = (this.#head + size) % this.#capacity;
  }

  #makeRoom(size: number): void {
    while (this.#capacity - this.#used < size) this.#dropOldest();
  }

  #dropOldest(): void {
    const position = this.#tail / 8;
    const lengths = this.#words[position * 2 + 1] ?? 0;
    if (lengths === gap) {
      this.#used -= this.#capacity - this.#tail;
      this.#tail = 0;
      return;
    }
    const length = lengths & 0xffff;
    const size = (headerBytes + (lengths >>> 16) + (length === absent ? 0 : length) + 7) & ~7;
    // What was replaced meanwhile is in no slot any more.
    let slot = (this.#words[position * 2] ?? 0) & this.#mask;
    for (let stored = this.#slots[slot] ?? 0; stored !== 0; stored = this.#slots[slot] ?? 0) {
      if (stored === position + 1) {
        this.#free(slot);
        break;
      }
      slot = (slot + 1) & this.#mask;
    }
    this.#used -= size;
    this.#tail = (this.#tail + size) % this.#capacity;
  }

  /** Takes a key in; false when it is too long for the cache. */
  #load(key: string): boolean {
    const { length } = key;
    if (length > maxKeyBytes) return false;
    let hash = this.#seed;
    for (let index = 0; index < length; index++) {
      const unit = key.charCodeAt(index);
      if (unit > 255) return false;
      this.#key[index] = unit;
      hash = Math.imul(hash ^ unit, 0x01000193);
    }
    // The finalizer of MurmurHash3: FNV-1a alone leaves the low bits to the last units.
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    this.#keyLength = length;
    this.#hash = (hash ^ (hash >>> 16)) >>> 0;
    return true;
  }

  /** The slot of the loaded key, or the free one where it belongs. */
  #find(): number {
    let slot = this.#hash & this.#mask;
    for (;;) {
      const position = (this.#slots[slot] ?? 0) - 1;
      if (position < 0 || this.#isAt(position)) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #isAt(position: number): boolean {
    if (this.#words[position * 2] !== this.#hash) return false;
    if ((this.#words[position * 2 + 1] ?? 0) >>> 16 !== this.#keyLength) return false;
    const start = position * 8 + headerBytes;
    for (let index = 0; index < this.#keyLength; index++) {
      if (this.#ring[start + index] !== this.#key[index]) return false;
    }
    return true;
  }

  /** Frees a slot and moves those behind it up, so that no probe ends early (Knuth, volume 3, 6.4, algorithm R). */
  #free(slot: number): void {
    let free = slot;
    let next = (slot + 1) & this.#mask;
    for (;;) {
      const stored = this.#slots[next] ?? 0;
      if (stored === 0) break;
      const home = (this.#words[(stored - 1) * 2] ?? 0) & this.#mask;
      if (((next - home) & this.#mask) >= ((next - free) & this.#mask)) {
        this.#slots[free] = stored;
        free = next;
      }
      next = (next + 1) & this.#mask;
    }
    this.#slots[free] = 0;
    this.#count--;
  }
}
