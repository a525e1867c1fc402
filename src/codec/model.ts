/**
 * The domain forms of everything that is hashed, signed or sent: what `encode*` takes and `decode*` gives.
 * One interface per message of proto/quaestor, with the names and meaning documented there.
 */
import type {
  Amount,
  ChainId,
  Digest,
  Hash,
  Height,
  PublicKey,
  Signature,
  StateKey,
  TxId,
  ValidatorIndex,
  View,
} from '../types/index.js';

// ---- ledger/v1/transaction.proto ----

export interface KeySignature {
  readonly publicKey: PublicKey;
  readonly signature: Signature;
}

export interface TransactionEnvelope {
  readonly payload: Uint8Array;
  readonly signatures: readonly KeySignature[];
}

export interface WeightedKey {
  readonly publicKey: PublicKey;
  readonly weight: number;
}

export interface KeyPolicy {
  readonly threshold: number;
  readonly keys: readonly WeightedKey[];
}

export interface RegisterMember {
  readonly kind: 'registerMember';
  readonly member: string;
  readonly name: string;
  readonly policy: KeyPolicy;
}
export interface CreateAccount {
  readonly kind: 'createAccount';
  readonly account: string;
  readonly policy?: KeyPolicy;
}
export interface CreateAsset {
  readonly kind: 'createAsset';
  readonly asset: string;
  readonly exponent: number;
  readonly issuer: string;
  readonly name: string;
}
export interface Mint {
  readonly kind: 'mint';
  readonly asset: string;
  readonly account: string;
  readonly amount: Amount;
}
export interface Burn {
  readonly kind: 'burn';
  readonly asset: string;
  readonly account: string;
  readonly amount: Amount;
}
export interface Transfer {
  readonly kind: 'transfer';
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly endToEndId: string;
  readonly memo: string;
}
export interface Validator {
  readonly id: string;
  readonly member: string;
  readonly publicKey: PublicKey;
  /** "host:port" or "[ipv6]:port"; absent when nodes take it from their configuration. */
  readonly address?: string;
}
export interface ProposeValidatorSet {
  readonly kind: 'proposeValidatorSet';
  readonly validator: string;
  readonly baseValidatorSetHash: Hash;
  readonly validators: readonly Validator[];
  /** 0: as soon as possible. */
  readonly notBeforeHeight: Height;
  readonly expiresHeight: Height;
}
export interface ApproveValidatorSet {
  readonly kind: 'approveValidatorSet';
  readonly validator: string;
  readonly proposer: string;
  readonly proposalHash: Hash;
}
export interface WithdrawValidatorSet {
  readonly kind: 'withdrawValidatorSet';
  readonly validator: string;
}
/** What the validators decide on. */
export interface RulesVersionChange {
  readonly kind: 'rulesVersion';
  readonly version: number;
}
export type Change = RulesVersionChange;
export interface ProposeChange {
  readonly kind: 'proposeChange';
  readonly validator: string;
  readonly baseValidatorSetHash: Hash;
  readonly change: Change;
  /** 0: as soon as possible. */
  readonly notBeforeHeight: Height;
  readonly expiresHeight: Height;
  readonly reason: string;
}
export type Vote = 'approve' | 'reject';
export interface VoteOnChange {
  readonly kind: 'voteOnChange';
  readonly validator: string;
  readonly proposal: ProposeChange;
  readonly vote: Vote;
}
export interface WithdrawChange {
  readonly kind: 'withdrawChange';
  readonly validator: string;
  readonly proposalId: Hash;
}
export interface PlaceHold {
  readonly kind: 'placeHold';
  readonly holdId: string;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly captor: string;
  readonly expiresUnixMs: number;
  /** 32 bytes, or none. */
  readonly hashLock: Uint8Array;
  readonly endToEndId: string;
  readonly memo: string;
}
export interface CaptureHold {
  readonly kind: 'captureHold';
  readonly holdId: string;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly preimage: Uint8Array;
}
export interface ReleaseHold {
  readonly kind: 'releaseHold';
  readonly holdId: string;
  readonly fromAccount: string;
  readonly asset: string;
  readonly amount: Amount;
}
export interface ExchangeLeg {
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
}
export interface Exchange {
  readonly kind: 'exchange';
  /** Ids of members, ascending. */
  readonly parties: readonly string[];
  readonly legs: readonly ExchangeLeg[];
  readonly deadlineUnixMs: number;
  readonly reference: string;
}
export interface UpdateMember {
  readonly kind: 'updateMember';
  readonly name: string;
  readonly policy: KeyPolicy;
}
export interface UpdateAccount {
  readonly kind: 'updateAccount';
  readonly account: string;
  /** Absent: the owner's. */
  readonly policy?: KeyPolicy;
}
export type Operation =
  | RegisterMember
  | CreateAccount
  | CreateAsset
  | Mint
  | Burn
  | Transfer
  | ProposeValidatorSet
  | ApproveValidatorSet
  | WithdrawValidatorSet
  | ProposeChange
  | VoteOnChange
  | WithdrawChange
  | PlaceHold
  | CaptureHold
  | ReleaseHold
  | Exchange
  | UpdateMember
  | UpdateAccount;

