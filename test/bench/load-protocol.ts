/** What the bench asks of the load generator, which is a process of its own, and what that answers. */
import type { LoadMember } from './world.js';

export interface LoadSetup {
  readonly kind: 'setup';
  readonly genesisFile: string;
  readonly members: readonly LoadMember[];
  readonly validators: readonly { readonly id: string; readonly address: string }[];
}

/** Signs transactions for the runs to come, valid from the given height on. */
export interface PrepareOrder {
  readonly kind: 'prepare';
  readonly transactions: number;
  readonly height: number;
}

/** Keeps so many transactions in flight, over streams, until all prepared ones are final or time is up. */
export interface ClosedOrder {
  readonly kind: 'closed';
  readonly inFlight: number;
  readonly durationMs: number;
}

/** Submits at a fixed rate over streams, whatever comes back. */
export interface OpenOrder {
  readonly kind: 'open';
  readonly transfersPerSecond: number;
  readonly durationMs: number;
}

/** Unary calls by the SDK, which checks every receipt: at a rate, or so many at a time. */
export interface UnaryOrder {
  readonly kind: 'unary';
  readonly durationMs: number;
  readonly transfersPerSecond?: number;
  readonly concurrency?: number;
}

/** Batched streams by the SDK, which checks every receipt. */
export interface SdkOrder {
  readonly kind: 'sdk';
  readonly inFlight: number;
  readonly durationMs: number;
}

export type LoadOrder = LoadSetup | PrepareOrder | ClosedOrder | OpenOrder | UnaryOrder | SdkOrder;

/** What a run did. Times to finality are from the moment of submission (at a fixed rate: from the moment when it was
 * due, so that a stall is not hidden) until the answer was read. */
export interface LoadResult {
  readonly committed: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly cpuMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Receipts that were checked against the genesis. */
  readonly receiptsVerified: number;
}

export type LoadReply =
  | { readonly kind: 'done'; readonly result?: LoadResult | undefined }
  | { readonly kind: 'failed'; readonly message: string };
