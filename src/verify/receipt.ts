import {
  decodeTransactionResult,
  type Receipt,
  type RefusalDetail,
  type ResultCode,
} from '../codec/index.js';
import { merkleLeafHash, merkleRootFromPath } from '../crypto/index.js';
import {
  equalBytes,
  ok,
  toHex,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type TxId,
} from '../types/index.js';
import { refuse, verifyCertificate } from './certificate.js';
import type { CertifiedHeader } from './certified-header.js';
import type { VerifyError } from './errors.js';
import type { ChainTrust } from './trust.js';

/** What a receipt proves: that the transaction is final, and how it ended. */
export interface VerifiedReceipt {
  readonly txId: TxId;
  /** `OK`, or why the transaction had no effect. */
  readonly code: ResultCode;
  /** Index of the refused operation counted from 1; 0 when the whole transaction was refused, or on success. */
  readonly failedOperation: number;
  /** What a refusal is about; under version 1 of the rules there is none. */
  readonly detail?: RefusalDetail;
  /** Height of the block. */
  readonly height: Height;
  /** Index in the block. */
  readonly index: number;
  /** Ledger time of the block, the moment of settlement, in milliseconds since 1970-01-01 UTC. */
  readonly timeMs: number;
  /** Digest of the block. */
  readonly digest: Digest;
  /** Root of the state after the block. */
  readonly stateRoot: Hash;
  /** Ids of the validators that signed. */
  readonly signers: readonly string[];
}

/** The part of a receipt that is the transaction's own; header and certificate are the block's. */
export interface ResultInclusion {
  /** Canonical TransactionResult. */
  readonly result: Uint8Array;
  readonly index: number;
  /** RFC 6962 audit path. */
  readonly path: readonly Uint8Array[];
}

export interface ReceiptExpectation {
  /** Id of the transaction that the receipt is asked for. Without it a receipt of any transaction is accepted: give it
   * wherever the receipt comes from somebody else. */
  readonly expectedTxId?: TxId;
}

/**
 * Checks a receipt, as `decodeReceipt` or `receiptFromWire` gave it, against the genesis: certificate, then inclusion.
 * Takes a quorum of signature checks.
 */
export function verifyReceipt(
  trust: ChainTrust,
  receipt: Receipt,
  expectation: ReceiptExpectation = {},
): Result<VerifiedReceipt, VerifyError> {
  const certified = verifyCertificate(trust, receipt.header, receipt.certificate);
  return certified.ok ? verifyInclusion(certified.value, receipt, expectation) : certified;
}

/**
 * Checks that a result is in a certified block. For many transactions of one block the certificate is checked once and
 * this for each.
 */
export function verifyInclusion(
  certified: CertifiedHeader,
  inclusion: ResultInclusion,
  { expectedTxId }: ReceiptExpectation = {},
): Result<VerifiedReceipt, VerifyError> {
  const { header, digest, signers } = certified;
  const decoded = decodeTransactionResult(inclusion.result);
  if (!decoded.ok) {
    return refuse(
      'RESULT_MALFORMED',
      `The result is malformed: ${decoded.error.message}`,
      decoded.error.details,
      decoded.error,
    );
  }
  const { txId, code, failedOperation, detail } = decoded.value;
  if (inclusion.index >= header.transactionCount) {
    return refuse(
      'INDEX_OUT_OF_RANGE',
      `The receipt is for transaction ${inclusion.index} of block ${header.height}, which has ` +
        `${header.transactionCount}.`,
    );
  }
  const root = merkleRootFromPath(
    merkleLeafHash(inclusion.result),
    inclusion.index,
    header.transactionCount,
    inclusion.path,
  );
  if (root === undefined || !equalBytes(root, header.resultsRoot)) {
    return refuse(
      'PATH_MISMATCH',
      `The audit path does not lead from the result of ${toHex(txId)} to the results root of block ${header.height}.`,
    );
  }
  if (expectedTxId !== undefined && !equalBytes(expectedTxId, txId)) {
    return refuse(
      'WRONG_TRANSACTION',
      `The receipt is of transaction ${toHex(txId)}, not of ${toHex(expectedTxId)}.`,
    );
  }
  return ok({
    txId,
    code,
    failedOperation,
    ...(detail !== undefined && { detail }),
    height: header.height,
    index: inclusion.index,
    timeMs: header.timeMs,
    digest,
    stateRoot: header.stateRoot,
    signers,
  });
}
