import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import {
  governanceReads,
  isBase,
  isChangeScheduled,
  isNear,
  keepOrDecide,
  sameValidators,
  setInForce,
  speakerRefusal,
} from './validator-set.js';

/** Proposes the next validator set, and approves it. A validator has one proposal: the latest. */
export const proposeValidatorSet: OperationHandler<'proposeValidatorSet'> = {
  kind: 'proposeValidatorSet',
  reads: (operation, into) => {
    governanceReads(into, operation.validator);
    for (const { member } of operation.validators) into.add(records.member, member);
  },
  payer: () => undefined,
  speaker: ({ validator }) => validator,
  apply: (operation, context) => {
    const set = setInForce(context);
    const { validator, baseValidatorSetHash, validators, notBeforeHeight, expiresHeight } = operation;
    const refusal = speakerRefusal(context, set, validator);
    if (refusal !== undefined) return refusal;
    if (isChangeScheduled(context)) return 'CHANGE_SCHEDULED';
    if (!isBase(set, baseValidatorSetHash)) return 'VALIDATOR_SET_CHANGED';
    if (sameValidators(set.validators, validators)) return 'VALIDATOR_SET_UNCHANGED';
    if (expiresHeight < context.height || !isNear(context, expiresHeight)) return 'HEIGHT_OUT_OF_RANGE';
    if (!isNear(context, notBeforeHeight)) return 'HEIGHT_OUT_OF_RANGE';
    if (validators.some(({ member }) => context.get(records.member, member) === undefined)) {
      return 'UNKNOWN_MEMBER';
    }
    keepOrDecide(context, set, { proposal: operation, approvals: [validator] });
    return 'OK';
  },
};
