import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  sha256,
  StateTree,
  stateKeyPath,
  verifyStateRange,
  type RangeProof,
} from '../../../src/crypto/index.js';
import { asHeight, asStateKey, compareBytes, type StateKey } from '../../../src/types/index.js';
import { TreeStore } from '../../helpers/tree-store.js';

interface Leaf {
  readonly key: StateKey;
  readonly value: Uint8Array;
  readonly path: Uint8Array;
}

const holds = (...question: Parameters<typeof verifyStateRange>): boolean =>
  verifyStateRange(...question) !== undefined;

async function treeOf(keys: readonly number[]) {
  const store = new TreeStore();
  const tree = new StateTree({ maxBytes: 1_000_000 });
  const writes = new Map<StateKey, Uint8Array>(
    keys.map((key) => [asStateKey(`account/${key}`), Uint8Array.of(key & 255, key >> 8)]),
  );
  const update = await tree.update(store, undefined, asHeight(0), writes);
  store.add(update);
  const leaves: Leaf[] = [...writes]
    .map(([key, value]) => ({ key, value, path: stateKeyPath(key) }))
    .sort((left, right) => compareBytes(left.path, right.path));
  const prove = (from: Uint8Array, to: Uint8Array): Promise<RangeProof> =>
    tree.proveRange(store, asHeight(0), { from, to });
  return { root: update.root, leaves, prove };
}

const within = (leaves: readonly Leaf[], from: Uint8Array, to: Uint8Array): Leaf[] =>
  leaves.filter(({ path }) => compareBytes(path, from) >= 0 && compareBytes(path, to) <= 0);

const pathArbitrary = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keysArbitrary = fc.uniqueArray(fc.integer({ min: 0, max: 60_000 }), { maxLength: 60 });
const low = new Uint8Array(32);
const high = new Uint8Array(32).fill(255);

describe('the proof of a range', () => {
  it('holds for exactly the leaves that are in it, wherever it begins and ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        keysArbitrary,
        pathArbitrary,
        pathArbitrary,
        fc.nat(),
        async (keys, one, other, pick) => {
          const { root, leaves, prove } = await treeOf(keys);
          // Bounds at random, and bounds that are leaves: as where a chunk ends and the next begins.
          const leaf = leaves[pick % Math.max(1, leaves.length)]?.path ?? one;
          for (const [first, second] of [
            [one, other],
            [leaf, other],
            [low, leaf],
            [leaf, high],
            [leaf, leaf],
            [low, high],
          ] as const) {
            const [from, to] = compareBytes(first, second) <= 0 ? [first, second] : [second, first];
            const proof = await prove(from, to);
            const inside = within(leaves, from, to);
            expect(holds(root, { from, to }, inside, proof)).toBe(true);
            // One leaf left out, one from outside put in, one changed.
            for (let index = 0; index < inside.length; index++) {
              const fewer = inside.filter((_, position) => position !== index);
              expect(holds(root, { from, to }, fewer, proof)).toBe(false);
              const changed = inside.map((item, position) =>
                position === index ? { ...item, value: Uint8Array.of(...item.value, 0) } : item,
              );
              expect(holds(root, { from, to }, changed, proof)).toBe(false);
            }
            const outside = leaves.find((item) => !inside.includes(item));
            if (outside !== undefined) {
              const more = [...inside, outside].sort((left, right) => compareBytes(left.path, right.path));
              expect(holds(root, { from, to }, more, proof)).toBe(false);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('does not hold when a leaf of the range is hidden among what is outside', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 0, max: 60_000 }), { minLength: 2, maxLength: 30 }),
        fc.nat(),
        fc.nat(),
        async (keys, pick, place) => {
          const { root, leaves, prove } = await treeOf(keys);
          const from = leaves[pick % leaves.length]!.path;
          const inside = within(leaves, from, high);
          const { left, right } = await prove(from, high);
          const [hidden, ...rest] = inside;
          const items = [...left];
          while (items.length < 20) items.push(new Uint8Array(0));
          items[place % items.length] = new Uint8Array([...hidden!.path, ...sha256(hidden!.value)]);
          expect(holds(root, { from, to: high }, rest, { left: items, right })).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has one form: nothing added, nothing cut off, nothing out of order', async () => {
    const { root, leaves, prove } = await treeOf(Array.from({ length: 200 }, (_, key) => key));
    const [from, to] = [leaves[50]!.path, leaves[120]!.path];
    const proof = await prove(from, to);
    const inside = within(leaves, from, to);
    const check = (changed: Partial<RangeProof>, items: readonly Leaf[] = inside): boolean =>
      holds(root, { from, to }, items, { ...proof, ...changed });
    expect(check({})).toBe(true);
    expect(check({ left: [...proof.left, new Uint8Array(0)] })).toBe(false);
    expect(check({ right: [...proof.right, new Uint8Array(32).fill(1)] })).toBe(false);
    expect(check({ left: proof.left.slice(0, -1) })).toBe(false);
    expect(check({ right: [] })).toBe(false);
    expect(check({ left: [new Uint8Array(31), ...proof.left.slice(1)] })).toBe(false);
    expect(check({}, [...inside].reverse())).toBe(false);
    expect(check({}, [...inside, inside.at(-1)!])).toBe(false);
    expect(holds(root, { from: to, to: from }, [], proof)).toBe(false);
    expect(holds(root, { from: from.subarray(1), to }, inside, proof)).toBe(false);
  });

  it('shows that an empty state has nothing', async () => {
    const { root, prove } = await treeOf([]);
    expect(holds(root, { from: low, to: high }, [], await prove(low, high))).toBe(true);
    const leaf = { key: asStateKey('a'), value: low };
    expect(holds(root, { from: low, to: high }, [leaf], await prove(low, high))).toBe(false);
  });
});
