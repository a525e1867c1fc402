import { constants } from 'node:fs';
import { link, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';
import { err, ok, QuaestorError, toHex, type Result } from '../../types/index.js';

/**
 * What can go wrong with a key or password file: KEY_FILE_MISSING, KEY_FILE_EXISTS, KEY_FILE_EXPOSED (others may read
 * it), KEY_FILE_UNREADABLE, KEY_FILE_UNWRITABLE, KEY_FILE_CORRUPT, KEY_FILE_PASSWORD, KEY_FILE_EMPTY_PASSWORD.
 */
export class KeyFileError extends QuaestorError {}

const maxFileBytes = 64 * 1024;
/** Windows has no such permissions. */
const hasModes = process.platform !== 'win32';

export function keyFileError(code: string, path: string, message: string, cause?: unknown): KeyFileError {
  return new KeyFileError(code, message, { path }, cause);
}

/**
 * Bits of a file's mode by which others than this process could get at the secret in it; 0 when it is safe. The rule is
 * the one of PostgreSQL's key files: nobody but the owner when it belongs to this user; the group may read it when it
 * belongs to root (so that a secret that Kubernetes mounts with an fsGroup works); nobody else ever.
 */
export function exposedBits({ mode, uid }: { readonly mode: number; readonly uid: number }): number {
  const self = process.getuid?.();
  if (self === undefined) return 0;
  const allowed = uid === self ? 0o700 : uid === 0 ? 0o740 : 0;
  return mode & 0o777 & ~allowed;
}

/** Text of a file that only its owner may read; of a file of root, also its group. */
export async function readPrivateFile(path: string): Promise<Result<string, KeyFileError>> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY);
    const { mode, size, uid } = await handle.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
      return err(keyFileError('KEY_FILE_UNREADABLE', path, `The key file ${path} is not a regular file.`));
    }
    if (hasModes && exposedBits({ mode, uid }) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      const message =
        `The key file ${path} may be used by others than this process (its mode is ${octal}, its owner user ${uid}). ` +
        `Run: chmod 600 '${path}'; if others could read it for a while, replace the key.`;
      return err(keyFileError('KEY_FILE_EXPOSED', path, message));
    }
    if (size > maxFileBytes) {
      const message = `The key file ${path} has ${size} bytes, more than any key file; check the path.`;
      return err(keyFileError('KEY_FILE_CORRUPT', path, message));
    }
    return ok(await handle.readFile('utf8'));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') {
      const message = `There is no key file ${path}; check the path, or create one with "quaestor keys".`;
      return err(keyFileError('KEY_FILE_MISSING', path, message, cause));
    }
    const message = `The key file ${path} cannot be read: ${reasonOf(cause)}.`;
    return err(keyFileError('KEY_FILE_UNREADABLE', path, message, cause));
  } finally {
    await handle?.close();
  }
}

/**
 * Writes a file that only its owner may read, whole or not at all: to a temporary file beside it that is synced, then
 * put in place. Without `overwrite`, an existing file is left alone.
 */
export async function writePrivateFile(
  path: string,
  text: string,
  overwrite: boolean,
): Promise<Result<void, KeyFileError>> {
  const temporary = `${path}.${toHex(randomBytes(6))}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (overwrite) await rename(temporary, path);
    else await putInPlace(temporary, path);
    await syncFolder(dirname(path));
    return ok(undefined);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    if (codeOf(cause) === 'EEXIST') {
      const message = `The key file ${path} exists already and was left as it is; choose another path or remove it.`;
      return err(keyFileError('KEY_FILE_EXISTS', path, message, cause));
    }
    const message = `The key file ${path} cannot be written: ${reasonOf(cause)}.`;
    return err(keyFileError('KEY_FILE_UNWRITABLE', path, message, cause));
  }
}

/** Gives the temporary file its name unless there is such a file: a link fails then, which a rename would not. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
    await unlink(temporary);
  } catch (cause) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(cause))) throw cause;
    // A file system without links.
    const exists = await stat(path).then(
      () => true,
      () => false,
    );
    if (exists) throw Object.assign(new Error('the file exists'), { code: 'EEXIST' });
    await rename(temporary, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  if (!hasModes) return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function reasonOf(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'a part of its path is not a folder',
    ENOSPC: 'the disk is full',
    EROFS: 'the file system is read-only',
  };
  const code = codeOf(error);
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}
