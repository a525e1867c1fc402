import { ed25519 } from '@noble/curves/ed25519.js';

/**
 * Whether an Ed25519 signature holds under ZIP-215: encodings of A and R may be non-canonical, s must be below the
 * group order, and [8][s]B = [8]R + [8][k]A. False, never an exception, for input of any other form.
 * Exact and portable, but slow (2 ms and more): nodes check through `createVerifierPool` of src/crypto/native.
 */
export function verifyZip215(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: true });
  } catch {
    return false;
  }
}
