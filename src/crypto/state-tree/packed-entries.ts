/** A node to be stored. */
export interface TreeNodeEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Byte strings one after the other in one array, since an array for each costs more than what is in it. */
export class PackedBytes implements Iterable<Uint8Array> {
  #bytes = new Uint8Array(1024);
  readonly #ends: number[] = [];
  #end = 0;

  get length(): number {
    return this.#ends.length;
  }

  /** Makes room for one more item of a length: the array, and where in it the item starts. Ends with `add`. */
  reserve(length: number): { readonly bytes: Uint8Array; readonly start: number } {
    const needed = this.#end + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    return { bytes: this.#bytes, start: this.#end };
  }

  /** Adds the item that was written into what `reserve` gave. */
  add(length: number): void {
    this.#end += length;
    this.#ends.push(this.#end);
  }

  /** A view of an item. */
  at(index: number): Uint8Array {
    return this.#bytes.subarray(this.#ends[index - 1] ?? 0, this.#ends[index]);
  }

  *[Symbol.iterator](): Iterator<Uint8Array> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}

/** Nodes to be stored, packed. */
export class PackedEntries implements Iterable<TreeNodeEntry> {
  readonly keys = new PackedBytes();
  readonly values = new PackedBytes();

  get length(): number {
    return this.keys.length;
  }

  *[Symbol.iterator](): Iterator<TreeNodeEntry> {
    for (let index = 0; index < this.length; index++)
      yield { key: this.keys.at(index), value: this.values.at(index) };
  }
}
