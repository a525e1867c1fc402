import { invariant } from '../../types/index.js';
import { balanceId, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { debit, payingAccount, refuse } from './refusals.js';

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
    if (definition === undefined) return refuse('UNKNOWN_ASSET', stateKeys.asset(asset));
    if (definition.issuer !== context.sender) {
      return refuse('ROLE_REQUIRED', stateKeys.asset(asset), context.sender, definition.issuer);
    }
    const holder = payingAccount(context, account);
    if ('code' in holder) return holder;
    const supply = context.get(records.supply, asset);
    invariant(supply !== undefined, `asset "${asset}" has a supply record`);
    const short = debit(context, account, asset, amount);
    if (short !== undefined) return short;
    context.set(records.supply, asset, { issued: supply.issued, burned: supply.burned + amount });
    context.touch(account);
    return 'OK';
  },
};
