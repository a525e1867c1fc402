import { asAmount, invariant, limits } from '../../types/index.js';
import { balanceId, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { refuse } from './refusals.js';

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
    if (definition === undefined) return refuse('UNKNOWN_ASSET', stateKeys.asset(asset));
    if (definition.issuer !== context.sender) {
      return refuse('ROLE_REQUIRED', stateKeys.asset(asset), context.sender, definition.issuer);
    }
    if (!context.has(records.account, account)) return refuse('UNKNOWN_ACCOUNT', stateKeys.account(account));
    const supply = context.get(records.supply, asset);
    invariant(supply !== undefined, `asset "${asset}" has a supply record`);
    const id = balanceId(account, asset);
    const balance = (context.get(records.balance, id)?.amount ?? 0n) + amount;
    const issued = supply.issued + amount;
    // What was ever issued is bounded, hence every balance and every sum of balances.
    if (issued > limits.maxAmount || balance > limits.maxAmount) {
      const room = (limits.maxAmount - supply.issued).toString();
      return refuse('AMOUNT_OVERFLOW', stateKeys.supply(asset), room, amount.toString());
    }
    context.set(records.supply, asset, { issued, burned: supply.burned });
    context.set(records.balance, id, { amount: asAmount(balance) });
    context.touch(account);
    return 'OK';
  },
};
