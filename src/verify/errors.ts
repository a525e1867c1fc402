import { QuaestorError } from '../types/index.js';

/**
 * Why something proves nothing (the set is closed):
 * - `HEADER_MALFORMED`, `RESULT_MALFORMED`, `TRANSACTION_MALFORMED`: bytes that are not canonical (docs/encoding.md);
 * - `WRONG_CHAIN`: a header of another chain than the genesis fixes;
 * - `NOT_CERTIFIED`: a header above 0 without certificate, or one of height 0 that is not known to be the genesis block;
 * - `CERTIFICATE_MISMATCH`: the certificate is for another block than the header;
 * - `UNKNOWN_VALIDATOR_SET`: the set that decides the block is not one that is trusted at that height;
 * - `UNKNOWN_VALIDATOR`: a signature of a validator that the set does not have;
 * - `SIGNERS_NOT_ASCENDING`: signatures out of order, or one validator twice;
 * - `NO_QUORUM`: fewer validators than a quorum;
 * - `SIGNATURE_INVALID`: a signature that its validator did not make for this block, chain, view and phase;
 * - `INDEX_OUT_OF_RANGE`: the block has no transaction of that index;
 * - `PATH_MISMATCH`: the audit path does not lead from the result to the header's results root;
 * - `WRONG_TRANSACTION`: a valid receipt, but of another transaction than expected;
 * - `WRONG_KEY`: a valid state proof, but of another key than expected;
 * - `STATE_PATH_MISMATCH`: the path does not lead from key and value to the header's state root;
 * - `CONTENT_MISMATCH`: transactions or results that are not those of the header;
 * - `EVIDENCE_MALFORMED`: evidence that is not in its one form;
 * - `NO_CONFLICT`: two votes that a correct validator may both sign;
 * - `BROKEN_LINK`: a header that does not follow the one before it.
 */
export type VerifyErrorCode =
  | 'HEADER_MALFORMED'
  | 'RESULT_MALFORMED'
  | 'TRANSACTION_MALFORMED'
  | 'WRONG_CHAIN'
  | 'NOT_CERTIFIED'
  | 'CERTIFICATE_MISMATCH'
  | 'UNKNOWN_VALIDATOR_SET'
  | 'UNKNOWN_VALIDATOR'
  | 'SIGNERS_NOT_ASCENDING'
  | 'NO_QUORUM'
  | 'SIGNATURE_INVALID'
  | 'INDEX_OUT_OF_RANGE'
  | 'PATH_MISMATCH'
  | 'WRONG_TRANSACTION'
  | 'WRONG_KEY'
  | 'STATE_PATH_MISMATCH'
  | 'CONTENT_MISMATCH'
  | 'EVIDENCE_MALFORMED'
  | 'NO_CONFLICT'
  | 'BROKEN_LINK';

/** Why a receipt, a proof or a chain of headers is not to be believed. */
export class VerifyError extends QuaestorError {
  declare readonly code: VerifyErrorCode;

  constructor(
    code: VerifyErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause);
  }
}
