/**
 * Checks receipts, state proofs, evidence, blocks and chains of headers against a pinned genesis, trusting nobody
 * (docs/proofs.md). Pure and fit for a browser: needs no network, store or node, and never decides what to do with the
 * outcome.
 */
export { VerifyError, type VerifyErrorCode } from './errors.js';
export {
  trustFirstSet,
  trustGenesis,
  type ChainTrust,
  type SignatureCheckFunction,
  type TrustedValidatorSet,
  type TrustOptions,
} from './trust.js';
export { verifyCertificate, verifyHeader } from './certificate.js';
export type { CertifiedHeader } from './certified-header.js';
export {
  verifyInclusion,
  verifyReceipt,
  type ReceiptExpectation,
  type ResultInclusion,
  type VerifiedReceipt,
} from './receipt.js';
export {
  verifyStateProof,
  verifyStateUnder,
  type StateExpectation,
  type VerifiedState,
} from './state-proof.js';
export {
  asEvidence,
  beginEvidence,
  verifyEvidence,
  type Equivocation,
  type PendingEquivocation,
} from './evidence.js';
export { verifyContent } from './block.js';
export { followSetChanges } from './set-changes.js';
export { followHeader, verifyHeaderChain, type FollowedChain, type HeaderLink } from './header-chain.js';
