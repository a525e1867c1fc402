import { csvCell } from '../csv-cell.js';
import { formatAmount } from '../../config/index.js';
import { referenceOf, type StatementEntry, type StatementHead } from './statement.js';

const columns = [
  'reference',
  'time',
  'kind',
  'amount',
  'asset',
  'balance',
  'other_account',
  'end_to_end_id',
  'memo',
  'height',
  'transaction',
] as const;

/** A statement as CSV: the opening balance, a row for each movement with the balance after it, the closing balance. */
export async function* writeStatementCsv(
  head: StatementHead,
  entries: AsyncIterable<StatementEntry>,
): AsyncGenerator<string, void, undefined> {
  const { asset, exponent, opening, closing, fromMs, toMs } = head;
  const row = (cells: readonly string[]): string => `${cells.join(',')}\r\n`;
  const balanceRow = (kind: string, atMs: number, { height, amount }: StatementHead['opening']): string =>
    row(['', time(atMs), kind, '', asset, formatAmount(amount, exponent), '', '', '', String(height), '']);
  yield row(columns);
  yield balanceRow('opening', fromMs, opening);
  let balance = opening.amount;
  for await (const entry of entries) {
    balance += entry.amount;
    const { timeMs, kind, amount, otherAccount = '', endToEndId, memo, height, txId } = entry;
    yield row([
      referenceOf(entry),
      time(timeMs),
      kind,
      // A number, not a formula, although it may start with a minus.
      formatAmount(amount, exponent),
      asset,
      formatAmount(balance, exponent),
      ...[otherAccount, endToEndId, memo].map(csvCell),
      String(height),
      txId,
    ]);
  }
  yield balanceRow('closing', toMs, closing);
}

const time = (ms: number): string => new Date(ms).toISOString();
