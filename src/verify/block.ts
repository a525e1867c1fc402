import {
  decodeTransactionEnvelope,
  decodeTransactionResult,
  type TransactionResult,
} from '../codec/index.js';
import { merkleLeafHash, merkleRoot, transactionId } from '../crypto/index.js';
import { equalBytes, ok, type Hash, type Result } from '../types/index.js';
import { refuse } from './certificate.js';
import type { CertifiedHeader } from './certified-header.js';
import type { VerifyError } from './errors.js';

/**
 * Checks that transactions and results, canonical bytes in order, are those of a certified block: their roots are the
 * header's, and each result is of the transaction at its index. Does not execute them again.
 */
export function verifyContent(
  { header }: CertifiedHeader,
  envelopes: readonly Uint8Array[],
  results: readonly Uint8Array[],
): Result<readonly TransactionResult[], VerifyError> {
  const height = header.height.toString();
  if (envelopes.length !== header.transactionCount || results.length !== header.transactionCount) {
    return refuse(
      'CONTENT_MISMATCH',
      `Block ${height} has ${header.transactionCount} transactions; ${envelopes.length} transactions and ` +
        `${results.length} results are given.`,
    );
  }
  if (!isRootOf(header.transactionsRoot, envelopes)) {
    return refuse('CONTENT_MISMATCH', `The transactions are not those of block ${height}.`);
  }
  if (!isRootOf(header.resultsRoot, results)) {
    return refuse('CONTENT_MISMATCH', `The results are not those of block ${height}.`);
  }
  const decodedResults: TransactionResult[] = [];
  for (const [index, envelopeBytes] of envelopes.entries()) {
    const envelope = decodeTransactionEnvelope(envelopeBytes);
    if (!envelope.ok) {
      return refuse(
        'TRANSACTION_MALFORMED',
        `Transaction ${index} of block ${height} is malformed: ${envelope.error.message}`,
        envelope.error.details,
        envelope.error,
      );
    }
    const result = decodeTransactionResult(results[index] ?? new Uint8Array(0));
    if (!result.ok) {
      return refuse(
        'RESULT_MALFORMED',
        `Result ${index} of block ${height} is malformed: ${result.error.message}`,
        result.error.details,
        result.error,
      );
    }
    if (!equalBytes(transactionId(header.chainId, envelope.value.payload), result.value.txId)) {
      return refuse(
        'CONTENT_MISMATCH',
        `Result ${index} of block ${height} is of another transaction than the one at that index.`,
      );
    }
    decodedResults.push(result.value);
  }
  return ok(decodedResults);
}

const isRootOf = (root: Hash, leaves: readonly Uint8Array[]): boolean =>
  equalBytes(root, merkleRoot(leaves.map(merkleLeafHash)));
