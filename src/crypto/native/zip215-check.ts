/** What the check needs of libsodium (a part of sodium-native). */
export interface Ed25519Library {
  crypto_hash_sha512(output: Uint8Array, input: Uint8Array): void;
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  crypto_core_ed25519_add(sum: Uint8Array, left: Uint8Array, right: Uint8Array): void;
  crypto_core_ed25519_scalar_reduce(scalar: Uint8Array, wide: Uint8Array): void;
  crypto_scalarmult_ed25519_noclamp(product: Uint8Array, scalar: Uint8Array, point: Uint8Array): void;
  crypto_scalarmult_ed25519_base_noclamp(product: Uint8Array, scalar: Uint8Array): void;
}

/**
 * Outcome of a check: bit 0 says whether the signature holds, bit 1 whether libsodium's own check did not settle it.
 */
export type CheckOutcome = 0 | 1 | 2 | 3;

/** Decides a signature exactly under ZIP-215. Never throws. */
export type Zip215Check = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => CheckOutcome;

/**
 * Makes a check of Ed25519 signatures under ZIP-215 out of libsodium.
 *
 * 1. s ≥ L is invalid under every rule.
 * 2. libsodium's check, which has no cofactor, accepts only what ZIP-215 accepts: [s]B = R + [k]A implies the same
 *    times 8, and the encodings that it refuses are those that ZIP-215 tolerates. 34 µs.
 * 3. What it refuses may still be valid under ZIP-215 (small or mixed order, non-canonical encodings). This is decided
 *    by the defining equation [8][s]B = [8]R + [8][k]A on libsodium's group operations. They decode points as ZIP-215
 *    asks (y taken modulo p, any sign of x = 0), and 8A lies in the prime-order subgroup as the multiplication
 *    requires, or is the neutral element. About 140 µs: that is the most that an attacker's signature can cost.
 *
 * The tests hold the outcome against @noble/curves, the reference, for keys and signatures of every order.
 *
 * The function refers to nothing outside itself, since worker threads are started from its text.
 */
export function createZip215Check(sodium: Ed25519Library): Zip215Check {
  const order = new Uint8Array(32);
  order.set([0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14]);
  order[31] = 0x10;
  const neutral = new Uint8Array(32);
  neutral[0] = 1;

  /** Whether a little-endian scalar is below the order of the prime-order subgroup. */
  function isReduced(scalar: Uint8Array): boolean {
    for (let index = 31; index >= 0; index--) {
      const difference = (scalar[index] ?? 0) - (order[index] ?? 0);
      if (difference !== 0) return difference < 0;
    }
    return false;
  }

  function isSame(left: Uint8Array, right: Uint8Array): boolean {
    for (let index = 0; index < 32; index++) if (left[index] !== right[index]) return false;
    return true;
  }

  /** 8P, or undefined when the bytes are not a point. */
  function timesEight(encoded: Uint8Array): Uint8Array | undefined {
    const point = new Uint8Array(32);
    try {
      sodium.crypto_core_ed25519_add(point, encoded, encoded);
    } catch {
      return undefined;
    }
    sodium.crypto_core_ed25519_add(point, point, point);
    sodium.crypto_core_ed25519_add(point, point, point);
    return point;
  }

  /** 8s mod L. */
  function eightfold(scalar: Uint8Array): Uint8Array {
    const wide = new Uint8Array(64);
    let carry = 0;
    for (let index = 0; index < 32; index++) {
      carry += (scalar[index] ?? 0) * 8;
      wide[index] = carry & 255;
      carry >>>= 8;
    }
    wide[32] = carry;
    const reduced = new Uint8Array(32);
    sodium.crypto_core_ed25519_scalar_reduce(reduced, wide);
    return reduced;
  }

  /** [n]P for a point of the prime-order subgroup; the library refuses to give the neutral element. */
  function multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array {
    if (isSame(point, neutral) || scalar.every((byte) => byte === 0)) return neutral;
    const product = new Uint8Array(32);
    sodium.crypto_scalarmult_ed25519_noclamp(product, scalar, point);
    return product;
  }

  function multiplyBase(scalar: Uint8Array): Uint8Array {
    if (scalar.every((byte) => byte === 0)) return neutral;
    const product = new Uint8Array(32);
    sodium.crypto_scalarmult_ed25519_base_noclamp(product, scalar);
    return product;
  }

  function satisfiesEquation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const commitment = timesEight(signature.subarray(0, 32));
    if (commitment === undefined) return false;
    const key = timesEight(publicKey);
    if (key === undefined) return false;
    const preimage = new Uint8Array(64 + message.length);
    preimage.set(signature.subarray(0, 32));
    preimage.set(publicKey, 32);
    preimage.set(message, 64);
    const hash = new Uint8Array(64);
    sodium.crypto_hash_sha512(hash, preimage);
    const challenge = new Uint8Array(32);
    sodium.crypto_core_ed25519_scalar_reduce(challenge, hash);
    const right = new Uint8Array(32);
    sodium.crypto_core_ed25519_add(right, commitment, multiply(challenge, key));
    return isSame(multiplyBase(eightfold(signature.subarray(32))), right);
  }

  return (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return 0;
    if (!isReduced(signature.subarray(32))) return 0;
    if (sodium.crypto_sign_verify_detached(signature, message, publicKey)) return 1;
    return satisfiesEquation(publicKey, message, signature) ? 3 : 2;
  };
}
