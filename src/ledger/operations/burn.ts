import { asAmount, invariant } from '../../types/index.js';
import { balanceId } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';

/** Takes units out of circulation. The sender is the asset's issuer and owns the account, whose policy is satisfied. */
export const burn: OperationHandler<'burn'> = {
  kind: 'burn',
  reads: (operation, into) => {
    into.add(records.asset, operation.asset);
    into.add(records.account, operation.account);
    into.add(records.supply, operation.asset);
    into.add(records.balance, balanceId(operation.account, operation.asset));
  },
  payer: (operation) => operation.account,
  apply: ({ asset, account, amount }, context) => {
    const definition = context.get(records.asset, asset);
    if (definition === undefined) return 'UNKNOWN_ASSET';
    if (definition.issuer !== context.sender) return 'ROLE_REQUIRED';
    const holder = context.get(records.account, account);
    if (holder === undefined) return 'UNKNOWN_ACCOUNT';
    if (holder.owner !== context.sender) return 'NOT_ACCOUNT_OWNER';
    if (!context.authorizes(holder.policy)) return 'ACCOUNT_NOT_AUTHORIZED';
    const supply = context.get(records.supply, asset);
    invariant(supply !== undefined, `asset "${asset}" has a supply record`);
    const id = balanceId(account, asset);
    const rest = (context.get(records.balance, id)?.amount ?? 0n) - amount;
    if (rest < 0n) return 'INSUFFICIENT_FUNDS';
    context.set(records.supply, asset, { issued: supply.issued, burned: supply.burned + amount });
    context.set(records.balance, id, rest === 0n ? undefined : { amount: asAmount(rest) });
    context.touch(account);
    return 'OK';
  },
};
