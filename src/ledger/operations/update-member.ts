import { stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { refuse } from './refusals.js';

/** Changes the sender's name and keys; its old keys and its new ones have signed. */
export const updateMember: OperationHandler<'updateMember'> = {
  kind: 'updateMember',
  rules: () => 2,
  // The sender's own record is declared for every transaction.
  reads: () => undefined,
  payer: () => undefined,
  apply: ({ name, policy }, context) => {
    const member = context.get(records.member, context.sender);
    const key = stateKeys.member(context.sender);
    if (member === undefined) return refuse('UNKNOWN_MEMBER', key);
    if (!context.authorizes(policy)) return refuse('NEW_POLICY_NOT_SATISFIED', key);
    context.set(records.member, context.sender, { ...member, name, policy });
    return 'OK';
  },
};
