/**
 * The border of the ledger: a pure function of (state view, block). See src/ledger/index.ts for the entry points.
 */
import type {
  Governance,
  KeyPolicy,
  Operation,
  Parameters,
  RefusalDetail,
  ResultCode,
  TransactionEnvelope,
  TransactionPayload,
  TransactionResult,
  ValidatorSet,
} from '../codec/model.js';
import type { Hash, Height, StateKey, TxId } from '../types/index.js';
import type { RecordKind } from './records.js';

/** A transaction whose bytes and bounds were checked, with all that was derived from it once. */
export interface DecodedTransaction {
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

declare const signaturesHold: unique symbol;

/** A decoded transaction whose every signature holds. Made only by `markVerified` and `assumeVerified`. */
export interface CheckedTransaction extends DecodedTransaction {
  readonly [signaturesHold]: true;
}

/** Reads the state that a block is applied to. */
export interface StateView {
  /** Value of a key that was declared by `readsOf`, or undefined when it has none. Synchronous. A key that was not
   * declared is a defect and throws. */
  get(key: StateKey): Uint8Array | undefined;
}

/** Which idempotency hashes the blocks below the one to apply have used. */
export interface ReplayWindow {
  /** Height of the latest block that used the hash, or undefined when none did. Must know all blocks of the validity
   * window; may remember older ones, which the ledger ignores, so that every node judges alike. */
  lastUse(idempotencyHash: Hash): Height | undefined;
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
  /** What changes, in an order that follows from the transactions alone. */
  readonly writes: StateWrites;
  readonly results: readonly TransactionResult[];
  /** Accounts that each transaction moved funds of, opened or paid to, in order of the transactions: for the index.
   * Empty for a transaction without effect. */
  readonly touchedAccounts: readonly (readonly string[])[];
  /** Idempotency hashes that the block used up, in order, each once. */
  readonly idempotencyHashes: readonly Hash[];
  /**
   * Indexes of transactions that no valid block holds, ascending: a builder leaves them out, and a replica refuses a
   * block that has any. They are those whose sender can't be charged with them (UNKNOWN_SENDER, SENDER_NOT_AUTHORIZED,
   * ACCOUNT_NOT_AUTHORIZED, PARTY_NOT_AUTHORIZED, NEW_POLICY_NOT_SATISFIED, VALIDATOR_NOT_AUTHORIZED, EXPIRED, VALIDITY_TOO_LONG), those with operations of later rules
   * (RULES_NOT_ACTIVE), which older software could not read, and those DUPLICATEs that expire before the use that they
   * duplicate is forgotten. Hence a transaction is on the chain at most once.
   */
  readonly inadmissible: readonly number[];
  /** The set that decides the next height, if it is another one than that of this block. */
  readonly nextValidatorSet: ValidatorSet | undefined;
  /** Rules of the next height, and what waits. */
  readonly governance: Governance;
}

/** Collects the keys that a block may read. */
export interface ReadSink {
  add(kind: RecordKind<unknown>, id: string): void;
}

/** The rules of one kind of operation: one file each in src/ledger/operations. */
export interface OperationHandler<Kind extends Operation['kind']> {
  readonly kind: Kind;
  /** First version of the ledger's rules under which the operation is one; 1 when left out. */
  rules?(operation: Extract<Operation, { kind: Kind }>): number;
  /** Declares the records that `apply` may read, besides the sender's member record. */
  reads(operation: Extract<Operation, { kind: Kind }>, into: ReadSink): void;
  /** Account whose key policy the signatures must satisfy, if any: for the check at the door. */
  payer(operation: Extract<Operation, { kind: Kind }>): string | undefined;
  /** Members and accounts whose policies the signatures must satisfy besides the sender's, if any: for the check at the
   * door. */
  signatories?(operation: Extract<Operation, { kind: Kind }>): Signatories;
  /** Validator whose key has to have signed, if any: for the check at the door. */
  speaker?(operation: Extract<Operation, { kind: Kind }>): string;
  /** Applies the operation to the draft; anything but OK leaves the transaction without effect. */
  apply(operation: Extract<Operation, { kind: Kind }>, context: OperationContext): ResultCode | Refusal;
}

/** Why an operation was refused, with what its rule is about. */
export interface Refusal extends RefusalDetail {
  readonly code: Exclude<ResultCode, 'OK'>;
}

/** Who signs an operation besides its sender. */
export interface Signatories {
  readonly members: readonly string[];
  readonly accounts: readonly string[];
}

/** What a handler sees: the state with the transaction's earlier operations applied, and who signed. */
export interface OperationContext {
  readonly sender: string;
  readonly height: Height;
  /** Time of the block, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly parameters: Parameters;
  /** A record as the transaction's earlier operations left it; undefined when there is none. */
  get<T>(kind: RecordKind<T>, id: string): T | undefined;
  /** Whether there is a record, which `get` would give. Costs less, since nothing is decoded. */
  has(kind: RecordKind<unknown>, id: string): boolean;
  /** Replaces a record; undefined removes it. */
  set<T>(kind: RecordKind<T>, id: string, value: T | undefined): void;
  /** Whether the envelope's signatures satisfy the policy; undefined stands for the sender's, which they do. */
  authorizes(policy: KeyPolicy | undefined): boolean;
  /** Notes that an account's history gets this transaction. */
  touch(account: string): void;
}
