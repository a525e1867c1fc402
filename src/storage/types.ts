/**
 * The border of the storage layer. One store belongs to one validator of one chain and to one process.
 */
import type { CommitCertificate } from '../codec/model.js';
import type { ProvenRange, StateEntry } from '../crypto/index.js';
import type { ChainId, Digest, Hash, Height, StateKey, TxId } from '../types/index.js';

export type StorageEngine = 'rocksdb' | 'leveldb';

/** A committed block as it is stored. */
export interface StoredBlock {
  readonly height: Height;
  readonly digest: Digest;
  /** Canonical BlockHeader. */
  readonly headerBytes: Uint8Array;
  /** Absent at height 0. */
  readonly certificate?: CommitCertificate;
  /** Canonical envelopes in order. */
  readonly envelopes: readonly Uint8Array[];
  /** Canonical TransactionResults in order. */
  readonly results: readonly Uint8Array[];
}

/** A block's header and certificate without its transactions. */
export type StoredHeader = Pick<StoredBlock, 'height' | 'digest' | 'headerBytes' | 'certificate'>;

/** Everything that one committed block changes; written in one atomic, synced batch. */
export interface BlockCommit {
  readonly block: StoredBlock;
  /** In order of the envelopes. */
  readonly txIds: readonly TxId[];
  /** New state values; undefined removes the key. */
  readonly stateWrites: ReadonlyMap<StateKey, Uint8Array | undefined>;
  /** Nodes of the state tree that this version adds, by their storage key (see src/crypto/state-tree). */
  readonly treeNodes: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  /** Keys of nodes of the state tree that this version no longer uses; default none. */
  readonly staleNodes?: Iterable<Uint8Array>;
  /** Accounts that each transaction touched, in order of the envelopes. */
  readonly touchedAccounts: readonly (readonly string[])[];
}

export interface Head {
  readonly height: Height;
  readonly digest: Digest;
  readonly stateRoot: Hash;
}

/** A record of the consensus log: replaced by a later one of the same name and height, removed when its height is
 * committed. */
export interface LogEntry {
  /** Name, unique among the records of its height, for example "vote/commit". ASCII. */
  readonly name: string;
  /** Height that the record is about; 0 for records that belong to no height (the view). These are never pruned. */
  readonly height: Height;
  readonly value: Uint8Array;
}

export interface HistoryPage {
  readonly entries: readonly { readonly height: Height; readonly index: number; readonly txId: TxId }[];
  /** What to pass as `before` for the next page; undefined at the end. */
  readonly next: { readonly height: Height; readonly index: number } | undefined;
}

/** Which part of a state is read: paths from `from` to `until`, both included, 32 bytes each. */
export interface StateChunkRequest {
  readonly height: Height;
  readonly from: Uint8Array;
  readonly until: Uint8Array;
  /** The chunk ends with the entry that reaches so many bytes of keys and values. */
  readonly maxBytes: number;
}

/** All keys with paths from the one asked for to `to`, in ascending order of their paths. */
export interface StateChunk {
  readonly entries: readonly { readonly key: StateKey; readonly value: Uint8Array }[];
  /** Last path that the chunk covers. */
  readonly to: Uint8Array;
}

/** The block whose state is copied. */
export interface SnapshotTarget {
  readonly height: Height;
  readonly digest: Digest;
  readonly headerBytes: Uint8Array;
  readonly certificate: CommitCertificate;
  readonly stateRoot: Hash;
}

/** A part of the state that is copied on its own: the paths from `next` to `until`, both included, are missing. */
export interface StateSegment {
  /** Undefined when nothing is missing any more. */
  readonly next: Uint8Array | undefined;
  readonly until: Uint8Array;
}

/** A checked chunk. */
export interface InstallChunk {
  /** In ascending order of their paths. */
  readonly entries: readonly StateEntry[];
  /** The same, as they were proven. */
  readonly proven: ProvenRange;
  /** Last path that it covers. */
  readonly to: Uint8Array;
}

/** What a validator takes along from the store that it had. */
export interface CarriedRecords {
  readonly log: readonly LogEntry[];
  readonly evidence: readonly { readonly key: string; readonly value: Uint8Array }[];
  /** Headers below the target that stay readable though their blocks are not kept: those that prove changes of the
   * validator set. */
  readonly headers: readonly StoredHeader[];
}

