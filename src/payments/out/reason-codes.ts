import type { PaymentProblemCode } from '../types.js';

/** Reasons of the ISO 20022 external code set ExternalStatusReason1Code for the ledger's results and refusals. NARR: the
 * reason is in words. */
const byResult: Readonly<Record<string, string>> = {
  INSUFFICIENT_FUNDS: 'AM04',
  UNKNOWN_ACCOUNT: 'AC01',
  ACCOUNT_NOT_FOUND: 'AC01',
  NOT_ACCOUNT_OWNER: 'AG01',
  ACCOUNT_NOT_AUTHORIZED: 'AG01',
  SENDER_NOT_AUTHORIZED: 'AG01',
  UNKNOWN_ASSET: 'AM03',
  DUPLICATE: 'AM05',
  IDEMPOTENCY_KEY_REUSED: 'AM05',
  AMOUNT_OVERFLOW: 'AM02',
  EXPIRED: 'TM01',
};

const byProblem: Readonly<Record<PaymentProblemCode, string>> = {
  MISSING: 'CH16',
  STRUCTURE: 'CH16',
  TOO_LONG: 'CH16',
  IBAN_INVALID: 'AC01',
  ACCOUNT_INVALID: 'AC01',
  SAME_ACCOUNT: 'NARR',
  CURRENCY_UNKNOWN: 'AM03',
  AMOUNT_INVALID: 'AM12',
  AMOUNT_DECIMALS: 'AM12',
  AMOUNT_ZERO: 'AM01',
  AMOUNT_TOO_LARGE: 'AM02',
  DUPLICATE: 'AM05',
  ID_INVALID: 'CH16',
  BIC_INVALID: 'RC01',
  DATE_INVALID: 'DT01',
  REFERENCE_INVALID: 'NARR',
  UNSUPPORTED: 'NARR',
  ADDRESS_UNSTRUCTURED: 'NARR',
};

/** For a result code of the ledger, or the reason of a refusal. */
export const reasonOfResult = (code: string): string => byResult[code] ?? 'NARR';

/** For what is wrong with a payment in its file. */
export const reasonOfProblem = (code: PaymentProblemCode): string => byProblem[code];
