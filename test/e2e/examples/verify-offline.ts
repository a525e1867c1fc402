/** Checks a receipt with nothing but the genesis: no network, no node. What an auditor does. */
import { decodeReceipt, type Genesis } from '../../../src/codec/index.js';
import { trustGenesis, verifyReceipt } from '../../../src/verify/index.js';

/** A sentence that says what a receipt proves, or why it proves nothing. */
export function explainReceipt(receiptBytes: Uint8Array, genesis: Genesis): string {
  const receipt = decodeReceipt(receiptBytes);
  if (!receipt.ok) return `This is no receipt: ${receipt.error.message}`;
  const verified = verifyReceipt(trustGenesis(genesis), receipt.value);
  if (!verified.ok) return `The receipt proves nothing: ${verified.error.message}`;
  const { code, height, timeMs, signers } = verified.value;
  const when = new Date(timeMs).toISOString();
  const outcome = code === 'OK' ? 'settled' : `refused (${code})`;
  return `The transaction was ${outcome} in block ${height} at ${when}, as ${signers.join(', ')} signed.`;
}
