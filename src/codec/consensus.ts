/** Messages of the consensus protocol (peer/v1/consensus.proto). */
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asView,
  limits,
  unreachable,
  type Result,
} from '../types/index.js';
import { readVoteSignature, writeVoteSignature } from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import { votePhases } from './enums.js';
import { readSetChange, writeSetChange } from './proof.js';
import type { CodecError } from './errors.js';
import type {
  Checkpoint,
  CheckpointStatement,
  Commit,
  ConsensusMessage,
  Evidence,
  EvidenceBundle,
  PrePrepare,
  Prepare,
  SignedVote,
} from './model.js';
import type { Reader } from './reader.js';
import { bytes, enumeration, message, oneof, repeated, repeatedBytes, schema, uint64 } from './schema.js';
import {
  readSignedNewView,
  readSignedViewChange,
  writeSignedNewView,
  writeSignedViewChange,
} from './view-change.js';
import type { Writer } from './writer.js';

const messageFields = schema('quaestor.peer.v1.ConsensusMessage', {
  prePrepare: oneof(1, 'quaestor.peer.v1.PrePrepare'),
  prepare: oneof(2, 'quaestor.peer.v1.Vote'),
  commit: oneof(3, 'quaestor.peer.v1.Vote'),
  checkpoint: oneof(4, 'quaestor.peer.v1.Checkpoint'),
  viewChange: oneof(5, 'quaestor.peer.v1.SignedViewChange'),
  newView: oneof(6, 'quaestor.peer.v1.SignedNewView'),
});
const prePrepareFields = schema('quaestor.peer.v1.PrePrepare', {
  view: uint64(1),
  header: bytes(2),
  transactionHashes: repeatedBytes(3),
  signature: message(4, 'quaestor.ledger.v1.VoteSignature'),
});
const voteFields = schema('quaestor.peer.v1.Vote', {
  view: uint64(1),
  height: uint64(2),
  digest: bytes(3),
  signature: message(4, 'quaestor.ledger.v1.VoteSignature'),
});
const checkpointFields = schema('quaestor.peer.v1.Checkpoint', {
  height: uint64(1),
  digest: bytes(2),
  signature: message(3, 'quaestor.ledger.v1.VoteSignature'),
});
const checkpointStatementFields = schema('quaestor.peer.v1.CheckpointStatement', {
  chainId: bytes(1),
  validatorSetHash: bytes(2),
  height: uint64(3),
  digest: bytes(4),
});
const evidenceFields = schema('quaestor.peer.v1.Evidence', {
  validatorSetHash: bytes(1),
  phase: enumeration(2, 'quaestor.ledger.v1.VotePhase'),
  first: message(3, 'quaestor.peer.v1.Vote'),
  second: message(4, 'quaestor.peer.v1.Vote'),
});
const evidenceBundleFields = schema('quaestor.peer.v1.EvidenceBundle', {
  chainId: bytes(1),
  evidence: repeated(2, 'quaestor.peer.v1.Evidence'),
  setChanges: repeated(3, 'quaestor.ledger.v1.ValidatorSetChange'),
});

function writePrePrepare(writer: Writer, value: PrePrepare): void {
  writer.uint(prePrepareFields.view, value.view);
  writer.bytes(prePrepareFields.header, value.header);
  writer.items(prePrepareFields.transactionHashes, value.transactionHashes);
  writer.message(prePrepareFields.signature, value.signature, writeVoteSignature);
}

function readPrePrepare(reader: Reader): PrePrepare {
  const value: PrePrepare = {
    kind: 'prePrepare',
    view: asView(reader.uint(prePrepareFields.view, 0, limits.maxView)),
    header: reader.bytes(prePrepareFields.header, 1, bounds.maxHeaderBytes),
    transactionHashes: reader
      .items(prePrepareFields.transactionHashes, 32, 32, limits.maxBlockTransactions)
      .map(asHash),
    signature: reader.requiredMessage(prePrepareFields.signature, readVoteSignature),
  };
  reader.end(prePrepareFields);
  return value;
}

