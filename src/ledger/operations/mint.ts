import { asAmount, invariant, limits } from '../../types/index.js';
import { balanceId } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';

/** Issues units to any account. The sender is the asset's issuer. */
export const mint: OperationHandler<'mint'> = {
  kind: 'mint',
  reads: (operation, into) => {
    into.add(records.asset, operation.asset);
    into.add(records.account, operation.account);
    into.add(records.supply, operation.asset);
    into.add(records.balance, balanceId(operation.account, operation.asset));
  },
  payer: () => undefined,
  apply: ({ asset, account, amount }, context) => {
    const definition = context.get(records.asset, asset);
    if (definition === undefined) return 'UNKNOWN_ASSET';
    if (definition.issuer !== context.sender) return 'ROLE_REQUIRED';
    if (!context.has(records.account, account)) return 'UNKNOWN_ACCOUNT';
    const supply = context.get(records.supply, asset);
    invariant(supply !== undefined, `asset "${asset}" has a supply record`);
    const id = balanceId(account, asset);
    const balance = (context.get(records.balance, id)?.amount ?? 0n) + amount;
    const issued = supply.issued + amount;
    // What was ever issued is bounded, hence every balance and every sum of balances.
    if (issued > limits.maxAmount || balance > limits.maxAmount) return 'AMOUNT_OVERFLOW';
    context.set(records.supply, asset, { issued, burned: supply.burned });
    context.set(records.balance, id, { amount: asAmount(balance) });
    context.touch(account);
    return 'OK';
  },
};