/** What a store keeps. */
export interface RetainBounds {
  /** Blocks above this height. */
  readonly blocks: Height;
  /** States from this height on. */
  readonly states: Height;
}

/** What a step of pruning did. */
export interface PruneStep {
  /** Entries that were removed. */
  readonly entries: number;
  /** Up to which heights blocks, and below which height states, are removed now. */
  readonly removed: RetainBounds;
  /** Whether nothing is left that was given up. */
  readonly done: boolean;
}

export interface InstallProgress {
  readonly entries: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** Part of the paths that is done, 0 … 1. */
  readonly fraction: number;
}

/**
 * Promises reject with a StorageError; a block that does not follow the head, or does not fit together, is a defect and
 * rejects with a DefectError. Writes take effect in the order of the calls, and calls need not wait for each other: what
 * waits is written and synced together. After a failed write all further ones reject (FAILED) until the store is opened
 * again. Values that are passed in or handed out must not be changed afterwards.
 */
export interface Store {
  readonly engine: StorageEngine | 'memory';
  readonly chainId: ChainId;

  /** Height that the store starts at: 0, or that of the snapshot that it was made from, or up to which it was pruned.
   * Its header is there; blocks, transactions and histories are there above it only. Grows by `retain`. */
  readonly base: Height;
  /** Lowest height whose state is there; not below `base`. Grows by `retain`. */
  readonly oldestState: Height;

  /** Whether more was acknowledged than is here, as a witness outside of the store says: it is an older copy. */
  readonly outdated: boolean;
  /** What follows from being outdated is on disk: the witness may follow this store from now on. */
  acceptOutdated(): void;

  /** Last committed block; undefined before genesis was committed. */
  head(): Head | undefined;
  /** Writes a block, the next in order, atomically and synced; also removes log records of heights up to it. */
  commitBlock(commit: BlockCommit): Promise<void>;

  /** Writes log records in one synced batch. */
  appendLog(entries: readonly LogEntry[]): Promise<void>;
  /** All log records. */
  readLog(): Promise<readonly LogEntry[]>;

  block(height: Height): Promise<StoredBlock | undefined>;
  header(height: Height): Promise<StoredHeader | undefined>;
  /** Where a transaction is. */
  locate(txId: TxId): Promise<{ readonly height: Height; readonly index: number } | undefined>;
  /** Latest values, in the order of the keys. Of a block that is being written meanwhile, some may be seen already. */
  stateMany(keys: readonly StateKey[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Value of a key as it was after the block of a height; of the head, when the height is above it. */
  stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined>;
  /** Keys that start with `prefix` and are greater than `after`, ascending, with their values after the block of
   * `height`; at most `limit`. */
  stateRange(options: {
    readonly prefix: string;
    readonly after?: string;
    readonly height: Height;
    readonly limit: number;
  }): Promise<readonly { readonly key: StateKey; readonly value: Uint8Array }[]>;
  /** A part of the state after the block of a height, in the order of the state tree. The height is between `base` and
   * that of the head. */
  stateChunk(request: StateChunkRequest): Promise<StateChunk>;
  /** Nodes of the state tree, in the order of the keys. */
  treeNodes(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Newest first, from (`before`) exclusive when given. */
  history(account: string, limit: number, before?: { height: Height; index: number }): Promise<HistoryPage>;

  /** Gives up blocks up to `bounds.blocks` and states below `bounds.states`: they are gone for readers when it resolves.
   * A bound that is below the one in force changes nothing. Both are below the head, and `states` not below `blocks`. */
  retain(bounds: RetainBounds): Promise<void>;
  /** Removes some of what was given up, in one or a few synced writes of about `maxEntries` entries each. May be
   * interrupted anywhere and goes on from there. */
  prune(maxEntries: number): Promise<PruneStep>;
  /** Lets the engine give back the room of what was removed, as far as it can be told to. Takes long; reads and writes go
   * on. With `everything`, of all key spaces; without, of those in order of height. */
  compact(everything: boolean): Promise<void>;

  /** Evidence of equivocation, by an opaque key. */
  putEvidence(key: string, value: Uint8Array): Promise<void>;
  evidence(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;

  /** Approximate bytes on disk. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
