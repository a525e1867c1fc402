import { QuaestorError } from '../types/index.js';

/** Why a segment or a manifest is of no use:
 * - `MALFORMED`: bytes that are not in the one form (docs/segments.md);
 * - `HASH_MISMATCH`: other bytes than were sealed;
 * - `MISSING`: no such manifest, segment or block;
 * - `WRONG_CHAIN`, `WRONG_WRITER`: it is of another chain, or another node writes it;
 * - `BROKEN_LINK`: blocks that do not follow each other, or are not those that the manifest names;
 * - `NOT_FINAL`: certificate, transactions or results that the validators have not signed. */
export type SegmentErrorCode =
  'MALFORMED' | 'HASH_MISMATCH' | 'MISSING' | 'WRONG_CHAIN' | 'WRONG_WRITER' | 'BROKEN_LINK' | 'NOT_FINAL';

/** What reading of sealed segments rejects with, beside the errors of object storage. */
export class SegmentError extends QuaestorError {
  declare readonly code: SegmentErrorCode;

  constructor(
    code: SegmentErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause);
  }
}
