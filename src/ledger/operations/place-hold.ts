import { balanceId, holdIdOf, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { debit, payingAccount, refuse } from './refusals.js';

/** Sets units of an account of the sender's aside, for another account, until they are captured or released. */
export const placeHold: OperationHandler<'placeHold'> = {
  kind: 'placeHold',
  rules: () => 2,
  reads: ({ holdId, fromAccount, toAccount, asset, captor }, into) => {
    into.add(records.account, fromAccount);
    into.add(records.account, toAccount);
    into.add(records.asset, asset);
    into.add(records.member, captor);
    into.add(records.hold, holdIdOf(fromAccount, holdId));
    into.add(records.balance, balanceId(fromAccount, asset));
  },
  payer: ({ fromAccount }) => fromAccount,
  apply: (operation, context) => {
    const { holdId, fromAccount, toAccount, asset, amount, captor, expiresUnixMs, hashLock } = operation;
    const payer = payingAccount(context, fromAccount);
    if ('code' in payer) return payer;
    if (fromAccount === toAccount) return refuse('SAME_ACCOUNT', stateKeys.account(toAccount));
    if (!context.has(records.account, toAccount)) {
      return refuse('UNKNOWN_ACCOUNT', stateKeys.account(toAccount));
    }
    if (!context.has(records.asset, asset)) return refuse('UNKNOWN_ASSET', stateKeys.asset(asset));
    if (!context.has(records.member, captor)) return refuse('UNKNOWN_MEMBER', stateKeys.member(captor));
    const key = stateKeys.hold(fromAccount, holdId);
    if (expiresUnixMs <= context.timeMs) {
      return refuse('DEADLINE_PASSED', key, expiresUnixMs.toString(), (context.timeMs + 1).toString());
    }
    const id = holdIdOf(fromAccount, holdId);
    if (context.has(records.hold, id)) return refuse('HOLD_EXISTS', key);
    const short = debit(context, fromAccount, asset, amount);
    if (short !== undefined) return short;
    context.set(records.hold, id, {
      holdId,
      fromAccount,
      toAccount,
      asset,
      amount,
      remaining: amount,
      captor,
      expiresUnixMs,
      hashLock,
      placedHeight: context.height,
    });
    context.touch(fromAccount);
    return 'OK';
  },
};
