import { toHex } from '../../types/index.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { changeReads } from './change.js';
import { setInForce, speakerRefusal } from './validator-set.js';

/** Takes back what a validator proposed. What is decided stays decided. */
export const withdrawChange: OperationHandler<'withdrawChange'> = {
  kind: 'withdrawChange',
  reads: ({ proposalId }, into) => changeReads(into, toHex(proposalId)),
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: ({ validator, proposalId }, context) => {
    const refusal = speakerRefusal(context, setInForce(context), validator);
    if (refusal !== undefined) return refusal;
    const id = toHex(proposalId);
    const kept = context.get(records.changeProposal, id);
    if (kept === undefined) return 'UNKNOWN_PROPOSAL';
    if (kept.proposal.validator !== validator) return 'NOT_PROPOSER';
    if (kept.status !== 'open') return 'PROPOSAL_CLOSED';
    context.set(records.changeProposal, id, { ...kept, status: 'withdrawn', closedHeight: context.height });
    return 'OK';
  },
};
