/**
 * The border of the network layer: what it needs and what it offers. Everything that comes in is from an authenticated
 * validator, bounded in size and rate, and otherwise unchecked.
 */
import type { CommitCertificate, PeerStatus, ValidatorSetChange } from '../codec/model.js';
import type { RangeProof } from '../crypto/index.js';
import type { Signer } from '../crypto/types.js';
import type {
  ChainId,
  Digest,
  Hash,
  Height,
  PublicKey,
  StateKey,
  ValidatorIndex,
  VersionRange,
} from '../types/index.js';

/** A part of a state as a peer gives it: all keys with paths up to `to`, and what proves that. Not checked. */
export interface FetchedState {
  readonly entries: readonly { readonly key: StateKey; readonly value: Uint8Array }[];
  readonly to: Uint8Array;
  readonly proof: RangeProof;
}

/** A validator as the network knows it. */
export interface PeerValidator {
  readonly id: string;
  /** Number of the validator on this node: the same for as long as the network runs, whatever its place in a validator
   * set is. */
  readonly index: ValidatorIndex;
  /** Undefined when no validator set that is known has it: then it is only followed. */
  readonly publicKey: PublicKey | undefined;
  /** Other keys that it may prove: those of the validator sets before and after, while its key is rotated. */
  readonly otherKeys?: readonly PublicKey[];
  /** "host:port" where it listens for other nodes; an IPv6 host in brackets. Empty when nobody has said: then it is not
   * dialled. */
  readonly address: string;
  /** Where else it may be, in order of preference: tried in turn while it is not reached. */
  readonly otherAddresses?: readonly string[];
}

