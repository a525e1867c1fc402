import { asHeight, type Height } from '../types/index.js';
import type { Entry } from './entry.js';
import { List } from './list.js';

/** Entries by the last height at which they may be in a block. */
export class ExpiryIndex {
  readonly #byHeight = new Map<Height, List<Entry>>();
  #sweptHeight: Height;

  /** `height`: everything up to it has expired already. */
  constructor(height: Height) {
    this.#sweptHeight = height;
  }

  add(entry: Entry): void {
    const last = entry.transaction.payload.validUntilHeight;
    let list = this.#byHeight.get(last);
    if (list === undefined) {
      list = new List();
      this.#byHeight.set(last, list);
    }
    entry.expiryNode = list.push(entry);
  }

  remove(entry: Entry): void {
    const { expiryNode } = entry;
    if (expiryNode === undefined) return;
    const { list } = expiryNode;
    list.remove(expiryNode);
    entry.expiryNode = undefined;
    if (list.size === 0) this.#byHeight.delete(entry.transaction.payload.validUntilHeight);
  }

  /** Calls back for each entry whose last height is at or below `height`; the callback removes it. */
  sweep(height: Height, expired: (entry: Entry) => void): void {
    const from = this.#sweptHeight;
    this.#sweptHeight = height;
    // After a jump there are fewer lists than heights.
    const heights =
      height - from > this.#byHeight.size
        ? [...this.#byHeight.keys()].filter((last) => last <= height)
        : Array.from({ length: height - from }, (_, index) => asHeight(from + 1 + index));
    for (const last of heights) {
      const list = this.#byHeight.get(last);
      for (let node = list?.first; node !== undefined; node = list?.first) expired(node.value);
    }
  }
}
