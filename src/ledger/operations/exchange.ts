import type { Exchange } from '../../codec/index.js';
import { balanceId, stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationContext, OperationHandler, Refusal } from '../types.js';
import { credit, debit, refuse } from './refusals.js';

/** Settles the legs of several members at once; all of them have signed. */
export const exchange: OperationHandler<'exchange'> = {
  kind: 'exchange',
  rules: () => 2,
  reads: ({ parties, legs }, into) => {
    for (const party of parties) into.add(records.member, party);
    for (const { fromAccount, toAccount, asset } of legs) {
      into.add(records.account, fromAccount);
      into.add(records.account, toAccount);
      into.add(records.asset, asset);
      into.add(records.balance, balanceId(fromAccount, asset));
      into.add(records.balance, balanceId(toAccount, asset));
    }
  },
  payer: () => undefined,
  signatories: ({ parties, legs }) => ({
    members: parties,
    accounts: [...new Set(legs.map(({ fromAccount }) => fromAccount))],
  }),
  apply: (operation, context) => {
    const { deadlineUnixMs } = operation;
    if (context.timeMs > deadlineUnixMs) {
      const sender = stateKeys.member(context.sender);
      return refuse('DEADLINE_PASSED', sender, context.timeMs.toString(), deadlineUnixMs.toString());
    }
    return (
      partiesRefusal(operation, context) ?? legsRefusal(operation, context) ?? settle(operation, context)
    );
  },
};

function partiesRefusal({ parties }: Exchange, context: OperationContext): Refusal | undefined {
  for (const party of parties) {
    const member = context.get(records.member, party);
    if (member === undefined) return refuse('UNKNOWN_MEMBER', stateKeys.member(party));
    if (!context.authorizes(member.policy)) return refuse('PARTY_NOT_AUTHORIZED', stateKeys.member(party));
  }
  return undefined;
}

/** Every account belongs to a party, whose signature stands for it; one that pays has signed by its own policy too. */
function legsRefusal({ parties, legs }: Exchange, context: OperationContext): Refusal | undefined {
  for (const { fromAccount, toAccount, asset } of legs) {
    if (fromAccount === toAccount) return refuse('SAME_ACCOUNT', stateKeys.account(toAccount));
    for (const id of [fromAccount, toAccount]) {
      const account = context.get(records.account, id);
      if (account === undefined) return refuse('UNKNOWN_ACCOUNT', stateKeys.account(id));
      if (!parties.includes(account.owner))
        return refuse('NOT_A_PARTY', stateKeys.account(id), account.owner);
      if (id === fromAccount && !context.authorizes(account.policy)) {
        return refuse('ACCOUNT_NOT_AUTHORIZED', stateKeys.account(id));
      }
    }
    if (!context.has(records.asset, asset)) return refuse('UNKNOWN_ASSET', stateKeys.asset(asset));
  }
  return undefined;
}

interface Position {
  readonly account: string;
  readonly asset: string;
  net: bigint;
}

/** Applies what each account gets less what it gives, so that the order of the legs does not matter. */
function settle({ legs }: Exchange, context: OperationContext): Refusal | 'OK' {
  const positions = new Map<string, Position>();
  const add = (account: string, asset: string, amount: bigint): void => {
    const id = balanceId(account, asset);
    const position = positions.get(id);
    if (position === undefined) positions.set(id, { account, asset, net: amount });
    else position.net += amount;
  };
  for (const { fromAccount, toAccount, asset, amount } of legs) {
    add(fromAccount, asset, 0n - amount);
    add(toAccount, asset, amount);
    context.touch(fromAccount);
    context.touch(toAccount);
  }
  for (const { account, asset, net } of positions.values()) {
    const refusal =
      net < 0n
        ? debit(context, account, asset, -net)
        : net > 0n
          ? credit(context, account, asset, net)
          : undefined;
    if (refusal !== undefined) return refusal;
  }
  return 'OK';
}
