/**
 * The border of the ledger: a pure function of (state view, block). See src/ledger/index.ts for the entry points.
 */
import type {
  Operation,
  ResultCode,
  TransactionEnvelope,
  TransactionPayload,
  TransactionResult,
} from '../codec/model.js';
import type { Hash, Height, StateKey, TxId } from '../types/index.js';

/** A transaction whose bytes, bounds and signatures were checked, with all that was derived from it once. */
export interface CheckedTransaction {
  /** Canonical envelope. */
  readonly envelopeBytes: Uint8Array;
  readonly envelope: TransactionEnvelope;
  readonly payload: TransactionPayload;
  readonly txId: TxId;
  /** RFC 6962 leaf hash of `envelopeBytes`. */
  readonly leafHash: Hash;
  /** De-duplication hash, see AppliedBlock in state.proto. */
  readonly idempotencyHash: Hash;
}

/** Reads the state that a block is applied to. */
export interface StateView {
  /** Value of a key that was declared by `readsOf`, or undefined when it has none. Synchronous. A key that was not
   * declared is a defect and throws. */
  get(key: StateKey): Uint8Array | undefined;
}

/** Whether an idempotency hash was used by a block within the validity window. */
export interface ReplayWindow {
  has(idempotencyHash: Hash): boolean;
}

/** New values by key; undefined removes the key. */
export type StateWrites = ReadonlyMap<StateKey, Uint8Array | undefined>;

export interface BlockInput {
  readonly height: Height;
  readonly timeMs: number;
  readonly transactions: readonly CheckedTransaction[];
  readonly state: StateView;
  readonly window: ReplayWindow;
}

export interface BlockOutput {
  readonly writes: StateWrites;
  readonly results: readonly TransactionResult[];
  /** Accounts that each transaction moved funds of, opened or paid to, in order of the transactions: for the index. */
  readonly touchedAccounts: readonly (readonly string[])[];
  /** Idempotency hashes that the block used up, in order. */
  readonly idempotencyHashes: readonly Hash[];
}

/** The rules of one kind of operation: one file each in src/ledger/operations. */
export interface OperationHandler<Kind extends Operation['kind']> {
  readonly kind: Kind;
  /** Keys that `apply` may read. */
  reads(operation: Extract<Operation, { kind: Kind }>, sender: string): readonly StateKey[];
  /** Applies the operation to the draft; any other code than OK leaves the transaction without effect. */
  apply(operation: Extract<Operation, { kind: Kind }>, context: OperationContext): ResultCode;
}

/** What a handler sees: the state with the transaction's earlier operations applied, and who signed. */
export interface OperationContext {
  readonly sender: string;
  readonly height: Height;
  get(key: StateKey): Uint8Array | undefined;
  set(key: StateKey, value: Uint8Array | undefined): void;
  /** Whether the envelope's signatures satisfy a policy. */
  authorizes(policy: {
    threshold: number;
    keys: readonly { publicKey: Uint8Array; weight: number }[];
  }): boolean;
  /** Notes that an account's history gets this transaction. */
  touch(account: string): void;
}
