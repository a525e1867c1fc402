/** Changes that the validators decide: proposals, votes, what is in force and waits (ledger/v1/transaction.proto,
 * state.proto). */
import { asHash, asHeight, limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import { proposalStatuses, votes } from './enums.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type {
  Change,
  ChangeProposal,
  Governance,
  ProposeChange,
  RulesVersionChange,
  ScheduledChange,
  VoteOnChange,
  WithdrawChange,
} from './model.js';
import type { Reader, Variant } from './reader.js';
import { bytes, enumeration, message, oneof, repeated, schema, string, uint32, uint64 } from './schema.js';
import type { Writer } from './writer.js';

const changeFields = schema('quaestor.ledger.v1.Change', {
  rulesVersion: oneof(1, 'quaestor.ledger.v1.RulesVersionChange'),
});
const rulesVersionFields = schema('quaestor.ledger.v1.RulesVersionChange', { version: uint32(1) });
const proposeFields = schema('quaestor.ledger.v1.ProposeChange', {
  validator: string(1),
  baseValidatorSetHash: bytes(2),
  change: message(3, 'quaestor.ledger.v1.Change'),
  notBeforeHeight: uint64(4),
  expiresHeight: uint64(5),
  reason: string(6),
});
const voteFields = schema('quaestor.ledger.v1.VoteOnChange', {
  validator: string(1),
  proposal: message(2, 'quaestor.ledger.v1.ProposeChange'),
  vote: enumeration(3, 'quaestor.ledger.v1.Vote'),
});
const withdrawFields = schema('quaestor.ledger.v1.WithdrawChange', {
  validator: string(1),
  proposalId: bytes(2),
});
const governanceFields = schema('quaestor.ledger.v1.Governance', {
  rulesVersion: uint32(1),
  scheduled: repeated(2, 'quaestor.ledger.v1.ScheduledChange'),
});
const scheduledFields = schema('quaestor.ledger.v1.ScheduledChange', {
  height: uint64(1),
  change: message(2, 'quaestor.ledger.v1.Change'),
  proposalId: bytes(3),
});
const proposalFields = schema('quaestor.ledger.v1.ChangeProposal', {
  proposal: message(1, 'quaestor.ledger.v1.ProposeChange'),
  approvals: repeated(2, 'string'),
  rejections: repeated(3, 'string'),
  status: enumeration(4, 'quaestor.ledger.v1.ProposalStatus'),
  closedHeight: uint64(5),
  effectiveHeight: uint64(6),
});

function writeRulesVersion(writer: Writer, value: RulesVersionChange): void {
  writer.uint(rulesVersionFields.version, value.version);
}

function readRulesVersion(reader: Reader): RulesVersionChange {
  const version = reader.uint(rulesVersionFields.version, 1, bounds.maxRulesVersion);
  reader.end(rulesVersionFields);
  return { kind: 'rulesVersion', version };
}

const changeVariants: readonly (Variant<Change> | undefined)[] = [
  undefined,
  { field: changeFields.rulesVersion, read: readRulesVersion },
];

function writeChange(writer: Writer, value: Change): void {
  writer.message(changeFields.rulesVersion, value, writeRulesVersion);
}

function readChange(reader: Reader): Change {
  const value = reader.variant(changeVariants);
  reader.end(changeFields);
  if (value === undefined) reader.fail('MISSING_FIELD', undefined, 'holds no change of a known kind');
  return value;
}

/** Content of a ProposeChange. */
export function writeProposeChange(writer: Writer, value: ProposeChange): void {
  writer.text(proposeFields.validator, value.validator);
  writer.bytes(proposeFields.baseValidatorSetHash, value.baseValidatorSetHash);
  writer.message(proposeFields.change, value.change, writeChange);
  writer.uint(proposeFields.notBeforeHeight, value.notBeforeHeight);
  writer.uint(proposeFields.expiresHeight, value.expiresHeight);
  writer.text(proposeFields.reason, value.reason);
}

/** Content of a ProposeChange. */
export function readProposeChange(reader: Reader): ProposeChange {
  const value: ProposeChange = {
    kind: 'proposeChange',
    validator: reader.id(proposeFields.validator, idRules.validator),
    baseValidatorSetHash: asHash(reader.fixed(proposeFields.baseValidatorSetHash, 32)),
    change: reader.requiredMessage(proposeFields.change, readChange),
    notBeforeHeight: asHeight(reader.uint(proposeFields.notBeforeHeight, 0, limits.maxHeight)),
    expiresHeight: asHeight(reader.uint(proposeFields.expiresHeight, 0, limits.maxHeight)),
    reason: reader.text(proposeFields.reason, limits.maxMemoBytes),
  };
  reader.end(proposeFields);
  return value;
}

/** Content of a VoteOnChange. */
export function writeVoteOnChange(writer: Writer, value: VoteOnChange): void {
  writer.text(voteFields.validator, value.validator);
  writer.message(voteFields.proposal, value.proposal, writeProposeChange);
  writer.uint(voteFields.vote, votes.numberOf(value.vote));
}

/** Content of a VoteOnChange. */
export function readVoteOnChange(reader: Reader): VoteOnChange {
  const value: VoteOnChange = {
    kind: 'voteOnChange',
    validator: reader.id(voteFields.validator, idRules.validator),
    proposal: reader.requiredMessage(voteFields.proposal, readProposeChange),
    vote: reader.enumeration(voteFields.vote, votes.names),
  };
  reader.end(voteFields);
  return value;
}

