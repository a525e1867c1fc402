import { stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { refuse } from './refusals.js';

/** Adds an institution without roles. The sender is a registrar. */
export const registerMember: OperationHandler<'registerMember'> = {
  kind: 'registerMember',
  reads: (operation, into) => into.add(records.member, operation.member),
  payer: () => undefined,
  apply: ({ member, name, policy }, context) => {
    const sender = context.get(records.member, context.sender);
    if (sender?.roles.includes('registrar') !== true) {
      return refuse('ROLE_REQUIRED', stateKeys.member(context.sender), sender?.roles.join(' '), 'registrar');
    }
    if (context.get(records.member, member) !== undefined) {
      return refuse('MEMBER_EXISTS', stateKeys.member(member));
    }
    context.set(records.member, member, { member, name, policy, roles: [] });
    return 'OK';
  },
};
