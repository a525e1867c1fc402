import { stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { refuse } from './refusals.js';

/** Opens an account of the sender's. */
export const createAccount: OperationHandler<'createAccount'> = {
  kind: 'createAccount',
  reads: (operation, into) => into.add(records.account, operation.account),
  payer: () => undefined,
  apply: ({ account, policy }, context) => {
    if (context.get(records.account, account) !== undefined) {
      return refuse('ACCOUNT_EXISTS', stateKeys.account(account));
    }
    context.set(records.account, account, {
      account,
      owner: context.sender,
      ...(policy === undefined ? {} : { policy }),
      openedHeight: context.height,
    });
    context.touch(account);
    return 'OK';
  },
};
