/** Headers, votes, certificates and results (ledger/v1/block.proto). */
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asSignature,
  asTxId,
  asValidatorIndex,
  asView,
  limits,
  type Result,
} from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import { resultCodes, votePhases } from './enums.js';
import type { CodecError } from './errors.js';
import type {
  BlockHeader,
  CommitCertificate,
  RefusalDetail,
  TransactionResult,
  VoteSignature,
  VoteStatement,
} from './model.js';
import type { Reader } from './reader.js';
import { bytes, enumeration, message, repeated, schema, string, uint32, uint64 } from './schema.js';
import type { Writer } from './writer.js';

const headerFields = schema('quaestor.ledger.v1.BlockHeader', {
  version: uint32(1),
  chainId: bytes(2),
  height: uint64(3),
  view: uint64(4),
  prevHash: bytes(5),
  transactionsRoot: bytes(6),
  resultsRoot: bytes(7),
  stateRoot: bytes(8),
  validatorSetHash: bytes(9),
  nextValidatorSetHash: bytes(10),
  timeUnixMs: uint64(11),
  proposer: uint32(12),
  transactionCount: uint32(13),
});
const voteStatementFields = schema('quaestor.ledger.v1.VoteStatement', {
  chainId: bytes(1),
  validatorSetHash: bytes(2),
  phase: enumeration(3, 'quaestor.ledger.v1.VotePhase'),
  view: uint64(4),
  height: uint64(5),
  digest: bytes(6),
});
const voteSignatureFields = schema('quaestor.ledger.v1.VoteSignature', {
  validator: uint32(1),
  signature: bytes(2),
});
const certificateFields = schema('quaestor.ledger.v1.CommitCertificate', {
  view: uint64(1),
  height: uint64(2),
  digest: bytes(3),
  signatures: repeated(4, 'quaestor.ledger.v1.VoteSignature'),
});
const resultFields = schema('quaestor.ledger.v1.TransactionResult', {
  txId: bytes(1),
  code: enumeration(2, 'quaestor.ledger.v1.ResultCode'),
  failedOperation: uint32(3),
  detail: message(4, 'quaestor.ledger.v1.RefusalDetail'),
});
const detailFields = schema('quaestor.ledger.v1.RefusalDetail', {
  subject: string(1),
  actual: string(2),
  needed: string(3),
});

function writeHeader(writer: Writer, value: BlockHeader): void {
  writer.uint(headerFields.version, value.version);
  writer.bytes(headerFields.chainId, value.chainId);
  writer.uint(headerFields.height, value.height);
  writer.uint(headerFields.view, value.view);
  writer.bytes(headerFields.prevHash, value.prevHash);
  writer.bytes(headerFields.transactionsRoot, value.transactionsRoot);
  writer.bytes(headerFields.resultsRoot, value.resultsRoot);
  writer.bytes(headerFields.stateRoot, value.stateRoot);
  writer.bytes(headerFields.validatorSetHash, value.validatorSetHash);
  writer.bytes(headerFields.nextValidatorSetHash, value.nextValidatorSetHash);
  writer.uint(headerFields.timeUnixMs, value.timeMs);
  writer.uint(headerFields.proposer, value.proposer);
  writer.uint(headerFields.transactionCount, value.transactionCount);
}

function readHeader(reader: Reader): BlockHeader {
  reader.uint(headerFields.version, 1, 1);
  const value: BlockHeader = {
    version: 1,
    chainId: asChainId(reader.fixed(headerFields.chainId, 32)),
    height: asHeight(reader.uint(headerFields.height, 0, limits.maxHeight)),
    view: asView(reader.uint(headerFields.view, 0, limits.maxView)),
    prevHash: asDigest(reader.fixed(headerFields.prevHash, 32)),
    transactionsRoot: asHash(reader.fixed(headerFields.transactionsRoot, 32)),
    resultsRoot: asHash(reader.fixed(headerFields.resultsRoot, 32)),
    stateRoot: asHash(reader.fixed(headerFields.stateRoot, 32)),
    validatorSetHash: asHash(reader.fixed(headerFields.validatorSetHash, 32)),
    nextValidatorSetHash: asHash(reader.fixed(headerFields.nextValidatorSetHash, 32)),
    timeMs: reader.uint(headerFields.timeUnixMs, 0, limits.maxTimeMs),
    proposer: asValidatorIndex(reader.uint(headerFields.proposer, 0, limits.maxValidators - 1)),
    transactionCount: reader.uint(headerFields.transactionCount, 0, limits.maxBlockTransactions),
  };
  reader.end(headerFields);
  return value;
}

function writeVoteStatement(writer: Writer, value: VoteStatement): void {
  writer.bytes(voteStatementFields.chainId, value.chainId);
  writer.bytes(voteStatementFields.validatorSetHash, value.validatorSetHash);
  writer.uint(voteStatementFields.phase, votePhases.numberOf(value.phase));
  writer.uint(voteStatementFields.view, value.view);
  writer.uint(voteStatementFields.height, value.height);
  writer.bytes(voteStatementFields.digest, value.digest);
}