export interface TransactionPayload {
  readonly sender: string;
  readonly idempotencyKey: Uint8Array;
  readonly validUntilHeight: Height;
  readonly operations: readonly Operation[];
}

// ---- ledger/v1/block.proto ----

export interface BlockHeader {
  readonly version: 1;
  readonly chainId: ChainId;
  readonly height: Height;
  readonly view: View;
  readonly prevHash: Digest;
  readonly transactionsRoot: Hash;
  readonly resultsRoot: Hash;
  readonly stateRoot: Hash;
  readonly validatorSetHash: Hash;
  readonly nextValidatorSetHash: Hash;
  readonly timeMs: number;
  readonly proposer: ValidatorIndex;
  readonly transactionCount: number;
}

export type VotePhase = 'prePrepare' | 'prepare' | 'commit';

export interface VoteStatement {
  readonly chainId: ChainId;
  readonly validatorSetHash: Hash;
  readonly phase: VotePhase;
  readonly view: View;
  readonly height: Height;
  readonly digest: Digest;
}

export interface VoteSignature {
  readonly validator: ValidatorIndex;
  readonly signature: Signature;
}

export interface CommitCertificate {
  readonly view: View;
  readonly height: Height;
  readonly digest: Digest;
  readonly signatures: readonly VoteSignature[];
}

/** Names of ResultCode without its prefix. */
export type ResultCode =
  | 'OK'
  | 'UNKNOWN_SENDER'
  | 'SENDER_NOT_AUTHORIZED'
  | 'EXPIRED'
  | 'VALIDITY_TOO_LONG'
  | 'DUPLICATE'
  | 'ROLE_REQUIRED'
  | 'UNKNOWN_MEMBER'
  | 'MEMBER_EXISTS'
  | 'UNKNOWN_ACCOUNT'
  | 'ACCOUNT_EXISTS'
  | 'NOT_ACCOUNT_OWNER'
  | 'ACCOUNT_NOT_AUTHORIZED'
  | 'UNKNOWN_ASSET'
  | 'ASSET_EXISTS'
  | 'INSUFFICIENT_FUNDS'
  | 'AMOUNT_OVERFLOW'
  | 'SAME_ACCOUNT'
  | 'NOT_A_VALIDATOR'
  | 'VALIDATOR_NOT_AUTHORIZED'
  | 'VALIDATOR_SET_CHANGED'
  | 'VALIDATOR_SET_UNCHANGED'
  | 'CHANGE_SCHEDULED'
  | 'UNKNOWN_PROPOSAL'
  | 'PROPOSAL_EXPIRED'
  | 'ALREADY_APPROVED'
  | 'HEIGHT_OUT_OF_RANGE'
  | 'RULES_NOT_ACTIVE'
  | 'RULES_VERSION_NOT_NEWER'
  | 'PROPOSAL_EXISTS'
  | 'PROPOSAL_CLOSED'
  | 'ALREADY_VOTED'
  | 'NOT_PROPOSER'
  | 'HOLD_EXISTS'
  | 'UNKNOWN_HOLD'
  | 'NOT_CAPTOR'
  | 'HOLD_EXPIRED'
  | 'HOLD_NOT_EXPIRED'
  | 'HOLD_EXCEEDED'
  | 'PREIMAGE_MISMATCH'
  | 'DEADLINE_PASSED'
  | 'PARTY_NOT_AUTHORIZED'
  | 'NOT_A_PARTY'
  | 'NEW_POLICY_NOT_SATISFIED';

