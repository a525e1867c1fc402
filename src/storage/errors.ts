import { QuaestorError } from '../types/index.js';

/** What can go wrong with a store. */
export type StorageErrorCode =
  /** The folder holds no store, and none was to be made. */
  | 'NOT_FOUND'
  /** Another process has the store open. */
  | 'LOCKED'
  /** The store belongs to another chain. */
  | 'WRONG_CHAIN'
  /** The store belongs to another validator. */
  | 'WRONG_VALIDATOR'
  /** The store was made by the other engine. */
  | 'WRONG_ENGINE'
  /** The folder holds something that is no store. */
  | 'NOT_A_STORE'
  /** The store was written by a later version of the software. */
  | 'FORMAT_TOO_NEW'
  /** The store has an older format, and is not to be migrated. */
  | 'FORMAT_TOO_OLD'
  /** What is stored is not what was written. */
  | 'CORRUPT'
  /** The store is a snapshot that was not finished. */
  | 'INCOMPLETE'
  | 'DISK_FULL'
  /** The folder may not be written by this user. */
  | 'NOT_WRITABLE'
  /** The engine's binding does not load on this machine. */
  | 'ENGINE_UNAVAILABLE'
  /** Reading or writing failed for another reason. */
  | 'IO'
  /** The state of that height is not kept any more. */
  | 'PRUNED'
  /** An earlier write failed; the store takes no more writes until it was opened again. */
  | 'FAILED'
  /** The store was closed. */
  | 'CLOSED';

/** Error of the storage layer. What `openStore` returns and what the promises of a store reject with. */
export class StorageError extends QuaestorError {
  declare readonly code: StorageErrorCode;

  constructor(
    code: StorageErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause);
  }
}

/** What an operator does about a damaged store. */
export const recoveryAdvice =
  'Do not edit the folder: restore it from a backup that this validator made after its last vote, or move it away ' +
  'and start with an empty folder so that the blocks are fetched from the other validators (see docs/storage.md)';

/** Error for damage of any kind. */
export function corrupt(what: string, details: Readonly<Record<string, string>> = {}, cause?: unknown) {
  const message = `The store is damaged: ${what}. ${recoveryAdvice}.`;
  return new StorageError('CORRUPT', message, { ...details, damage: what }, cause);
}

/** An error and its causes, outermost first, with their codes. Errors of bindings need not be instances of this realm's
 * Error. */
function chainOf(error: unknown): readonly { readonly code?: unknown; readonly message?: unknown }[] {
  const chain: { readonly code?: unknown; readonly message?: unknown; readonly cause?: unknown }[] = [];
  for (let current = error; typeof current === 'object' && current !== null && chain.length < 8;) {
    const link = current as { code?: unknown; message?: unknown; cause?: unknown };
    chain.push(link);
    current = link.cause;
  }
  return chain;
}

/**
 * Error of the storage layer for an error of the engine or the file system. Engines report errors of the system as
 * text only, in the words of strerror(3).
 */
export function translate(error: unknown, dir: string, doing: string): StorageError {
  if (error instanceof StorageError) return error;
  const chain = chainOf(error);
  const text = chain.length > 0 ? chain.map(({ message }) => String(message)).join(': ') : String(error);
  const codes = chain.map(({ code }) => code);
  const has = (...wanted: readonly string[]): boolean => wanted.some((code) => codes.includes(code));
  const details = { dir, reason: text };
  if (has('ENOSPC', 'EDQUOT') || /No space left on device|Disk quota exceeded/i.test(text))
    return new StorageError(
      'DISK_FULL',
      `The disk of the data folder "${dir}" is full (while ${doing}). Free some space and start again; ` +
        'nothing that was acknowledged is lost.',
      details,
      error,
    );
  if (has('LEVEL_LOCKED'))
    return new StorageError(
      'LOCKED',
      `The data folder "${dir}" is in use by another process. Stop that process first; two processes must never ` +
        'run one validator.',
      details,
      error,
    );
  if (
    has('LEVEL_CORRUPTION') ||
    /Corruption:|does not exist \(create_if_missing is false\)|No such file or directory/.test(text)
  )
    return corrupt(`the engine reports "${text}" in "${dir}" (while ${doing})`, details, error);
  if (has('EACCES', 'EPERM', 'EROFS') || /Permission denied|Read-only file system/i.test(text))
    return new StorageError(
      'NOT_WRITABLE',
      `The data folder "${dir}" cannot be read and written by this user (while ${doing}). Correct its owner, its ` +
        'permissions or the mount.',
      details,
      error,
    );
  if (has('ENOTDIR', 'EEXIST'))
    return new StorageError(
      'NOT_A_STORE',
      `The data folder "${dir}" is, or lies in, a file. Choose another path.`,
      details,
      error,
    );
  return new StorageError(
    'IO',
    `The data folder "${dir}" failed (while ${doing}): ${text}. Check the disk, then start again.`,
    details,
    error,
  );
}
