/**
 * Keys that cost next to nothing: a signature is a short hash under a secret that only the key's owner and the verifier
 * know. It is checked exactly, so what was not signed is refused, as with real ones. Nobody here tries to find secrets.
 */
import { sha256 } from '../../src/crypto/index.js';
import type { SignatureCheck, SignatureVerifier, Signer } from '../../src/crypto/types.js';
import { asPublicKey, asSignature, equalBytes } from '../../src/types/index.js';
import type { PublicKey, Signature } from '../../src/types/index.js';
import { mix, mixBytes } from './trace.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export interface SimKey {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Signature;
}

interface Secret {
  readonly publicKey: PublicKey;
  readonly seeds: readonly number[];
}

/** By the first four bytes of the public key. */
const secrets = new Map<number, Secret>();
const nameOf = (publicKey: PublicKey): number =>
  new DataView(publicKey.buffer, publicKey.byteOffset).getInt32(0);

const keys = new Map<string, SimKey>();

/** A key by name: the same each time. */
export function simKey(name: string): SimKey {
  let key = keys.get(name);
  if (key === undefined) keys.set(name, (key = makeKey(name)));
  return key;
}

function makeKey(name: string): SimKey {
  const seeds = [...new Int32Array(sha256(text(`secret of ${name}`)).buffer)].slice(0, 2);
  const publicKey = asPublicKey(sha256(text(`public key of ${name}`)));
  const secret = { publicKey, seeds };
  secrets.set(nameOf(publicKey), secret);
  return { publicKey, sign: (message) => signWith(secret, message) };
}

function signWith({ seeds }: Secret, message: Uint8Array): Signature {
  const signature = new Uint8Array(64);
  const words = new DataView(signature.buffer);
  for (let at = 0; at < 16; at++) {
    const word = at < seeds.length ? mixBytes(seeds[at]!, message) : mix(words.getInt32(4 * (at - 2)), at);
    words.setInt32(4 * at, word);
  }
  return asSignature(signature);
}

/** Whether a signature holds. */
export function holds({ publicKey, message, signature }: SignatureCheck): boolean {
  const secret = secrets.get(nameOf(publicKey));
  return (
    secret !== undefined &&
    equalBytes(secret.publicKey, publicKey) &&
    equalBytes(signWith(secret, message), signature)
  );
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
