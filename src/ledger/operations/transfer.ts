import { asAmount, limits } from '../../types/index.js';
import { balanceId } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';

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
    const payer = context.get(records.account, fromAccount);
    if (payer === undefined) return 'UNKNOWN_ACCOUNT';
    if (payer.owner !== context.sender) return 'NOT_ACCOUNT_OWNER';
    if (!context.authorizes(payer.policy)) return 'ACCOUNT_NOT_AUTHORIZED';
    if (fromAccount === toAccount) return 'SAME_ACCOUNT';
    if (!context.has(records.account, toAccount)) return 'UNKNOWN_ACCOUNT';
    if (!context.has(records.asset, asset)) return 'UNKNOWN_ASSET';
    const fromId = balanceId(fromAccount, asset);
    const rest = (context.get(records.balance, fromId)?.amount ?? 0n) - amount;
    if (rest < 0n) return 'INSUFFICIENT_FUNDS';
    const toId = balanceId(toAccount, asset);
    const received = (context.get(records.balance, toId)?.amount ?? 0n) + amount;
    if (received > limits.maxAmount) return 'AMOUNT_OVERFLOW';
    context.set(records.balance, fromId, rest === 0n ? undefined : { amount: asAmount(rest) });
    context.set(records.balance, toId, { amount: asAmount(received) });
    context.touch(fromAccount);
    context.touch(toAccount);
    return 'OK';
  },
};
