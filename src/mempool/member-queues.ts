/**
 * The order of the pool: each member's transactions first in, first out; the members in turn. A member that floods the
 * pool delays only itself.
 */
import { List, type ListNode } from './list.js';
import type { Entry, MemberQueue } from './entry.js';
import type { BatchLimits } from './types.js';

export class MemberQueues {
  readonly #queues = new Map<string, MemberQueue>();
  readonly #turns = new List<MemberQueue>();
  /** Whose turn is next. */
  #next: ListNode<MemberQueue> | undefined;
  #pending = 0;

  /** Members with anything in the pool. */
  get size(): number {
    return this.#queues.size;
  }

  get pending(): number {
    return this.#pending;
  }

  /** What a member has here. The returned queue must get an entry or be given to `dropIfEmpty`. */
  queueOf(member: string): MemberQueue {
    let queue = this.#queues.get(member);
    if (queue === undefined) {
      queue = { member, pending: new List(), count: 0, bytes: 0, entries: 0, servedAtMs: 0, turn: undefined };
      this.#queues.set(member, queue);
    }
    return queue;
  }

  /** What a member has here, if anything. */
  find(member: string): MemberQueue | undefined {
    return this.#queues.get(member);
  }

  dropIfEmpty(queue: MemberQueue): void {
    if (queue.entries === 0) this.#queues.delete(queue.member);
  }

  /** Adds a pending entry as its member's newest. */
  push(entry: Entry): void {
    this.#insert(entry, undefined);
  }

  /** Puts entries back where they were by order of arrival. */
  restore(entries: Entry[]): void {
    const places = new Map<MemberQueue, ListNode<Entry> | undefined>();
    for (const entry of entries.sort((a, b) => a.sequence - b.sequence)) {
      const { member } = entry;
      let place = places.has(member) ? places.get(member) : member.pending.first;
      while (place !== undefined && place.value.sequence < entry.sequence) place = place.next;
      places.set(member, place);
      this.#insert(entry, place);
    }
  }

  /** Takes an entry out of its queue, if it is in it. */
  remove(entry: Entry): void {
    const node = entry.pendingNode;
    if (node === undefined) return;
    const { member } = entry;
    member.pending.remove(node);
    entry.pendingNode = undefined;
    this.#pending--;
    const { turn } = member;
    if (member.pending.size > 0 || turn === undefined) return;
    if (this.#next === turn) this.#next = turn.next;
    this.#turns.remove(turn);
    member.turn = undefined;
  }

  /**
   * Picks pending entries for a block, one of each member in turn, starting after the member that was served last. A
   * member whose oldest transaction does not fit any more waits for the next block. Leaves the entries pending.
   */
  take(limits: BatchLimits, eligible: (entry: Entry) => boolean): Entry[] {
    const taken: Entry[] = [];
    let bytes = 0;
    let last: MemberQueue | undefined;
    /** Takes the member's next entry, if it may be taken; gives the place after it. */
    const serve = (queue: MemberQueue, from: ListNode<Entry> | undefined): ListNode<Entry> | undefined => {
      let place = from;
      while (place !== undefined && !eligible(place.value)) place = place.next;
      if (place === undefined || bytes + place.value.bytes > limits.maxBytes) return undefined;
      taken.push(place.value);
      bytes += place.value.bytes;
      last = queue;
      return place.next;
    };
    let round: { readonly queue: MemberQueue; readonly from: ListNode<Entry> }[] = [];
    let turn = this.#next ?? this.#turns.first;
    for (let visited = 0; visited < this.#turns.size && taken.length < limits.maxTransactions; visited++) {
      if (turn === undefined) break;
      const rest = serve(turn.value, turn.value.pending.first);
      if (rest !== undefined) round.push({ queue: turn.value, from: rest });
      turn = turn.next ?? this.#turns.first;
    }
    while (round.length > 0 && taken.length < limits.maxTransactions) {
      const next: typeof round = [];
      for (const { queue, from } of round) {
        if (taken.length >= limits.maxTransactions) break;
        const rest = serve(queue, from);
        if (rest !== undefined) next.push({ queue, from: rest });
      }
      round = next;
    }
    if (last !== undefined) this.#next = last.turn?.next;
    return taken;
  }

  /** Each member's oldest pending entry. */
  *oldest(): Generator<Entry> {
    for (let turn = this.#turns.first; turn !== undefined; turn = turn.next) {
      const first = turn.value.pending.first;
      if (first !== undefined) yield first.value;
    }
  }

  #insert(entry: Entry, before: ListNode<Entry> | undefined): void {
    // A faulty primary may have put a transaction into its block twice.
    if (entry.pendingNode !== undefined) return;
    const { member } = entry;
    entry.pendingNode = member.pending.insertBefore(before, entry);
    member.turn ??= this.#turns.push(member);
    this.#pending++;
  }
}
