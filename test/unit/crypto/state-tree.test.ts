import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  sha256,
  StateTree,
  stateKeyPath,
  verifyStatePath,
  type NodeReader,
  type StatePath,
  type TreeUpdate,
} from '../../../src/crypto/index.js';
import { asHeight, asStateKey, toHex, type Height, type StateKey } from '../../../src/types/index.js';
import { TreeStore } from '../../helpers/tree-store.js';
import { hex, readVectors } from '../../helpers/vectors.js';

type State = Map<StateKey, Uint8Array>;
type Writes = Map<StateKey, Uint8Array | undefined>;

const keyOf = (number: number): StateKey => asStateKey(`account/${number}`);
const valueOf = (number: number): Uint8Array => Uint8Array.of(number & 255, number >> 8, 7);
const writesOf = (entries: Iterable<readonly [number, number | undefined]>): Writes =>
  new Map([...entries].map(([key, value]) => [keyOf(key), value === undefined ? undefined : valueOf(value)]));

/** The root by its definition, straight from the map: README.md of src/crypto/state-tree. */
function rootOf(state: ReadonlyMap<StateKey, Uint8Array>): string {
  const leaves = [...state].map(([key, value]) => ({ path: stateKeyPath(key), valueHash: sha256(value) }));
  const hash = (items: typeof leaves, depth: number): Uint8Array => {
    const [first] = items;
    if (first === undefined) return new Uint8Array(32);
    if (items.length === 1) return sha256(Uint8Array.of(0), first.path, first.valueHash);
    const isRight = ({ path }: typeof first): boolean => ((path[depth >> 3]! >> (7 - (depth & 7))) & 1) === 1;
    const [left, right] = [items.filter((item) => !isRight(item)), items.filter(isRight)];
    return sha256(Uint8Array.of(1), hash(left, depth + 1), hash(right, depth + 1));
  };
  return toHex(hash(leaves, 0));
}

/** A tree with its store, driven block by block. */
class Chain {
  readonly store = new TreeStore();
  readonly state: State = new Map();
  readonly updates: TreeUpdate[] = [];
  readonly tree: StateTree;

  constructor(maxBytes = 1_000_000) {
    this.tree = new StateTree({ maxBytes });
  }

  get height(): Height | undefined {
    return this.updates.length === 0 ? undefined : asHeight(this.updates.length - 1);
  }

  async commit(writes: Writes): Promise<TreeUpdate> {
    const update = await this.tree.update(this.store, this.height, asHeight(this.updates.length), writes);
    this.store.add(update);
    this.tree.committed(update);
    this.updates.push(update);
    for (const [key, value] of writes) {
      if (value === undefined) this.state.delete(key);
      else this.state.set(key, value);
    }
    return update;
  }
}

interface VectorCase {
  readonly leaves: number;
  readonly root: string;
  readonly proofs: readonly {
    readonly key: string;
    readonly value: string | null;
    readonly siblings: readonly string[];
    readonly otherLeafPath: string;
    readonly otherLeafValueHash: string;
  }[];
}

const noPath: StatePath = {
  siblings: [],
  otherLeafPath: new Uint8Array(0),
  otherLeafValueHash: new Uint8Array(0),
};

