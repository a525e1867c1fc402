/**
 * What the driver needs from the outside. Production and simulator differ only in these.
 */
import type { SignatureVerifier, Signer } from '../crypto/types.js';
import type { PeerStatus } from '../codec/model.js';
import type { Store } from '../storage/types.js';
import type { Electorates } from './electorate.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';

/** Time and timers. */
export interface Clock {
  /** Wall-clock milliseconds since 1970-01-01 UTC: only for the time in headers and for judging it. */
  wallMs(): number;
  /** Milliseconds of a clock that never goes back: for durations. */
  monotonicMs(): number;
  /** Calls back once after a delay; the returned function cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void;
  /** Calls back soon, after what is queued now: lets small pieces of work gather. */
  defer(callback: () => void): void;
}

/** Sending to other validators. An index is a validator's place in the set that decides the next height.
 * Nothing blocks, nothing throws: what cannot be queued is dropped and counted. */
export interface PeerPort {
  sendConsensus(to: ValidatorIndex | 'all', message: Uint8Array): void;
  sendStatus(to: ValidatorIndex | 'all', status: PeerStatus): void;
  /** Sends canonical envelopes to all other validators. */
  relayTransactions(envelopes: readonly Uint8Array[]): void;
  requestBodies(to: ValidatorIndex, digest: Digest, transactionHashes: readonly Hash[]): void;
  sendBodies(
    to: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): void;
  /** Sends canonical evidence to whoever is connected. */
  sendEvidence(to: ValidatorIndex | 'all', evidence: Uint8Array): void;
  /** Indexes of the validators with an open stream, self excluded. */
  connected(): readonly ValidatorIndex[];
  /**
   * Says whose network it is: from now on indexes are those of `current`. Validators of the scheduled set, which have to
   * catch up before they vote, and those of the set before, whose blocks others may still need, stay connected.
   */
  electorates?(electorates: Electorates): void;
}

export interface DriverPorts {
  readonly clock: Clock;
  readonly store: Store;
  readonly peers: PeerPort;
  readonly verifier: SignatureVerifier;
  /** Undefined for an observer. */
  readonly signer: Signer | undefined;
  /** Key that is to follow, while it is rotated. */
  readonly nextSigner?: Signer | undefined;
}