/** Content of a WithdrawChange. */
export function writeWithdrawChange(writer: Writer, value: WithdrawChange): void {
  writer.text(withdrawFields.validator, value.validator);
  writer.bytes(withdrawFields.proposalId, value.proposalId);
}

/** Content of a WithdrawChange. */
export function readWithdrawChange(reader: Reader): WithdrawChange {
  const value: WithdrawChange = {
    kind: 'withdrawChange',
    validator: reader.id(withdrawFields.validator, idRules.validator),
    proposalId: asHash(reader.fixed(withdrawFields.proposalId, 32)),
  };
  reader.end(withdrawFields);
  return value;
}

function writeScheduled(writer: Writer, value: ScheduledChange): void {
  writer.uint(scheduledFields.height, value.height);
  writer.message(scheduledFields.change, value.change, writeChange);
  writer.bytes(scheduledFields.proposalId, value.proposalId);
}

function readScheduled(reader: Reader): ScheduledChange {
  const value: ScheduledChange = {
    height: asHeight(reader.uint(scheduledFields.height, 1, limits.maxHeight)),
    change: reader.requiredMessage(scheduledFields.change, readChange),
    proposalId: asHash(reader.fixed(scheduledFields.proposalId, 32)),
  };
  reader.end(scheduledFields);
  return value;
}

function writeGovernance(writer: Writer, value: Governance): void {
  writer.uint(governanceFields.rulesVersion, value.rulesVersion);
  writer.messages(governanceFields.scheduled, value.scheduled, writeScheduled);
}

function readGovernance(reader: Reader): Governance {
  const value: Governance = {
    rulesVersion: reader.uint(governanceFields.rulesVersion, 1, bounds.maxRulesVersion),
    scheduled: reader.messages(
      governanceFields.scheduled,
      0,
      bounds.maxScheduledChanges,
      readScheduled,
      (previous, next) => previous.height <= next.height,
    ),
  };
  reader.end(governanceFields);
  return value;
}

function writeProposal(writer: Writer, value: ChangeProposal): void {
  writer.message(proposalFields.proposal, value.proposal, writeProposeChange);
  for (const approval of value.approvals) writer.text(proposalFields.approvals, approval);
  for (const rejection of value.rejections) writer.text(proposalFields.rejections, rejection);
  writer.uint(proposalFields.status, proposalStatuses.numberOf(value.status));
  writer.uint(proposalFields.closedHeight, value.closedHeight);
  writer.uint(proposalFields.effectiveHeight, value.effectiveHeight);
}

function readProposal(reader: Reader): ChangeProposal {
  const fields = proposalFields;
  const value: ChangeProposal = {
    proposal: reader.requiredMessage(fields.proposal, readProposeChange),
    approvals: reader.ids(fields.approvals, idRules.validator, 1, limits.maxValidators),
    rejections: reader.ids(fields.rejections, idRules.validator, 0, limits.maxValidators),
    status: reader.enumeration(fields.status, proposalStatuses.names),
    closedHeight: asHeight(reader.uint(fields.closedHeight, 0, limits.maxHeight)),
    effectiveHeight: asHeight(reader.uint(fields.effectiveHeight, 0, limits.maxHeight)),
  };
  reader.end(fields);
  if ((value.status === 'open') !== (value.closedHeight === 0)) {
    reader.fail('BAD_VALUE', fields.closedHeight, 'is 0 if and only if the proposal is open');
  }
  if ((value.status === 'decided') !== value.effectiveHeight > 0) {
    reader.fail('BAD_VALUE', fields.effectiveHeight, 'is there if and only if the proposal is decided');
  }
  return value;
}

/** Canonical bytes of a proposal: what is hashed behind `tags.proposal`. */
export const encodeProposeChange: (value: ProposeChange) => Uint8Array = encoder(
  'ProposeChange',
  writeProposeChange,
);
/** Reads a proposal: what is handed to those who vote. The byte values of the result are views of `bytes`. */
export const decodeProposeChange: (bytes: Uint8Array) => Result<ProposeChange, CodecError> = decoder(
  'ProposeChange',
  bounds.maxChangeProposalBytes,
  readProposeChange,
);

/** Canonical bytes of what is in force and waits. */
export const encodeGovernance: (value: Governance) => Uint8Array = encoder('Governance', writeGovernance);
/** Reads what is in force and waits. The byte values of the result are views of `bytes`. */
export const decodeGovernance: (bytes: Uint8Array) => Result<Governance, CodecError> = decoder(
  'Governance',
  bounds.maxChangeProposalBytes,
  readGovernance,
);

/** Canonical bytes of a proposal's record. Ids must be in ascending order already. */
export const encodeChangeProposal: (value: ChangeProposal) => Uint8Array = encoder(
  'ChangeProposal',
  writeProposal,
);
/** Reads a proposal's record. The byte values of the result are views of `bytes`. */
export const decodeChangeProposal: (bytes: Uint8Array) => Result<ChangeProposal, CodecError> = decoder(
  'ChangeProposal',
  bounds.maxChangeProposalBytes,
  readProposal,
);
