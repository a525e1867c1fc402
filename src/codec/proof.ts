/** Receipts and state proofs (ledger/v1/block.proto). */
import { limits, type Result } from '../types/index.js';
import { readCertificate, writeCertificate } from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import type { Receipt, StateProof, ValidatorSetChange, ValidatorSetChanges } from './model.js';
import type { Reader } from './reader.js';
import { bytes, message, optionalBytes, repeated, repeatedBytes, schema, string, uint32 } from './schema.js';
import type { Writer } from './writer.js';

const receiptFields = schema('quaestor.ledger.v1.Receipt', {
  header: bytes(1),
  certificate: message(2, 'quaestor.ledger.v1.CommitCertificate'),
  result: bytes(3),
  index: uint32(4),
  path: repeatedBytes(5),
});
const stateProofFields = schema('quaestor.ledger.v1.StateProof', {
  header: bytes(1),
  certificate: message(2, 'quaestor.ledger.v1.CommitCertificate'),
  key: string(3),
  value: optionalBytes(4),
  siblings: repeatedBytes(5),
  otherLeafPath: bytes(6),
  otherLeafValueHash: bytes(7),
});

const changeFields = schema('quaestor.ledger.v1.ValidatorSetChange', {
  header: bytes(1),
  certificate: message(2, 'quaestor.ledger.v1.CommitCertificate'),
  validatorSet: bytes(3),
});
const changesFields = schema('quaestor.ledger.v1.ValidatorSetChanges', {
  changes: repeated(1, 'quaestor.ledger.v1.ValidatorSetChange'),
});

const maxReceiptBytes =
  bounds.maxHeaderBytes + bounds.maxCertificateBytes + bounds.maxResultBytes + 34 * bounds.maxAuditPath + 64;
const maxStateProofBytes =
  bounds.maxHeaderBytes +
  bounds.maxCertificateBytes +
  bounds.maxStateKeyBytes +
  bounds.maxStateValueBytes +
  34 * (bounds.maxStatePath + 2) +
  64;

function writeReceipt(writer: Writer, value: Receipt): void {
  writer.bytes(receiptFields.header, value.header);
  writer.message(receiptFields.certificate, value.certificate, writeCertificate);
  writer.bytes(receiptFields.result, value.result);
  writer.uint(receiptFields.index, value.index);
  writer.items(receiptFields.path, value.path);
}

function readReceipt(reader: Reader): Receipt {
  const value: Receipt = {
    header: reader.bytes(receiptFields.header, 1, bounds.maxHeaderBytes),
    certificate: reader.requiredMessage(receiptFields.certificate, readCertificate),
    result: reader.bytes(receiptFields.result, 1, bounds.maxResultBytes),
    index: reader.uint(receiptFields.index, 0, limits.maxBlockTransactions - 1),
    path: reader.items(receiptFields.path, 32, 32, bounds.maxAuditPath),
  };
  reader.end(receiptFields);
  return value;
}

function writeStateProof(writer: Writer, value: StateProof): void {
  writer.bytes(stateProofFields.header, value.header);
  writer.message(stateProofFields.certificate, value.certificate, writeCertificate);
  writer.text(stateProofFields.key, value.key);
  if (value.value !== undefined) writer.item(stateProofFields.value, value.value);
  writer.items(stateProofFields.siblings, value.siblings);
  writer.bytes(stateProofFields.otherLeafPath, value.otherLeafPath);
  writer.bytes(stateProofFields.otherLeafValueHash, value.otherLeafValueHash);
}

function readStateProof(reader: Reader): StateProof {
  const header = reader.bytes(stateProofFields.header, 1, bounds.maxHeaderBytes);
  const certificate = reader.message(stateProofFields.certificate, readCertificate);
  const key = reader.text(stateProofFields.key, bounds.maxStateKeyBytes);
  if (key === '') reader.missing(stateProofFields.key);
  const value = reader.optionalBytes(stateProofFields.value, bounds.maxStateValueBytes);
  const siblings = reader.items(stateProofFields.siblings, 0, 32, bounds.maxStatePath);
  for (const [index, sibling] of siblings.entries()) {
    if (sibling.length !== 0 && sibling.length !== 32) {
      reader.fail(
        'BAD_VALUE',
        stateProofFields.siblings,
        `has ${sibling.length} bytes in item ${index} instead of 0 or 32`,
      );
    }
  }
  const otherLeafPath = reader.bytes(stateProofFields.otherLeafPath, 0, 32);
  const otherLeafValueHash = reader.bytes(stateProofFields.otherLeafValueHash, 0, 32);
  reader.end(stateProofFields);
  if (otherLeafPath.length % 32 !== 0 || otherLeafPath.length !== otherLeafValueHash.length) {
    reader.fail(
      'BAD_VALUE',
      stateProofFields.otherLeafPath,
      'and other_leaf_value_hash must both have 32 bytes or both be absent',
    );
  }
  return {
    header,
    ...(certificate !== undefined && { certificate }),
    key,
    ...(value !== undefined && { value }),
    siblings,
    otherLeafPath,
    otherLeafValueHash,
  };
}

/** One of the changes of a validator set, as a part of another message. */
export function writeSetChange(writer: Writer, value: ValidatorSetChange): void {
  writer.bytes(changeFields.header, value.header);
  writer.message(changeFields.certificate, value.certificate, writeCertificate);
  writer.bytes(changeFields.validatorSet, value.validatorSet);
}

export function readSetChange(reader: Reader): ValidatorSetChange {
  const value: ValidatorSetChange = {
    header: reader.bytes(changeFields.header, 1, bounds.maxHeaderBytes),
    certificate: reader.requiredMessage(changeFields.certificate, readCertificate),
    validatorSet: reader.bytes(changeFields.validatorSet, 1, bounds.maxValidatorSetBytes),
  };
  reader.end(changeFields);
  return value;
}

function readChanges(reader: Reader): ValidatorSetChanges {
  const value: ValidatorSetChanges = {
    changes: reader.messages(changesFields.changes, 0, limits.maxValidatorSetChanges, readSetChange),
  };
  reader.end(changesFields);
  return value;
}

/** Canonical bytes of the changes of the validator set: the form that is kept in files. */
export const encodeValidatorSetChanges: (value: ValidatorSetChanges) => Uint8Array = encoder(
  'ValidatorSetChanges',
  (writer, value) => writer.messages(changesFields.changes, value.changes, writeSetChange),
);
/** Reads changes of the validator set; whether they prove anything is for src/verify. */
export const decodeValidatorSetChanges: (bytes: Uint8Array) => Result<ValidatorSetChanges, CodecError> =
  decoder('ValidatorSetChanges', bounds.maxValidatorSetChangesBytes, readChanges);

/** Canonical bytes of a receipt: the form that is kept in files. */
export const encodeReceipt: (value: Receipt) => Uint8Array = encoder('Receipt', writeReceipt);
/** Reads a receipt; whether it proves anything is for src/verify. The byte values are views of `bytes`. */
export const decodeReceipt: (bytes: Uint8Array) => Result<Receipt, CodecError> = decoder(
  'Receipt',
  maxReceiptBytes,
  readReceipt,
);

/** Canonical bytes of a state proof: the form that is kept in files. */
export const encodeStateProof: (value: StateProof) => Uint8Array = encoder('StateProof', writeStateProof);
/** Reads a state proof; whether it proves anything is for src/verify. The byte values are views of `bytes`. */
export const decodeStateProof: (bytes: Uint8Array) => Result<StateProof, CodecError> = decoder(
  'StateProof',
  maxStateProofBytes,
  readStateProof,
);
