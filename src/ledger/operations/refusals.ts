/** Refusals with what their rule is about, and the rules that several operations share. */
import type { Account, ResultCode } from '../../codec/index.js';
import { asAmount, limits } from '../../types/index.js';
import { balanceId, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationContext, Refusal } from '../types.js';

/** A refusal. `subject`: state key of the record whose rule it is; then its current value, and the one needed. */
export const refuse = (
  code: Exclude<ResultCode, 'OK'>,
  subject: string,
  actual = '',
  needed = '',
): Refusal => ({ code, subject, actual, needed });

/** The account that pays; a refusal unless it is the sender's and its policy is satisfied. */
export function payingAccount(context: OperationContext, id: string): Account | Refusal {
  const account = context.get(records.account, id);
  if (account === undefined) return refuse('UNKNOWN_ACCOUNT', stateKeys.account(id));
  if (account.owner !== context.sender) {
    return refuse('NOT_ACCOUNT_OWNER', stateKeys.account(id), account.owner, context.sender);
  }
  return context.authorizes(account.policy)
    ? account
    : refuse('ACCOUNT_NOT_AUTHORIZED', stateKeys.account(id));
}

/** Takes units out of a balance; a refusal if it holds less. */
export function debit(
  context: OperationContext,
  account: string,
  asset: string,
  amount: bigint,
): Refusal | undefined {
  const id = balanceId(account, asset);
  const held = context.get(records.balance, id)?.amount ?? 0n;
  const rest = held - amount;
  if (rest < 0n) {
    return refuse(
      'INSUFFICIENT_FUNDS',
      stateKeys.balance(account, asset),
      held.toString(),
      amount.toString(),
    );
  }
  context.set(records.balance, id, rest === 0n ? undefined : { amount: asAmount(rest) });
  return undefined;
}

/** Adds units to a balance; a refusal if it would hold more than an account can. */
export function credit(
  context: OperationContext,
  account: string,
  asset: string,
  amount: bigint,
): Refusal | undefined {
  const id = balanceId(account, asset);
  const held = context.get(records.balance, id)?.amount ?? 0n;
  const sum = held + amount;
  if (sum > limits.maxAmount) {
    const room = (limits.maxAmount - held).toString();
    return refuse('AMOUNT_OVERFLOW', stateKeys.balance(account, asset), room, amount.toString());
  }
  context.set(records.balance, id, { amount: asAmount(sum) });
  return undefined;
}
