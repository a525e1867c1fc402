/**
 * Payments files of banks: ISO 20022 pain.001.001.09 and CSV, read as streams, every payment checked before anything is
 * made of it. Opens no file, submits nothing, and knows nothing of balances: whether an account exists is the ledger's.
 */
export { csvColumns, readPaymentsCsv } from './csv.js';
export {
  describeFileProblem,
  describePlace,
  describeProblem,
  describeProblems,
  describeRejected,
} from './describe.js';
export {
  detectBytes,
  detectFormat,
  readPayments,
  readValidatedPayments,
  validatePaymentsFile,
} from './file.js';
export type { PaymentsSummary } from './file.js';
export { writeCamt, type CamtKind, type CamtOptions } from './out/camt.js';
export { writeStatusReport, type PaymentStatus, type StatusReportOptions } from './out/pain002.js';
export { reasonOfProblem, reasonOfResult } from './out/reason-codes.js';
export type { StatementBalance, StatementEntry, StatementHead } from './out/statement.js';
export { writeStatementCsv } from './out/statement-csv.js';
export { creditorReferenceProblem, ibanProblem } from './iban.js';
export { paymentIdempotencyKey } from './idempotency.js';
export { currencyCodes, currencyExponent } from './iso4217.js';
export { readPain001 } from './pain001.js';
export { rejectRow, rejectsHeader, writeRejects } from './rejects.js';
export { transferOf } from './transfer.js';
export type {
  FileProblem,
  Payment,
  PaymentOrError,
  PaymentPlace,
  PaymentProblem,
  PaymentProblemCode,
  PaymentsFormat,
  PaymentsSource,
  ReadOptions,
  RejectedPayment,
} from './types.js';
