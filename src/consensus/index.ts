/**
 * PBFT on hash-chained, pipelined blocks as a pure state machine: authenticated events in, effects out, in an order
 * that the driver keeps (docs/consensus.md). Decides which block is final at each height.
 * Never does I/O, reads a clock, signs, executes or looks into transactions.
 */
export type * from './types.js';
export {
  beginAuthentication,
  commitCertificateChecks,
  parseNewView,
  type AuthenticationError,
  type PendingAuthentication,
} from './authenticate.js';
export { decodeLogRecord, encodeLogRecord, type EncodedLogRecord } from './log-codec.js';
export { deriveNewView, type DerivedBlock, type DerivedView } from './new-view.js';
export type { IgnoredReason } from './outbox.js';
export { createReplica, step, type Step } from './replica.js';
export { beginSigning, type SignedStatement, type SigningStep } from './statements.js';
export { maxCertifiedAhead, type ReplicaState } from './state.js';
export { consensusSnapshot, peerStatus, type ConsensusSnapshot } from './status.js';
export type { ViewChangeCause } from './view-change.js';
