/** Records of the state (ledger/v1/state.proto). */
import { asHash, asHeight, limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import { roles } from './enums.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type { Account, AppliedBlock, Asset, Balance, Member, Parameters, Supply } from './model.js';
import type { Reader } from './reader.js';
import { message, packedEnum, repeatedBytes, schema, string, uint32, uint64 } from './schema.js';
import { readPolicy, writePolicy } from './transaction.js';
import type { Writer } from './writer.js';

const memberFields = schema('quaestor.ledger.v1.Member', {
  member: string(1),
  name: string(2),
  policy: message(3, 'quaestor.ledger.v1.KeyPolicy'),
  roles: packedEnum(4, 'quaestor.ledger.v1.Role'),
});
const accountFields = schema('quaestor.ledger.v1.Account', {
  account: string(1),
  owner: string(2),
  policy: message(3, 'quaestor.ledger.v1.KeyPolicy'),
  openedHeight: uint64(4),
});
const assetFields = schema('quaestor.ledger.v1.Asset', {
  asset: string(1),
  exponent: uint32(2),
  issuer: string(3),
  name: string(4),
});
const supplyFields = schema('quaestor.ledger.v1.Supply', { issued: string(1), burned: string(2) });
const balanceFields = schema('quaestor.ledger.v1.Balance', { amount: string(1) });
const appliedBlockFields = schema('quaestor.ledger.v1.AppliedBlock', {
  idempotencyHashes: repeatedBytes(1),
});
const parametersFields = schema('quaestor.ledger.v1.Parameters', {
  validityWindowBlocks: uint64(1),
  maxBlockTransactions: uint32(2),
  maxBlockBytes: uint32(3),
  maxClockSkewMs: uint32(4),
  checkpointIntervalBlocks: uint32(5),
  pipelineWindowBlocks: uint32(6),
});

/** Content of a Member. */
export function writeMember(writer: Writer, value: Member): void {
  writer.text(memberFields.member, value.member);
  writer.text(memberFields.name, value.name);
  writer.message(memberFields.policy, value.policy, writePolicy);
  writer.packed(memberFields.roles, value.roles.map(roles.numberOf));
}

/** Content of a Member. */
export function readMember(reader: Reader): Member {
  const value: Member = {
    member: reader.id(memberFields.member, idRules.member),
    name: reader.text(memberFields.name, limits.maxNameBytes),
    policy: reader.requiredMessage(memberFields.policy, readPolicy),
    roles: reader.packedEnum(memberFields.roles, roles.names),
  };
  reader.end(memberFields);
  return value;
}

/** Content of an Account. */
export function writeAccount(writer: Writer, value: Account): void {
  writer.text(accountFields.account, value.account);
  writer.text(accountFields.owner, value.owner);
  writer.message(accountFields.policy, value.policy, writePolicy);
  writer.uint(accountFields.openedHeight, value.openedHeight);
}

/** Content of an Account. */
export function readAccount(reader: Reader): Account {
  const account = reader.id(accountFields.account, idRules.account);
  const owner = reader.id(accountFields.owner, idRules.member);
  const policy = reader.message(accountFields.policy, readPolicy);
  const openedHeight = asHeight(reader.uint(accountFields.openedHeight, 0, limits.maxHeight));
  reader.end(accountFields);
  return policy === undefined ? { account, owner, openedHeight } : { account, owner, policy, openedHeight };
}

/** Content of an Asset. */
export function writeAsset(writer: Writer, value: Asset): void {
  writer.text(assetFields.asset, value.asset);
  writer.uint(assetFields.exponent, value.exponent);
  writer.text(assetFields.issuer, value.issuer);
  writer.text(assetFields.name, value.name);
}

/** Content of an Asset. */
export function readAsset(reader: Reader): Asset {
  const value: Asset = {
    asset: reader.id(assetFields.asset, idRules.asset),
    exponent: reader.uint(assetFields.exponent, 0, limits.maxAssetExponent),
    issuer: reader.id(assetFields.issuer, idRules.member),
    name: reader.text(assetFields.name, limits.maxNameBytes),
  };
  reader.end(assetFields);
  return value;
}

function writeSupply(writer: Writer, value: Supply): void {
  writer.amount(supplyFields.issued, value.issued);
  writer.amount(supplyFields.burned, value.burned);
}

function readSupply(reader: Reader): Supply {
  const value: Supply = {
    issued: reader.amount(supplyFields.issued, 0n),
    burned: reader.amount(supplyFields.burned, 0n),
  };
  reader.end(supplyFields);
  if (value.burned > value.issued) reader.fail('BAD_VALUE', supplyFields.burned, 'is more than was issued');
  return value;
}

function writeBalance(writer: Writer, value: Balance): void {
  writer.amount(balanceFields.amount, value.amount);
}

function readBalance(reader: Reader): Balance {
  const value: Balance = { amount: reader.amount(balanceFields.amount, 1n) };
  reader.end(balanceFields);
  return value;
}

function writeAppliedBlock(writer: Writer, value: AppliedBlock): void {
  writer.items(appliedBlockFields.idempotencyHashes, value.idempotencyHashes);
}

function readAppliedBlock(reader: Reader): AppliedBlock {
  const hashes = reader.items(appliedBlockFields.idempotencyHashes, 32, 32, limits.maxBlockTransactions);
  reader.end(appliedBlockFields);
  return { idempotencyHashes: hashes.map(asHash) };
}

/** Content of Parameters. */
export function writeParameters(writer: Writer, value: Parameters): void {
  writer.uint(parametersFields.validityWindowBlocks, value.validityWindowBlocks);
  writer.uint(parametersFields.maxBlockTransactions, value.maxBlockTransactions);
  writer.uint(parametersFields.maxBlockBytes, value.maxBlockBytes);
  writer.uint(parametersFields.maxClockSkewMs, value.maxClockSkewMs);
  writer.uint(parametersFields.checkpointIntervalBlocks, value.checkpointIntervalBlocks);
  writer.uint(parametersFields.pipelineWindowBlocks, value.pipelineWindowBlocks);
}

/** Content of Parameters. */
export function readParameters(reader: Reader): Parameters {
  const fields = parametersFields;
  const value: Parameters = {
    validityWindowBlocks: reader.uint(fields.validityWindowBlocks, 1, limits.maxValidityWindowBlocks),
    maxBlockTransactions: reader.uint(fields.maxBlockTransactions, 1, limits.maxBlockTransactions),
    maxBlockBytes: reader.uint(fields.maxBlockBytes, 1, limits.maxBlockBytes),
    maxClockSkewMs: reader.uint(fields.maxClockSkewMs, 1, bounds.maxUint32),
    checkpointIntervalBlocks: reader.uint(fields.checkpointIntervalBlocks, 1, bounds.maxUint32),
    pipelineWindowBlocks: reader.uint(fields.pipelineWindowBlocks, 1, limits.maxPipelineWindow),
  };
  reader.end(fields);
  return value;
}

/** Canonical bytes of a member's record. Roles must be in the order of their numbers already. */
export const encodeMember: (value: Member) => Uint8Array = encoder('Member', writeMember);
/** Reads a member's record. The byte values of the result are views of `bytes`. */
export const decodeMember: (bytes: Uint8Array) => Result<Member, CodecError> = decoder(
  'Member',
  bounds.maxRecordBytes,
  readMember,
);

/** Canonical bytes of an account's record. */
export const encodeAccount: (value: Account) => Uint8Array = encoder('Account', writeAccount);
/** Reads an account's record. The byte values of the result are views of `bytes`. */
export const decodeAccount: (bytes: Uint8Array) => Result<Account, CodecError> = decoder(
  'Account',
  bounds.maxRecordBytes,
  readAccount,
);

/** Canonical bytes of an asset's record. */
export const encodeAsset: (value: Asset) => Uint8Array = encoder('Asset', writeAsset);
/** Reads an asset's record. */
export const decodeAsset: (bytes: Uint8Array) => Result<Asset, CodecError> = decoder(
  'Asset',
  bounds.maxRecordBytes,
  readAsset,
);

/** Canonical bytes of an asset's supply. */
export const encodeSupply: (value: Supply) => Uint8Array = encoder('Supply', writeSupply);
/** Reads an asset's supply. */
export const decodeSupply: (bytes: Uint8Array) => Result<Supply, CodecError> = decoder(
  'Supply',
  bounds.maxRecordBytes,
  readSupply,
);

/** Canonical bytes of a balance. */
export const encodeBalance: (value: Balance) => Uint8Array = encoder('Balance', writeBalance);
/** Reads a balance. */
export const decodeBalance: (bytes: Uint8Array) => Result<Balance, CodecError> = decoder(
  'Balance',
  bounds.maxRecordBytes,
  readBalance,
);

/** Canonical bytes of the idempotency hashes of a block. */
export const encodeAppliedBlock: (value: AppliedBlock) => Uint8Array = encoder(
  'AppliedBlock',
  writeAppliedBlock,
);
/** Reads the idempotency hashes of a block. They are views of `bytes`. */
export const decodeAppliedBlock: (bytes: Uint8Array) => Result<AppliedBlock, CodecError> = decoder(
  'AppliedBlock',
  bounds.maxStateValueBytes,
  readAppliedBlock,
);

/** Canonical bytes of the network's parameters. */
export const encodeParameters: (value: Parameters) => Uint8Array = encoder('Parameters', writeParameters);
/** Reads the network's parameters. */
export const decodeParameters: (bytes: Uint8Array) => Result<Parameters, CodecError> = decoder(
  'Parameters',
  bounds.maxRecordBytes,
  readParameters,
);