/** PEM texts of this validator's side of TLS. */
export interface TlsMaterial {
  /** Certificates of the consortium's authority; several while it is being replaced. */
  readonly caPem: string;
  /** This validator's certificate, followed by intermediate ones if there are any. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** Bounds of what one peer may take up. */
export interface PeerLimits {
  /** Largest gRPC message accepted, in bytes. */
  readonly maxMessageBytes: number;
  /** Most bytes of consensus messages that wait for a peer; the oldest are dropped (the protocol sends them again). */
  readonly maxConsensusQueueBytes: number;
  /** Most bytes of relayed transactions that wait for a peer; further ones are shed. */
  readonly maxRelayQueueBytes: number;
  /** Most bytes of block bodies that wait for a peer; further ones are dropped (the peer asks again, or another). */
  readonly maxBodiesQueueBytes: number;
  /** While the handlers have not finished with so many bytes of a peer's relayed transactions, further ones are shed. */
  readonly maxRelayBacklogBytes: number;
  /** While the handlers have not finished with so many other bytes of a peer, nothing is read from it. */
  readonly maxBacklogBytes: number;
  /** Sustained rates that are read from a peer, with a burst of one second; a faster peer is slowed down. */
  readonly maxBytesPerSecond: number;
  readonly maxFramesPerSecond: number;
  /** Most calls of FetchBlocks and FetchState that one peer may have open. */
  readonly maxFetchBlocksCalls: number;
  /** Most observers that are connected at once. */
  readonly maxObservers: number;
  /** Most calls of FetchBlocks and FetchState that all observers together may have open. */
  readonly maxObserverFetchCalls: number;
  /** Sustained rate of transactions that is read from an observer, with a burst of one second. */
  readonly maxObserverBytesPerSecond: number;
}

/** Durations in milliseconds. */
export interface PeerTimeouts {
  /** From the start of a stream until both sides have proven who they are. */
  readonly handshakeMs: number;
  /** Delay before the first attempt to connect again; doubles up to `maxReconnectMs`, with jitter. */
  readonly minReconnectMs: number;
  readonly maxReconnectMs: number;
  /** How long a peer that sent rubbish is shut out at first; doubles up to `maxPenaltyMs` when it happens again. */
  readonly minPenaltyMs: number;
  readonly maxPenaltyMs: number;
  /** Quiet time after which a connection is probed, and how long the answer may take. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** A validator that could not connect to another one for so long follows it, as an observer does. */
  readonly followAfterMs: number;
}

export const defaultPeerLimits: PeerLimits = {
  maxMessageBytes: 16 * 1024 * 1024,
  maxConsensusQueueBytes: 32 * 1024 * 1024,
  maxRelayQueueBytes: 8 * 1024 * 1024,
  maxBodiesQueueBytes: 32 * 1024 * 1024,
  maxRelayBacklogBytes: 8 * 1024 * 1024,
  maxBacklogBytes: 32 * 1024 * 1024,
  maxBytesPerSecond: 64 * 1024 * 1024,
  maxFramesPerSecond: 100_000,
  maxFetchBlocksCalls: 4,
  maxObservers: 16,
  maxObserverFetchCalls: 8,
  maxObserverBytesPerSecond: 4 * 1024 * 1024,
};

export const defaultPeerTimeouts: PeerTimeouts = {
  handshakeMs: 5_000,
  minReconnectMs: 50,
  maxReconnectMs: 2_000,
  minPenaltyMs: 5_000,
  maxPenaltyMs: 60_000,
  keepaliveMs: 5_000,
  keepaliveTimeoutMs: 3_000,
  followAfterMs: 10_000,
};

/** A final block on its way to a replica that is behind. */
export interface FetchedBlock {
  /** Canonical BlockHeader. */
  readonly headerBytes: Uint8Array;
  readonly certificate: CommitCertificate;
  /** Canonical TransactionEnvelopes in order. */
  readonly envelopes: readonly Uint8Array[];
}

/**
 * What the owner does with what comes in. Handlers are called on the event loop, in the order in which the peer sent.
 * A returned promise marks the bytes as being worked on until it settles; see `PeerLimits` for what that bounds. A
 * handler that throws or rejects is a defect of this node, not of the peer: it is not caught. Bytes belong to the callee.
 */
export interface PeerHandlers {
  /** A ConsensusMessage, not decoded. */
  onConsensus(from: ValidatorIndex, message: Uint8Array): void | Promise<void>;
  /** TransactionEnvelopes, not decoded. */
  onTransactions(from: ValidatorIndex, envelopes: readonly Uint8Array[]): void | Promise<void>;
  onStatus(from: ValidatorIndex, status: PeerStatus): void;
  /** The peer asks for bodies; with no hashes, for all of the block. Answer with `sendBodies`, at any time. */
  onFetchBodies(
    from: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
  ): void | Promise<void>;
  /** Answer to `requestBodies`, put together from its parts. No envelopes: the peer does not have them all. The hashes
   * are given only when all bodies were asked for. Nothing is checked: there may be other or fewer than asked for. */
  onBodies(
    from: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): void | Promise<void>;
  /** Evidence that a validator is faulty, not decoded: `from` says so, nothing is checked. */
  onEvidence(from: ValidatorIndex, evidence: Uint8Array): void | Promise<void>;
  /** Transactions that a node relays that only follows, not decoded. */
  onObserverTransactions(observer: string, envelopes: readonly Uint8Array[]): void | Promise<void>;
  /** The stream to this validator is open, and it has proven its key; or this node follows it and has heard of it. */
  onConnected(peer: ValidatorIndex): void;
  onDisconnected(peer: ValidatorIndex): void;
  /** Final blocks from a height on, in order, at most `maxBlocks`; fewer when there are fewer. */
  serveBlocks(fromHeight: Height, maxBlocks: number): AsyncIterable<FetchedBlock>;
  /** The state after the block of a height: chunks with proofs that cover the paths from `path` to `until`, both
   * included. Nothing when that state is not kept. */
  serveState(height: Height, path: Uint8Array, until: Uint8Array): AsyncIterable<FetchedState>;
  /** The changes of the validator set after an epoch, in order. */
  serveSetChanges(knownEpoch: number): AsyncIterable<ValidatorSetChange>;
}

/** Why a connection was refused or ended; a closed set, fit for a metric label. */
export type DisconnectReason =
  /** Not reachable, or the transport failed. */
  | 'unreachable'
  /** The other side closed. */
  | 'closed'
  /** TLS failed: no certificate, another authority, an old protocol version, expired. */
  | 'tls'
  /** The certificate names somebody else. */
  | 'identity'
  /** Another chain. */
  | 'chain'
  /** Another version of the protocol. */
  | 'version'
  /** The validator key was not proven. */
  | 'proof'
  /** The handshake was not finished in time. */
  | 'timeout'
  /** What it sent is no message of the protocol. */
  | 'garbage'
  /** One of both is in no validator set that the other one knows of. */
  | 'stranger'
  /** It is shut out for a while after garbage. */
  | 'penalty'
  /** As many observers are connected as this node takes. */
  | 'limit'
  /** A newer connection of the same validator took over. */
  | 'replaced'
  /** This node stops. */
  | 'stopped';

/** Class of traffic. */
export type TrafficClass = 'consensus' | 'transactions' | 'status' | 'bodies' | 'evidence';

/** Where counts go. All are called often: they must be cheap. */
export interface PeerMetrics {
  connected(peer: ValidatorIndex): void;
  disconnected(peer: ValidatorIndex, reason: DisconnectReason): void;
  /** A connection attempt failed or was refused; `peer` is unknown for a stranger. */
  refused(peer: ValidatorIndex | undefined, direction: 'in' | 'out', reason: DisconnectReason): void;
  sent(peer: ValidatorIndex, bytes: number, frames: number): void;
  received(peer: ValidatorIndex, bytes: number, frames: number): void;
  /** Frames (for transactions: envelopes) that were dropped because a queue or backlog was full. */
  shed(peer: ValidatorIndex, direction: 'in' | 'out', traffic: TrafficClass, count: number): void;
  /** So many nodes that only follow are connected now. */
  observers(count: number): void;
  /** Reading from a peer was held up. */
  paused(peer: ValidatorIndex, cause: 'rate' | 'backlog'): void;
}

/** The part of a structured logger that is used here (pino has it). */
export interface NetworkLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface PeerNetworkOptions {
  /** Name of the network as in genesis; part of the identities in certificates. */
  readonly network: string;
  readonly chainId: ChainId;
  /** What the own certificate names; an observer never becomes a validator. */
  readonly role: 'validator' | 'observer';
  /** Own id. */
  readonly self: string;
  /** See `PeerNetwork.setValidators`. */
  readonly validators: readonly PeerValidator[];
  /** Signs with the validator key, to prove it to peers. Undefined for an observer. */
  readonly signer: Signer | undefined;
  readonly tls: TlsMaterial;
  /** Where to listen; port 0 picks a free one. Nobody connects to an observer: undefined. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly handlers: PeerHandlers;
  readonly logger: NetworkLogger;
  readonly metrics: PeerMetrics;
  readonly limits?: Partial<PeerLimits>;
  readonly timeouts?: Partial<PeerTimeouts>;
  /** Versions of the peer protocol that it speaks; default: those that this software knows. */
  readonly versions?: VersionRange;
}

/** How one peer is doing. */
export interface PeerState {
  readonly index: ValidatorIndex;
  readonly id: string;
  readonly address: string;
  /** Whether a validator set that is known has it. */
  readonly known: boolean;
  readonly connected: boolean;
  /** Last status that it sent on the current connection. */
  readonly status: PeerStatus | undefined;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  /** Received bytes that the handlers have not finished with. */
  readonly backlogBytes: number;
  /** Why the last attempt or connection ended. */
  readonly lastFailure: DisconnectReason | undefined;
}

export interface FetchBlocksOptions {
  readonly fromHeight: Height;
  readonly maxBlocks: number;
  /** The whole call ends with an error after so many milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export interface FetchStateOptions {
  readonly height: Height;
  /** First and last path that is wanted, 32 bytes each. */
  readonly from: Uint8Array;
  readonly until: Uint8Array;
  /** The whole call ends with an error after so many milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export interface FetchSetChangesOptions {
  /** Number of the validator set that is known. */
  readonly knownEpoch: number;
  /** The whole call ends with an error after so many milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** Sending never blocks and never throws: what cannot be queued is dropped and counted. */
export interface PeerNetwork {
  /** Listens and begins to connect. Rejects with a QuaestorError when it cannot listen. */
  start(): Promise<void>;
  /** Closes everything; resolves when no socket and no timer is left. Idempotent. */
  stop(): Promise<void>;
  /** Port that it listens on, once started; 0 for an observer. */
  port(): number;
  sendConsensus(to: ValidatorIndex | 'all', message: Uint8Array): void;
  /** Tells only those that follow: a block is final. */
  tellObservers(status: PeerStatus): void;
  /** Also kept, and sent first on every new connection. */
  sendStatus(to: ValidatorIndex | 'all', status: PeerStatus): void;
  /** Sends canonical envelopes to all validators that are connected. The bytes must not change afterwards. */
  relayTransactions(envelopes: readonly Uint8Array[]): void;
  /** Asks a peer for bodies of a block, all of them when no hashes are given. A later request for the same digest to
   * the same peer replaces an earlier one. */
  requestBodies(to: ValidatorIndex, digest: Digest, transactionHashes: readonly Hash[]): void;
  /** Answers `onFetchBodies`; no envelopes says "not all at hand". */
  sendBodies(
    to: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): void;
  /** Sends canonical Evidence. It waits behind all votes, with the bodies, and is dropped when these fill their queue. */
  sendEvidence(to: ValidatorIndex | 'all', evidence: Uint8Array): void;
  /** Indexes of the validators with an open stream, self excluded, ascending. */
  connected(): readonly ValidatorIndex[];
  peers(): readonly PeerState[];
  /**
   * Who the validators are from now on. If this node is among them, it connects with each of the others as an equal; if
   * not, it follows them as an observer does. Who is no longer among them is disconnected, as is who has proven a key
   * that is no longer one of its own; other keys and addresses count from the next connection on. A validator keeps its
   * index for as long as the network runs.
   */
  setValidators(validators: readonly PeerValidator[]): void;
  /** Final blocks from a peer. Ends normally when the peer has no more to give; throws a QuaestorError otherwise. */
  fetchBlocks(peer: ValidatorIndex, options: FetchBlocksOptions): AsyncIterable<FetchedBlock>;
  /** A part of a state from a peer, chunk by chunk. Ends normally when the peer has no more to give; throws a
   * QuaestorError otherwise. */
  fetchState(peer: ValidatorIndex, options: FetchStateOptions): AsyncIterable<FetchedState>;
  /** Changes of the validator set from a peer, in order, unchecked. Ends normally when the peer has no more; throws a
   * QuaestorError otherwise. */
  fetchSetChanges(peer: ValidatorIndex, options: FetchSetChangesOptions): AsyncIterable<ValidatorSetChange>;
  /** Uses these from the next connection on; open ones stay. Throws a QuaestorError when they do not fit together or
   * name another validator; then the old ones stay in use. */
  reloadTls(tls: TlsMaterial): void;
}
