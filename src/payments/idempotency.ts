import { sha256 } from '../crypto/index.js';

const utf8 = new TextEncoder();
const domainTag = utf8.encode('quaestor/payment/v1');

/**
 * The idempotency key of a payment: SHA-256 of a domain tag and of message id, payment information id and end-to-end
 * id, each behind its length in bytes (4 bytes, big-endian). A file that is submitted twice, or by two members of
 * staff, has the same keys; the ledger executes each at most once for a sender.
 */
export function paymentIdempotencyKey(
  messageId: string,
  paymentInformationId: string,
  endToEndId: string,
): Uint8Array {
  const parts = [domainTag];
  for (const text of [messageId, paymentInformationId, endToEndId]) {
    const bytes = utf8.encode(text);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  return sha256(...parts);
}
