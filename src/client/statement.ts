import { decodeTransactionPayload, type Operation } from '../codec/index.js';
import { currencyExponent, type StatementEntry, type StatementHead } from '../payments/index.js';
import { asHeight, toHex, type Height, type TxId } from '../types/index.js';
import type { QuaestorClient } from './client.js';
import { ClientError } from './errors.js';
import type { AccountState, KnownTransaction } from './reads.js';

export interface StatementOptions {
  readonly account: string;
  readonly asset: string;
  /** The period in ledger time, milliseconds: from inclusive, to exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly signal?: AbortSignal;
  /** The time, to tell whether more may be booked into the period; default the machine's. */
  readonly nowMs?: number;
}

/** An account's movements in an asset over a period, with what they lead from and to. */
export interface AccountStatement {
  readonly head: StatementHead;
  /** Ascending. Rejects at the end with STATEMENT_INCOMPLETE if they do not add up to the closing balance. */
  readonly entries: AsyncIterable<StatementEntry>;
}

/** What a statement is read through. */
export type StatementReads = Pick<QuaestorClient, 'getBlock' | 'getAccount' | 'history' | 'getTransaction'>;

/** Ledger time may be behind the time of the machine by so much: no block of an earlier time comes after that. */
const maxLedgerLagMs = 5 * 60_000;
const pageSize = 500;
/** Transactions that are read ahead. */
const readAhead = 16;

/**
 * Reads the statement of an account. The balances before and after are proven against the genesis at their heights, each
 * transaction by its receipt, and the movements have to add up from one balance to the other: so a validator that
 * leaves one out is found, unless what it leaves out adds up to nothing.
 *
 * @throws ClientError ACCOUNT_NOT_FOUND, PERIOD_EMPTY; HEIGHT_NOT_RETAINED from validators that have pruned the period.
 */
export async function readStatement(
  client: StatementReads,
  options: StatementOptions,
): Promise<AccountStatement> {
  const { account, asset, fromMs, toMs, signal, nowMs = Date.now() } = options;
  if (toMs <= fromMs)
    throw new ClientError('PERIOD_EMPTY', 'The period of a statement ends after its beginning.');
  const call = signal === undefined ? {} : { signal };
  const latest = await client.getBlock(undefined, call);
  const timeAt = async (height: Height): Promise<number> => {
    if (height === latest.header.height) return latest.header.timeMs;
    return (await client.getBlock(height, call)).header.timeMs;
  };
  const openingHeight = await lastBefore(fromMs, latest.header.height, timeAt);
  const closingHeight = await lastBefore(toMs, latest.header.height, timeAt);
  const stateAt = (height: Height): Promise<AccountState> =>
    client.getAccount(account, { ...call, height, assets: [asset] });
  const [before, after] = await Promise.all([stateAt(openingHeight), stateAt(closingHeight)]);
  if (after.account === undefined) {
    throw new ClientError(
      'ACCOUNT_NOT_FOUND',
      `There is no account ${account} at height ${closingHeight} (proven).`,
    );
  }
  const [opening, closing] = [holdingOf(before, asset), holdingOf(after, asset)];
  const head: StatementHead = {
    account,
    owner: after.account.owner,
    asset,
    exponent: closing?.exponent ?? opening?.exponent ?? currencyExponent(asset) ?? 0,
    fromMs,
    toMs,
    opening: { height: openingHeight, amount: opening?.amount ?? 0n },
    closing: { height: closingHeight, amount: closing?.amount ?? 0n },
    isClosed: latest.header.timeMs >= toMs || nowMs >= toMs + maxLedgerLagMs,
  };
  return { head, entries: entriesOf(client, head, call) };
}

const holdingOf = ({ balances }: AccountState, asset: string): AccountState['balances'][number] | undefined =>
  balances.find((holding) => holding.asset === asset);

/** The last height whose block is earlier than a time; that of the genesis if there is none. */
async function lastBefore(
  timeMs: number,
  head: Height,
  timeAt: (height: Height) => Promise<number>,
): Promise<Height> {
  if ((await timeAt(head)) < timeMs) return head;
  let before = 0;
  let notBefore: number = head;
  while (notBefore - before > 1) {
    const middle = Math.floor((before + notBefore) / 2);
    if ((await timeAt(asHeight(middle))) < timeMs) before = middle;
    else notBefore = middle;
  }
  return asHeight(before);
}

async function* entriesOf(
  client: StatementReads,
  head: StatementHead,
  call: { readonly signal?: AbortSignal },
): AsyncGenerator<StatementEntry, void, undefined> {
  const { account, opening, closing } = head;
  const ids: TxId[] = [];
  for await (const { height, txId } of client.history(account, { ...call, pageSize })) {
    if (height <= opening.height) break;
    if (height <= closing.height) ids.push(txId);
  }
  let sum = opening.amount;
  let last: KnownTransaction | undefined;
  for await (const transaction of inOrder(ids.reverse(), (txId) => client.getTransaction(txId, call))) {
    if (!isInPlace(transaction, last, head)) {
      throw incomplete(
        head,
        `transaction ${toHex(transaction.txId)} is listed twice, or at another place than its receipt says`,
      );
    }
    last = transaction;
    for (const entry of movementsOf(transaction, head)) {
      sum += entry.amount;
      yield entry;
    }
  }
  if (sum !== closing.amount) {
    throw incomplete(head, `they add up to ${sum} minor units, and the proven balance is ${closing.amount}`);
  }
}

