/**
 * What the api needs of a node. src/node implements these ports; the api owns no state of the ledger and never reaches
 * around them.
 */
import type { CommitCertificate, StateProof } from '../codec/model.js';
import type { HistoryPage, StoredBlock, StoredHeader } from '../storage/types.js';
import type { Digest, Hash, Height, StateKey, TxId, View } from '../types/index.js';
import type { RefusalReason } from './errors.js';

/** A committed block as receipts are cut from it. Made by `finalBlock`, once per block and shared by all who wait. */
export interface FinalBlock {
  readonly height: Height;
  /** Canonical BlockHeader. */
  readonly headerBytes: Uint8Array;
  readonly certificate: CommitCertificate;
  /** Canonical TransactionResults in block order. */
  readonly results: readonly Uint8Array[];
  /** RFC 6962 audit path of the result at `index`. The tree is computed at the first call, if there is one. */
  path(index: number): readonly Uint8Array[];
}

/** Which of a sink's submissions are where in a block: parallel arrays, so that no object is made per transaction. */
export interface FinalEntries {
  /** Numbers that the submitter gave. */
  readonly numbers: readonly number[];
  /** Indexes in the block, in the same order. */
  readonly indexes: readonly number[];
}

/** A transaction that was not, and will not be, executed by this submission. */
export interface Refusal {
  /** Number that the submitter gave. */
  readonly number: number;
  readonly reason: RefusalReason;
  /** What was wrong and what to do, for people. No internals. */
  readonly message: string;
  /** When to try again, if there is too much at the moment. */
  readonly retryDelayMs?: number;
}

/**
 * Where outcomes go. Both are called on the event loop, never from within `submit` itself, and return quickly. Each
 * number is answered exactly once, unless the submission is cancelled first.
 */
export interface SubmissionSink {
  /** The block is durable here and holds these transactions (whatever their result code). One call a block. */
  finalized(block: FinalBlock, entries: FinalEntries): void;
  refused(refusals: readonly Refusal[]): void;
}

/** Handle of one batch. */
export interface Submission {
  /** Resolves when each transaction of the batch was admitted, attached to a pending or final one, or refused. Never
   * rejects. The api holds back further input of a stream until then: this is the back-pressure of the checks. */
  readonly checked: Promise<void>;
  /** Stops answers to the sink. What was admitted stays pending and may become final. Idempotent. */
  cancel(): void;
}

/** Takes transactions in. */
export interface LedgerPort {
  /**
   * Submits a batch; `envelopes[i]` has the number `firstNumber + i`. The node decodes each strictly, checks bounds,
   * validity and signatures, and admits or refuses it. The bytes are the node's from now on.
   *
   * A transaction that is final already is answered from the store with the same block and index; one that is pending
   * is attached to. A pending transaction that can no longer commit (expired) is refused with EXPIRED, and only then.
   * The caller has checked that the envelopes' payloads name `source.member` as the sender.
   */
  submit(
    envelopes: readonly Uint8Array[],
    firstNumber: number,
    source: { readonly member: string },
    sink: SubmissionSink,
  ): Submission;
}

/** Where this node stands: the fields of GetStatusResponse. */
export interface NodeStatus {
  readonly version: string;
  readonly network: string;
  readonly chainId: Uint8Array;
  /** Id of the validator that answers. */
  readonly validator: string;
  readonly height: Height;
  readonly digest: Digest;
  readonly stateRoot: Hash;
  readonly view: View;
  readonly primary: string;
  readonly viewChangeInProgress: boolean;
  /** Itself included. */
  readonly connectedValidators: number;
  readonly validators: number;
  readonly quorum: number;
  readonly synced: boolean;
  readonly pendingTransactions: number;
  /** Number of the validator set in force. */
  readonly epoch: number;
  /** Whether this node votes in it. */
  readonly validates: boolean;
}

/** Reads committed data. A store fits most of it as it is. */
export interface ReadPort {
  status(): NodeStatus;
  /** Latest committed block. A block is visible here before any sink or listener hears of it (read your writes). */
  head(): { readonly height: Height; readonly digest: Digest };
  /** Lowest height above 0 whose block is kept. */
  oldestBlock(): Height;
  /** Lowest height above 0 whose transactions are found by their ids. */
  oldestTransaction(): Height;
  /** Lowest height whose state can be read and proven. */
  oldestState(): Height;
  block(height: Height): Promise<StoredBlock | undefined>;
  header(height: Height): Promise<StoredHeader | undefined>;
  locate(txId: TxId): Promise<{ readonly height: Height; readonly index: number } | undefined>;
  /** Value of a key after the block of a retained height. */
  stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined>;
  /** Keys with the prefix above `after`, ascending, at a retained height. */
  stateRange(options: {
    readonly prefix: string;
    readonly after?: string;
    readonly height: Height;
    readonly limit: number;
  }): Promise<readonly { readonly key: StateKey; readonly value: Uint8Array }[]>;
  /** Proofs of presence or absence, in the order of the keys, against the certified header of a retained height. */
  prove(keys: readonly StateKey[], height: Height): Promise<readonly StateProof[]>;
  /** Newest first, below `before` when given. */
  history(account: string, limit: number, before?: { height: Height; index: number }): Promise<HistoryPage>;
  /** Calls back after each commit, once the block can be read. Gives the function that ends it. */
  onCommitted(listener: (height: Height) => void): () => void;
}

