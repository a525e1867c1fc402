import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import {
  asPublicKey,
  equalBytes,
  err,
  fromHex,
  ok,
  toHex,
  type PublicKey,
  type Result,
} from '../../types/index.js';
import { keyPairFromSeed, wipe, type KeyPair } from './keys.js';

/** Cost of scrypt (RFC 7914): memory of 128 · n · r bytes, and time in proportion to n · r · p. */
export interface ScryptCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and about 0.25 s: one of the settings that OWASP recommends. */
export const defaultScryptCost: ScryptCost = { n: 2 ** 15, r: 8, p: 3 };

/** What a keystore file holds: JSON, bytes in hexadecimal. */
interface KeystoreFile {
  readonly format: 'quaestor-keystore';
  readonly version: 1;
  /** Not secret: it says which key it is without the password. */
  readonly publicKey: string;
  readonly kdf: ScryptCost & { readonly name: 'scrypt'; readonly salt: string };
  readonly cipher: {
    readonly name: 'aes-256-gcm';
    readonly nonce: string;
    /** The seed, encrypted; the public key is authenticated with it. */
    readonly ciphertext: string;
    readonly tag: string;
  };
}

/** A keystore that was read and bounded but not decrypted. */
export interface LockedKeystore {
  readonly publicKey: PublicKey;
  readonly cost: ScryptCost;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

const minN = 2 ** 14;
/** A file must not be able to make a node use more than this: 1 GiB. */
const maxMemoryBytes = 2 ** 30;
const maxRounds = 16;

/** Whether a cost is neither too weak nor more than a node may be made to spend. */
export function isAcceptableCost({ n, r, p }: ScryptCost): boolean {
  return (
    [n, r, p].every(Number.isInteger) &&
    n >= minN &&
    Number.isInteger(Math.log2(n)) &&
    r >= 8 &&
    p >= 1 &&
    p <= maxRounds &&
    128 * n * r <= maxMemoryBytes
  );
}

/** Encrypts a key pair; gives the text of the file. */
export async function lockKeystore(keyPair: KeyPair, password: string, cost: ScryptCost): Promise<string> {
  const salt = randomBytes(32);
  const nonce = randomBytes(12);
  const key = await deriveKey(password, salt, cost);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(associatedData(keyPair.publicKey));
  const ciphertext = Buffer.concat([cipher.update(keyPair.seed), cipher.final()]);
  wipe(key);
  const file: KeystoreFile = {
    format: 'quaestor-keystore',
    version: 1,
    publicKey: toHex(keyPair.publicKey),
    kdf: { name: 'scrypt', n: cost.n, r: cost.r, p: cost.p, salt: toHex(salt) },
    cipher: {
      name: 'aes-256-gcm',
      nonce: toHex(nonce),
      ciphertext: toHex(ciphertext),
      tag: toHex(cipher.getAuthTag()),
    },
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Reads the text of a file; on failure says what is wrong with it, as the end of a sentence. */
export function parseKeystore(text: string): Result<LockedKeystore, string> {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return err('it is not JSON');
  }
  if (field(file, 'format') !== 'quaestor-keystore') return err('its "format" is not "quaestor-keystore"');
  if (field(file, 'version') !== 1)
    return err('its "version" is not 1, the only one that this software reads');
  const kdf = field(file, 'kdf');
  const cipher = field(file, 'cipher');
  if (field(kdf, 'name') !== 'scrypt') return err('its "kdf.name" is not "scrypt"');
  if (field(cipher, 'name') !== 'aes-256-gcm') return err('its "cipher.name" is not "aes-256-gcm"');
  const cost = { n: Number(field(kdf, 'n')), r: Number(field(kdf, 'r')), p: Number(field(kdf, 'p')) };
  if (!isAcceptableCost(cost)) return err('its "kdf" parameters are out of bounds');
  const publicKey = bytesField(file, 'publicKey', 32);
  const salt = bytesField(kdf, 'salt', 32);
  const nonce = bytesField(cipher, 'nonce', 12);
  const ciphertext = bytesField(cipher, 'ciphertext', 32);
  const tag = bytesField(cipher, 'tag', 16);
  if (publicKey === undefined) return err('its "publicKey" is not 32 bytes in hexadecimal');
  if (salt === undefined) return err('its "kdf.salt" is not 32 bytes in hexadecimal');
  if (nonce === undefined || ciphertext === undefined || tag === undefined) {
    return err('its "cipher" part is incomplete');
  }
  return ok({ publicKey: asPublicKey(publicKey), cost, salt, nonce, ciphertext, tag });
}

/** Decrypts; undefined when the password is wrong or the file was changed, which cannot be told apart. */
export async function unlockKeystore(locked: LockedKeystore, password: string): Promise<KeyPair | undefined> {
  const key = await deriveKey(password, locked.salt, locked.cost);
  const decipher = createDecipheriv('aes-256-gcm', key, locked.nonce, { authTagLength: 16 });
  decipher.setAAD(associatedData(locked.publicKey));
  decipher.setAuthTag(locked.tag);
  try {
    const plain = Buffer.concat([decipher.update(locked.ciphertext), decipher.final()]);
    const keyPair = keyPairFromSeed(new Uint8Array(plain));
    wipe(plain);
    return equalBytes(keyPair.publicKey, locked.publicKey) ? keyPair : undefined;
  } catch {
    return undefined;
  } finally {
    wipe(key);
  }
}

function associatedData(publicKey: PublicKey): Buffer {
  return Buffer.concat([Buffer.from('quaestor/keystore/v1'), publicKey]);
}

function deriveKey(password: string, salt: Uint8Array, { n, r, p }: ScryptCost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The same password typed on different systems may arrive in different Unicode forms.
    const text = password.normalize('NFKC');
    scrypt(text, salt, 32, { N: n, r, p, maxmem: 256 * n * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function bytesField(value: unknown, name: string, length: number): Uint8Array | undefined {
  const text = field(value, name);
  const bytes = typeof text === 'string' ? fromHex(text) : undefined;
  return bytes?.length === length ? bytes : undefined;
}
