import type { Transfer } from '../codec/index.js';
import type { Payment } from './types.js';

/** The ledger operation that a payment asks for. Its idempotency key belongs into the payload beside it. */
export function transferOf(payment: Payment): Transfer {
  return {
    kind: 'transfer',
    fromAccount: payment.debtorAccount,
    toAccount: payment.creditorAccount,
    asset: payment.currency,
    amount: payment.amountMinor,
    endToEndId: payment.endToEndId,
    memo: payment.remittance,
  };
}
