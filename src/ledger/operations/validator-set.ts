/** What the operations on the validator set have in common: who may speak, and when a proposal is decided. */
import {
  firstValidatorSet,
  type ResultCode,
  type Validator,
  type ValidatorSet,
  type ValidatorSetProposal,
} from '../../codec/index.js';
import { validatorSetHash } from '../../crypto/index.js';
import {
  asHeight,
  equalBytes,
  invariant,
  limits,
  quorumOf,
  type Hash,
  type Height,
} from '../../types/index.js';
import { validatorSetIds } from '../keys.js';
import { records } from '../records.js';
import type { OperationContext, ReadSink } from '../types.js';

/** Declares what every operation on the validator set reads. */
export function governanceReads(into: ReadSink, proposer: string): void {
  into.add(records.validatorSet, validatorSetIds.current);
  into.add(records.validatorSet, validatorSetIds.scheduled);
  into.add(records.validatorSetProposal, proposer);
}

/** The set that decides the block. */
export function setInForce(context: OperationContext): ValidatorSet {
  const set = context.get(records.validatorSet, validatorSetIds.current);
  invariant(set !== undefined, 'the state has the validator set in force');
  return set;
}

/**
 * Why an operation may not speak for a validator, if it may not: the sender has to run it, and its key in force has to
 * have signed besides the sender's own keys. So neither a stolen validator key nor an employee of another desk is enough.
 */
export function speakerRefusal(
  context: OperationContext,
  set: ValidatorSet,
  validator: string,
): ResultCode | undefined {
  const speaker = set.validators.find(({ id }) => id === validator);
  if (speaker?.member !== context.sender) return 'NOT_A_VALIDATOR';
  const policy = { threshold: 1, keys: [{ publicKey: speaker.publicKey, weight: 1 }] };
  return context.authorizes(policy) ? undefined : 'VALIDATOR_NOT_AUTHORIZED';
}

/** Whether a decided set waits for its height. */
export const isChangeScheduled = (context: OperationContext): boolean =>
  context.get(records.validatorSet, validatorSetIds.scheduled) !== undefined;

/** Whether a height, if it is one that lies ahead, is not too far ahead. */
export const isNear = (context: OperationContext, height: Height): boolean =>
  height <= context.height + limits.maxGovernanceBlocks;

/** Whether a hash is that of the set in force. */
export const isBase = (set: ValidatorSet, hash: Hash): boolean => equalBytes(validatorSetHash(set), hash);

/** Whether two lists of validators are the same, order included. */
export const sameValidators = (left: readonly Validator[], right: readonly Validator[]): boolean =>
  equalBytes(validatorSetHash(firstValidatorSet(left)), validatorSetHash(firstValidatorSet(right)));

/** Keeps a proposal; once a quorum approves, it is decided and takes over at its height instead. */
export function keepOrDecide(
  context: OperationContext,
  set: ValidatorSet,
  { proposal, approvals }: ValidatorSetProposal,
): void {
  if (approvals.length < quorumOf(set.validators.length)) {
    context.set(records.validatorSetProposal, proposal.validator, { proposal, approvals });
    return;
  }
  context.set(records.validatorSetProposal, proposal.validator, undefined);
  context.set(records.validatorSet, validatorSetIds.scheduled, {
    validators: proposal.validators,
    epoch: set.epoch + 1,
    activationHeight: activationHeight(context, proposal.notBeforeHeight),
  });
}

/**
 * More than a window above the deciding block, so that whoever executes the last block of the old set has that block on
 * disk: it has known the new set, and its addresses, for a window of blocks.
 */
export function activationHeight({ height, parameters }: OperationContext, notBeforeHeight: Height): Height {
  return asHeight(Math.max(height + parameters.pipelineWindowBlocks + 1, notBeforeHeight));
}