export interface TransactionResult {
  readonly txId: TxId;
  readonly code: ResultCode;
  /** Index of the refused operation counted from 1; 0 when the whole transaction was refused, or on success. */
  readonly failedOperation: number;
  readonly detail?: RefusalDetail;
}

/** What a refusal is about; texts are empty when there is nothing to say. */
export interface RefusalDetail {
  /** State key. */
  readonly subject: string;
  readonly actual: string;
  readonly needed: string;
}

export interface Receipt {
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  readonly certificate: CommitCertificate;
  /** Canonical TransactionResult. */
  readonly result: Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

export interface StateProof {
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  /** Absent for height 0. */
  readonly certificate?: CommitCertificate;
  readonly key: string;
  /** Absent when the key is proven to be absent. */
  readonly value?: Uint8Array;
  /** From the leaf upwards; an empty item is the default hash of an empty subtree. */
  readonly siblings: readonly Uint8Array[];
  /** For an absence proof that ends at another key's leaf; otherwise empty. */
  readonly otherLeafPath: Uint8Array;
  readonly otherLeafValueHash: Uint8Array;
}

/** Proof of which set follows another. */
export interface ValidatorSetChange {
  /** Canonical BlockHeader of the last block of the set before. */
  readonly header: Uint8Array;
  readonly certificate: CommitCertificate;
  /** Canonical ValidatorSet. */
  readonly validatorSet: Uint8Array;
}
export interface ValidatorSetChanges {
  /** In order of height, without gaps. */
  readonly changes: readonly ValidatorSetChange[];
}

// ---- ledger/v1/segment.proto ----

/** A final block as a segment has it. */
export interface SealedBlock {
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  readonly certificate: CommitCertificate;
  /** Canonical TransactionEnvelopes in order. */
  readonly envelopes: readonly Uint8Array[];
  /** Canonical TransactionResults in order. */
  readonly results: readonly Uint8Array[];
}
/** Blocks that are compressed together. */
export interface SegmentFrame {
  readonly blocks: number;
  /** Bytes in the file. */
  readonly compressedBytes: number;
  /** Bytes when they are decompressed. */
  readonly bytes: number;
  /** SHA-256 of the bytes in the file. */
  readonly hash: Hash;
}
/** What stands at the end of a segment. */
export interface SegmentIndex {
  readonly version: 1;
  readonly chainId: ChainId;
  readonly firstHeight: Height;
  readonly lastHeight: Height;
  /** Digest of the block below the first one. */
  readonly previousDigest: Digest;
  readonly lastDigest: Digest;
  /** In the order of the file. */
  readonly frames: readonly SegmentFrame[];
}
/** What a manifest says of one segment. */
export interface SegmentEntry {
  readonly firstHeight: Height;
  readonly lastHeight: Height;
  /** Digest of the block below the first one. */
  readonly previousDigest: Digest;
  readonly firstDigest: Digest;
  readonly lastDigest: Digest;
  /** SHA-256 of the whole file. */
  readonly contentHash: Hash;
  /** Of the file. */
  readonly bytes: number;
  /** Of the SegmentIndex in it. */
  readonly indexBytes: number;
  /** SHA-256 of the SegmentIndex. */
  readonly indexHash: Hash;
}
/** The segments that a node has sealed. */
export interface SegmentManifest {
  readonly version: 1;
  readonly chainId: ChainId;
  /** Id of the node that writes it. */
  readonly writer: string;
  /** In order of height, each linked to the one before. */
  readonly segments: readonly SegmentEntry[];
  /** From the genesis on. */
  readonly setChanges: readonly ValidatorSetChange[];
}

// ---- ledger/v1/backup.proto ----

/** All of a state whose paths have one prefix. */
export interface StatePart {
  /** In ascending order of their paths. */
  readonly entries: readonly { readonly key: StateKey; readonly value: Uint8Array }[];
}
/** What a manifest says of a part of the state. */
export interface BackupPart {
  /** Bits of the prefix. */
  readonly depth: number;
  readonly entries: number;
  /** Of the canonical StatePart. */
  readonly bytes: number;
  /** SHA-256 of the canonical StatePart; undefined when there are no entries, and so no object. */
  readonly contentHash: Hash | undefined;
  /** What the part is in the state tree: nothing, a leaf (64 bytes) or a hash (32 bytes). */
  readonly subtree: Uint8Array;
}
/** One backup. */
export interface BackupManifest {
  readonly version: 1;
  readonly chainId: ChainId;
  /** Id of the node whose backup it is. */
  readonly writer: string;
  /** Version of the software that wrote it. */
  readonly software: string;
  readonly createdMs: number;
  /** Canonical BlockHeader of the block whose state it is. */
  readonly header: Uint8Array;
  readonly certificate: CommitCertificate;
  /** From the genesis on. */
  readonly setChanges: readonly ValidatorSetChange[];
  /** In the order of the paths, all of them. */
  readonly parts: readonly BackupPart[];
  /** Blocks, without gaps, up to the one of the header. */
  readonly segments: readonly SegmentEntry[];
}

// ---- ledger/v1/state.proto ----

export type Role = 'registrar' | 'assetAdmin';

export interface Member {
  readonly member: string;
  readonly name: string;
  readonly policy: KeyPolicy;
  readonly roles: readonly Role[];
}
export interface Account {
  readonly account: string;
  readonly owner: string;
  readonly policy?: KeyPolicy;
  readonly openedHeight: Height;
}
export interface Asset {
  readonly asset: string;
  readonly exponent: number;
  readonly issuer: string;
  readonly name: string;
}
export interface Supply {
  readonly issued: bigint;
  readonly burned: bigint;
}
export interface Balance {
  readonly amount: Amount;
}
export interface Hold {
  readonly holdId: string;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly remaining: Amount;
  readonly captor: string;
  readonly expiresUnixMs: number;
  /** 32 bytes, or none. */
  readonly hashLock: Uint8Array;
  readonly placedHeight: Height;
}
export interface AppliedBlock {
  readonly idempotencyHashes: readonly Hash[];
}
export interface Parameters {
  readonly validityWindowBlocks: number;
  readonly maxBlockTransactions: number;
  readonly maxBlockBytes: number;
  readonly maxClockSkewMs: number;
  readonly checkpointIntervalBlocks: number;
  readonly pipelineWindowBlocks: number;
}
export interface ValidatorSet {
  readonly validators: readonly Validator[];
  /** 0 for the set of the genesis, then one more with each change. */
  readonly epoch: number;
  /** First height that it decides; 0 for the set of the genesis. */
  readonly activationHeight: Height;
}
export interface ValidatorSetProposal {
  readonly proposal: ProposeValidatorSet;
  /** Ids of validators, ascending. */
  readonly approvals: readonly string[];
}
export interface ScheduledChange {
  /** First height that is under it. */
  readonly height: Height;
  readonly change: Change;
  readonly proposalId: Hash;
}
export interface Governance {
  /** Of the next height. */
  readonly rulesVersion: number;
  /** In order of height. */
  readonly scheduled: readonly ScheduledChange[];
}
export type ProposalStatus = 'open' | 'decided' | 'rejected' | 'withdrawn';
export interface ChangeProposal {
  readonly proposal: ProposeChange;
  /** Ids of validators, ascending. */
  readonly approvals: readonly string[];
  readonly rejections: readonly string[];
  readonly status: ProposalStatus;
  /** 0 while it is open. */
  readonly closedHeight: Height;
  /** 0 unless it is decided. */
  readonly effectiveHeight: Height;
}
export interface OpeningBalance {
  readonly account: string;
  readonly asset: string;
  readonly amount: Amount;
}
export interface Genesis {
  readonly network: string;
  readonly timeMs: number;
  readonly validators: readonly Validator[];
  readonly members: readonly Member[];
  readonly assets: readonly Asset[];
  readonly accounts: readonly Account[];
  readonly balances: readonly OpeningBalance[];
  readonly parameters: Parameters;
  /** Version of the ledger's rules; absent stands for 1. */
  readonly rulesVersion?: number;
}

// ---- peer/v1/consensus.proto ----

export interface PrePrepare {
  readonly kind: 'prePrepare';
  readonly view: View;
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  readonly transactionHashes: readonly Hash[];
  readonly signature: VoteSignature;
}
export interface Prepare {
  readonly kind: 'prepare';
  readonly view: View;
  readonly height: Height;
  readonly digest: Digest;
  readonly signature: VoteSignature;
}
export interface Commit {
  readonly kind: 'commit';
  readonly view: View;
  readonly height: Height;
  readonly digest: Digest;
  readonly signature: VoteSignature;
}
export interface Checkpoint {
  readonly kind: 'checkpoint';
  readonly height: Height;
  readonly digest: Digest;
  readonly signature: VoteSignature;
}
export interface CheckpointStatement {
  readonly chainId: ChainId;
  readonly validatorSetHash: Hash;
  readonly height: Height;
  readonly digest: Digest;
}
export interface PreparedCertificate {
  readonly view: View;
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  readonly prePrepare: VoteSignature;
  readonly prepares: readonly VoteSignature[];
}
export interface ViewChange {
  readonly chainId: ChainId;
  readonly validatorSetHash: Hash;
  readonly view: View;
  readonly validator: ValidatorIndex;
  readonly committed?: CommitCertificate;
  readonly prepared: readonly PreparedCertificate[];
}
export interface SignedViewChange {
  readonly kind: 'viewChange';
  /** Canonical ViewChange: the bytes that are signed. */
  readonly viewChange: Uint8Array;
  readonly signature: Signature;
}
export interface Reproposal {
  readonly height: Height;
  readonly digest: Digest;
  readonly signature: Signature;
}
export interface NewView {
  readonly chainId: ChainId;
  readonly validatorSetHash: Hash;
  readonly view: View;
  readonly validator: ValidatorIndex;
  readonly viewChanges: readonly SignedViewChange[];
  readonly reproposals: readonly Reproposal[];
}
export interface SignedNewView {
  readonly kind: 'newView';
  /** Canonical NewView: the bytes that are signed. */
  readonly newView: Uint8Array;
  readonly signature: Signature;
}
export type ConsensusMessage = PrePrepare | Prepare | Commit | Checkpoint | SignedViewChange | SignedNewView;

/** A vote whose phase the context says. */
export interface SignedVote {
  readonly view: View;
  readonly height: Height;
  readonly digest: Digest;
  readonly signature: VoteSignature;
}

/** Two votes that no correct validator signs both. */
export interface Evidence {
  /** Of the set in which the votes' index counts. */
  readonly validatorSetHash: Hash;
  readonly phase: VotePhase;
  /** The vote of the lower digest. */
  readonly first: SignedVote;
  readonly second: SignedVote;
}

/** A file of evidence for a third party. */
export interface EvidenceBundle {
  readonly chainId: ChainId;
  readonly evidence: readonly Evidence[];
  /** From the genesis on, as far as the evidence needs them. */
  readonly setChanges: readonly ValidatorSetChange[];
}

/** Where a validator stands; unsigned, authenticated by the stream it came on. */
export interface PeerStatus {
  readonly view: View;
  readonly viewChangeInProgress: boolean;
  readonly committedHeight: Height;
  readonly stableCheckpointHeight: Height;
}

// ---- signer/v1/signer_service.proto ----

/** What the proof of a handshake between validators signs; each part has 32 bytes. */
export interface HelloStatement {
  readonly chainId: ChainId;
  readonly nonceReceived: Uint8Array;
  readonly nonceSent: Uint8Array;
  readonly signerFingerprint: Uint8Array;
  readonly receiverFingerprint: Uint8Array;
}
export interface Finality {
  readonly setChanges: readonly ValidatorSetChange[];
  readonly certificate: CommitCertificate;
}
export type SignContent =
  /** Canonical bytes of what is to be signed, without the domain tag; of an `entered`, of the SignedNewView. */
  | {
      readonly kind: 'vote' | 'checkpoint' | 'viewChange' | 'newView' | 'entered';
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'hello'; readonly hello: HelloStatement }
  | { readonly kind: 'finality'; readonly finality: Finality };
export interface SignRequest {
  /** From 1. */
  readonly id: number;
  readonly content: SignContent;
}
export interface SignerInfo {
  readonly protocolVersion: number;
  readonly publicKey: PublicKey;
  readonly chainId: ChainId;
  readonly finalHeight: Height;
}
export type SignOutcome =
  | { readonly kind: 'signature'; readonly signature: Signature }
  | { readonly kind: 'refusal'; readonly code: string; readonly message: string }
  | { readonly kind: 'taken' }
  | { readonly kind: 'info'; readonly info: SignerInfo };
export interface SignResponse {
  readonly id: number;
  readonly outcome: SignOutcome;
}
