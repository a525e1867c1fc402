import { describe, expect, it } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import sodium from 'sodium-native';
import { verifyZip215 } from '../../../src/crypto/index.js';
import { createZip215Check } from '../../../src/crypto/native/zip215-check.js';
import { concatBytes } from '../../../src/types/index.js';
import { hex, readVectors } from '../../helpers/vectors.js';

const check = createZip215Check(sodium);
const { Point } = ed25519;
const order = Point.Fn.ORDER;

/** The outcome on which both implementations must agree. */
function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const portable = verifyZip215(publicKey, message, signature);
  const native = (check(publicKey, message, signature) & 1) === 1;
  if (portable !== native) throw new Error(`portable says ${portable}, native says ${native}`);
  return portable;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 255n));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** A point of order 8. */
const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
const multiple = (point: typeof torsion, scalar: bigint): typeof torsion =>
  scalar === 0n ? Point.ZERO : point.multiplyUnsafe(scalar);

/** A signature by the equation with a key and an R that have any components of small order. */
function signMixed(
  message: Uint8Array,
  secret: bigint,
  nonce: bigint,
  keyTorsion: bigint,
  nonceTorsion: bigint,
) {
  const publicKey = multiple(Point.BASE, secret).add(multiple(torsion, keyTorsion)).toBytes();
  const commitment = multiple(Point.BASE, nonce).add(multiple(torsion, nonceTorsion)).toBytes();
  const challenge = fromLittleEndian(sha512(concatBytes(commitment, publicKey, message))) % order;
  const response = littleEndian((nonce + challenge * secret) % order);
  return { publicKey, signature: concatBytes(commitment, response) };
}

describe('Ed25519 under ZIP-215, portable and native', () => {
  it('accepts the signatures of RFC 8032, section 7.1, and no change of them', () => {
    const { tests } = readVectors<{
      tests: { name: string; seed: string; publicKey: string; message: string; signature: string }[];
    }>('crypto/rfc8032-ed25519.json');
    expect(tests).toHaveLength(5);
    for (const test of tests) {
      const [publicKey, message, signature] = [hex(test.publicKey), hex(test.message), hex(test.signature)];
      expect([test.name, verify(publicKey, message, signature)]).toEqual([test.name, true]);
      for (const position of [0, 31, 32, 63]) {
        const changed = Uint8Array.from(signature);
        changed[position]! ^= 1;
        expect(verify(publicKey, message, changed)).toBe(false);
      }
      expect(verify(publicKey, concatBytes(message, Uint8Array.of(0)), signature)).toBe(false);
    }
  });

  it('agrees with every verdict of Wycheproof but the one that ZIP-215 overrules', () => {
    const { tests } = readVectors<{
      tests: { id: number; publicKey: string; message: string; signature: string; result: string }[];
    }>('crypto/wycheproof-ed25519.json');
    expect(tests).toHaveLength(151);
    const differing = tests.filter(
      (test) =>
        verify(hex(test.publicKey), hex(test.message), hex(test.signature)) !== (test.result === 'valid'),
    );
    // 151: R encodes x = 0 with its sign bit set, which RFC 8032 refuses to decode and ZIP-215 accepts.
    expect(differing.map((test) => test.id)).toEqual([151]);
  });

  it('accepts all 196 small-order and non-canonical cases of ZIP-215', () => {
    const { message, encodings } = readVectors<{ message: string; encodings: string[] }>(
      'crypto/zip215-small-order.json',
    );
    const bytes = new TextEncoder().encode(message);
    for (const key of encodings) {
      for (const commitment of encodings) {
        expect(verify(hex(key), bytes, hex(commitment + '00'.repeat(32)))).toBe(true);
      }
    }
  });

  it('agrees on keys and commitments with components of every order', () => {
    const scalar = fc.bigInt({ min: 1n, max: order - 1n });
    const order8 = fc.bigInt({ min: 0n, max: 7n });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        scalar,
        scalar,
        order8,
        order8,
        (message, secret, nonce, a, r) => {
          const { publicKey, signature } = signMixed(message, secret, nonce, a, r);
          expect(verify(publicKey, message, signature)).toBe(true);
          const changed = Uint8Array.from(signature);
          changed[40]! ^= 4;
          expect(verify(publicKey, message, changed)).toBe(false);
        },
      ),
      { seed: 215, numRuns: 100 },
    );
  });

  it('agrees on random bytes of any length, without throwing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 31, maxLength: 33, size: 'max' }),
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ minLength: 63, maxLength: 65, size: 'max' }),
        (publicKey, message, signature) => {
          if (signature.length === 64) signature[63]! &= 15;
          verify(publicKey, message, signature);
        },
      ),
      { seed: 8032, numRuns: 150 },
    );
    expect(verify(new Uint8Array(0), new Uint8Array(0), new Uint8Array(0))).toBe(false);
  });

  it('refuses s + L, which would make a second signature of the first', () => {
    const { publicKey, signature } = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 0n);
    const response = fromLittleEndian(signature.subarray(32));
    expect(verify(publicKey, Uint8Array.of(1), signature)).toBe(true);
    for (const s of [response + order, order]) {
      const changed = concatBytes(signature.subarray(0, 32), littleEndian(s));
      expect(verify(publicKey, Uint8Array.of(1), changed)).toBe(false);
    }
  });

  it('says which checks were not settled by the fast path', () => {
    const honest = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 0n);
    const mixed = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 1n);
    expect(check(honest.publicKey, Uint8Array.of(1), honest.signature)).toBe(1);
    expect(check(honest.publicKey, Uint8Array.of(2), honest.signature)).toBe(2);
    expect(check(mixed.publicKey, Uint8Array.of(1), mixed.signature)).toBe(3);
  });
});
