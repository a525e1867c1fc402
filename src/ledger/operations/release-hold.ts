import { asAmount } from '../../types/index.js';
import { balanceId, holdIdOf, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { credit, payingAccount, refuse } from './refusals.js';

/** Gives back of a hold, the whole or a part: by its captor at any time, by the payer from its expiry on. */
export const releaseHold: OperationHandler<'releaseHold'> = {
  kind: 'releaseHold',
  rules: () => 2,
  reads: ({ holdId, fromAccount, asset }, into) => {
    into.add(records.hold, holdIdOf(fromAccount, holdId));
    into.add(records.account, fromAccount);
    into.add(records.balance, balanceId(fromAccount, asset));
  },
  // The captor needs no signature of the account's; the payer's is judged in the block.
  payer: () => undefined,
  apply: ({ holdId, fromAccount, asset, amount }, context) => {
    const id = holdIdOf(fromAccount, holdId);
    const key = stateKeys.hold(fromAccount, holdId);
    const hold = context.get(records.hold, id);
    if (hold === undefined) return refuse('UNKNOWN_HOLD', key);
    if (hold.asset !== asset) return refuse('UNKNOWN_HOLD', key, hold.asset, asset);
    if (hold.captor !== context.sender) {
      const payer = payingAccount(context, fromAccount);
      if ('code' in payer) {
        return payer.code === 'NOT_ACCOUNT_OWNER'
          ? refuse('NOT_CAPTOR', key, context.sender, hold.captor)
          : payer;
      }
      if (context.timeMs < hold.expiresUnixMs) {
        return refuse('HOLD_NOT_EXPIRED', key, context.timeMs.toString(), hold.expiresUnixMs.toString());
      }
    }
    const remaining = hold.remaining - amount;
    if (remaining < 0n) {
      return refuse('HOLD_EXCEEDED', key, hold.remaining.toString(), amount.toString());
    }
    const full = credit(context, fromAccount, asset, amount);
    if (full !== undefined) return full;
    context.set(records.hold, id, remaining === 0n ? undefined : { ...hold, remaining: asAmount(remaining) });
    context.touch(fromAccount);
    return 'OK';
  },
};
