import { err, ok, type PublicKey, type Result } from '../../types/index.js';
import {
  defaultScryptCost,
  lockKeystore,
  parseKeystore,
  unlockKeystore,
  type LockedKeystore,
  type ScryptCost,
} from './keystore-format.js';
import { KeySigner, wipe, type KeyPair } from './keys.js';
import { keyFileError, readPrivateFile, writePrivateFile, type KeyFileError } from './private-file.js';

export interface WriteKeystoreOptions {
  /** Whether an existing file is replaced; false unless given. */
  readonly overwrite?: boolean;
  readonly scryptCost?: ScryptCost;
}

/** Writes a key pair to a file, encrypted under a password (scrypt, AES-256-GCM), with mode 0600, atomically. */
export async function writeKeystore(
  path: string,
  keyPair: KeyPair,
  password: string,
  options: WriteKeystoreOptions = {},
): Promise<Result<void, KeyFileError>> {
  if (password === '') return err(emptyPassword(path));
  const text = await lockKeystore(keyPair, password, options.scryptCost ?? defaultScryptCost);
  return writePrivateFile(path, text, options.overwrite ?? false);
}

/** Public key of a keystore file; needs no password. */
export async function readKeystorePublicKey(path: string): Promise<Result<PublicKey, KeyFileError>> {
  const locked = await readLocked(path);
  return locked.ok ? ok(locked.value.publicKey) : locked;
}

/** Decrypts a keystore file. The caller wipes the seed after use. */
export async function readKeystore(path: string, password: string): Promise<Result<KeyPair, KeyFileError>> {
  const locked = await readLocked(path);
  if (!locked.ok) return locked;
  const keyPair = await unlockKeystore(locked.value, password);
  if (keyPair !== undefined) return ok(keyPair);
  const message = `The password does not open the key file ${path}. If it is right, the file was changed: restore it.`;
  return err(keyFileError('KEY_FILE_PASSWORD', path, message));
}

/** Opens a keystore file for signing. */
export async function openKeystore(path: string, password: string): Promise<Result<KeySigner, KeyFileError>> {
  const keyPair = await readKeystore(path, password);
  if (!keyPair.ok) return keyPair;
  const signer = new KeySigner(keyPair.value);
  wipe(keyPair.value.seed);
  return ok(signer);
}

/** Opens a keystore file with the password that is in another file; throws the KeyFileError that says what failed. */
export async function openKeyFile(path: string, passwordPath: string): Promise<KeySigner> {
  const password = await readPasswordFile(passwordPath);
  if (!password.ok) throw password.error;
  const signer = await openKeystore(path, password.value);
  if (!signer.ok) throw signer.error;
  return signer.value;
}

/** Password in a file that only its owner may read: its first line. */
export async function readPasswordFile(path: string): Promise<Result<string, KeyFileError>> {
  const text = await readPrivateFile(path);
  if (!text.ok) return text;
  const [password = ''] = text.value.split(/\r?\n/, 1);
  return password === '' ? err(emptyPassword(path)) : ok(password);
}

/** Writes a password file with mode 0600, atomically; an existing file is left alone. */
export function writePasswordFile(path: string, password: string): Promise<Result<void, KeyFileError>> {
  if (password === '') return Promise.resolve(err(emptyPassword(path)));
  return writePrivateFile(path, `${password}\n`, false);
}

async function readLocked(path: string): Promise<Result<LockedKeystore, KeyFileError>> {
  const text = await readPrivateFile(path);
  if (!text.ok) return text;
  const locked = parseKeystore(text.value);
  if (locked.ok) return locked;
  const message = `The key file ${path} is damaged or not a keystore: ${locked.error}. Restore it from a backup.`;
  return err(keyFileError('KEY_FILE_CORRUPT', path, message));
}

function emptyPassword(path: string): KeyFileError {
  return keyFileError(
    'KEY_FILE_EMPTY_PASSWORD',
    path,
    `The password for ${path} is empty; give one that is not.`,
  );
}
