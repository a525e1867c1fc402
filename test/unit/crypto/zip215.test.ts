import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { verifyZip215, type SignatureCheck } from '../../../src/crypto/index.js';
import {
  createVerifierPool,
  verifyZip215Natively,
  type VerifierPool,
} from '../../../src/crypto/native/index.js';
import { checkNatively } from '../../../src/crypto/native/native-check.js';
import { concatBytes } from '../../../src/types/index.js';
import { hex, readVectors } from '../../helpers/vectors.js';

const { Point } = ed25519;
const order = Point.Fn.ORDER;

let pools: Record<'synchronous' | 'inline' | 'threaded', VerifierPool>;

/** The verdict on which every way to check a signature must agree. */
async function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const portable = verifyZip215(publicKey, message, signature);
  const native = verifyZip215Natively(publicKey, message, signature);
  if (portable !== native) throw new Error(`portable says ${portable}, native says ${native}`);
  const check = { publicKey, message, signature } as SignatureCheck;
  const verdicts = await Promise.all(Object.values(pools).map((pool) => pool.verify([check])));
  Object.keys(pools).forEach((name, index) => {
    if (verdicts[index]?.[0] !== portable) throw new Error(`the ${name} pool does not say ${portable}`);
  });
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

describe('Ed25519 under ZIP-215, portable, native, inline and on threads', () => {
  beforeAll(() => {
    pools = {
      synchronous: createVerifierPool({ threads: 0, cacheEntries: 0 }),
      inline: createVerifierPool({ threads: 1, cacheEntries: 0, inlineChecks: 1 }),
      threaded: createVerifierPool({ threads: 1, cacheEntries: 0, inlineChecks: 0 }),
    };
  });
  afterAll(async () => {
    const stats = pools.threaded.stats();
    await Promise.all(Object.values(pools).map((pool) => pool.close()));
    expect(stats).toMatchObject({ inline: 0, crashes: 0, waiting: 0 });
  });

  it('accepts the signatures of RFC 8032, section 7.1, and no change of them', async () => {
    const { tests } = readVectors<{
      tests: { name: string; seed: string; publicKey: string; message: string; signature: string }[];
    }>('crypto/rfc8032-ed25519.json');
    expect(tests).toHaveLength(5);
    for (const test of tests) {
      const [publicKey, message, signature] = [hex(test.publicKey), hex(test.message), hex(test.signature)];
      expect([test.name, await verify(publicKey, message, signature)]).toEqual([test.name, true]);
      for (const position of [0, 31, 32, 63]) {
        const changed = Uint8Array.from(signature);
        changed[position]! ^= 1;
        expect(await verify(publicKey, message, changed)).toBe(false);
      }
      expect(await verify(publicKey, concatBytes(message, Uint8Array.of(0)), signature)).toBe(false);
    }
  });

  it('agrees with every verdict of Wycheproof but the one that ZIP-215 overrules', async () => {
    const { tests } = readVectors<{
      tests: { id: number; publicKey: string; message: string; signature: string; result: string }[];
    }>('crypto/wycheproof-ed25519.json');
    expect(tests).toHaveLength(151);
    const differing: number[] = [];
    for (const test of tests) {
      const valid = await verify(hex(test.publicKey), hex(test.message), hex(test.signature));
      if (valid !== (test.result === 'valid')) differing.push(test.id);
    }
    // 151: R encodes x = 0 with its sign bit set, which RFC 8032 refuses to decode and ZIP-215 accepts.
    expect(differing).toEqual([151]);
  });

  it('accepts all 196 small-order and non-canonical cases of ZIP-215', async () => {
    const { message, encodings } = readVectors<{ message: string; encodings: string[] }>(
      'crypto/zip215-small-order.json',
    );
    const bytes = new TextEncoder().encode(message);
    for (const key of encodings) {
      for (const commitment of encodings) {
        expect(await verify(hex(key), bytes, hex(commitment + '00'.repeat(32)))).toBe(true);
      }
    }
  });

  it('agrees on keys and commitments with components of every order', async () => {
    const scalar = fc.bigInt({ min: 1n, max: order - 1n });
    const order8 = fc.bigInt({ min: 0n, max: 7n });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 80 }),
        scalar,
        scalar,
        order8,
        order8,
        async (message, secret, nonce, a, r) => {
          const { publicKey, signature } = signMixed(message, secret, nonce, a, r);
          expect(await verify(publicKey, message, signature)).toBe(true);
          const changed = Uint8Array.from(signature);
          changed[40]! ^= 4;
          expect(await verify(publicKey, message, changed)).toBe(false);
        },
      ),
      { seed: 215, numRuns: 100 },
    );
  });

  it('agrees on random bytes of any length, without throwing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 31, maxLength: 33, size: 'max' }),
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ minLength: 63, maxLength: 65, size: 'max' }),
        async (publicKey, message, signature) => {
          if (signature.length === 64) signature[63]! &= 15;
          await verify(publicKey, message, signature);
        },
      ),
      { seed: 8032, numRuns: 150 },
    );
    expect(await verify(new Uint8Array(0), new Uint8Array(0), new Uint8Array(0))).toBe(false);
  });

  it('refuses s + L, which would make a second signature of the first', async () => {
    const { publicKey, signature } = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 0n);
    const response = fromLittleEndian(signature.subarray(32));
    expect(await verify(publicKey, Uint8Array.of(1), signature)).toBe(true);
    for (const s of [response + order, order]) {
      const changed = concatBytes(signature.subarray(0, 32), littleEndian(s));
      expect(await verify(publicKey, Uint8Array.of(1), changed)).toBe(false);
    }
  });

  it('leaves to the reference what libsodium refuses, but not s ≥ L', () => {
    const honest = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 0n);
    const mixed = signMixed(Uint8Array.of(1), 5n, 6n, 0n, 1n);
    expect(checkNatively(honest.publicKey, Uint8Array.of(1), honest.signature)).toBe(1);
    expect(checkNatively(honest.publicKey, Uint8Array.of(2), honest.signature)).toBe(2);
    expect(checkNatively(mixed.publicKey, Uint8Array.of(1), mixed.signature)).toBe(2);
    const unreduced = concatBytes(mixed.signature.subarray(0, 32), littleEndian(order));
    expect(checkNatively(mixed.publicKey, Uint8Array.of(1), unreduced)).toBe(0);
  });
});
