/** Bounds per identity: transactions in flight, in number and bytes, and open streams. Counts only; whoever takes gives
 * back. */
import { LRUCache } from 'lru-cache';
import { FlowRate } from '../types/index.js';
import { ApiError } from './errors.js';
import { boundedDelay } from './traffic.js';

export interface BudgetLimits {
  /** Most transactions of one member that wait for an outcome on this node. */
  readonly maxInFlightPerMember: number;
  /** Most bytes of them. */
  readonly maxInFlightBytesPerMember: number;
  /** Most streams of one identity that are open on this node. */
  readonly maxStreamsPerIdentity: number;
}

/** What one member has in flight. */
interface InFlight {
  count: number;
  bytes: number;
}

/** Streams of an identity do not end soon: come back after so long. */
const streamRetryDelayMs = 1000;
/** The share of a member's transactions that is to become final before it comes back. */
const freedShare = 1 / 8;

export class Budgets {
  #limits: BudgetLimits;
  readonly #now: () => number;
  readonly #inFlight = new Map<string, InFlight>();
  readonly #rates = new LRUCache<string, FlowRate>({ max: 1024 });
  readonly #streams = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `now` is a monotonic clock in milliseconds. */
  constructor(limits: BudgetLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Other limits from now on. */
  use(limits: BudgetLimits): void {
    this.#limits = limits;
    for (const member of [...this.#waiting.keys()]) this.#wake(member);
  }

  /** Whether the member may submit more now. */
  hasRoom(member: string): boolean {
    const { count, bytes } = this.#inFlight.get(member) ?? { count: 0, bytes: 0 };
    return count < this.#limits.maxInFlightPerMember && bytes < this.#limits.maxInFlightBytesPerMember;
  }

  /** When a member without room may hope for some: by how fast its transactions are answered at present. */
  retryDelayMs(member: string): number {
    const perSecond = this.#rates.get(member)?.perSecond(this.#now()) ?? 0;
    const count = (this.#inFlight.get(member)?.count ?? 0) * freedShare;
    return boundedDelay((count / perSecond) * 1000);
  }

  /** Counts transactions in. The caller has asked for room; a batch may overshoot by its own size. */
  take(member: string, count: number, bytes: number): void {
    const inFlight = this.#inFlight.get(member);
    if (inFlight === undefined) this.#inFlight.set(member, { count, bytes });
    else {
      inFlight.count += count;
      inFlight.bytes += bytes;
    }
  }

  /** Counts transactions out, and calls back those who wait for room. */
  give(member: string, count: number, bytes: number): void {
    const inFlight = this.#inFlight.get(member);
    if (inFlight === undefined) return;
    inFlight.count -= count;
    inFlight.bytes -= bytes;
    if (inFlight.count <= 0) this.#inFlight.delete(member);
    let rate = this.#rates.get(member);
    if (rate === undefined) this.#rates.set(member, (rate = new FlowRate(this.#now())));
    rate.add(count, this.#now());
    this.#wake(member);
  }

  #wake(member: string): void {
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
        { limit: 'streams' },
        streamRetryDelayMs,
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
