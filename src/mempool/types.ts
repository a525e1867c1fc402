import type { Authorization, CheckedTransaction, ReplayWindow } from '../ledger/index.js';
import type { Digest, Height } from '../types/index.js';

/** Bounds and times of a pool. */
export interface MempoolOptions {
  /** Latest committed height at the start. */
  readonly committedHeight: Height;
  readonly validityWindowBlocks: number;
  /** Committed idempotency hashes, kept up to date by the owner before it calls `commit`. */
  readonly window: ReplayWindow;
  /** Most transactions, and most bytes of envelopes, in the pool. */
  readonly maxTransactions: number;
  readonly maxBytes: number;
  /** The same for one member. Besides, no member gets more than there is still free for all: so there is always room
   * for one that has little here (dynamic thresholds, Choudhury and Hahne, 1998). */
  readonly maxMemberTransactions: number;
  readonly maxMemberBytes: number;
  /** A transaction first seen here that is in no block yet is relayed again after so long; doubles each time. */
  readonly relayAgainMs: number;
  /** A transaction that the primary passes over for so long is overdue. */
  readonly inclusionDeadlineMs: number;
}

/** What the pool is told about a transaction at the door. */
export interface AdmitContext {
  readonly nowMs: number;
  /** From a client of this node, or relayed by another validator. */
  readonly source: 'client' | 'peer';
  /** Outcome of the ledger's `authorize`. */
  readonly authorization: Authorization;
}

/** Where a transaction of the pool stands. */
export type PoolStatus =
  /** Waits for a block. */
  | 'pending'
  /** In a proposed block that is not committed yet. */
  | 'inFlight';

/** Why a transaction was not admitted; the set is closed (codes are metric labels). */
export type AdmitRefusal =
  /** It is here. With `sameEnvelope` false, with other signatures. Its outcome is on its way: attach to it. */
  | { readonly code: 'ALREADY_KNOWN'; readonly status: PoolStatus; readonly sameEnvelope: boolean }
  /** Another transaction with the sender's idempotency key is here. */
  | { readonly code: 'KEY_PENDING' }
  /** A committed block used the sender's idempotency key: for this very transaction, or for another one, which keeps
   * this one from ever being executed. Look the transaction id up. */
  | { readonly code: 'KEY_USED'; readonly height: Height }
  /** Not signed as it needs to be. */
  | { readonly code: Exclude<Authorization, 'OK'> }
  /** No later block may hold it. If it was committed, the store knows it. */
  | { readonly code: 'EXPIRED' }
  /** The next block may not hold it yet. */
  | { readonly code: 'VALIDITY_TOO_LONG' }
  /** Its member has as much in the pool as it may. */
  | { readonly code: 'QUOTA_EXCEEDED' }
  /** The pool has no room for it. */
  | { readonly code: 'POOL_FULL' };

/** The refusals that say that there is too much. */
export type BoundRefusal = Extract<AdmitRefusal, { readonly code: 'QUOTA_EXCEEDED' | 'POOL_FULL' }>;

export type AdmitRefusalCode = AdmitRefusal['code'];

/** All refusal codes, for metrics. */
export const admitRefusalCodes: readonly AdmitRefusalCode[] = [
  'ALREADY_KNOWN',
  'KEY_PENDING',
  'KEY_USED',
  'UNKNOWN_SENDER',
  'SENDER_NOT_AUTHORIZED',
  'ACCOUNT_NOT_AUTHORIZED',
  'PARTY_NOT_AUTHORIZED',
  'VALIDATOR_NOT_AUTHORIZED',
  'RULES_NOT_ACTIVE',
  'EXPIRED',
  'VALIDITY_TOO_LONG',
  'QUOTA_EXCEEDED',
  'POOL_FULL',
];

/** What a batch may hold: a block to build, or a relay message. */
export interface BatchLimits {
  readonly maxTransactions: number;
  /** Bytes of envelopes. */
  readonly maxBytes: number;
}

/** A block that became final, whether it was in flight here or came by catch-up. */
export interface CommittedBlock {
  readonly height: Height;
  readonly digest: Digest;
  readonly transactions: readonly CheckedTransaction[];
}

/** Admitted transactions that a commit rules out: they were not executed and never will be. */
export interface RuledOut {
  /** No later block may hold them. */
  readonly expired: readonly CheckedTransaction[];
  /** The block holds another transaction with their idempotency key. */
  readonly superseded: readonly CheckedTransaction[];
}

/** Figures for metrics. Counters never decrease. */
export interface MempoolStats {
  /** Transactions that wait for a block, and those in proposed blocks. */
  readonly pending: number;
  readonly inFlight: number;
  /** Bytes of the envelopes of both. */
  readonly bytes: number;
  /** Members with transactions here. */
  readonly members: number;
  readonly admitted: number;
  readonly committed: number;
  /** Ruled out by a commit. */
  readonly expired: number;
  readonly superseded: number;
  /** Relayed for the first time, and again. */
  readonly relayed: number;
  readonly relayedAgain: number;
  readonly refused: Readonly<Record<AdmitRefusalCode, number>>;
}
