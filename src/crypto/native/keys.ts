import sodium from 'sodium-native';
import {
  asPublicKey,
  asSignature,
  invariant,
  QuaestorError,
  type PublicKey,
  type Signature,
} from '../../types/index.js';
import type { Signer } from '../types.js';

/** An Ed25519 key pair (RFC 8032): the private key is its 32-byte seed. Whoever holds it wipes it after use. */
export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly seed: Uint8Array;
}

const seedBytes = 32;
const secretKeyBytes = 64;

/** A new key pair from the random generator of the operating system. */
export function generateKeyPair(): KeyPair {
  const seed = new Uint8Array(seedBytes);
  sodium.randombytes_buf(seed);
  return keyPairFromSeed(seed);
}

/** The key pair of a seed of 32 bytes. */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  invariant(seed.length === seedBytes, 'an Ed25519 seed has 32 bytes');
  const publicKey = asPublicKey(new Uint8Array(32));
  const secretKey = new Uint8Array(secretKeyBytes);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  wipe(secretKey);
  return { publicKey, seed };
}

/** Overwrites secret bytes. */
export function wipe(secret: Uint8Array): void {
  sodium.sodium_memzero(secret);
}

/**
 * Signs with a key in the memory of this process. The secret is held in libsodium's guarded memory: outside V8's heap,
 * locked into RAM where the system allows that, and left out of core dumps.
 */
export class KeySigner implements Signer {
  readonly publicKey: PublicKey;
  readonly #secretKey: Uint8Array;
  #closed = false;

  /** Copies the key; the caller may wipe its own copy. */
  constructor(keyPair: KeyPair) {
    this.publicKey = asPublicKey(new Uint8Array(32));
    this.#secretKey = sodium.sodium_malloc(secretKeyBytes);
    sodium.crypto_sign_seed_keypair(this.publicKey, this.#secretKey, keyPair.seed);
  }

  sign(message: Uint8Array): Promise<Signature> {
    if (this.#closed) {
      return Promise.reject(new QuaestorError('SIGNER_CLOSED', 'The key can no longer sign: it was closed.'));
    }
    const signature = asSignature(new Uint8Array(64));
    sodium.crypto_sign_detached(signature, message, this.#secretKey);
    return Promise.resolve(signature);
  }

  /** Wipes the key. */
  close(): void {
    this.#closed = true;
    wipe(this.#secretKey);
  }
}
