import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { changeId, changeReads, changeRefusal, tally } from './change.js';
import { isBase, setInForce, speakerRefusal } from './validator-set.js';

/** Approves or rejects a proposal; the vote that makes a quorum, or makes one impossible, closes it. */
export const voteOnChange: OperationHandler<'voteOnChange'> = {
  kind: 'voteOnChange',
  reads: ({ proposal }, into) => changeReads(into, changeId(proposal)),
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: ({ validator, proposal, vote }, context) => {
    const set = setInForce(context);
    const refusal = speakerRefusal(context, set, validator);
    if (refusal !== undefined) return refusal;
    const id = changeId(proposal);
    const kept = context.get(records.changeProposal, id);
    if (kept === undefined) return 'UNKNOWN_PROPOSAL';
    const { approvals, rejections, status } = kept;
    if (status !== 'open') return 'PROPOSAL_CLOSED';
    // Votes were given by validators of its base: they count under no other set.
    if (!isBase(set, proposal.baseValidatorSetHash)) return 'VALIDATOR_SET_CHANGED';
    if (proposal.expiresHeight < context.height) return 'PROPOSAL_EXPIRED';
    if (approvals.includes(validator) || rejections.includes(validator)) return 'ALREADY_VOTED';
    if (vote === 'reject') {
      tally(context, set, id, { proposal, approvals, rejections: [...rejections, validator].sort() });
      return 'OK';
    }
    // Another proposal may have been decided since.
    const senseless = changeRefusal(context, proposal);
    if (senseless !== undefined) return senseless;
    tally(context, set, id, { proposal, approvals: [...approvals, validator].sort(), rejections });
    return 'OK';
  },
};
