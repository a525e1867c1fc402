import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { governanceReads, setInForce, speakerRefusal } from './validator-set.js';

/** Takes back what a validator proposed. What is decided stays decided. */
export const withdrawValidatorSet: OperationHandler<'withdrawValidatorSet'> = {
  kind: 'withdrawValidatorSet',
  reads: (operation, into) => governanceReads(into, operation.validator),
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: ({ validator }, context) => {
    const refusal = speakerRefusal(context, setInForce(context), validator);
    if (refusal !== undefined) return refusal;
    if (context.get(records.validatorSetProposal, validator) === undefined) return 'UNKNOWN_PROPOSAL';
    context.set(records.validatorSetProposal, validator, undefined);
    return 'OK';
  },
};
