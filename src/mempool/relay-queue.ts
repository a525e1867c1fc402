import type { Entry } from './entry.js';
import { List } from './list.js';
import type { BatchLimits } from './types.js';

/** Delays double up to this power of two. */
const maxDoublings = 6;

/**
 * What this node owes the other validators: transactions of its clients. Each is relayed at once, and again, less and
 * less often, while it is in no block: a relay may have been shed, or its receiver may have been down.
 */
export class RelayQueue {
  readonly #againMs: number;
  readonly #fresh = new List<Entry>();
  /** By number of relays: within a list all delays are the same, so the first is due first. */
  readonly #waiting: readonly List<Entry>[] = Array.from(
    { length: maxDoublings + 1 },
    () => new List<Entry>(),
  );
  relayed = 0;
  relayedAgain = 0;

  constructor(againMs: number) {
    this.#againMs = againMs;
  }

  /** Whether something was not relayed at all yet. */
  get hasFresh(): boolean {
    return this.#fresh.size > 0;
  }

  add(entry: Entry): void {
    entry.relayNode ??= this.#fresh.push(entry);
  }

  remove(entry: Entry): void {
    if (entry.relayNode === undefined) return;
    entry.relayNode.list.remove(entry.relayNode);
    entry.relayNode = undefined;
  }

  /** Entries to relay now, the new ones first. */
  take(nowMs: number, limits: BatchLimits): Entry[] {
    const taken: Entry[] = [];
    let bytes = 0;
    const fits = (entry: Entry): boolean =>
      taken.length < limits.maxTransactions && (bytes + entry.bytes <= limits.maxBytes || taken.length === 0);
    const accept = (entry: Entry): void => {
      taken.push(entry);
      bytes += entry.bytes;
    };
    for (let node = this.#fresh.first; node !== undefined && fits(node.value); node = this.#fresh.first) {
      accept(node.value);
      this.relayed++;
      this.#wait(node.value, nowMs);
    }
    for (const list of this.#waiting) {
      let node = list.first;
      while (node !== undefined && node.value.relayDueMs <= nowMs && fits(node.value)) {
        const entry = node.value;
        // Who has it in a block needs no copy of it.
        if (entry.blocks === 0) {
          accept(entry);
          this.relayedAgain++;
        }
        this.#wait(entry, nowMs);
        node = list.first;
      }
    }
    return taken;
  }

  #wait(entry: Entry, nowMs: number): void {
    this.remove(entry);
    const doublings = Math.min(entry.relays, maxDoublings);
    entry.relays++;
    entry.relayDueMs = nowMs + this.#againMs * 2 ** doublings;
    entry.relayNode = this.#waiting[doublings]?.push(entry);
  }
}
