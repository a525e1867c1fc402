import { decodeBlockHeader, type BlockHeader } from '../codec/index.js';
import type { SignatureVerifier } from '../crypto/types.js';
import { decodeTransaction, markVerified, type CheckedTransaction } from '../ledger/index.js';
import type { StoredBlock } from '../storage/types.js';
import { verifyBlock, type CertifiedBlock, type Electorate } from '../sync/index.js';
import { err, ok, type Height, type Result } from '../types/index.js';
import type { Finding } from './types.js';

/** A block whose every signature holds, ready to be executed in its turn. */
export interface PreparedBlock {
  readonly block: CertifiedBlock;
  readonly transactions: readonly CheckedTransaction[];
  /** As they are stored; not looked at yet. */
  readonly results: readonly Uint8Array[];
}

/** The header of a block as far as it can be read by itself. */
export function readHeader({ headerBytes }: StoredBlock, height: Height): Result<BlockHeader, Finding> {
  const decoded = decodeBlockHeader(headerBytes);
  if (!decoded.ok) {
    return err({
      code: 'MALFORMED',
      height,
      message: `The header of block ${height} can't be read: ${decoded.error.message}`,
    });
  }
  return decoded;
}

/** Checks all of a block that needs no other one: its certificate, its transactions root, every signature in it. */
export async function prepareBlock(
  stored: StoredBlock,
  height: Height,
  electorate: Electorate,
  verifier: SignatureVerifier,
): Promise<Result<PreparedBlock, Finding>> {
  const { headerBytes, certificate, envelopes, results } = stored;
  if (certificate === undefined) {
    return err({ code: 'NOT_CERTIFIED', height, message: `Block ${height} has no commit certificate.` });
  }
  const [certified, transactions] = await Promise.all([
    verifyBlock({ headerBytes, certificate, envelopes }, height, electorate, verifier),
    checkTransactions(envelopes, height, electorate, verifier),
  ]);
  if (!certified.ok) {
    return err({
      code: 'NOT_CERTIFIED',
      height,
      message: `Block ${height} does not hold: ${certified.error}.`,
    });
  }
  if (!transactions.ok) return transactions;
  return ok({ block: certified.value, transactions: transactions.value, results });
}

async function checkTransactions(
  envelopes: readonly Uint8Array[],
  height: Height,
  { chainId }: Electorate,
  verifier: SignatureVerifier,
): Promise<Result<readonly CheckedTransaction[], Finding>> {
  const broken = (index: number, message: string): Finding => ({
    code: 'RULE_BROKEN',
    height,
    message: `Transaction ${index} of block ${height} may be in no block: ${message}`,
  });
  const unverified = [];
  for (const [index, envelope] of envelopes.entries()) {
    const decoded = decodeTransaction(envelope, chainId);
    if (!decoded.ok) return err(broken(index, decoded.error.message));
    unverified.push(decoded.value);
  }
  const outcomes = await verifier.verify(unverified.flatMap(({ checks }) => checks));
  const transactions: CheckedTransaction[] = [];
  let offset = 0;
  for (const [index, transaction] of unverified.entries()) {
    const end = offset + transaction.checks.length;
    const verified = markVerified(transaction, outcomes.slice(offset, end));
    offset = end;
    if (!verified.ok) return err(broken(index, verified.error.message));
    transactions.push(verified.value);
  }
  return ok(transactions);
}
