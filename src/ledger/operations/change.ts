/** What the operations on proposed changes have in common: when a proposal is sound, and when it is decided. */
import type { ChangeProposal, ProposeChange, ResultCode, ValidatorSet } from '../../codec/index.js';
import { proposalId } from '../../crypto/index.js';
import { asHeight, quorumOf, toHex, type Hash } from '../../types/index.js';
import { validatorSetIds } from '../keys.js';
import { records } from '../records.js';
import { firstGovernance, scheduledRules } from '../rules.js';
import type { OperationContext, ReadSink } from '../types.js';
import { activationHeight } from './validator-set.js';

/** Id of a proposal among the records. */
export const changeId = (proposal: ProposeChange): string => toHex(proposalId(proposal));

/** Declares what every operation on a proposal reads. What is in force is declared for every block. */
export function changeReads(into: ReadSink, id: string): void {
  into.add(records.validatorSet, validatorSetIds.current);
  into.add(records.changeProposal, id);
}

/** Why a change makes no sense in the state, if it does not. */
export function changeRefusal(context: OperationContext, { change }: ProposeChange): ResultCode | undefined {
  const governance = context.get(records.governance, '') ?? firstGovernance;
  if (change.version <= governance.rulesVersion) return 'RULES_VERSION_NOT_NEWER';
  return scheduledRules(governance) === undefined ? undefined : 'CHANGE_SCHEDULED';
}

/** Counts the votes, and keeps the proposal with what follows from them. */
export function tally(
  context: OperationContext,
  { validators }: ValidatorSet,
  id: string,
  open: Pick<ChangeProposal, 'proposal' | 'approvals' | 'rejections'>,
): void {
  const quorum = quorumOf(validators.length);
  const kept: ChangeProposal = {
    ...open,
    status: 'open',
    closedHeight: asHeight(0),
    effectiveHeight: asHeight(0),
  };
  if (open.approvals.length >= quorum) {
    const effectiveHeight = activationHeight(context, open.proposal.notBeforeHeight);
    context.set(records.changeProposal, id, {
      ...kept,
      status: 'decided',
      closedHeight: context.height,
      effectiveHeight,
    });
    schedule(context, open.proposal, effectiveHeight);
  } else if (open.rejections.length > validators.length - quorum) {
    context.set(records.changeProposal, id, { ...kept, status: 'rejected', closedHeight: context.height });
  } else {
    context.set(records.changeProposal, id, kept);
  }
}

function schedule(
  context: OperationContext,
  proposal: ProposeChange,
  height: ChangeProposal['effectiveHeight'],
) {
  const governance = context.get(records.governance, '') ?? firstGovernance;
  const id: Hash = proposalId(proposal);
  const scheduled = [...governance.scheduled, { height, change: proposal.change, proposalId: id }];
  scheduled.sort((left, right) => left.height - right.height);
  context.set(records.governance, '', { ...governance, scheduled });
}
