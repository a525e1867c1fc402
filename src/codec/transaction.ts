/** Transactions: envelope, payload and operations (ledger/v1/transaction.proto). */
import { asHeight, asPublicKey, asSignature, compareBytes, limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import {
  readProposeChange,
  readVoteOnChange,
  readWithdrawChange,
  writeProposeChange,
  writeVoteOnChange,
  writeWithdrawChange,
} from './governance.js';
import { idRules } from './ids.js';
import type {
  Burn,
  CreateAccount,
  CreateAsset,
  KeyPolicy,
  KeySignature,
  Mint,
  Operation,
  RegisterMember,
  TransactionEnvelope,
  TransactionPayload,
  Transfer,
  UpdateAccount,
  UpdateMember,
  WeightedKey,
} from './model.js';
import type { ReadFunction, Reader, Variant } from './reader.js';
import { bytes, message, oneof, repeated, schema, string, uint32, uint64 } from './schema.js';
import {
  readCaptureHold,
  readExchange,
  readPlaceHold,
  readReleaseHold,
  writeCaptureHold,
  writeExchange,
  writePlaceHold,
  writeReleaseHold,
} from './settlement.js';
import {
  readApprove,
  readPropose,
  readWithdraw,
  writeApprove,
  writePropose,
  writeWithdraw,
} from './validator.js';
import type { WriteFunction, Writer } from './writer.js';

const signatureFields = schema('quaestor.ledger.v1.Signature', {
  publicKey: bytes(1),
  signature: bytes(2),
});
const envelopeFields = schema('quaestor.ledger.v1.TransactionEnvelope', {
  payload: bytes(1),
  signatures: repeated(2, 'quaestor.ledger.v1.Signature'),
});
const payloadFields = schema('quaestor.ledger.v1.TransactionPayload', {
  sender: string(1),
  idempotencyKey: bytes(2),
  validUntilHeight: uint64(3),
  operations: repeated(4, 'quaestor.ledger.v1.Operation'),
});
const operationFields = schema('quaestor.ledger.v1.Operation', {
  registerMember: oneof(1, 'quaestor.ledger.v1.RegisterMember'),
  createAccount: oneof(2, 'quaestor.ledger.v1.CreateAccount'),
  createAsset: oneof(3, 'quaestor.ledger.v1.CreateAsset'),
  mint: oneof(4, 'quaestor.ledger.v1.Mint'),
  burn: oneof(5, 'quaestor.ledger.v1.Burn'),
  transfer: oneof(6, 'quaestor.ledger.v1.Transfer'),
  proposeValidatorSet: oneof(7, 'quaestor.ledger.v1.ProposeValidatorSet'),
  approveValidatorSet: oneof(8, 'quaestor.ledger.v1.ApproveValidatorSet'),
  withdrawValidatorSet: oneof(9, 'quaestor.ledger.v1.WithdrawValidatorSet'),
  proposeChange: oneof(10, 'quaestor.ledger.v1.ProposeChange'),
  voteOnChange: oneof(11, 'quaestor.ledger.v1.VoteOnChange'),
  withdrawChange: oneof(12, 'quaestor.ledger.v1.WithdrawChange'),
  placeHold: oneof(13, 'quaestor.ledger.v1.PlaceHold'),
  captureHold: oneof(14, 'quaestor.ledger.v1.CaptureHold'),
  releaseHold: oneof(15, 'quaestor.ledger.v1.ReleaseHold'),
  exchange: oneof(16, 'quaestor.ledger.v1.Exchange'),
  updateMember: oneof(17, 'quaestor.ledger.v1.UpdateMember'),
  updateAccount: oneof(18, 'quaestor.ledger.v1.UpdateAccount'),
});
const policyFields = schema('quaestor.ledger.v1.KeyPolicy', {
  threshold: uint32(1),
  keys: repeated(2, 'quaestor.ledger.v1.WeightedKey'),
});
const weightedKeyFields = schema('quaestor.ledger.v1.WeightedKey', {
  publicKey: bytes(1),
  weight: uint32(2),
});
const registerMemberFields = schema('quaestor.ledger.v1.RegisterMember', {
  member: string(1),
  name: string(2),
  policy: message(3, 'quaestor.ledger.v1.KeyPolicy'),
});
const createAccountFields = schema('quaestor.ledger.v1.CreateAccount', {
  account: string(1),
  policy: message(2, 'quaestor.ledger.v1.KeyPolicy'),
});
const updateMemberFields = schema('quaestor.ledger.v1.UpdateMember', {
  name: string(1),
  policy: message(2, 'quaestor.ledger.v1.KeyPolicy'),
});
const updateAccountFields = schema('quaestor.ledger.v1.UpdateAccount', {
  account: string(1),
  policy: message(2, 'quaestor.ledger.v1.KeyPolicy'),
});
const createAssetFields = schema('quaestor.ledger.v1.CreateAsset', {
  asset: string(1),
  exponent: uint32(2),
  issuer: string(3),
  name: string(4),
});
const mintFields = schema('quaestor.ledger.v1.Mint', {
  asset: string(1),
  account: string(2),
  amount: string(3),
});
const burnFields = schema('quaestor.ledger.v1.Burn', {
  asset: string(1),
  account: string(2),
  amount: string(3),
});
const transferFields = schema('quaestor.ledger.v1.Transfer', {
  fromAccount: string(1),
  toAccount: string(2),
  asset: string(3),
  amount: string(4),
  endToEndId: string(5),
  memo: string(6),
});

function writeSignature(writer: Writer, value: KeySignature): void {
  writer.bytes(signatureFields.publicKey, value.publicKey);
  writer.bytes(signatureFields.signature, value.signature);
}

function readSignature(reader: Reader): KeySignature {
  const value: KeySignature = {
    publicKey: asPublicKey(reader.fixed(signatureFields.publicKey, 32)),
    signature: asSignature(reader.fixed(signatureFields.signature, 64)),
  };
  reader.end(signatureFields);
  return value;
}

const byPublicKey = (
  previous: { readonly publicKey: Uint8Array },
  next: { readonly publicKey: Uint8Array },
): boolean => compareBytes(previous.publicKey, next.publicKey) < 0;

function writeEnvelope(writer: Writer, value: TransactionEnvelope): void {
  writer.bytes(envelopeFields.payload, value.payload);
  writer.messages(envelopeFields.signatures, value.signatures, writeSignature);
}

function readEnvelope(reader: Reader): TransactionEnvelope {
  const value: TransactionEnvelope = {
    payload: reader.bytes(envelopeFields.payload, 1, limits.maxPayloadBytes),
    signatures: reader.messages(
      envelopeFields.signatures,
      1,
      limits.maxSignatures,
      readSignature,
      byPublicKey,
    ),
  };
  reader.end(envelopeFields);
  return value;
}

function writeWeightedKey(writer: Writer, value: WeightedKey): void {
  writer.bytes(weightedKeyFields.publicKey, value.publicKey);
  writer.uint(weightedKeyFields.weight, value.weight);
}

function readWeightedKey(reader: Reader): WeightedKey {
  const value: WeightedKey = {
    publicKey: asPublicKey(reader.fixed(weightedKeyFields.publicKey, 32)),
    weight: reader.uint(weightedKeyFields.weight, 1, bounds.maxKeyWeight),
  };
  reader.end(weightedKeyFields);
  return value;
}

/** Content of a KeyPolicy, for the records that hold one. */
export function writePolicy(writer: Writer, value: KeyPolicy): void {
  writer.uint(policyFields.threshold, value.threshold);
  writer.messages(policyFields.keys, value.keys, writeWeightedKey);
}

/** Content of a KeyPolicy, for the records that hold one. */
export function readPolicy(reader: Reader): KeyPolicy {
  const value: KeyPolicy = {
    threshold: reader.uint(policyFields.threshold, 1, bounds.maxPolicyWeight),
    keys: reader.messages(policyFields.keys, 1, limits.maxPolicyKeys, readWeightedKey, byPublicKey),
  };
  reader.end(policyFields);
  let sum = 0;
  for (const key of value.keys) sum += key.weight;
  if (value.threshold > sum) {
    reader.fail('BAD_VALUE', policyFields.threshold, `is ${value.threshold}, more than all weights, ${sum}`);
  }
  return value;
}

function writeRegisterMember(writer: Writer, value: RegisterMember): void {
  writer.text(registerMemberFields.member, value.member);
  writer.text(registerMemberFields.name, value.name);
  writer.message(registerMemberFields.policy, value.policy, writePolicy);
}

function readRegisterMember(reader: Reader): RegisterMember {
  const value: RegisterMember = {
    kind: 'registerMember',
    member: reader.id(registerMemberFields.member, idRules.member),
    name: reader.text(registerMemberFields.name, limits.maxNameBytes),
    policy: reader.requiredMessage(registerMemberFields.policy, readPolicy),
  };
  reader.end(registerMemberFields);
  return value;
}

function writeCreateAccount(writer: Writer, value: CreateAccount): void {
  writer.text(createAccountFields.account, value.account);
  writer.message(createAccountFields.policy, value.policy, writePolicy);
}

function readCreateAccount(reader: Reader): CreateAccount {
  const account = reader.id(createAccountFields.account, idRules.account);
  const policy = reader.message(createAccountFields.policy, readPolicy);
  reader.end(createAccountFields);
  return policy === undefined
    ? { kind: 'createAccount', account }
    : { kind: 'createAccount', account, policy };
}

function writeUpdateMember(writer: Writer, value: UpdateMember): void {
  writer.text(updateMemberFields.name, value.name);
  writer.message(updateMemberFields.policy, value.policy, writePolicy);
}

function readUpdateMember(reader: Reader): UpdateMember {
  const value: UpdateMember = {
    kind: 'updateMember',
    name: reader.text(updateMemberFields.name, limits.maxNameBytes),
    policy: reader.requiredMessage(updateMemberFields.policy, readPolicy),
  };
  reader.end(updateMemberFields);
  return value;
}

function writeUpdateAccount(writer: Writer, value: UpdateAccount): void {
  writer.text(updateAccountFields.account, value.account);
  writer.message(updateAccountFields.policy, value.policy, writePolicy);
}

function readUpdateAccount(reader: Reader): UpdateAccount {
  const account = reader.id(updateAccountFields.account, idRules.account);
  const policy = reader.message(updateAccountFields.policy, readPolicy);
  reader.end(updateAccountFields);
  return { kind: 'updateAccount', account, ...(policy !== undefined && { policy }) };
}

function writeCreateAsset(writer: Writer, value: CreateAsset): void {
  writer.text(createAssetFields.asset, value.asset);
  writer.uint(createAssetFields.exponent, value.exponent);
  writer.text(createAssetFields.issuer, value.issuer);
  writer.text(createAssetFields.name, value.name);
}

function readCreateAsset(reader: Reader): CreateAsset {
  const value: CreateAsset = {
    kind: 'createAsset',
    asset: reader.id(createAssetFields.asset, idRules.asset),
    exponent: reader.uint(createAssetFields.exponent, 0, limits.maxAssetExponent),
    issuer: reader.id(createAssetFields.issuer, idRules.member),
    name: reader.text(createAssetFields.name, limits.maxNameBytes),
  };
  reader.end(createAssetFields);
  return value;
}

function writeMint(writer: Writer, value: Mint): void {
  writer.text(mintFields.asset, value.asset);
  writer.text(mintFields.account, value.account);
  writer.amount(mintFields.amount, value.amount);
}

function readMint(reader: Reader): Mint {
  const value: Mint = {
    kind: 'mint',
    asset: reader.id(mintFields.asset, idRules.asset),
    account: reader.id(mintFields.account, idRules.account),
    amount: reader.amount(mintFields.amount, 1n),
  };
  reader.end(mintFields);
  return value;
}

function writeBurn(writer: Writer, value: Burn): void {
  writer.text(burnFields.asset, value.asset);
  writer.text(burnFields.account, value.account);
  writer.amount(burnFields.amount, value.amount);
}

function readBurn(reader: Reader): Burn {
  const value: Burn = {
    kind: 'burn',
    asset: reader.id(burnFields.asset, idRules.asset),
    account: reader.id(burnFields.account, idRules.account),
    amount: reader.amount(burnFields.amount, 1n),
  };
  reader.end(burnFields);
  return value;
}

function writeTransfer(writer: Writer, value: Transfer): void {
  writer.text(transferFields.fromAccount, value.fromAccount);
  writer.text(transferFields.toAccount, value.toAccount);
  writer.text(transferFields.asset, value.asset);
  writer.amount(transferFields.amount, value.amount);
  writer.text(transferFields.endToEndId, value.endToEndId);
  writer.text(transferFields.memo, value.memo);
}

function readTransfer(reader: Reader): Transfer {
  const value: Transfer = {
    kind: 'transfer',
    fromAccount: reader.id(transferFields.fromAccount, idRules.account),
    toAccount: reader.id(transferFields.toAccount, idRules.account),
    asset: reader.id(transferFields.asset, idRules.asset),
    amount: reader.amount(transferFields.amount, 1n),
    endToEndId: reader.text(transferFields.endToEndId, limits.maxEndToEndIdBytes),
    memo: reader.text(transferFields.memo, limits.maxMemoBytes),
  };
  reader.end(transferFields);
  return value;
}

/** The one list of operations here: how each is written and read. */
const operations: {
  readonly [Kind in Operation['kind']]: OperationCodec<Extract<Operation, { kind: Kind }>>;
} = {
  registerMember: { write: writeRegisterMember, read: readRegisterMember },
  createAccount: { write: writeCreateAccount, read: readCreateAccount },
  createAsset: { write: writeCreateAsset, read: readCreateAsset },
  mint: { write: writeMint, read: readMint },
  burn: { write: writeBurn, read: readBurn },
  transfer: { write: writeTransfer, read: readTransfer },
  proposeValidatorSet: { write: writePropose, read: readPropose },
  approveValidatorSet: { write: writeApprove, read: readApprove },
  withdrawValidatorSet: { write: writeWithdraw, read: readWithdraw },
  proposeChange: { write: writeProposeChange, read: readProposeChange },
  voteOnChange: { write: writeVoteOnChange, read: readVoteOnChange },
  withdrawChange: { write: writeWithdrawChange, read: readWithdrawChange },
  placeHold: { write: writePlaceHold, read: readPlaceHold },
  captureHold: { write: writeCaptureHold, read: readCaptureHold },
  releaseHold: { write: writeReleaseHold, read: readReleaseHold },
  exchange: { write: writeExchange, read: readExchange },
  updateMember: { write: writeUpdateMember, read: readUpdateMember },
  updateAccount: { write: writeUpdateAccount, read: readUpdateAccount },
};

interface OperationCodec<T> {
  readonly write: WriteFunction<T>;
  readonly read: ReadFunction<T>;
}

/** By number. */
const operationVariants: (Variant<Operation> | undefined)[] = [];
for (const [kind, { read }] of Object.entries<{ readonly read: ReadFunction<Operation> }>(operations)) {
  const field = operationFields[kind as Operation['kind']];
  operationVariants[field.number] = { field, read };
}

function writeOperation(writer: Writer, value: Operation): void {
  // The table pairs each kind with its own functions.
  const { write } = operations[value.kind] as OperationCodec<Operation>;
  writer.message(operationFields[value.kind], value, write);
}

function readOperation(reader: Reader): Operation {
  const value = reader.variant(operationVariants);
  reader.end(operationFields);
  if (value === undefined) reader.fail('MISSING_FIELD', undefined, 'holds no operation of a known kind');
  return value;
}

function writePayload(writer: Writer, value: TransactionPayload): void {
  writer.text(payloadFields.sender, value.sender);
  writer.bytes(payloadFields.idempotencyKey, value.idempotencyKey);
  writer.uint(payloadFields.validUntilHeight, value.validUntilHeight);
  writer.messages(payloadFields.operations, value.operations, writeOperation);
}

function readPayload(reader: Reader): TransactionPayload {
  const value: TransactionPayload = {
    sender: reader.id(payloadFields.sender, idRules.member),
    idempotencyKey: reader.bytes(
      payloadFields.idempotencyKey,
      limits.minIdempotencyKeyBytes,
      limits.maxIdempotencyKeyBytes,
    ),
    validUntilHeight: asHeight(reader.uint(payloadFields.validUntilHeight, 0, limits.maxHeight)),
    operations: reader.messages(payloadFields.operations, 1, limits.maxOperations, readOperation),
  };
  reader.end(payloadFields);
  return value;
}

/** Canonical bytes of an envelope. The signatures must be in ascending order of public key already. */
export const encodeTransactionEnvelope: (value: TransactionEnvelope) => Uint8Array = encoder(
  'TransactionEnvelope',
  writeEnvelope,
);
/** Reads an envelope, not its payload. The byte values of the result are views of `bytes`. */
export const decodeTransactionEnvelope: (bytes: Uint8Array) => Result<TransactionEnvelope, CodecError> =
  decoder('TransactionEnvelope', limits.maxEnvelopeBytes, readEnvelope);

/** Canonical bytes of a payload: what is hashed to the transaction id and sent. */
export const encodeTransactionPayload: (value: TransactionPayload) => Uint8Array = encoder(
  'TransactionPayload',
  writePayload,
);
/** Reads a payload. The byte values of the result are views of `bytes`. */
export const decodeTransactionPayload: (bytes: Uint8Array) => Result<TransactionPayload, CodecError> =
  decoder('TransactionPayload', limits.maxPayloadBytes, readPayload);
