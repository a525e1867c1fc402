/** Results of transactions in words: which rule, about what, how things stand, what was needed. */
import type { ResultCode, TransactionResult } from '../codec/index.js';

const texts: Readonly<Record<ResultCode, string>> = {
  OK: 'It was executed.',
  UNKNOWN_SENDER: 'The sender is not a member of this network.',
  SENDER_NOT_AUTHORIZED: 'The signatures do not satisfy the key policy of the sender.',
  EXPIRED: 'Its last valid height had passed.',
  VALIDITY_TOO_LONG: 'Its last valid height was further ahead than the network allows.',
  DUPLICATE: 'Another transaction with the same idempotency key had been executed.',
  ROLE_REQUIRED: 'The sender lacks the role that it needs.',
  UNKNOWN_MEMBER: 'A member that it names does not exist.',
  MEMBER_EXISTS: 'The member exists already.',
  UNKNOWN_ACCOUNT: 'An account that it names does not exist.',
  ACCOUNT_EXISTS: 'The account exists already.',
  NOT_ACCOUNT_OWNER: 'The sender does not own the account that pays.',
  ACCOUNT_NOT_AUTHORIZED: 'The signatures do not satisfy the key policy of the account that pays.',
  UNKNOWN_ASSET: 'The asset does not exist.',
  ASSET_EXISTS: 'The asset exists already.',
  INSUFFICIENT_FUNDS: 'The account that pays does not hold enough.',
  AMOUNT_OVERFLOW: 'The account that is paid would hold more than an account can.',
  SAME_ACCOUNT: 'The account that pays and the one that is paid are the same.',
  NOT_A_VALIDATOR: 'What it speaks for is no validator in force, or is not run by the sender.',
  VALIDATOR_NOT_AUTHORIZED: "The validator's key in force has not signed it.",
  VALIDATOR_SET_CHANGED: 'The proposal is for another validator set than the one in force.',
  VALIDATOR_SET_UNCHANGED: 'The proposal is the validator set in force.',
  CHANGE_SCHEDULED: 'A decided change of the validators waits for its height.',
  UNKNOWN_PROPOSAL: 'There is no such proposal, or its content is another one.',
  PROPOSAL_EXPIRED: 'The proposal has expired.',
  ALREADY_APPROVED: 'The validator has approved the proposal before.',
  HEIGHT_OUT_OF_RANGE: 'A height of the proposal is in the past or too far ahead.',
  RULES_NOT_ACTIVE: "An operation is of a later version of the ledger's rules than the one in force.",
  RULES_VERSION_NOT_NEWER: "The proposed version of the ledger's rules is not above the one in force.",
  PROPOSAL_EXISTS: 'A proposal of just this content exists.',
  PROPOSAL_CLOSED: 'The proposal is decided, rejected or withdrawn.',
  ALREADY_VOTED: 'The validator has voted on the proposal before.',
  NOT_PROPOSER: 'Another validator made the proposal.',
  HOLD_EXISTS: 'A hold of that id is open for the account: choose another id.',
  UNKNOWN_HOLD: 'There is no such hold, or it is for another account or asset.',
  NOT_CAPTOR: 'Only the captor of the hold may do so.',
  HOLD_EXPIRED: 'The hold has expired: nothing can be captured any more.',
  HOLD_NOT_EXPIRED: 'The payer can release the hold only from its expiry on.',
  HOLD_EXCEEDED: 'Less is left in the hold.',
  PREIMAGE_MISMATCH: "The preimage is not that of the hold's hash lock.",
  DEADLINE_PASSED: 'The time of the block is past the deadline.',
  PARTY_NOT_AUTHORIZED: 'The signatures do not satisfy the key policy of a party.',
  NOT_A_PARTY: 'An account belongs to none of the parties.',
  NEW_POLICY_NOT_SATISFIED: 'The signatures do not satisfy the key policy that is to be installed.',
};

/** Why a transaction had no effect: a sentence, and what the ledger says about it. */
export function explainResult({ code, detail }: Pick<TransactionResult, 'code' | 'detail'>): string {
  const text = texts[code];
  if (detail === undefined) return text;
  const { subject, actual, needed } = detail;
  const values = [actual === '' ? [] : [`has ${actual}`], needed === '' ? [] : [`needs ${needed}`]].flat();
  return `${text} (${[subject, ...values].join(', ')})`;
}
