import type { Amount } from '../types/index.js';

/** Format of a payments file: ISO 20022 pain.001.001.09, or CSV with a header row. */
export type PaymentsFormat = 'pain001' | 'csv';

/** Bytes or text of a file, in order, in pieces of any size: for example a Node.js readable stream. */
export type PaymentsSource = AsyncIterable<Uint8Array | string>;

/** What is wrong, for programs. */
export type PaymentProblemCode =
  | 'MISSING'
  | 'STRUCTURE'
  | 'TOO_LONG'
  | 'IBAN_INVALID'
  | 'ACCOUNT_INVALID'
  | 'SAME_ACCOUNT'
  | 'CURRENCY_UNKNOWN'
  | 'AMOUNT_INVALID'
  | 'AMOUNT_DECIMALS'
  | 'AMOUNT_ZERO'
  | 'AMOUNT_TOO_LARGE'
  | 'DUPLICATE'
  | 'ID_INVALID'
  | 'BIC_INVALID'
  | 'DATE_INVALID'
  | 'REFERENCE_INVALID'
  | 'UNSUPPORTED'
  | 'ADDRESS_UNSTRUCTURED';

export interface PaymentProblem {
  readonly code: PaymentProblemCode;
  /** Element path or column. */
  readonly field: string;
  /** A sentence: what was found, what was expected. */
  readonly message: string;
}

/** Where a payment stands in its file. */
export interface PaymentPlace {
  /** Number of the payment in the file, from 1; for CSV the data row. */
  readonly position: number;
  /** Line on which it starts, from 1. */
  readonly line: number;
  /** Number of its PmtInf block, from 1; absent for CSV. */
  readonly block?: number;
}

/** One payment that can be submitted. */
export interface Payment extends PaymentPlace {
  /** GrpHdr/MsgId, or the column message_id; may be empty in CSV. */
  readonly messageId: string;
  /** PmtInf/PmtInfId; empty in CSV. */
  readonly paymentInformationId: string;
  readonly endToEndId: string;
  readonly instructionId?: string;
  /** Unique end-to-end transaction reference (UUID v4). */
  readonly uetr?: string;
  /** Ids of ledger accounts: the IBAN, or the other identification. */
  readonly debtorAccount: string;
  readonly creditorAccount: string;
  readonly debtorName?: string;
  readonly creditorName?: string;
  readonly creditorAgentBic?: string;
  /** ISO 4217 code: the id of the ledger's asset. */
  readonly currency: string;
  /** Decimal places of the currency. */
  readonly exponent: number;
  /** At least 1. */
  readonly amountMinor: Amount;
  /** Remittance information; may be empty. */
  readonly remittance: string;
  /** Requested execution date, "2026-11-02". */
  readonly requestedDate?: string;
  /** 32 bytes, the same whenever the same payment of the same message is read. */
  readonly idempotencyKey: Uint8Array;
  /** What the sender should know; no reason not to submit. */
  readonly warnings: readonly PaymentProblem[];
}

/** One payment that must not be submitted, as far as it could be read. */
export interface RejectedPayment extends PaymentPlace {
  readonly messageId: string;
  readonly paymentInformationId: string;
  readonly endToEndId: string;
  readonly debtorAccount: string;
  readonly creditorAccount: string;
  readonly currency: string;
  /** As it was written. */
  readonly amount: string;
  readonly problems: readonly PaymentProblem[];
}

/** Something that makes the file as a whole unfit: nothing of it may be submitted. */
export interface FileProblem {
  readonly code:
    | 'MALFORMED'
    | 'FORBIDDEN'
    | 'TOO_LARGE'
    | 'WRONG_FORMAT'
    | 'HEADER'
    | 'COUNT_MISMATCH'
    | 'SUM_MISMATCH'
    | 'EMPTY'
    | 'UNREADABLE';
  readonly line: number;
  /** A sentence. */
  readonly message: string;
}

export type PaymentOrError =
  | { readonly kind: 'payment'; readonly payment: Payment }
  | { readonly kind: 'rejected'; readonly rejected: RejectedPayment }
  | { readonly kind: 'file'; readonly problem: FileProblem };

/** Bounds of a file. */
export interface ReadOptions {
  /** Most bytes; 4 GiB unless given. */
  readonly maxBytes?: number;
  /** Most payments; 1,000,000 unless given. The memory that finding duplicates takes grows with it. */
  readonly maxPayments?: number;
}

export const defaultReadOptions: Required<ReadOptions> = {
  maxBytes: 4 * 2 ** 30,
  maxPayments: 1_000_000,
};