/** Whether a transaction is in the period, and after the one before. */
function isInPlace(
  { height, index }: KnownTransaction,
  before: KnownTransaction | undefined,
  { opening, closing }: StatementHead,
): boolean {
  if (height <= opening.height || height > closing.height) return false;
  return before === undefined || height > before.height || (height === before.height && index > before.index);
}

const incomplete = ({ account, asset }: StatementHead, why: string): ClientError =>
  new ClientError(
    'STATEMENT_INCOMPLETE',
    `The movements of ${account} in ${asset} do not lead from the opening to the closing balance: ${why}. The validator that ` +
      'listed them may have left some out; ask another one.',
  );

function movementsOf(transaction: KnownTransaction, head: StatementHead): readonly StatementEntry[] {
  const { envelope, height, index, timeMs, txId, code } = transaction;
  if (code !== 'OK') return [];
  const payload = decodeTransactionPayload(envelope.payload);
  if (!payload.ok) throw payload.error;
  return payload.value.operations.flatMap((operation, number) => {
    const movement = movementOf(operation, head);
    if (movement === undefined) return [];
    return [{ height, index, operation: number, txId: toHex(txId), timeMs, ...movement }];
  });
}

type Movement = Pick<StatementEntry, 'amount' | 'kind' | 'otherAccount' | 'endToEndId' | 'memo'>;

/** What an operation moves on the account in the asset. */
function movementOf(operation: Operation, { account, asset }: StatementHead): Movement | undefined {
  switch (operation.kind) {
    case 'transfer': {
      const { fromAccount, toAccount, amount, endToEndId, memo } = operation;
      const isDebit = fromAccount === account;
      if (operation.asset !== asset || (!isDebit && toAccount !== account)) return undefined;
      const otherAccount = isDebit ? toAccount : fromAccount;
      return { kind: 'transfer', amount: isDebit ? 0n - amount : amount, otherAccount, endToEndId, memo };
    }
    case 'mint':
    case 'burn': {
      if (operation.asset !== asset || operation.account !== account) return undefined;
      const amount = operation.kind === 'mint' ? operation.amount : 0n - operation.amount;
      return { kind: operation.kind, amount, otherAccount: undefined, endToEndId: '', memo: '' };
    }
    case 'placeHold': {
      const { fromAccount, toAccount, amount, endToEndId, memo } = operation;
      if (operation.asset !== asset || fromAccount !== account) return undefined;
      return { kind: 'hold', amount: 0n - amount, otherAccount: toAccount, endToEndId, memo };
    }
    case 'captureHold': {
      const { fromAccount, toAccount, amount } = operation;
      if (operation.asset !== asset || toAccount !== account) return undefined;
      return { kind: 'transfer', amount, otherAccount: fromAccount, endToEndId: '', memo: '' };
    }
    case 'releaseHold':
      if (operation.asset !== asset || operation.fromAccount !== account) return undefined;
      return { kind: 'release', amount: operation.amount, otherAccount: undefined, endToEndId: '', memo: '' };
    case 'exchange':
      return exchanged(operation, account, asset);
    case 'registerMember':
    case 'updateMember':
    case 'updateAccount':
    case 'createAccount':
    case 'createAsset':
    case 'proposeValidatorSet':
    case 'approveValidatorSet':
    case 'withdrawValidatorSet':
    case 'proposeChange':
    case 'voteOnChange':
    case 'withdrawChange':
      return undefined;
  }
}

/** What an exchange moves on the account, all legs together. */
function exchanged(
  { legs, reference }: Extract<Operation, { kind: 'exchange' }>,
  account: string,
  asset: string,
): Movement | undefined {
  let amount = 0n;
  const others = new Set<string>();
  for (const leg of legs) {
    if (leg.asset !== asset || (leg.fromAccount !== account && leg.toAccount !== account)) continue;
    const isDebit = leg.fromAccount === account;
    amount += isDebit ? 0n - leg.amount : leg.amount;
    others.add(isDebit ? leg.toAccount : leg.fromAccount);
  }
  if (amount === 0n) return undefined;
  const [otherAccount] = others.size === 1 ? others : [];
  return { kind: 'exchange', amount, otherAccount, endToEndId: reference, memo: '' };
}

/** Loads items some at a time and gives them in their order. */
async function* inOrder<Item, T>(
  items: readonly Item[],
  load: (item: Item) => Promise<T>,
): AsyncGenerator<T> {
  const loading: Promise<T>[] = [];
  let next = 0;
  try {
    for (;;) {
      while (loading.length < readAhead) {
        const item = items[next];
        if (item === undefined) break;
        next++;
        loading.push(load(item));
      }
      const first = loading.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await Promise.allSettled(loading);
  }
}
