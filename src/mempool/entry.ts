import type { CheckedTransaction } from '../ledger/index.js';
import type { List, ListNode } from './list.js';

/** What a member has in the pool. */
export interface MemberQueue {
  readonly member: string;
  /** Not in flight, in order of arrival. */
  readonly pending: List<Entry>;
  /** Counted towards its quota. */
  count: number;
  bytes: number;
  /** Entries of any kind; at zero the queue is dropped. */
  entries: number;
  /** When the primary last showed that it does not pass the member's oldest transaction over. */
  servedAtMs: number;
  /** Place among the members with pending transactions. */
  turn: ListNode<MemberQueue> | undefined;
}

/** A transaction in the pool, and its place in each of the pool's lists. */
export interface Entry {
  readonly transaction: CheckedTransaction;
  readonly leafKey: string;
  readonly txKey: string;
  readonly idempotencyKey: string;
  readonly bytes: number;
  /** Order of arrival in this pool. */
  readonly sequence: number;
  readonly admittedAtMs: number;
  readonly member: MemberQueue;
  /** Whether this node answers for it towards the other validators. */
  fromClient: boolean;
  /** Whether it counts towards the quotas. Not so if it only came in a proposed block. */
  counted: boolean;
  /** Number of blocks in flight that hold it. */
  blocks: number;
  /** Taken out of the pool for good. */
  gone: boolean;
  /** How often it was relayed. */
  relays: number;
  relayDueMs: number;
  pendingNode: ListNode<Entry> | undefined;
  expiryNode: ListNode<Entry> | undefined;
  relayNode: ListNode<Entry> | undefined;
}
