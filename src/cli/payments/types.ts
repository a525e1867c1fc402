import type { FinalTransaction, SignedTransaction } from '../../client/index.js';
import type { Payment } from '../../payments/index.js';

/** How a payment ended. */
export type PaymentOutcome =
  /** Paid, and proven by a receipt. `earlier`: it had been final before this run. */
  | {
      readonly kind: 'final';
      readonly earlier: boolean;
      readonly transaction: FinalTransaction;
      /** From submission to the verified receipt. */
      readonly elapsedMs: number;
    }
  /** Final without effect; the receipt says why. */
  | { readonly kind: 'failed'; readonly earlier: boolean; readonly transaction: FinalTransaction }
  /** Refused at the door: not executed. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** Not known whether it was or will be executed. */
  | { readonly kind: 'unknown'; readonly code: string; readonly message: string }
  /** Never sent, because of what happened to an earlier one. */
  | { readonly kind: 'notSubmitted'; readonly code: string; readonly message: string };

/** A payment and what became of it. */
export interface PaymentReport {
  readonly payment: Payment;
  /** The member that paid. */
  readonly member: string;
  readonly outcome: PaymentOutcome;
  /** What was submitted; absent when nothing was. */
  readonly submitted?: SignedTransaction;
}
