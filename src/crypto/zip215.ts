import { ed25519 } from '@noble/curves/ed25519.js';

/** Whether a signature holds. Never throws. */
export type SignatureDecision = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

/** What a decision needs of @noble/curves. */
export type Ed25519Reference = Pick<typeof ed25519, 'verify'>;

/**
 * The reference decision of signatures under ZIP-215 by a loaded @noble/curves.
 *
 * The function refers to nothing outside itself, since worker threads are started from its text.
 */
export function createZip215Decision(reference: Ed25519Reference): SignatureDecision {
  return (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      return reference.verify(signature, message, publicKey, { zip215: true });
    } catch {
      return false;
    }
  };
}

/**
 * Whether an Ed25519 signature holds under ZIP-215: encodings of A and R may be non-canonical, s must be below the
 * group order, and [8][s]B = [8]R + [8][k]A. False, never an exception, for input of any other form.
 * Exact and portable, but slow (1 to 2 ms): on Node.js see `createVerifierPool` and `verifyZip215Natively` of
 * src/crypto/native, which give the same verdicts.
 */
export const verifyZip215: SignatureDecision = createZip215Decision(ed25519);