function readVoteStatement(reader: Reader): VoteStatement {
  const value: VoteStatement = {
    chainId: asChainId(reader.fixed(voteStatementFields.chainId, 32)),
    validatorSetHash: asHash(reader.fixed(voteStatementFields.validatorSetHash, 32)),
    phase: reader.enumeration(voteStatementFields.phase, votePhases.names),
    view: asView(reader.uint(voteStatementFields.view, 0, limits.maxView)),
    height: asHeight(reader.uint(voteStatementFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(voteStatementFields.digest, 32)),
  };
  reader.end(voteStatementFields);
  return value;
}

/** Content of a VoteSignature. */
export function writeVoteSignature(writer: Writer, value: VoteSignature): void {
  writer.uint(voteSignatureFields.validator, value.validator);
  writer.bytes(voteSignatureFields.signature, value.signature);
}

/** Content of a VoteSignature. */
export function readVoteSignature(reader: Reader): VoteSignature {
  const value: VoteSignature = {
    validator: asValidatorIndex(reader.uint(voteSignatureFields.validator, 0, limits.maxValidators - 1)),
    signature: asSignature(reader.fixed(voteSignatureFields.signature, 64)),
  };
  reader.end(voteSignatureFields);
  return value;
}

/** Order of signatures in certificates. */
export const byValidator = (previous: VoteSignature, next: VoteSignature): boolean =>
  previous.validator < next.validator;

/** Content of a CommitCertificate. */
export function writeCertificate(writer: Writer, value: CommitCertificate): void {
  writer.uint(certificateFields.view, value.view);
  writer.uint(certificateFields.height, value.height);
  writer.bytes(certificateFields.digest, value.digest);
  writer.messages(certificateFields.signatures, value.signatures, writeVoteSignature);
}

/** Content of a CommitCertificate. */
export function readCertificate(reader: Reader): CommitCertificate {
  const value: CommitCertificate = {
    view: asView(reader.uint(certificateFields.view, 0, limits.maxView)),
    height: asHeight(reader.uint(certificateFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(certificateFields.digest, 32)),
    signatures: reader.messages(
      certificateFields.signatures,
      1,
      limits.maxValidators,
      readVoteSignature,
      byValidator,
    ),
  };
  reader.end(certificateFields);
  return value;
}

function writeResult(writer: Writer, value: TransactionResult): void {
  writer.bytes(resultFields.txId, value.txId);
  writer.uint(resultFields.code, resultCodes.numberOf(value.code));
  writer.uint(resultFields.failedOperation, value.failedOperation);
  writer.message(resultFields.detail, value.detail, writeDetail);
}

function writeDetail(writer: Writer, value: RefusalDetail): void {
  writer.text(detailFields.subject, value.subject);
  writer.text(detailFields.actual, value.actual);
  writer.text(detailFields.needed, value.needed);
}

function readDetail(reader: Reader): RefusalDetail {
  const value: RefusalDetail = {
    subject: reader.text(detailFields.subject, bounds.maxDetailBytes),
    actual: reader.text(detailFields.actual, bounds.maxDetailBytes),
    needed: reader.text(detailFields.needed, bounds.maxDetailBytes),
  };
  reader.end(detailFields);
  return value;
}

function readResult(reader: Reader): TransactionResult {
  const value: TransactionResult = {
    txId: asTxId(reader.fixed(resultFields.txId, 32)),
    code: reader.enumeration(resultFields.code, resultCodes.names),
    failedOperation: reader.uint(resultFields.failedOperation, 0, limits.maxOperations),
  };
  const detail = reader.message(resultFields.detail, readDetail);
  reader.end(resultFields);
  if (value.code === 'OK' && value.failedOperation !== 0) {
    reader.fail('BAD_VALUE', resultFields.failedOperation, 'names an operation although the code is OK');
  }
  if (detail === undefined) return value;
  if (value.code === 'OK') reader.fail('BAD_VALUE', resultFields.detail, 'is there although the code is OK');
  return { ...value, detail };
}

/** Canonical bytes of a header: what is hashed to its digest. */
export const encodeBlockHeader: (value: BlockHeader) => Uint8Array = encoder('BlockHeader', writeHeader);
/** Reads a header. The byte values of the result are views of `bytes`. */
export const decodeBlockHeader: (bytes: Uint8Array) => Result<BlockHeader, CodecError> = decoder(
  'BlockHeader',
  bounds.maxHeaderBytes,
  readHeader,
);

/** Canonical bytes of a vote statement: what is signed behind `tags.vote`. */
export const encodeVoteStatement: (value: VoteStatement) => Uint8Array = encoder(
  'VoteStatement',
  writeVoteStatement,
);
/** Reads a vote statement. The byte values of the result are views of `bytes`. */
export const decodeVoteStatement: (bytes: Uint8Array) => Result<VoteStatement, CodecError> = decoder(
  'VoteStatement',
  bounds.maxHeaderBytes,
  readVoteStatement,
);

/** Canonical bytes of a certificate. The signatures must be in ascending order of validator already. */
export const encodeCommitCertificate: (value: CommitCertificate) => Uint8Array = encoder(
  'CommitCertificate',
  writeCertificate,
);
/** Reads a certificate; whether its signatures hold is for src/verify. The byte values are views of `bytes`. */
export const decodeCommitCertificate: (bytes: Uint8Array) => Result<CommitCertificate, CodecError> = decoder(
  'CommitCertificate',
  bounds.maxCertificateBytes,
  readCertificate,
);

/** Canonical bytes of a result: a leaf of the header's results root. */
export const encodeTransactionResult: (value: TransactionResult) => Uint8Array = encoder(
  'TransactionResult',
  writeResult,
);
/** Reads a result. The byte values of the result are views of `bytes`. */
export const decodeTransactionResult: (bytes: Uint8Array) => Result<TransactionResult, CodecError> = decoder(
  'TransactionResult',
  bounds.maxResultBytes,
  readResult,
);
