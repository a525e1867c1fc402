import { createHash } from 'node:crypto';
import { concatBytes, toHex, type Signature } from '../../../src/types/index.js';
import { protoRoot, toPlain } from '../protobuf-oracle.js';
import { testKey } from '../signed-chain.js';
import type { CanonicalVector, HashVector, SignatureVector } from './types.js';

/** Collects vectors while the things that they describe are made. */
export class VectorRecorder {
  readonly canonical: CanonicalVector[] = [];
  readonly hashes: HashVector[] = [];
  readonly signatures: SignatureVector[] = [];

  /** A value and its canonical bytes, which are given back. */
  add(name: string, message: string, value: unknown, bytes: Uint8Array): Uint8Array {
    if (this.canonical.some((vector) => vector.name === name)) return bytes;
    const type = protoRoot.lookupType(message);
    const json = type.toObject(type.fromObject(toPlain(message, value) as Record<string, unknown>), {
      bytes: String,
      longs: String,
      enums: String,
    });
    this.canonical.push({ name, message, value: json, canonical: toHex(bytes) });
    return bytes;
  }

  /** A hash, which is given back, and the parts of its preimage. */
  hash(name: string, ...preimage: readonly Uint8Array[]): Uint8Array {
    const bytes = concatBytes(...preimage);
    const digest = new Uint8Array(createHash('sha256').update(bytes).digest());
    this.hashes.push({ name, preimage: preimage.map(toHex), sha256: toHex(digest) });
    return digest;
  }

  /** A signature, which is given back, by the key whose seed is 32 times the byte. */
  sign(name: string, signer: string, seedByte: number, ...signed: readonly Uint8Array[]): Signature {
    const key = testKey(seedByte);
    const message = concatBytes(...signed);
    const signature = key.sign(message);
    this.signatures.push({
      name,
      signer,
      seed: toHex(new Uint8Array(32).fill(seedByte)),
      publicKey: toHex(key.publicKey),
      signed: toHex(message),
      signature: toHex(signature),
    });
    return signature;
  }
}
