import { stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { payingAccount, refuse } from './refusals.js';

/** Changes the keys of an account of the sender's; its old keys and its new ones have signed. */
export const updateAccount: OperationHandler<'updateAccount'> = {
  kind: 'updateAccount',
  rules: () => 2,
  reads: ({ account }, into) => into.add(records.account, account),
  payer: ({ account }) => account,
  apply: ({ account: id, policy }, context) => {
    const account = payingAccount(context, id);
    if ('code' in account) return account;
    if (!context.authorizes(policy)) return refuse('NEW_POLICY_NOT_SATISFIED', stateKeys.account(id));
    const { policy: _before, ...rest } = account;
    context.set(records.account, id, policy === undefined ? rest : { ...rest, policy });
    return 'OK';
  },
};