function writeVote(writer: Writer, value: SignedVote): void {
  writer.uint(voteFields.view, value.view);
  writer.uint(voteFields.height, value.height);
  writer.bytes(voteFields.digest, value.digest);
  writer.message(voteFields.signature, value.signature, writeVoteSignature);
}

function readVote(reader: Reader): SignedVote {
  const value: SignedVote = {
    view: asView(reader.uint(voteFields.view, 0, limits.maxView)),
    height: asHeight(reader.uint(voteFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(voteFields.digest, 32)),
    signature: reader.requiredMessage(voteFields.signature, readVoteSignature),
  };
  reader.end(voteFields);
  return value;
}

const readPrepare = (reader: Reader): Prepare => ({ kind: 'prepare', ...readVote(reader) });
const readCommit = (reader: Reader): Commit => ({ kind: 'commit', ...readVote(reader) });

function writeCheckpoint(writer: Writer, value: Checkpoint): void {
  writer.uint(checkpointFields.height, value.height);
  writer.bytes(checkpointFields.digest, value.digest);
  writer.message(checkpointFields.signature, value.signature, writeVoteSignature);
}

function readCheckpoint(reader: Reader): Checkpoint {
  const value: Checkpoint = {
    kind: 'checkpoint',
    height: asHeight(reader.uint(checkpointFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(checkpointFields.digest, 32)),
    signature: reader.requiredMessage(checkpointFields.signature, readVoteSignature),
  };
  reader.end(checkpointFields);
  return value;
}

function writeCheckpointStatement(writer: Writer, value: CheckpointStatement): void {
  writer.bytes(checkpointStatementFields.chainId, value.chainId);
  writer.bytes(checkpointStatementFields.validatorSetHash, value.validatorSetHash);
  writer.uint(checkpointStatementFields.height, value.height);
  writer.bytes(checkpointStatementFields.digest, value.digest);
}

function readCheckpointStatement(reader: Reader): CheckpointStatement {
  const value: CheckpointStatement = {
    chainId: asChainId(reader.fixed(checkpointStatementFields.chainId, 32)),
    validatorSetHash: asHash(reader.fixed(checkpointStatementFields.validatorSetHash, 32)),
    height: asHeight(reader.uint(checkpointStatementFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(checkpointStatementFields.digest, 32)),
  };
  reader.end(checkpointStatementFields);
  return value;
}

function writeMessage(writer: Writer, value: ConsensusMessage): void {
  switch (value.kind) {
    case 'prePrepare': {
      writer.message(messageFields.prePrepare, value, writePrePrepare);
      return;
    }
    case 'prepare': {
      writer.message(messageFields.prepare, value, writeVote);
      return;
    }
    case 'commit': {
      writer.message(messageFields.commit, value, writeVote);
      return;
    }
    case 'checkpoint': {
      writer.message(messageFields.checkpoint, value, writeCheckpoint);
      return;
    }
    case 'viewChange': {
      writer.message(messageFields.viewChange, value, writeSignedViewChange);
      return;
    }
    case 'newView': {
      writer.message(messageFields.newView, value, writeSignedNewView);
      return;
    }
    default:
      return unreachable(value);
  }
}

function readMessage(reader: Reader): ConsensusMessage {
  const value: ConsensusMessage | undefined =
    reader.message(messageFields.prePrepare, readPrePrepare) ??
    reader.message(messageFields.prepare, readPrepare) ??
    reader.message(messageFields.commit, readCommit) ??
    reader.message(messageFields.checkpoint, readCheckpoint) ??
    reader.message(messageFields.viewChange, readSignedViewChange) ??
    reader.message(messageFields.newView, readSignedNewView);
  reader.end(messageFields);
  if (value === undefined) reader.fail('MISSING_FIELD', undefined, 'holds no message of a known kind');
  return value;
}

function writeEvidence(writer: Writer, value: Evidence): void {
  writer.bytes(evidenceFields.validatorSetHash, value.validatorSetHash);
  writer.uint(evidenceFields.phase, votePhases.numberOf(value.phase));
  writer.message(evidenceFields.first, value.first, writeVote);
  writer.message(evidenceFields.second, value.second, writeVote);
}

function readEvidence(reader: Reader): Evidence {
  const value: Evidence = {
    validatorSetHash: asHash(reader.fixed(evidenceFields.validatorSetHash, 32)),
    phase: reader.enumeration(evidenceFields.phase, votePhases.names),
    first: reader.requiredMessage(evidenceFields.first, readVote),
    second: reader.requiredMessage(evidenceFields.second, readVote),
  };
  reader.end(evidenceFields);
  return value;
}

function writeEvidenceBundle(writer: Writer, value: EvidenceBundle): void {
  writer.bytes(evidenceBundleFields.chainId, value.chainId);
  writer.messages(evidenceBundleFields.evidence, value.evidence, writeEvidence);
  writer.messages(evidenceBundleFields.setChanges, value.setChanges, writeSetChange);
}

function readEvidenceBundle(reader: Reader): EvidenceBundle {
  const value: EvidenceBundle = {
    chainId: asChainId(reader.fixed(evidenceBundleFields.chainId, 32)),
    evidence: reader.messages(evidenceBundleFields.evidence, 1, bounds.maxEvidence, readEvidence),
    setChanges: reader.messages(
      evidenceBundleFields.setChanges,
      0,
      limits.maxValidatorSetChanges,
      readSetChange,
    ),
  };
  reader.end(evidenceBundleFields);
  return value;
}

/** Canonical bytes of a consensus message: what goes over the wire between validators. */
export const encodeConsensusMessage: (value: ConsensusMessage) => Uint8Array = encoder(
  'ConsensusMessage',
  writeMessage,
);
/** Reads a consensus message, not the canonical bytes nested in it. Byte values are views of `bytes`. */
export const decodeConsensusMessage: (bytes: Uint8Array) => Result<ConsensusMessage, CodecError> = decoder(
  'ConsensusMessage',
  limits.maxPeerMessageBytes,
  readMessage,
);

/** Canonical bytes of a checkpoint statement: what is signed behind `tags.checkpoint`. */
export const encodeCheckpointStatement: (value: CheckpointStatement) => Uint8Array = encoder(
  'CheckpointStatement',
  writeCheckpointStatement,
);
/** Reads a checkpoint statement. The byte values of the result are views of `bytes`. */
export const decodeCheckpointStatement: (bytes: Uint8Array) => Result<CheckpointStatement, CodecError> =
  decoder('CheckpointStatement', bounds.maxHeaderBytes, readCheckpointStatement);

/** Canonical bytes of evidence of equivocation. */
export const encodeEvidence: (value: Evidence) => Uint8Array = encoder('Evidence', writeEvidence);
/** Reads evidence; whether it proves anything is for who checks its signatures. Byte values are views of `bytes`. */
export const decodeEvidence: (bytes: Uint8Array) => Result<Evidence, CodecError> = decoder(
  'Evidence',
  bounds.maxEvidenceBytes,
  readEvidence,
);

/** Canonical bytes of a file of evidence. */
export const encodeEvidenceBundle: (value: EvidenceBundle) => Uint8Array = encoder(
  'EvidenceBundle',
  writeEvidenceBundle,
);
/** Reads a file of evidence; whether it proves anything, `verifyEvidence` says. Byte values are views of `bytes`. */
export const decodeEvidenceBundle: (bytes: Uint8Array) => Result<EvidenceBundle, CodecError> = decoder(
  'EvidenceBundle',
  bounds.maxEvidenceBundleBytes,
  readEvidenceBundle,
);
