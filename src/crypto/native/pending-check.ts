import type { QuaestorError } from '../../types/index.js';
import type { SignatureCheck } from '../types.js';

/** One call of `verify` and what is known of its results. */
export interface Call {
  readonly results: boolean[];
  remaining: number;
  readonly resolve: (results: readonly boolean[]) => void;
  readonly reject: (error: QuaestorError) => void;
}

/** Where the outcome of a check goes. */
export interface Waiter {
  readonly call: Call;
  readonly index: number;
}

/** A check that is not decided yet, and who waits for it. */
export interface PendingCheck extends SignatureCheck {
  /** SHA-256(public key ‖ signature ‖ message). */
  readonly key: Uint8Array;
  /** `key` as a string of 32 characters, for maps. */
  readonly name: string;
  readonly waiters: Waiter[];
  /** Whether it waits for the native check in the queue of consensus. */
  urgent: boolean;
  /** Whether it was taken from a queue: a check that has become urgent stays in the other one until that is reached. */
  taken: boolean;
  /** Whether a thread ended while it had this check. */
  retried: boolean;
}
