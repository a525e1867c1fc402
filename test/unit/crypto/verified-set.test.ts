import { describe, expect, it } from '@jest/globals';
import { sha256 } from '../../../src/crypto/index.js';
import { VerifiedSet } from '../../../src/crypto/native/verified-set.js';

const keyOf = (index: number): Uint8Array => sha256(Uint8Array.of(index & 255, index >> 8));

describe('VerifiedSet', () => {
  it('has what was added and nothing else', () => {
    const set = new VerifiedSet(1000);
    expect(set.capacity).toBe(1024);
    for (let index = 0; index < 100; index++) set.add(keyOf(index));
    for (let index = 0; index < 200; index++) expect(set.has(keyOf(index))).toBe(index < 100);
  });

  it('compares keys in full', () => {
    const set = new VerifiedSet(8);
    const key = keyOf(1);
    set.add(key);
    for (let position = 0; position < 32; position++) {
      const other = Uint8Array.from(key);
      other[position]! ^= 128;
      expect(set.has(other)).toBe(false);
    }
  });

  it('forgets the least recently used of a full bucket', () => {
    const set = new VerifiedSet(8);
    for (let index = 0; index < 8; index++) set.add(keyOf(index));
    expect(set.has(keyOf(0))).toBe(true);
    set.add(keyOf(8));
    expect(set.has(keyOf(1))).toBe(false);
    for (const index of [0, 2, 3, 4, 5, 6, 7, 8]) expect(set.has(keyOf(index))).toBe(true);
  });

  it('keeps nothing with a capacity of 0', () => {
    const set = new VerifiedSet(0);
    set.add(keyOf(1));
    expect(set.has(keyOf(1))).toBe(false);
  });
});
