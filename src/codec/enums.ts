/** Enums of the .proto files by their names in the model. */
import { DefectError } from '../types/index.js';
import type { ProposalStatus, ResultCode, Role, Vote, VotePhase } from './model.js';

/** An enum: names by number, with nothing at 0 (UNSPECIFIED). */
export interface EnumTable<Name extends string> {
  readonly names: readonly (Name | undefined)[];
  readonly numberOf: (name: Name) => number;
}

function table<Name extends string>(...known: readonly Name[]): EnumTable<Name> {
  const numbers = new Map<string, number>(known.map((name, index) => [name, index + 1]));
  return {
    names: [undefined, ...known],
    numberOf: (name) => {
      const number = numbers.get(name);
      // Not by `invariant`, which would have the message made each time.
      if (number === undefined) throw new DefectError(`"${name}" is not one of ${known.join(', ')}`);
      return number;
    },
  };
}

export const votePhases: EnumTable<VotePhase> = table('prePrepare', 'prepare', 'commit');
export const roles: EnumTable<Role> = table('registrar', 'assetAdmin');
export const resultCodes: EnumTable<ResultCode> = table(
  'OK',
  'UNKNOWN_SENDER',
  'SENDER_NOT_AUTHORIZED',
  'EXPIRED',
  'VALIDITY_TOO_LONG',
  'DUPLICATE',
  'ROLE_REQUIRED',
  'UNKNOWN_MEMBER',
  'MEMBER_EXISTS',
  'UNKNOWN_ACCOUNT',
  'ACCOUNT_EXISTS',
  'NOT_ACCOUNT_OWNER',
  'ACCOUNT_NOT_AUTHORIZED',
  'UNKNOWN_ASSET',
  'ASSET_EXISTS',
  'INSUFFICIENT_FUNDS',
  'AMOUNT_OVERFLOW',
  'SAME_ACCOUNT',
  'NOT_A_VALIDATOR',
  'VALIDATOR_NOT_AUTHORIZED',
  'VALIDATOR_SET_CHANGED',
  'VALIDATOR_SET_UNCHANGED',
  'CHANGE_SCHEDULED',
  'UNKNOWN_PROPOSAL',
  'PROPOSAL_EXPIRED',
  'ALREADY_APPROVED',
  'HEIGHT_OUT_OF_RANGE',
  'RULES_NOT_ACTIVE',
  'RULES_VERSION_NOT_NEWER',
  'PROPOSAL_EXISTS',
  'PROPOSAL_CLOSED',
  'ALREADY_VOTED',
  'NOT_PROPOSER',
  'HOLD_EXISTS',
  'UNKNOWN_HOLD',
  'NOT_CAPTOR',
  'HOLD_EXPIRED',
  'HOLD_NOT_EXPIRED',
  'HOLD_EXCEEDED',
  'PREIMAGE_MISMATCH',
  'DEADLINE_PASSED',
  'PARTY_NOT_AUTHORIZED',
  'NOT_A_PARTY',
  'NEW_POLICY_NOT_SATISFIED',
);
export const votes: EnumTable<Vote> = table('approve', 'reject');
export const proposalStatuses: EnumTable<ProposalStatus> = table('open', 'decided', 'rejected', 'withdrawn');
