/** Bounds per identity: transactions in flight and open streams. Counts only; whoever takes gives back. */
import { ApiError } from './errors.js';

export interface BudgetLimits {
  /** Most transactions of one member that wait for an outcome on this node. */
  readonly maxInFlightPerMember: number;
  /** Most streams of one identity that are open on this node. */
  readonly maxStreamsPerIdentity: number;
}

export class Budgets {
  readonly #limits: BudgetLimits;
  readonly #inFlight = new Map<string, number>();
  readonly #streams = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** Whether the member may submit more now. */
  hasRoom(member: string): boolean {
    return (this.#inFlight.get(member) ?? 0) < this.#limits.maxInFlightPerMember;
  }

  /** Counts transactions in. The caller has asked for room; a batch may overshoot by its own size. */
  take(member: string, count: number): void {
    this.#inFlight.set(member, (this.#inFlight.get(member) ?? 0) + count);
  }

  /** Counts transactions out, and calls back those who wait for room. */
  give(member: string, count: number): void {
    const left = (this.#inFlight.get(member) ?? 0) - count;
    if (left > 0) this.#inFlight.set(member, left);
    else this.#inFlight.delete(member);
    const waiting = this.#waiting.get(member);
    if (waiting === undefined || !this.hasRoom(member)) return;
    this.#waiting.delete(member);
    for (const callback of waiting) callback();
  }

  /** Calls back once when the member has room again. Gives the function that withdraws it. */
  whenRoom(member: string, callback: () => void): () => void {
    const waiting = this.#waiting.get(member) ?? new Set();
    this.#waiting.set(member, waiting.add(callback));
    return () => waiting.delete(callback);
  }

  /** Counts a stream in, or throws TOO_MANY_STREAMS. Gives the function that counts it out. */
  openStream(identity: string): () => void {
    const open = this.#streams.get(identity) ?? 0;
    if (open >= this.#limits.maxStreamsPerIdentity) {
      throw new ApiError(
        'TOO_MANY_STREAMS',
        `${identity} has ${open} streams open on this node, which is the most it may; close one first.`,
      );
    }
    this.#streams.set(identity, open + 1);
    let counted = true;
    return () => {
      if (!counted) return;
      counted = false;
      const left = (this.#streams.get(identity) ?? 1) - 1;
      if (left > 0) this.#streams.set(identity, left);
      else this.#streams.delete(identity);
    };
  }
}
