import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeAppliedBlock } from '../../../src/codec/index.js';
import { sha256 } from '../../../src/crypto/index.js';
import { BlockHashes, CommittedHashes, seedHashTables, windowAbove } from '../../../src/ledger/index.js';
import { HashTable } from '../../../src/ledger/hash-table.js';
import { asHash, asHeight, toHex, type Hash } from '../../../src/types/index.js';

const hashOf = (value: number): Hash => asHash(sha256(new TextEncoder().encode(value.toString())));
/** Hashes that begin alike, so that they share a slot. */
const collidingOf = (value: number): Hash => {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(28, value);
  return asHash(hash);
};

describe('HashTable', () => {
  it.each([
    ['spread', hashOf],
    ['colliding', collidingOf],
  ])('answers as a map does, whatever comes and goes (%s hashes)', (_, make) => {
    const command = fc.oneof(
      fc.record({ add: fc.array(fc.nat(60), { maxLength: 30 }) }),
      fc.record({ keep: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const table = new HashTable();
        const model = new Map<string, number>();
        let height = 1;
        for (const step of commands) {
          if ('add' in step) {
            for (const value of step.add) {
              table.add(make(value), asHeight(height));
              model.set(toHex(make(value)), height);
            }
            height++;
          } else {
            const oldest = height - step.keep;
            table.dropBelow(asHeight(oldest));
            for (const [hash, used] of model) if (used < oldest) model.delete(hash);
          }
          const values = Array.from({ length: 61 }, (_unused, value) => make(value));
          expect(values.map((hash) => table.get(hash))).toEqual(values.map((hash) => model.get(toHex(hash))));
        }
      }),
      { seed: 20, numRuns: 60 },
    );
  });

  it('answers the same under any seed', () => {
    const filled = [0, 0x1234_5678, -1].map((seed) => {
      seedHashTables(seed);
      const table = new HashTable();
      for (let value = 0; value < 1000; value++) table.add(hashOf(value), asHeight(1 + (value >> 4)));
      table.dropBelow(asHeight(20));
      return Array.from({ length: 1100 }, (_, value) => table.get(hashOf(value)));
    });
    seedHashTables(0);
    expect(filled[1]).toEqual(filled[0]);
    expect(filled[2]).toEqual(filled[0]);
  });

  it('refuses to go back in height', () => {
    const table = new HashTable();
    table.add(hashOf(1), asHeight(5));
    expect(() => table.add(hashOf(2), asHeight(4))).toThrow(/never decrease/);
  });
});

describe('CommittedHashes', () => {
  it('holds 200,000 hashes in less than 16 MB, and gives room back to later ones', () => {
    const window = new CommittedHashes();
    const blocks = 400;
    for (let height = 1; height <= 2 * blocks; height++) {
      const hashes = Array.from({ length: 500 }, (_, index) => {
        const hash = new Uint8Array(32);
        new DataView(hash.buffer).setUint32(0, Math.imul(height * 500 + index, 0x9e37_79b1));
        return asHash(hash);
      });
      window.add(asHeight(height), hashes);
      window.dropBelow(asHeight(height + 1 - blocks));
    }
    expect(window.size).toBe(200_000);
    expect(window.bytes).toBeLessThan(16 * 1024 * 1024);
  });

  it('is the same when it is loaded from the records of the state', () => {
    const loaded = new CommittedHashes();
    const hashes = [hashOf(1), hashOf(2)];
    loaded.load(asHeight(3), encodeAppliedBlock({ idempotencyHashes: hashes }));
    loaded.load(asHeight(4), encodeAppliedBlock({ idempotencyHashes: [] }));
    loaded.load(asHeight(5), encodeAppliedBlock({ idempotencyHashes: [hashOf(2)] }));
    expect([1, 2, 3].map((value) => loaded.lastUse(hashOf(value)))).toEqual([3, 5, undefined]);
    loaded.dropBelow(asHeight(4));
    expect([1, 2].map((value) => loaded.lastUse(hashOf(value)))).toEqual([undefined, 5]);
    expect(() => loaded.load(asHeight(6), Uint8Array.of(1))).toThrow(/"applied\/6" is damaged/);
  });
});

describe('windowAbove', () => {
  it('sees blocks in flight first, newest first, and leaves the committed ones alone', () => {
    const committed = new CommittedHashes();
    committed.add(asHeight(1), [hashOf(1), hashOf(2)]);
    const inFlight = [
      BlockHashes.of(asHeight(2), [hashOf(2), hashOf(3)]),
      BlockHashes.of(asHeight(3), [hashOf(3)]),
    ];
    const window = windowAbove(committed, inFlight);
    expect([1, 2, 3, 4].map((value) => window.lastUse(hashOf(value)))).toEqual([1, 2, 3, undefined]);
    expect(committed.lastUse(hashOf(3))).toBeUndefined();
    expect(windowAbove(committed, [])).toBe(committed);
  });
});