describe('StateTree', () => {
  it('gives the roots and proofs of the vectors', async () => {
    const { cases } = readVectors<{ cases: VectorCase[] }>('crypto/state-tree.json');
    for (const { leaves, root, proofs } of cases) {
      const chain = new Chain();
      const update = await chain.commit(
        writesOf(Array.from({ length: leaves }, (_, index) => [index, index])),
      );
      expect(toHex(update.root)).toBe(root);
      for (const { key, value, siblings, otherLeafPath, otherLeafValueHash } of proofs) {
        const path = await chain.tree.prove(chain.store, asHeight(0), asStateKey(key));
        expect(path.siblings.map(toHex)).toEqual(siblings);
        expect(toHex(path.otherLeafPath)).toBe(otherLeafPath);
        expect(toHex(path.otherLeafValueHash)).toBe(otherLeafValueHash);
        expect(verifyStatePath(hex(root), key, value === null ? undefined : hex(value), path)).toBe(true);
      }
    }
  });

  it('agrees with the definition of the root after every block, whatever the history', async () => {
    const write = fc.tuple(fc.nat({ max: 60 }), fc.option(fc.nat({ max: 3 }), { nil: undefined }));
    const history = fc.array(fc.array(write, { maxLength: 25 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom(0, 4000, 1_000_000), async (blocks, maxBytes) => {
        const chain = new Chain(maxBytes);
        for (const block of blocks) {
          const update = await chain.commit(writesOf(block));
          expect(toHex(update.root)).toBe(rootOf(chain.state));
        }
        const fresh = new Chain();
        const shuffled = [...chain.state].sort(([left], [right]) =>
          toHex(sha256(stateKeyPath(left))) < toHex(sha256(stateKeyPath(right))) ? -1 : 1,
        );
        for (const entry of shuffled) await fresh.commit(new Map([entry]));
        if (shuffled.length > 0) expect(toHex(fresh.updates.at(-1)!.root)).toBe(rootOf(chain.state));
      }),
      { seed: 17, numRuns: 60 },
    );
  });

  it('proves presence and absence at every retained height', async () => {
    const chain = new Chain();
    const roots: string[] = [];
    const states: State[] = [];
    for (let height = 0; height < 12; height++) {
      const block = Array.from({ length: 40 }, (_, index) => {
        const key = (height * 37 + index * 11) % 300;
        return [key, (height + index) % 5 === 0 ? undefined : height * 1000 + index] as const;
      });
      roots.push(toHex((await chain.commit(writesOf(block))).root));
      states.push(new Map(chain.state));
    }
    let [empty, other] = [0, 0];
    for (const [height, state] of states.entries()) {
      expect(roots[height]).toBe(rootOf(state));
      const root = chain.updates[height]!.root;
      for (let number = 0; number < 300; number += 7) {
        const key = keyOf(number);
        const value = state.get(key);
        const path = await chain.tree.prove(chain.store, asHeight(height), key);
        expect(verifyStatePath(root, key, value, path)).toBe(true);
        expect(verifyStatePath(root, key, Uint8Array.of(9), path)).toBe(false);
        if (value !== undefined) expect(verifyStatePath(root, key, undefined, path)).toBe(false);
        else if (path.otherLeafPath.length === 0) empty++;
        else other++;
      }
    }
    // Both kinds of absence occurred.
    expect(empty).toBeGreaterThan(0);
    expect(other).toBeGreaterThan(0);
  });

  it('proves absence in the empty tree and in a tree of one leaf', async () => {
    const chain = new Chain();
    const empty = await chain.commit(new Map());
    expect(await chain.tree.prove(chain.store, asHeight(0), keyOf(1))).toEqual(noPath);
    expect(verifyStatePath(empty.root, keyOf(1), undefined, noPath)).toBe(true);
    expect(verifyStatePath(empty.root, keyOf(1), valueOf(1), noPath)).toBe(false);
    const one = await chain.commit(writesOf([[1, 1]]));
    const absent = await chain.tree.prove(chain.store, asHeight(1), keyOf(2));
    expect(absent.siblings).toEqual([]);
    expect(verifyStatePath(one.root, keyOf(2), undefined, absent)).toBe(true);
    expect(verifyStatePath(one.root, keyOf(1), undefined, absent)).toBe(false);
    expect(verifyStatePath(one.root, keyOf(1), valueOf(1), noPath)).toBe(true);
  });

  it('accepts no altered proof', async () => {
    const chain = new Chain();
    await chain.commit(writesOf(Array.from({ length: 200 }, (_, index) => [index, index])));
    const root = chain.updates[0]!.root;
    const absentWithLeaf = await findAbsent(chain, (path) => path.otherLeafPath.length > 0);
    const absentEmpty = await findAbsent(chain, (path) => path.otherLeafPath.length === 0);
    const present = {
      key: keyOf(5),
      value: valueOf(5),
      path: await chain.tree.prove(chain.store, asHeight(0), keyOf(5)),
    };
    for (const { key, value, path } of [absentWithLeaf, absentEmpty, present]) {
      const holds = (altered: Partial<StatePath>, forKey = key, forValue = value): boolean =>
        verifyStatePath(root, forKey, forValue, { ...path, ...altered });
      const flipped = (bytes: Uint8Array): Uint8Array =>
        bytes.map((byte, index) => (index === 31 ? byte ^ 1 : byte));
      const { siblings } = path;
      expect(holds({})).toBe(true);
      expect(holds({ siblings: siblings.slice(1) })).toBe(false);
      expect(holds({ siblings: siblings.slice(0, -1) })).toBe(false);
      expect(holds({ siblings: [...siblings, new Uint8Array(0)] })).toBe(false);
      expect(holds({ siblings: [new Uint8Array(0), ...siblings] })).toBe(false);
      expect(
        holds({ siblings: siblings.map((item) => (item.length === 0 ? new Uint8Array(32) : item)) }),
      ).toBe(siblings.every((item) => item.length === 32));
      expect(holds({ siblings: new Array<Uint8Array>(257).fill(new Uint8Array(0)) })).toBe(false);
      expect(holds({ siblings: [new Uint8Array(31), ...siblings.slice(1)] })).toBe(false);
      for (let index = 0; index < siblings.length; index++) {
        if (siblings[index]!.length === 0) continue;
        expect(holds({ siblings: siblings.map((item, at) => (at === index ? flipped(item) : item)) })).toBe(
          false,
        );
      }
      expect(holds({ otherLeafPath: stateKeyPath(key), otherLeafValueHash: sha256(valueOf(5)) })).toBe(false);
      expect(
        holds({ otherLeafPath: flipped(path.otherLeafPath), otherLeafValueHash: new Uint8Array(0) }),
      ).toBe(path.otherLeafPath.length === 0);
      expect(holds({}, keyOf(77_777))).toBe(false);
      expect(verifyStatePath(flipped(root), key, value, path)).toBe(false);
      expect(verifyStatePath(root.slice(1), key, value, path)).toBe(false);
    }
    // A leaf elsewhere in the tree says nothing about this key.
    const far = {
      ...absentEmpty.path,
      otherLeafPath: stateKeyPath(keyOf(5)),
      otherLeafValueHash: sha256(valueOf(5)),
    };
    expect(verifyStatePath(root, absentEmpty.key, undefined, far)).toBe(false);
    expect(
      verifyStatePath(root, absentEmpty.key, undefined, {
        ...present.path,
        otherLeafPath: stateKeyPath(keyOf(5)),
        otherLeafValueHash: sha256(valueOf(5)),
      }),
    ).toBe(false);
  });

  it('writes nothing but a root for writes that change nothing', async () => {
    const chain = new Chain();
    const first = await chain.commit(writesOf(Array.from({ length: 50 }, (_, index) => [index, index])));
    const second = await chain.commit(
      writesOf([
        [3, 3],
        [4, 4],
        [1000, undefined],
      ]),
    );
    expect(second.root).toEqual(first.root);
    expect(second.nodes).toHaveLength(1);
    const third = await chain.commit(new Map());
    expect(third.nodes).toHaveLength(1);
    expect(third.root).toEqual(first.root);
  });

  it('needs no stale node for later versions, and after pruning keeps exactly the nodes in use', async () => {
    const chain = new Chain(0);
    for (let height = 0; height < 15; height++) {
      const block = Array.from({ length: 30 }, (_, index) => {
        const key = (height * 53 + index * 17) % 150;
        return [key, index % 3 === 0 ? undefined : height * 100 + index] as const;
      });
      const { stale } = await chain.commit(writesOf(block));
      chain.store.remove(stale);
    }
    const last = asHeight(14);
    const reader = new StateTree({ maxBytes: 0 });
    for (let number = 0; number < 150; number++) {
      const path = await reader.prove(chain.store, last, keyOf(number));
      expect(
        verifyStatePath(chain.updates[14]!.root, keyOf(number), chain.state.get(keyOf(number)), path),
      ).toBe(true);
    }
    // Removing every key leaves a tree of one empty root.
    const removals: Writes = new Map([...chain.state.keys()].map((key) => [key, undefined]));
    const { stale, root } = await chain.commit(removals);
    chain.store.remove(stale);
    expect(toHex(root)).toBe('00'.repeat(32));
    expect(chain.store.nodes.size).toBe(1);
    await expect(reader.prove(chain.store, asHeight(3), keyOf(1))).rejects.toMatchObject({
      code: 'STATE_NODE_MISSING',
    });
  });

  it('reads with one call a level, and nothing that is cached', async () => {
    const chain = new Chain(10_000_000);
    await chain.commit(writesOf(Array.from({ length: 5000 }, (_, index) => [index, index])));
    const block = writesOf(Array.from({ length: 200 }, (_, index) => [index * 9, 1] as const));
    const cold = new StateTree({ maxBytes: 1_000_000 });
    const update = await cold.update(chain.store, asHeight(0), asHeight(1), block);
    expect(chain.store.calls).toBeLessThanOrEqual(6);
    chain.store.calls = 0;
    const warm = await chain.tree.update(chain.store, asHeight(0), asHeight(1), block);
    expect(chain.store.calls).toBe(0);
    expect(warm).toEqual(update);
  });

  it('finds the nodes of a branch that is not committed without reading them', async () => {
    const chain = new Chain();
    await chain.commit(writesOf(Array.from({ length: 300 }, (_, index) => [index, index])));
    const blocks = [0, 1, 2].map((offset) =>
      writesOf(Array.from({ length: 40 }, (_, index) => [index * 7 + offset, 1000 + offset] as const)),
    );
    const branch: TreeUpdate[] = [];
    for (const [index, block] of blocks.entries()) {
      // The store knows nothing of the branch.
      const update = await chain.tree.update(
        chain.store,
        asHeight(index),
        asHeight(index + 1),
        block,
        branch.slice(),
      );
      branch.push(update);
    }
    const other = new Chain();
    await other.commit(writesOf(Array.from({ length: 300 }, (_, index) => [index, index])));
    for (const [index, block] of blocks.entries()) {
      expect((await other.commit(block)).root).toEqual(branch[index]!.root);
    }
    // A sibling of the first block of the branch, with other content: neither sees the other.
    const sibling = await chain.tree.update(chain.store, asHeight(0), asHeight(1), blocks[2]!);
    const onSibling = await chain.tree.update(chain.store, asHeight(1), asHeight(2), blocks[1]!, [sibling]);
    const onBranch = await chain.tree.update(chain.store, asHeight(1), asHeight(2), blocks[1]!, [branch[0]!]);
    expect(onBranch.root).toEqual(branch[1]!.root);
    expect(onSibling.root).not.toEqual(onBranch.root);
  });

  it('keeps candidate blocks of the same height apart', async () => {
    const chain = new Chain();
    await chain.commit(writesOf(Array.from({ length: 300 }, (_, index) => [index, index])));
    const overlayOn = (...updates: TreeUpdate[]): NodeReader => {
      const overlay = new Map(
        updates.flatMap(({ nodes }) => [...nodes].map(({ key, value }) => [toHex(key), value] as const)),
      );
      return {
        readNodes: async (keys) => {
          const stored = await chain.store.readNodes(keys);
          return keys.map((key, index) => overlay.get(toHex(key)) ?? stored[index]);
        },
      };
    };
    const rootWith = (...blocks: Writes[]): string => {
      const state: State = new Map(chain.state);
      for (const [key, value] of blocks.flatMap((block) => [...block])) {
        if (value === undefined) state.delete(key);
        else state.set(key, value);
      }
      return rootOf(state);
    };
    const [a1, b1] = [
      writesOf([
        [1, 100],
        [2, undefined],
        [400, 4],
      ]),
      writesOf([
        [1, 200],
        [3, 7],
        [500, 5],
      ]),
    ];
    const two = writesOf([
      [1, 300],
      [400, undefined],
      [2, 9],
    ]);
    const { tree, store } = chain;
    const left = await tree.update(store, asHeight(0), asHeight(1), a1);
    const right = await tree.update(store, asHeight(0), asHeight(1), b1);
    const leftTwo = await tree.update(overlayOn(left), asHeight(1), asHeight(2), two);
    const rightTwo = await tree.update(overlayOn(right), asHeight(1), asHeight(2), two);
    expect(toHex(left.root)).toBe(rootWith(a1));
    expect(toHex(right.root)).toBe(rootWith(b1));
    expect(toHex(leftTwo.root)).toBe(rootWith(a1, two));
    expect(toHex(rightTwo.root)).toBe(rootWith(b1, two));
    // The right one is committed; then height 2 is worked out again, through the cache.
    store.add(right);
    tree.committed(right);
    expect(await tree.update(store, asHeight(1), asHeight(2), two)).toEqual(rightTwo);
  });

  it('frees what was given up, and what is no longer used', async () => {
    const chain = new Chain(10_000_000);
    await chain.commit(writesOf(Array.from({ length: 500 }, (_, index) => [index, index])));
    const { tree, store } = chain;
    const before = tree.usedBytes;
    const block = (value: number): Writes =>
      writesOf(Array.from({ length: 100 }, (_, index) => [index * 3, value] as const));
    const given = await tree.update(store, asHeight(0), asHeight(1), block(1));
    const onGiven = await tree.update(store, asHeight(1), asHeight(2), block(2), [given]);
    expect(tree.usedBytes).toBeGreaterThan(before);
    tree.release(given);
    expect(tree.usedBytes).toBe(before);
    // They can still be a base, at the cost of reading their nodes.
    store.calls = 0;
    const late = await tree.update(store, asHeight(2), asHeight(3), block(3), [given, onGiven]);
    expect(store.calls).toBeGreaterThan(0);
    const other = writesOf(Array.from({ length: 100 }, (_, index) => [index * 3 + 1, 8] as const));
    const later = await tree.update(store, asHeight(3), asHeight(4), other, [given, onGiven, late]);
    const state = new Map([...chain.state, ...(block(3) as ReadonlyMap<StateKey, Uint8Array>)]);
    expect(toHex(late.root)).toBe(rootOf(state));
    for (const [key, value] of other) state.set(key, value!);
    expect(toHex(later.root)).toBe(rootOf(state));
    expect(tree.usedBytes).toBe(before);
    // Nobody says that these are given up; a commit of another does.
    await tree.update(store, asHeight(0), asHeight(1), block(4));
    const taken = await tree.update(store, asHeight(0), asHeight(1), block(5));
    const kept = await tree.update(store, asHeight(1), asHeight(2), block(6), [taken]);
    store.add(taken);
    tree.committed(taken);
    // A branch may still begin with what was committed meanwhile.
    const next = await tree.update(store, asHeight(2), asHeight(3), block(7), [taken, kept]);
    store.add(kept);
    tree.committed(kept);
    const again = await tree.update(store, asHeight(2), asHeight(3), block(7), [kept]);
    expect(again.root).toEqual(next.root);
    tree.release(next);
    tree.release(again);
    expect(tree.usedBytes).toBe(before);
  });

  it('stays within its memory whatever is written, and gives the same roots', async () => {
    const maxBytes = 60_000;
    const [small, large] = [new Chain(maxBytes), new Chain(10_000_000)];
    for (let height = 0; height < 25; height++) {
      const block = writesOf(
        Array.from({ length: 60 }, (_, index) => {
          const key = (height * 977 + index * index * 31) % 4000;
          return [key, index % 7 === 0 ? undefined : height + 1] as const;
        }),
      );
      const update = await small.commit(block);
      expect(small.tree.usedBytes).toBeLessThanOrEqual(maxBytes);
      expect(toHex(update.root)).toBe(toHex((await large.commit(block)).root));
    }
    expect(large.tree.usedBytes).toBeGreaterThan(2 * maxBytes);
    expect(small.store.reads).toBeGreaterThan(0);
    expect(large.store.reads).toBe(0);
  });

  it('stores little more than what changed, and proves every height from that', async () => {
    const chain = new Chain(10_000_000);
    await chain.commit(writesOf(Array.from({ length: 3000 }, (_, index) => [index, index])));
    const blocks = 60;
    let bytes = 0;
    for (let height = 1; height <= blocks; height++) {
      const update = await chain.commit(writesOf([[(height * 7) % 40, height]]));
      for (const { value } of update.nodes) bytes += value.length;
    }
    // The full nodes on the way of a key have 1,700 bytes.
    expect(bytes / blocks).toBeLessThan(600);
    for (let height = 1; height <= blocks; height++) {
      const key = keyOf((height * 7) % 40);
      const path = await new StateTree({ maxBytes: 0 }).prove(chain.store, asHeight(height), key);
      const value = valueOf(height);
      expect(verifyStatePath(chain.updates[height]!.root, key, value, path)).toBe(true);
    }
    // Blocks that change nothing, too.
    for (let count = 0; count < 3; count++) await chain.commit(new Map());
    const last = chain.height!;
    const path = await new StateTree({ maxBytes: 0 }).prove(chain.store, last, keyOf(7));
    expect(verifyStatePath(chain.updates[last]!.root, keyOf(7), chain.state.get(keyOf(7)), path)).toBe(true);
  });

  it('refuses a node that its parent does not vouch for', async () => {
    const chain = new Chain();
    await chain.commit(writesOf(Array.from({ length: 300 }, (_, index) => [index, index])));
    await chain.commit(writesOf([[1, 1000]]));
    const nodes = [...chain.store.nodes];
    const [key] = nodes.find(([name]) => name.startsWith('00000000000101'))!;
    const path = toHex(stateKeyPath(keyOf(1)));
    const old = nodes.find(([name]) => name === `00000000000001${path.slice(0, 1)}0`)!;
    chain.store.nodes.set(key, old[1]);
    const fresh = new StateTree({ maxBytes: 0 });
    await expect(fresh.prove(chain.store, asHeight(1), keyOf(1))).rejects.toMatchObject({
      code: 'STATE_NODE_CORRUPT',
    });
  });

  it('works with keys whose paths share a long prefix', async () => {
    // Found by search: their paths agree in the first 20 bits and more.
    const byPrefix = new Map<string, StateKey>();
    const close: StateKey[] = [];
    for (let number = 0; close.length < 6; number++) {
      const prefix = toHex(stateKeyPath(keyOf(number)).subarray(0, 3));
      const twin = byPrefix.get(prefix);
      if (twin !== undefined) close.push(twin, keyOf(number));
      byPrefix.set(prefix, keyOf(number));
    }
    const chain = new Chain();
    const check = async (writes: Writes): Promise<void> => {
      const { root } = await chain.commit(writes);
      expect(toHex(root)).toBe(rootOf(chain.state));
      for (const key of close) {
        const path = await chain.tree.prove(chain.store, chain.height!, key);
        expect(verifyStatePath(root, key, chain.state.get(key), path)).toBe(true);
      }
    };
    await check(new Map([[close[0]!, valueOf(1)]]));
    await check(new Map(close.map((key) => [key, valueOf(2)])));
    await check(new Map([[close[0]!, undefined]]));
    await check(
      new Map([
        [close[1]!, undefined],
        [close[2]!, undefined],
      ]),
    );
    await check(new Map(close.map((key) => [key, undefined])));
  });

  it('says which version is missing or damaged', async () => {
    const chain = new Chain();
    await chain.commit(writesOf(Array.from({ length: 50 }, (_, index) => [index, index])));
    for (const [key, value] of chain.store.nodes) {
      for (const damaged of [
        value.slice(0, -1),
        value.slice(0, 3),
        new Uint8Array(0),
        value.map((byte, index) => (index === 0 ? 9 : byte)),
        Uint8Array.of(...value, 0),
        value.map((byte, index) => (index > 0 && index < 5 ? 255 : byte)),
      ]) {
        chain.store.nodes.set(key, damaged);
        const fresh = new StateTree({ maxBytes: 0 });
        const touchAll = writesOf(Array.from({ length: 50 }, (_, index) => [index, 1] as const));
        await expect(fresh.update(chain.store, asHeight(0), asHeight(1), touchAll)).rejects.toMatchObject({
          code: 'STATE_NODE_CORRUPT',
          details: { version: '0' },
        });
      }
      chain.store.nodes.set(key, value);
    }
  });
});

async function findAbsent(
  chain: Chain,
  wanted: (path: StatePath) => boolean,
): Promise<{ key: StateKey; value: undefined; path: StatePath }> {
  for (let number = 10_000; ; number++) {
    const key = keyOf(number);
    const path = await chain.tree.prove(chain.store, asHeight(0), key);
    if (wanted(path)) return { key, value: undefined, path };
  }
}
