/** Validators, their sets, and the operations that change them (ledger/v1/transaction.proto, state.proto). */
import { asHash, asHeight, asPublicKey, compareBytes, limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import { idRules, isPeerAddress } from './ids.js';
import type {
  ApproveValidatorSet,
  ProposeValidatorSet,
  Validator,
  ValidatorSet,
  ValidatorSetProposal,
  WithdrawValidatorSet,
} from './model.js';
import type { Reader } from './reader.js';
import { bytes, message, repeated, schema, string, uint64, type Field } from './schema.js';
import type { Writer } from './writer.js';

const validatorFields = schema('quaestor.ledger.v1.Validator', {
  id: string(1),
  member: string(2),
  publicKey: bytes(3),
  address: string(4),
});
const validatorSetFields = schema('quaestor.ledger.v1.ValidatorSet', {
  validators: repeated(1, 'quaestor.ledger.v1.Validator'),
  epoch: uint64(2),
  activationHeight: uint64(3),
});
const proposeFields = schema('quaestor.ledger.v1.ProposeValidatorSet', {
  validator: string(1),
  baseValidatorSetHash: bytes(2),
  validators: repeated(3, 'quaestor.ledger.v1.Validator'),
  notBeforeHeight: uint64(4),
  expiresHeight: uint64(5),
});
const approveFields = schema('quaestor.ledger.v1.ApproveValidatorSet', {
  validator: string(1),
  proposer: string(2),
  proposalHash: bytes(3),
});
const withdrawFields = schema('quaestor.ledger.v1.WithdrawValidatorSet', { validator: string(1) });
const proposalFields = schema('quaestor.ledger.v1.ValidatorSetProposal', {
  proposal: message(1, 'quaestor.ledger.v1.ProposeValidatorSet'),
  approvals: repeated(2, 'string'),
});

/** The set of a genesis. */
export const firstValidatorSet = (validators: readonly Validator[]): ValidatorSet => ({
  validators,
  epoch: 0,
  activationHeight: asHeight(0),
});

/** Content of a Validator. */
export function writeValidator(writer: Writer, value: Validator): void {
  writer.text(validatorFields.id, value.id);
  writer.text(validatorFields.member, value.member);
  writer.bytes(validatorFields.publicKey, value.publicKey);
  writer.text(validatorFields.address, value.address ?? '');
}

function readValidator(reader: Reader): Validator {
  const value: Validator = {
    id: reader.id(validatorFields.id, idRules.validator),
    member: reader.id(validatorFields.member, idRules.member),
    publicKey: asPublicKey(reader.fixed(validatorFields.publicKey, 32)),
  };
  const address = reader.text(validatorFields.address, bounds.maxAddressLength);
  reader.end(validatorFields);
  if (address === '') return value;
  if (!isPeerAddress(address)) {
    reader.fail('BAD_VALUE', validatorFields.address, 'must be "host:port" or "[ipv6]:port"');
  }
  return { ...value, address };
}

/** A list of validators whose ids and keys differ. */
export function readValidators(reader: Reader, field: Field): Validator[] {
  const validators = reader.messages(field, 1, limits.maxValidators, readValidator);
  for (const [index, validator] of validators.entries()) {
    for (const earlier of validators.slice(0, index)) {
      if (earlier.id === validator.id) {
        reader.fail('BAD_VALUE', field, `names "${validator.id}" twice`);
      }
      if (compareBytes(earlier.publicKey, validator.publicKey) === 0) {
        reader.fail('BAD_VALUE', field, `gives "${earlier.id}" and "${validator.id}" the same key`);
      }
    }
  }
  return validators;
}

function writeValidatorSet(writer: Writer, value: ValidatorSet): void {
  writer.messages(validatorSetFields.validators, value.validators, writeValidator);
  writer.uint(validatorSetFields.epoch, value.epoch);
  writer.uint(validatorSetFields.activationHeight, value.activationHeight);
}

function readValidatorSet(reader: Reader): ValidatorSet {
  const fields = validatorSetFields;
  const value: ValidatorSet = {
    validators: readValidators(reader, fields.validators),
    epoch: reader.uint(fields.epoch, 0, limits.maxHeight),
    activationHeight: asHeight(reader.uint(fields.activationHeight, 0, limits.maxHeight)),
  };
  reader.end(fields);
  if ((value.epoch === 0) !== (value.activationHeight === 0)) {
    reader.fail('BAD_VALUE', fields.epoch, 'is 0 if and only if the set is that of the genesis');
  }
  return value;
}

/** Content of a ProposeValidatorSet. */
export function writePropose(writer: Writer, value: ProposeValidatorSet): void {
  writer.text(proposeFields.validator, value.validator);
  writer.bytes(proposeFields.baseValidatorSetHash, value.baseValidatorSetHash);
  writer.messages(proposeFields.validators, value.validators, writeValidator);
  writer.uint(proposeFields.notBeforeHeight, value.notBeforeHeight);
  writer.uint(proposeFields.expiresHeight, value.expiresHeight);
}

/** Content of a ProposeValidatorSet. */
export function readPropose(reader: Reader): ProposeValidatorSet {
  const fields = proposeFields;
  const value: ProposeValidatorSet = {
    kind: 'proposeValidatorSet',
    validator: reader.id(fields.validator, idRules.validator),
    baseValidatorSetHash: asHash(reader.fixed(fields.baseValidatorSetHash, 32)),
    validators: readValidators(reader, fields.validators),
    notBeforeHeight: asHeight(reader.uint(fields.notBeforeHeight, 0, limits.maxHeight)),
    expiresHeight: asHeight(reader.uint(fields.expiresHeight, 0, limits.maxHeight)),
  };
  reader.end(fields);
  return value;
}

/** Content of an ApproveValidatorSet. */
export function writeApprove(writer: Writer, value: ApproveValidatorSet): void {
  writer.text(approveFields.validator, value.validator);
  writer.text(approveFields.proposer, value.proposer);
  writer.bytes(approveFields.proposalHash, value.proposalHash);
}

/** Content of an ApproveValidatorSet. */
export function readApprove(reader: Reader): ApproveValidatorSet {
  const value: ApproveValidatorSet = {
    kind: 'approveValidatorSet',
    validator: reader.id(approveFields.validator, idRules.validator),
    proposer: reader.id(approveFields.proposer, idRules.validator),
    proposalHash: asHash(reader.fixed(approveFields.proposalHash, 32)),
  };
  reader.end(approveFields);
  return value;
}

/** Content of a WithdrawValidatorSet. */
export function writeWithdraw(writer: Writer, value: WithdrawValidatorSet): void {
  writer.text(withdrawFields.validator, value.validator);
}

/** Content of a WithdrawValidatorSet. */
export function readWithdraw(reader: Reader): WithdrawValidatorSet {
  const value: WithdrawValidatorSet = {
    kind: 'withdrawValidatorSet',
    validator: reader.id(withdrawFields.validator, idRules.validator),
  };
  reader.end(withdrawFields);
  return value;
}

function writeProposal(writer: Writer, value: ValidatorSetProposal): void {
  writer.message(proposalFields.proposal, value.proposal, writePropose);
  for (const approval of value.approvals) writer.text(proposalFields.approvals, approval);
}

function readProposal(reader: Reader): ValidatorSetProposal {
  const value: ValidatorSetProposal = {
    proposal: reader.requiredMessage(proposalFields.proposal, readPropose),
    approvals: reader.ids(proposalFields.approvals, idRules.validator, 1, limits.maxValidators),
  };
  reader.end(proposalFields);
  return value;
}

/** Canonical bytes of a validator set: what is hashed behind `tags.validatorSet`. */
export const encodeValidatorSet: (value: ValidatorSet) => Uint8Array = encoder(
  'ValidatorSet',
  writeValidatorSet,
);
/** Reads a validator set. The byte values of the result are views of `bytes`. */
export const decodeValidatorSet: (bytes: Uint8Array) => Result<ValidatorSet, CodecError> = decoder(
  'ValidatorSet',
  bounds.maxValidatorSetBytes,
  readValidatorSet,
);

/** Canonical bytes of a proposal: what is hashed behind `tags.validatorSetProposal`. */
export const encodeProposeValidatorSet: (value: ProposeValidatorSet) => Uint8Array = encoder(
  'ProposeValidatorSet',
  writePropose,
);

/** Canonical bytes of a proposal's record. Approvals must be in ascending order already. */
export const encodeValidatorSetProposal: (value: ValidatorSetProposal) => Uint8Array = encoder(
  'ValidatorSetProposal',
  writeProposal,
);
/** Reads a proposal's record. The byte values of the result are views of `bytes`. */
export const decodeValidatorSetProposal: (bytes: Uint8Array) => Result<ValidatorSetProposal, CodecError> =
  decoder('ValidatorSetProposal', bounds.maxProposalBytes, readProposal);
