import sodium from 'sodium-native';
import { verifyZip215 } from '../zip215.js';

/** What the check needs of libsodium (a part of sodium-native). */
export type Ed25519Library = Pick<typeof sodium, 'crypto_sign_verify_detached'>;

/** Outcome of the native check: 0 invalid, 1 valid, 2 open, which the reference decides. */
export type CheckOutcome = 0 | 1 | 2;

/** Settles a signature under ZIP-215 as far as libsodium can. Never throws. */
export type NativeCheck = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => CheckOutcome;

/**
 * Makes the fast part of the check of Ed25519 signatures under ZIP-215 out of libsodium.
 *
 * 1. s ≥ L is invalid under every rule.
 * 2. What libsodium accepts is valid: its check has no cofactor, and [s]B = R + [k]A implies the same times 8; the
 *    encodings that it refuses are those that ZIP-215 tolerates. 34 µs.
 * 3. What it refuses may still be valid under ZIP-215 (small or mixed order, non-canonical encodings) and is left to
 *    the reference, @noble/curves.
 *
 * The function refers to nothing outside itself, since worker threads are started from its text.
 */
export function createNativeCheck(library: Ed25519Library): NativeCheck {
  const order = new Uint8Array(32);
  order.set([0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14]);
  order[31] = 0x10;

  /** Whether the signature's s, little-endian, is below the order of the prime-order subgroup. */
  function isReduced(signature: Uint8Array): boolean {
    for (let index = 31; index >= 0; index--) {
      const difference = (signature[32 + index] ?? 0) - (order[index] ?? 0);
      if (difference !== 0) return difference < 0;
    }
    return false;
  }

  return (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64 || !isReduced(signature)) return 0;
    return library.crypto_sign_verify_detached(signature, message, publicKey) ? 1 : 2;
  };
}

/** The native check on this thread. */
export const checkNatively: NativeCheck = createNativeCheck(sodium);

/**
 * Whether an Ed25519 signature holds under ZIP-215, decided on the calling thread: the verdicts of `verifyZip215`, some
 * 30 times as fast for what honest signers make. For tools and clients; a validator uses `createVerifierPool`, since
 * here each signature that libsodium refuses holds the thread up for 1 to 2 ms.
 */
export function verifyZip215Natively(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const outcome = checkNatively(publicKey, message, signature);
  return outcome === 2 ? verifyZip215(publicKey, message, signature) : outcome === 1;
}
