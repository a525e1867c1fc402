import { records } from '../records.js';
import type { OperationHandler } from '../types.js';

/** Adds an institution without roles. The sender is a registrar. */
export const registerMember: OperationHandler<'registerMember'> = {
  kind: 'registerMember',
  reads: (operation, into) => into.add(records.member, operation.member),
  payer: () => undefined,
  apply: ({ member, name, policy }, context) => {
    const sender = context.get(records.member, context.sender);
    if (sender?.roles.includes('registrar') !== true) return 'ROLE_REQUIRED';
    if (context.get(records.member, member) !== undefined) return 'MEMBER_EXISTS';
    context.set(records.member, member, { member, name, policy, roles: [] });
    return 'OK';
  },
};
