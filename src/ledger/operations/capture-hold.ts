import { sha256 } from '../../crypto/index.js';
import { asAmount, equalBytes } from '../../types/index.js';
import { balanceId, holdIdOf, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { credit, refuse } from './refusals.js';

/** Pays out of a hold that the sender may capture, before it expires. */
export const captureHold: OperationHandler<'captureHold'> = {
  kind: 'captureHold',
  rules: () => 2,
  reads: ({ holdId, fromAccount, toAccount, asset }, into) => {
    into.add(records.hold, holdIdOf(fromAccount, holdId));
    into.add(records.balance, balanceId(toAccount, asset));
  },
  payer: () => undefined,
  apply: ({ holdId, fromAccount, toAccount, asset, amount, preimage }, context) => {
    const id = holdIdOf(fromAccount, holdId);
    const key = stateKeys.hold(fromAccount, holdId);
    const hold = context.get(records.hold, id);
    if (hold === undefined) return refuse('UNKNOWN_HOLD', key);
    if (hold.toAccount !== toAccount) return refuse('UNKNOWN_HOLD', key, hold.toAccount, toAccount);
    if (hold.asset !== asset) return refuse('UNKNOWN_HOLD', key, hold.asset, asset);
    if (hold.captor !== context.sender) return refuse('NOT_CAPTOR', key, context.sender, hold.captor);
    if (context.timeMs >= hold.expiresUnixMs) {
      return refuse('HOLD_EXPIRED', key, context.timeMs.toString(), hold.expiresUnixMs.toString());
    }
    // A hold without a lock takes no preimage: who shows one means another hold.
    const shown = preimage.length === 0 ? preimage : sha256(preimage);
    if (!equalBytes(shown, hold.hashLock)) return refuse('PREIMAGE_MISMATCH', key);
    const remaining = hold.remaining - amount;
    if (remaining < 0n) {
      return refuse('HOLD_EXCEEDED', key, hold.remaining.toString(), amount.toString());
    }
    const full = credit(context, toAccount, asset, amount);
    if (full !== undefined) return full;
    context.set(records.hold, id, remaining === 0n ? undefined : { ...hold, remaining: asAmount(remaining) });
    context.touch(fromAccount);
    context.touch(toAccount);
    return 'OK';
  },
};
