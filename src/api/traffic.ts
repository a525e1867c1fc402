/**
 * Limits of rate and concurrency, of an identity (all its connections together) and of one connection. Checked before a
 * request is decoded; what is over a limit costs its sender an answer with a hint when to come back, and nobody else
 * anything.
 */
import { ApiError } from './errors.js';
import type { ShedCause } from './ports.js';
import { RateLimit } from './rate-limit.js';

/** Rates allow a burst of one second's worth. */
export interface TrafficLimits {
  /** Calls that begin; a stream is one. */
  readonly requestsPerSecond: number;
  /** Transactions that are submitted, in calls and streams. */
  readonly transactionsPerSecond: number;
  /** Bytes of requests. */
  readonly bytesPerSecond: number;
  /** Calls that are open at a time; a stream is one. */
  readonly maxOpenCalls: number;
}

export interface ClientLimits {
  readonly perMember: TrafficLimits;
  readonly perConnection: TrafficLimits;
}

/** Many times what one bank's applications need, and little enough that one of several members can't fill a node. */
export const defaultClientLimits: ClientLimits = {
  perMember: {
    requestsPerSecond: 5_000,
    transactionsPerSecond: 20_000,
    bytesPerSecond: 32 * 1024 * 1024,
    maxOpenCalls: 2_048,
  },
  perConnection: {
    requestsPerSecond: 2_500,
    transactionsPerSecond: 20_000,
    bytesPerSecond: 16 * 1024 * 1024,
    maxOpenCalls: 256,
  },
};

/** Hints stay within these bounds. */
const minRetryDelayMs = 50;
const maxRetryDelayMs = 10_000;
/** When to come back after too many calls were open: about as long as a transaction takes to become final. */
const callsRetryDelayMs = 250;

/** A delay within the bounds of hints. */
export const boundedDelay = (delayMs: number): number =>
  Math.round(Math.min(maxRetryDelayMs, Math.max(minRetryDelayMs, delayMs)));

/** Something that is refused because there is too much of it. */
export class ShedError extends ApiError {
  readonly shed: ShedCause;

  constructor(
    reason: 'RATE_LIMITED' | 'TOO_MANY_CALLS' | 'BUSY',
    cause: ShedCause,
    message: string,
    delayMs: number,
  ) {
    super(reason, message, { limit: cause }, boundedDelay(delayMs));
    this.shed = cause;
  }
}

/** What one identity or connection uses. */
export class TrafficAccount {
  readonly name: string;
  readonly requests: RateLimit;
  readonly transactions: RateLimit;
  readonly bytes: RateLimit;
  #limits: TrafficLimits;
  openCalls = 0;

  /** `name` is for messages: "Member alpha", "This connection". */
  constructor(name: string, limits: TrafficLimits, nowMs: number) {
    this.name = name;
    this.#limits = limits;
    this.requests = new RateLimit(limits.requestsPerSecond, nowMs);
    this.transactions = new RateLimit(limits.transactionsPerSecond, nowMs);
    this.bytes = new RateLimit(limits.bytesPerSecond, nowMs);
  }

  get limits(): TrafficLimits {
    return this.#limits;
  }

  use(limits: TrafficLimits): void {
    this.#limits = limits;
    this.requests.setRate(limits.requestsPerSecond);
    this.transactions.setRate(limits.transactionsPerSecond);
    this.bytes.setRate(limits.bytesPerSecond);
  }
}

/** The accounts that a call is charged to: its identity's and its connection's. */
export type Payers = readonly TrafficAccount[];

/** Begins a call; throws a ShedError. Gives the function that ends it. */
export function beginCall(payers: Payers, nowMs: number): () => void {
  for (const { name, openCalls, limits } of payers) {
    if (openCalls < limits.maxOpenCalls) continue;
    throw new ShedError(
      'TOO_MANY_CALLS',
      'calls',
      `${name} has ${openCalls} calls open on this node, which is the most it may; wait for some to end.`,
      callsRetryDelayMs,
    );
  }
  for (const { name, requests, limits } of payers) {
    if (requests.hasRoom(nowMs)) continue;
    throw new ShedError(
      'RATE_LIMITED',
      'requests',
      `${name} may begin ${limits.requestsPerSecond} calls a second on this node; submit many transactions over one stream.`,
      requests.refuse(1, nowMs),
    );
  }
  for (const payer of payers) {
    payer.requests.take(1, nowMs);
    payer.openCalls++;
  }
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    for (const payer of payers) payer.openCalls--;
  };
}

/** Charges a request that has arrived; throws a ShedError when its sender is in debt. */
export function chargeRequest(payers: Payers, bytes: number, transactions: number, nowMs: number): void {
  for (const { name, bytes: bucket, limits } of payers) {
    if (bucket.hasRoom(nowMs)) continue;
    throw new ShedError(
      'RATE_LIMITED',
      'bytes',
      `${name} may send ${limits.bytesPerSecond} bytes a second to this node.`,
      bucket.refuse(bytes, nowMs),
    );
  }
  for (const { name, transactions: bucket, limits } of payers) {
    if (transactions === 0 || bucket.hasRoom(nowMs)) continue;
    throw new ShedError(
      'RATE_LIMITED',
      'transactions',
      `${name} may submit ${limits.transactionsPerSecond} transactions a second to this node.`,
      bucket.refuse(transactions, nowMs),
    );
  }
  chargeStream(payers, bytes, transactions, nowMs);
}

/** Charges a message of a stream; gives for how many milliseconds nothing more should be read from it. */
export function chargeStream(payers: Payers, bytes: number, transactions: number, nowMs: number): number {
  let waitMs = 0;
  for (const payer of payers) {
    waitMs = Math.max(waitMs, payer.bytes.take(bytes, nowMs), payer.transactions.take(transactions, nowMs));
  }
  return waitMs;
}
