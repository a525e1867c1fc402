import { QuaestorError } from '../types/index.js';

/** Why a backup can not be made, or is of no use:
 * - `MALFORMED`: bytes that are not in the one form (docs/backup.md);
 * - `HASH_MISMATCH`: other bytes than were written;
 * - `MISSING`: no such backup, or an object that it names is not there;
 * - `WRONG_CHAIN`, `WRONG_WRITER`: it is of another chain, or another node writes there;
 * - `NOT_PROVEN`: not what the validators have signed;
 * - `NOTHING_YET`: the chain has no block above the genesis block;
 * - `HAS_STORE`: there is a store where one is to be restored;
 * - `NOT_AGREED`: it is not the backup that a restart of the whole consortium was agreed on. */
export type BackupErrorCode =
  | 'MALFORMED'
  | 'HASH_MISMATCH'
  | 'MISSING'
  | 'WRONG_CHAIN'
  | 'WRONG_WRITER'
  | 'NOT_PROVEN'
  | 'NOTHING_YET'
  | 'HAS_STORE'
  | 'NOT_AGREED';

/** What backups reject with, beside the errors of object storage, segments and stores. */
export class BackupError extends QuaestorError {
  declare readonly code: BackupErrorCode;

  constructor(
    code: BackupErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause);
  }
}
