import { balanceId, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { credit, debit, payingAccount, refuse } from './refusals.js';

/** Moves units from an account of the sender's, whose policy is satisfied, to any other account. */
export const transfer: OperationHandler<'transfer'> = {
  kind: 'transfer',
  reads: (operation, into) => {
    into.add(records.account, operation.fromAccount);
    into.add(records.account, operation.toAccount);
    into.add(records.asset, operation.asset);
    into.add(records.balance, balanceId(operation.fromAccount, operation.asset));
    into.add(records.balance, balanceId(operation.toAccount, operation.asset));
  },
  payer: (operation) => operation.fromAccount,
  apply: ({ fromAccount, toAccount, asset, amount }, context) => {
    const payer = payingAccount(context, fromAccount);
    if ('code' in payer) return payer;
    if (fromAccount === toAccount) return refuse('SAME_ACCOUNT', stateKeys.account(toAccount));
    if (!context.has(records.account, toAccount)) {
      return refuse('UNKNOWN_ACCOUNT', stateKeys.account(toAccount));
    }
    if (!context.has(records.asset, asset)) return refuse('UNKNOWN_ASSET', stateKeys.asset(asset));
    const refusal = debit(context, fromAccount, asset, amount) ?? credit(context, toAccount, asset, amount);
    if (refusal !== undefined) return refusal;
    context.touch(fromAccount);
    context.touch(toAccount);
    return 'OK';
  },
};
