import { validatorSetProposalHash } from '../../crypto/index.js';
import { equalBytes } from '../../types/index.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import {
  governanceReads,
  isBase,
  isChangeScheduled,
  keepOrDecide,
  setInForce,
  speakerRefusal,
} from './validator-set.js';

/** Approves a proposal; the approval that makes a quorum decides it. */
export const approveValidatorSet: OperationHandler<'approveValidatorSet'> = {
  kind: 'approveValidatorSet',
  reads: (operation, into) => governanceReads(into, operation.proposer),
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: ({ validator, proposer, proposalHash }, context) => {
    const set = setInForce(context);
    const refusal = speakerRefusal(context, set, validator);
    if (refusal !== undefined) return refusal;
    if (isChangeScheduled(context)) return 'CHANGE_SCHEDULED';
    const kept = context.get(records.validatorSetProposal, proposer);
    if (kept === undefined) return 'UNKNOWN_PROPOSAL';
    const { proposal, approvals } = kept;
    if (!equalBytes(validatorSetProposalHash(proposal), proposalHash)) return 'UNKNOWN_PROPOSAL';
    // Approvals were given by validators of its base: they count under no other set.
    if (!isBase(set, proposal.baseValidatorSetHash)) return 'VALIDATOR_SET_CHANGED';
    if (proposal.expiresHeight < context.height) return 'PROPOSAL_EXPIRED';
    if (approvals.includes(validator)) return 'ALREADY_APPROVED';
    keepOrDecide(context, set, { proposal, approvals: [...approvals, validator].sort() });
    return 'OK';
  },
};
