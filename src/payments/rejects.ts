import { csvCell } from './csv-cell.js';
import { describeProblem } from './describe.js';
import type { RejectedPayment } from './types.js';

const columns = [
  'position',
  'block',
  'line',
  'message_id',
  'payment_information_id',
  'end_to_end_id',
  'debtor_account',
  'creditor_account',
  'currency',
  'amount',
  'codes',
  'reason',
] as const;

/** Header row of a rejects file. */
export const rejectsHeader = `${columns.join(',')}\r\n`;

/** One row of a rejects file (RFC 4180): where the payment stands, what it says, and why it was rejected. */
export function rejectRow(rejected: RejectedPayment): string {
  const values = [
    String(rejected.position),
    rejected.block === undefined ? '' : String(rejected.block),
    String(rejected.line),
    rejected.messageId,
    rejected.paymentInformationId,
    rejected.endToEndId,
    rejected.debtorAccount,
    rejected.creditorAccount,
    rejected.currency,
    rejected.amount,
    [...new Set(rejected.problems.map(({ code }) => code))].join(' '),
    rejected.problems.map(describeProblem).join(' '),
  ];
  return `${values.map(csvCell).join(',')}\r\n`;
}

/** The text of a rejects file, row by row, for a stream to write. */
export async function* writeRejects(
  rejected: Iterable<RejectedPayment> | AsyncIterable<RejectedPayment>,
): AsyncGenerator<string, void, undefined> {
  yield rejectsHeader;
  for await (const payment of rejected) yield rejectRow(payment);
}
