import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  merkleLeafHash,
  merklePath,
  merklePaths,
  merkleRoot,
  merkleRootFromPath,
} from '../../../src/crypto/index.js';
import { toHex } from '../../../src/types/index.js';
import { hex, readVectors } from '../../helpers/vectors.js';

const vectors = readVectors<{
  leaves: string[];
  roots: string[];
  paths: { index: number; size: number; path: string[] }[];
}>('crypto/rfc6962-merkle.json');

const leavesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => merkleLeafHash(Uint8Array.of(index & 255, index >> 8)));

describe('Merkle trees of RFC 6962', () => {
  const reference = vectors.leaves.map((leaf) => merkleLeafHash(hex(leaf)));

  it('gives the reference roots for every size', () => {
    for (const [size, root] of vectors.roots.entries()) {
      expect(toHex(merkleRoot(reference.slice(0, size)))).toBe(root);
    }
  });

  it('gives the reference audit paths', () => {
    for (const { index, size, path } of vectors.paths) {
      expect(merklePath(reference.slice(0, size), index).map(toHex)).toEqual(path);
    }
  });

  it('leads from every leaf of every size to the root, and from no other place', () => {
    for (let size = 1; size <= 33; size++) {
      const leaves = leavesOf(size);
      const root = toHex(merkleRoot(leaves));
      const paths = merklePaths(leaves);
      for (let index = 0; index < size; index++) {
        const path = paths[index]!;
        expect(path).toEqual(merklePath(leaves, index));
        const climb = (at: number, of: number, along: readonly Uint8Array[] = path): string => {
          const reached = merkleRootFromPath(leaves[index]!, at, of, along);
          return reached === undefined ? 'none' : toHex(reached);
        };
        expect(climb(index, size)).toBe(root);
        for (let other = 0; other < size; other++)
          if (other !== index) expect(climb(other, size)).not.toBe(root);
        expect(climb(index, size, [...path, path[0] ?? new Uint8Array(32)])).not.toBe(root);
        if (path.length > 0) expect(climb(index, size, path.slice(1))).not.toBe(root);
      }
    }
  });

  it('does not take an inner node for a leaf', () => {
    const leaves = leavesOf(4);
    const inner = merkleRoot(leaves.slice(0, 2));
    const whole = toHex(merkleRoot(leaves));
    const joined = new Uint8Array(64);
    joined.set(leaves[0]!);
    joined.set(leaves[1]!, 32);
    expect(toHex(merkleLeafHash(joined))).not.toBe(toHex(inner));
    const path = [merkleRoot(leaves.slice(2))];
    expect(toHex(merkleRootFromPath(inner, 0, 2, path)!)).toBe(whole);
    // A verifier knows the size from the certified header, and with it the length of the path.
    expect(merkleRootFromPath(inner, 0, 4, path)).toBeUndefined();
  });

  it('answers any malformed path with undefined', () => {
    const leaf = leavesOf(1)[0]!;
    expect(merkleRootFromPath(leaf, 0, 0, [])).toBeUndefined();
    expect(merkleRootFromPath(leaf, 1, 1, [])).toBeUndefined();
    expect(merkleRootFromPath(leaf, -1, 1, [])).toBeUndefined();
    expect(merkleRootFromPath(leaf, 0.5, 2, [leaf])).toBeUndefined();
    expect(merkleRootFromPath(leaf, 0, Number.NaN, [])).toBeUndefined();
    expect(merkleRootFromPath(leaf, 0, 2 ** 53, new Array<Uint8Array>(53).fill(leaf))).toBeUndefined();
    expect(merkleRootFromPath(leaf, 0, 2, [new Uint8Array(31)])).toBeUndefined();
    expect(merkleRootFromPath(new Uint8Array(33), 0, 1, [])).toBeUndefined();
    expect(() => merklePath([leaf], 1)).toThrow(RangeError);
  });

  it('holds for large blocks and random indexes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (size, seed) => {
        const leaves = leavesOf(size);
        const index = seed % size;
        const reached = merkleRootFromPath(leaves[index]!, index, size, merklePath(leaves, index));
        expect(reached).toEqual(merkleRoot(leaves));
      }),
      { seed: 6962, numRuns: 20 },
    );
  });
});
