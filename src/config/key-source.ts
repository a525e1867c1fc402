/** Where a key is: in an encrypted file, on a hardware module, or with a remote signer. */
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { PublicKey } from '../types/index.js';
import { formatAddress } from './address.js';
import { certificates, dialAddress, filePath, publicKey } from './fields.js';
import { field } from './schema.js';

const second = 1000;

/** A key file; without a password file the password is asked for, at a terminal only. Paths are absolute. */
export interface FileKey {
  readonly kind: 'file';
  readonly file: string;
  readonly passwordFile: string | undefined;
}

/** A key on a token that is reached by PKCS #11. */
export interface Pkcs11Key {
  readonly kind: 'pkcs11';
  /** Absolute path of the vendor's library. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  readonly pinFile: string;
  readonly publicKey: PublicKey;
}

/** A key that another process holds. */
export interface RemoteKey {
  readonly kind: 'remote';
  /** "host:port". */
  readonly address: string;
  readonly publicKey: PublicKey;
  readonly timeoutMs: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** A key that this process can use by itself. */
export type HeldKey = FileKey | Pkcs11Key;
export type KeySource = HeldKey | RemoteKey;

const label = () => field.text(/^[\x20-\x7e]{1,32}$/, 'a label of 1 to 32 printable ASCII characters');

/** Fields of a key that is held here. */
export const keyFields = () => ({
  file: filePath().optional(),
  passwordFile: filePath().optional(),
  pkcs11: field
    .mapping({
      module: filePath(),
      tokenLabel: label(),
      keyLabel: label(),
      pinFile: filePath(),
      publicKey: publicKey(),
    })
    .optional(),
});

/** Fields of a key that may be elsewhere. */
export const validatorKey = () =>
  field.mapping({
    ...keyFields(),
    remote: field
      .mapping({
        address: dialAddress(),
        publicKey: publicKey(),
        timeout: field.duration(100, 60 * second).default(5 * second),
        tls: certificates(),
      })
      .optional(),
  });

export type KeyFields = z.output<ReturnType<typeof validatorKey>>;

/** What is wrong with the fields of a key as a whole, as a sentence. */
export function keyProblem(key: KeyFields): string | undefined {
  const given = [key.file, key.pkcs11, key.remote].filter((source) => source !== undefined).length;
  if (given !== 1) {
    return `Found ${given === 0 ? 'none' : 'several'} of "file", "pkcs11" and "remote"; expected exactly one.`;
  }
  return key.passwordFile !== undefined && key.file === undefined
    ? 'Found "passwordFile" without "file"; it is for key files only.'
    : undefined;
}

/** Where the key is; undefined when `keyProblem` has something to say. */
export function keySourceOf(key: KeyFields, folder: string): KeySource | undefined {
  const { file, passwordFile, pkcs11, remote } = key;
  const at = (path: string): string => resolve(folder, path);
  if (keyProblem(key) !== undefined) return undefined;
  if (file !== undefined) {
    return {
      kind: 'file',
      file: at(file),
      passwordFile: passwordFile === undefined ? undefined : at(passwordFile),
    };
  }
  if (pkcs11 !== undefined) {
    return { kind: 'pkcs11', ...pkcs11, module: at(pkcs11.module), pinFile: at(pkcs11.pinFile) };
  }
  if (remote === undefined) return undefined;
  const { address, timeout, tls } = remote;
  return {
    kind: 'remote',
    address: formatAddress(address),
    publicKey: remote.publicKey,
    timeoutMs: timeout,
    tls: { ca: at(tls.ca), cert: at(tls.cert), key: at(tls.key) },
  };
}
