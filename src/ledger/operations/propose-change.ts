import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { changeId, changeReads, changeRefusal, tally } from './change.js';
import { isBase, isNear, setInForce, speakerRefusal } from './validator-set.js';

/** Proposes a change, and approves it for the validator that speaks. */
export const proposeChange: OperationHandler<'proposeChange'> = {
  kind: 'proposeChange',
  reads: (operation, into) => changeReads(into, changeId(operation)),
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: (operation, context) => {
    const set = setInForce(context);
    const { validator, baseValidatorSetHash, notBeforeHeight, expiresHeight } = operation;
    const refusal = speakerRefusal(context, set, validator);
    if (refusal !== undefined) return refusal;
    if (!isBase(set, baseValidatorSetHash)) return 'VALIDATOR_SET_CHANGED';
    if (expiresHeight < context.height || !isNear(context, expiresHeight)) return 'HEIGHT_OUT_OF_RANGE';
    if (!isNear(context, notBeforeHeight)) return 'HEIGHT_OUT_OF_RANGE';
    const senseless = changeRefusal(context, operation);
    if (senseless !== undefined) return senseless;
    const id = changeId(operation);
    if (context.has(records.changeProposal, id)) return 'PROPOSAL_EXISTS';
    tally(context, set, id, { proposal: operation, approvals: [validator], rejections: [] });
    return 'OK';
  },
};
