/**
 * The one byte form of everything that is hashed, signed or kept: strict canonical protobuf (docs/encoding.md).
 * `encodeT` gives it; `decodeT` accepts nothing else, bounds every size and count, and never throws on input. Values
 * of bytes in what `decodeT` gives are views of its argument: copy one that is kept longer than the whole.
 * Never hashes, signs or does I/O; conversion to and from the objects of the gRPC library is in wire-convert.ts.
 */
export type * from './model.js';
export { CodecError, type CodecErrorCode } from './errors.js';
export { encodeChecked } from './codec.js';
export { bounds } from './bounds.js';
export { isId, isPeerAddress } from './ids.js';
export { tags } from './tags.js';
export {
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
} from './transaction.js';
export {
  decodeBlockHeader,
  decodeCommitCertificate,
  decodeTransactionResult,
  decodeVoteStatement,
  encodeBlockHeader,
  encodeCommitCertificate,
  encodeTransactionResult,
  encodeVoteStatement,
} from './block.js';
export {
  decodeReceipt,
  decodeStateProof,
  decodeValidatorSetChanges,
  encodeReceipt,
  encodeStateProof,
  encodeValidatorSetChanges,
} from './proof.js';
export {
  decodeSealedBlock,
  decodeSegmentIndex,
  decodeSegmentManifest,
  encodeSealedBlock,
  encodeSegmentIndex,
  encodeSegmentManifest,
} from './segment.js';
export { decodeBackupManifest, decodeStatePart, encodeBackupManifest, encodeStatePart } from './backup.js';
export {
  decodeAccount,
  decodeAppliedBlock,
  decodeAsset,
  decodeBalance,
  decodeMember,
  decodeParameters,
  decodeSupply,
  encodeAccount,
  encodeAppliedBlock,
  encodeAsset,
  encodeBalance,
  encodeMember,
  encodeParameters,
  encodeSupply,
} from './state.js';
export { decodeGenesis, encodeGenesis } from './genesis.js';
export { decodeHold, encodeHold } from './settlement.js';
export {
  decodeChangeProposal,
  decodeGovernance,
  decodeProposeChange,
  encodeChangeProposal,
  encodeGovernance,
  encodeProposeChange,
} from './governance.js';
export {
  decodeValidatorSet,
  decodeValidatorSetProposal,
  encodeProposeValidatorSet,
  encodeValidatorSet,
  encodeValidatorSetProposal,
  firstValidatorSet,
} from './validator.js';
export {
  decodeCheckpointStatement,
  decodeConsensusMessage,
  decodeEvidence,
  decodeEvidenceBundle,
  encodeCheckpointStatement,
  encodeConsensusMessage,
  encodeEvidence,
  encodeEvidenceBundle,
} from './consensus.js';
export {
  decodeNewView,
  decodePreparedCertificate,
  decodeSignedNewView,
  decodeSignedViewChange,
  decodeViewChange,
  encodeNewView,
  encodePreparedCertificate,
  encodeSignedNewView,
  encodeSignedViewChange,
  encodeViewChange,
} from './view-change.js';
export { decodeSignRequest, decodeSignResponse, encodeSignRequest, encodeSignResponse } from './signer.js';
