/**
 * Keys that cost next to nothing: a signature is a hash over a secret, which only the key's owner and the verifier
 * know. It is checked exactly, so what was not signed is refused, as with real ones.
 */
import { sha256 } from '../../src/crypto/index.js';
import type { SignatureCheck, SignatureVerifier, Signer } from '../../src/crypto/types.js';
import { asPublicKey, asSignature, equalBytes, toHex } from '../../src/types/index.js';
import type { PublicKey, Signature } from '../../src/types/index.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export interface SimKey {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Signature;
}

const secrets = new Map<string, Uint8Array>();

/** A key by name: the same each time. */
export function simKey(name: string): SimKey {
  const secret = sha256(text(`secret of ${name}`));
  const publicKey = asPublicKey(sha256(text(`public key of ${name}`)));
  secrets.set(toHex(publicKey), secret);
  return { publicKey, sign: (message) => signWith(secret, message) };
}

function signWith(secret: Uint8Array, message: Uint8Array): Signature {
  const half = sha256(secret, message);
  const signature = new Uint8Array(64);
  for (let index = 0; index < 32; index++) {
    const byte = half[index]!;
    signature[index] = byte;
    signature[63 - index] = byte ^ 0xa5;
  }
  return asSignature(signature);
}

/** Whether a signature holds. */
export function holds({ publicKey, message, signature }: SignatureCheck): boolean {
  const secret = secrets.get(toHex(publicKey));
  return secret !== undefined && equalBytes(signWith(secret, message), signature);
}

/** Runs a function after as long as the simulated machine takes; never, once its process is dead. */
export type Latency = <T>(work: () => T) => Promise<T>;

export function simVerifier(latency: Latency): SignatureVerifier {
  return {
    verify: (checks) => latency(() => checks.map(holds)),
    close: () => Promise.resolve(),
  };
}

export function simSigner(key: SimKey, latency: Latency): Signer {
  return { publicKey: key.publicKey, sign: (message) => latency(() => key.sign(message)) };
}