/** Whether the node can do its work. */
export interface HealthPort {
  /** Whether the process should be left alone. Does not depend on other nodes. */
  live(): boolean;
  /** Whether clients should be sent here, and if not, why not: short sentences. */
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /** Whether a quorum of validators, this one included, is connected and answering. */
  quorumReachable(): boolean;
}

export interface PeerInfo {
  readonly validator: string;
  readonly address: string;
  readonly connected: boolean;
  readonly height: Height;
  readonly view: View;
  readonly queuedBytes: number;
  readonly lastError: string;
}

export interface ConsensusInfo {
  readonly view: View;
  readonly viewChangeInProgress: boolean;
  readonly committedHeight: Height;
  readonly stableCheckpointHeight: Height;
  readonly inFlight: readonly {
    readonly height: Height;
    /** Undefined while no proposal is accepted. */
    readonly digest: Digest | undefined;
    readonly prepares: number;
    readonly commits: number;
  }[];
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the operator's service shows and steers. */
export interface AdminPort {
  nodeInfo(): {
    readonly version: string;
    readonly validator: string;
    readonly index: number;
    readonly storageEngine: string;
    readonly dataDir: string;
    readonly pid: number;
    readonly uptimeMs: number;
  };
  peers(): readonly PeerInfo[];
  consensusState(): ConsensusInfo;
  /** Proofs of equivocation in keeping, canonical, in order of height, view, phase and validator, and the canonical
   * ValidatorSetChanges that say who was a member of which set. */
  evidence(): Promise<{ readonly evidence: readonly Uint8Array[]; readonly setChanges: Uint8Array }>;
  mempool(): {
    readonly pending: number;
    readonly inFlight: number;
    readonly bytes: number;
    readonly members: number;
    readonly oldestAgeMs: number;
    readonly awaited: number;
  };
  /** Takes nothing from clients any more and hands over whenever this is the primary; resolves with the primary. */
  drain(): Promise<{ readonly primary: string; readonly handedOver: boolean }>;
  /** Ends a drain; whether there was one. */
  resume(): boolean;
  /** Makes another validator the primary; undefined when this one is not. */
  handOver(): Promise<string | undefined>;
  /** Seals and removes now what need not be kept, and gives back the room. Rejects with an ApiError. */
  pruneNow(): Promise<{
    readonly oldestBlock: Height;
    readonly oldestState: Height;
    readonly removedEntries: number;
    readonly freedBytes: number;
  }>;
  /** Takes a backup now and removes those that are not to be kept. Rejects with an ApiError. */
  backUpNow(full: boolean): Promise<{
    readonly backup: string;
    readonly height: Height;
    readonly writtenObjects: number;
    readonly writtenBytes: number;
    readonly sizeBytes: number;
    readonly removedBackups: number;
  }>;
  /** What is known of this node, without secrets or payloads, as JSON. */
  diagnosis(): Promise<string>;
  /** Keeps a record of what an operator did. Rejects when it can't be written. */
  audit(entry: { readonly operator: string; readonly act: string; readonly detail: string }): Promise<void>;
  /** Sets the level and gives the one before. */
  setLogLevel(level: LogLevel): LogLevel;
}

/** Which limit something was shed by: rates, open calls and streams, transactions of the member in flight on this node,
 * its share of the pool, the pool itself, or what the event loop can do. */
export const shedCauses = [
  'requests',
  'bytes',
  'transactions',
  'calls',
  'streams',
  'in_flight',
  'member_share',
  'pool',
  'load',
] as const;
export type ShedCause = (typeof shedCauses)[number];

/** What the api counts. All labels are from closed sets. */
export interface ApiMetrics {
  /** A call ended. `method` is "Service/Method", `code` the canonical name, for example "NOT_FOUND". */
  callEnded(method: string, code: string, durationMs: number): void;
  /** Open calls changed by +1 or -1; streams count as one. */
  openCalls(method: string, change: 1 | -1): void;
  /** Transactions taken from clients that wait for an outcome changed. */
  submissionsInFlight(change: number): void;
  /** Transactions refused to clients, by reason. */
  refused(reason: RefusalReason, count: number): void;
  /** Calls, or transactions of them, that were shed because there is too much. */
  shed(method: string, cause: ShedCause, count: number): void;
  /** A stream is not read for a while because its sender is above a rate. */
  held(): void;
}

/** The text that Prometheus scrapes. */
export interface MetricsPort {
  readonly contentType: string;
  render(): Promise<string>;
}

/** The part of a logger that the api uses (pino's shape). */
export interface ApiLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}
