/** What is not kept is removed whole, whatever happens meanwhile, and what is kept is as if nothing had been removed. */
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBlockHeader } from '../../../src/codec/index.js';
import { StateTree, toRootOf } from '../../helpers/state-root.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import {
  createMemoryStore,
  keySpaces,
  MemoryDisk,
  openStore,
  type BlockCommit,
  type StorageEngine,
  type Store,
} from '../../../src/storage/index.js';
import { asHeight, asStateKey, toHex } from '../../../src/types/index.js';
import { commitOn, hash32, headAfter } from '../../helpers/commits.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';

const h = asHeight;
const seed = 20_261_125;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const onDisk = async (disk: MemoryDisk): Promise<Store> =>
  opened(await createMemoryStore({ disk, chainId: testChain, validator: 'alpha' }));

/** Number of entries of each key space. */
function census(disk: MemoryDisk): Record<string, number> {
  const count: Record<string, number> = {};
  for (const { key } of disk.sorted()) {
    const space = Object.values(keySpaces).find(({ prefix }) => prefix === key[0])!.name;
    count[space] = (count[space] ?? 0) + 1;
  }
  return count;
}

async function pruneAll(store: Store, maxEntries = 1000): Promise<number> {
  let entries = 0;
  for (;;) {
    const step = await store.prune(maxEntries);
    entries += step.entries;
    if (step.done) return entries;
  }
}

/** A chain whose blocks write, remove and write again few keys and touch few accounts. */
function chainOf(blocks: number): BlockCommit[] {
  const commits: BlockCommit[] = [];
  for (let height = 0; height < blocks; height++) {
    const parent = commits.at(-1);
    const state: [string, string | undefined][] =
      height === 0
        ? [['a', 'genesis']]
        : [
            [`k${height % 3}`, `at ${height}`],
            [`once/${height}`, 'here'],
          ];
    // What is removed after five blocks, and what comes and goes.
    if (height > 5) state.push([`once/${height - 5}`, undefined]);
    if (height > 0) state.push(['flicker', height % 2 === 0 ? undefined : `at ${height}`]);
    const touched = height === 0 ? [] : [['x', `only-${height}`], ['x']];
    commits.push(commitOn(parent && headAfter(parent), testChain, { state, touched }));
  }
  return commits;
}

/** What may be read of a store, in words. */
async function view(store: Store): Promise<unknown> {
  const head = store.head()!.height;
  const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
  const states = [];
  for (let height: number = store.oldestState; height <= head; height++) {
    const range = await store.stateRange({ prefix: '', height: h(height), limit: 1000 });
    states.push([height, ...range.map(({ key, value }) => `${key}=${text(value)}`)]);
  }
  const blocks = [];
  for (let height = store.base + 1; height <= head; height++) {
    const block = (await store.block(h(height)))!;
    const located = await store.locate(hash32(`tx/${height}/1`) as never);
    blocks.push([height, block.envelopes.length, block.results.length, located?.height]);
  }
  const history = (await store.history('x', 1000)).entries.map(({ height, index }) => [height, index]);
  return { states, blocks, history };
}

describe('a pruned store', () => {
  it('has nothing left of what is not kept, and all of the rest', async () => {
    const disk = new MemoryDisk();
    const store = await onDisk(disk);
    for (const commit of chainOf(40)) await store.commitBlock(commit);
    await store.retain({ blocks: h(20), states: h(30) });
    const expected = await view(store);
    await pruneAll(store, 7);
    expect(await view(store)).toEqual(expected);
    expect(census(disk)).toMatchObject({
      // Genesis, base and the blocks above it.
      'block header': 21,
      // The genesis block's are kept.
      'block bodies': 20,
      'block results': 20,
      'transaction ids': 20,
      'transaction index': 2 * 19,
      'account history': 2 * 19,
      // a, k0 … k2, flicker, and what is there once of the last blocks.
      'latest state': 1 + 3 + 1 + 5 + 9,
      'state path': 1 + 3 + 1 + 5 + 9,
    });
    await store.close();
    const again = await onDisk(disk);
    expect([again.base, again.oldestState]).toEqual([20, 30]);
    expect(await view(again)).toEqual(expected);
    expect(await pruneAll(again)).toBe(0);
    await again.close();
  });

  it('answers nothing about what is not kept, before and after it is removed', async () => {
    const store = await onDisk(new MemoryDisk());
    for (const commit of chainOf(30)) await store.commitBlock(commit);
    await store.retain({ blocks: h(10), states: h(15) });
    for (const prune of [false, true]) {
      if (prune) await pruneAll(store);
      expect(await store.block(h(10))).toBeUndefined();
      expect((await store.block(h(11)))?.height).toBe(11);
      expect((await store.block(h(0)))?.height).toBe(0);
      expect((await store.header(h(10)))?.height).toBe(10);
      expect(await store.locate(hash32('tx/10/0') as never)).toBeUndefined();
      expect((await store.locate(hash32('tx/11/0') as never))?.height).toBe(11);
      expect((await store.history('x', 1000)).entries.at(-1)?.height).toBe(11);
      expect((await store.history('x', 3, { height: h(9), index: 0 })).entries).toEqual([]);
      await expect(store.stateAt(asStateKey('a'), h(14))).rejects.toMatchObject({ code: 'PRUNED' });
      expect(await store.stateAt(asStateKey('a'), h(15))).toBeDefined();
      await expect(store.stateRange({ prefix: '', height: h(14), limit: 5 })).rejects.toMatchObject({
        code: 'PRUNED',
      });
    }
    await store.close();
  });

  it('never keeps less than before, nor gives up the latest state', async () => {
    const store = await onDisk(new MemoryDisk());
    for (const commit of chainOf(12)) await store.commitBlock(commit);
    await store.retain({ blocks: h(5), states: h(8) });
    await store.retain({ blocks: h(2), states: h(3) });
    expect([store.base, store.oldestState]).toEqual([5, 8]);
    await expect(store.retain({ blocks: h(11), states: h(11) })).rejects.toThrow(/latest state/);
    await store.close();
  });

  it('is whole after a crash at any write of a pass, whether or not the write reached the disk', async () => {
    const commits = chainOf(25);
    const original = new MemoryDisk();
    const store = await onDisk(original);
    for (const commit of commits.slice(0, -1)) await store.commitBlock(commit);
    await store.retain({ blocks: h(12), states: h(18) });
    const expected = await view(store);
    await store.close();
    const start = original.copy();
    const whole = await onDisk(original);
    await pruneAll(whole, 5);
    await whole.close();
    const clean = census(original);
    let crashes = 0;
    for (const keepPending of [false, true]) {
      for (let crashAt = 0; ; crashAt++) {
        let writes = 0;
        const disk = new MemoryDisk({ schedule: (complete) => writes++ < crashAt && complete() });
        disk.restore(start);
        const first = await onDisk(disk);
        const done = pruneAll(first, 5).then(() => true);
        // A write that the schedule does not complete is one that the process dies in.
        const isDone = await Promise.race([done, settled().then(() => false)]);
        if (isDone) break;
        crashes++;
        disk.crash({ keepPending });
        const after = new MemoryDisk();
        after.restore(disk.copy());
        const second = await onDisk(after);
        expect(await view(second)).toEqual(expected);
        await pruneAll(second, 5);
        expect(await view(second)).toEqual(expected);
        expect(census(after)).toMatchObject({ ...clean, 'write sequence': expect.any(Number) });
        await second.commitBlock(commits.at(-1)!);
        await second.close();
      }
    }
    expect(crashes).toBeGreaterThan(20);
  });

  it('is as a store that never had the rest, whatever is committed meanwhile (property)', async () => {
    const key = fc.constantFrom('a', 'a/1', 'b', 'c', 'd');
    const action = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.array(fc.tuple(key, fc.option(fc.string({ maxLength: 3 }), { nil: undefined })), {
          maxLength: 4,
        }),
      },
      { weight: 1, arbitrary: fc.record({ blocks: fc.nat(40), states: fc.nat(40) }) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const pruned = await onDisk(
          new MemoryDisk({ schedule: (complete) => void Promise.resolve().then(complete) }),
        );
        const archive = await onDisk(new MemoryDisk());
        const first = commitOn(undefined, testChain, { state: [['a', 'x']] });
        for (const store of [pruned, archive]) await store.commitBlock(first);
        let parent = headAfter(first);
        const underWay: Promise<unknown>[] = [];
        for (const what of actions) {
          if (typeof what === 'number') underWay.push(pruned.prune(what));
          else if (Array.isArray(what)) {
            const commit = commitOn(parent, testChain, { state: what, touched: [['x']] });
            parent = headAfter(commit);
            underWay.push(pruned.commitBlock(commit));
            await archive.commitBlock(commit);
          } else {
            const below = Math.max(0, pruned.head()!.height - 1);
            underWay.push(
              pruned.retain({
                blocks: h(Math.min(what.blocks, below)),
                states: h(Math.min(what.states, below)),
              }),
            );
          }
        }
        await Promise.all(underWay);
        await pruneAll(pruned, 3);
        await archive.retain({ blocks: pruned.base, states: pruned.oldestState });
        expect(await view(pruned)).toEqual(await view(archive));
        const chunk = await pruned.stateChunk({
          height: pruned.oldestState,
          from: new Uint8Array(32),
          until: new Uint8Array(32).fill(255),
          maxBytes: 1e6,
        });
        const range = await archive.stateRange({ prefix: '', height: pruned.oldestState, limit: 100 });
        expect(chunk.entries.map(({ key: name }) => name).sort()).toEqual(range.map(({ key: name }) => name));
        await pruned.close();
        await archive.close();
      }),
      { seed, numRuns: 30 },
    );
  });

  it('lets a read that began before end with an error, never with less than there was', async () => {
    const disk = new MemoryDisk();
    const store = await onDisk(disk);
    for (const commit of chainOf(30)) await store.commitBlock(commit);
    const before = [
      store.stateAt(asStateKey('k1'), h(4)),
      store.stateRange({ prefix: '', height: h(4), limit: 100 }),
      store.block(h(4)),
      store.history('x', 100),
    ] as const;
    const gone = store.retain({ blocks: h(20), states: h(20) });
    const [at, range, block, history] = await Promise.allSettled(before);
    await gone;
    for (const answer of [at, range])
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'PRUNED' });
    if (at.status === 'fulfilled') expect(at.value).toBeDefined();
    expect(block.status).toBe('fulfilled');
    expect(history.status).toBe('fulfilled');
    await store.close();
  });
});

/** Lets everything happen that needs no write. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a store with a real state', () => {
  it('keeps exactly the nodes of the states that are kept, and these prove and copy as before', async () => {
    const { genesis, validatorKeys } = testGenesis(4, 60);
    const disk = new MemoryDisk();
    const store = opened(
      await createMemoryStore({ disk, chainId: genesisChainId(genesis), validator: 'v0' }),
    );
    closers.push(() => store.close());
    const chain = await ExecutedChain.create({
      store,
      genesis,
      keys: validatorKeys,
      transactionsPerBlock: 3,
      payee: (number) => `X${String(number % 60).padStart(5, '0')}`,
    });
    await chain.append(30);
    await store.retain({ blocks: h(10), states: h(22) });
    await pruneAll(store, 50);
    const nodes = () => disk.sorted().filter(({ key }) => key[0] === keySpaces.treeNode.prefix);
    const found = nodes().map(({ key }) => toHex(key));
    const used = new Set<string>();
    for (let height = 22; height <= 30; height++) {
      const { root, read } = await toRootOf(store, h(height));
      const header = decodeBlockHeader((await store.header(h(height)))!.headerBytes);
      expect(header.ok && toHex(header.value.stateRoot)).toBe(toHex(root));
      for (const key of read) used.add(key);
    }
    expect(found.map((key) => key.slice(2)).filter((key) => !used.has(key))).toEqual([]);
    expect(found.length).toBe(used.size);
    // It goes on.
    await chain.append(5);
    expect(store.head()?.height).toBe(35);
    const tree = new StateTree({ maxBytes: 0 });
    const reader = { readNodes: (keys: readonly Uint8Array[]) => store.treeNodes(keys) };
    await expect(tree.prove(reader, h(21), asStateKey('member/alpha'))).rejects.toMatchObject({
      code: 'STATE_NODE_MISSING',
    });
  });
});

describe('the disk', () => {
  it.each(['leveldb', 'rocksdb'] as const)(
    'does not grow with the length of the chain, on %s',
    async (engine) => {
      const sizes = { kept: await sizeAfter(engine, undefined), pruned: await sizeAfter(engine, 20) };
      // 250 blocks of some 40 kB, of which 20 are kept.
      expect(sizes.kept).toBeGreaterThan(8_000_000);
      // RocksDB can not be told when to compact.
      expect(sizes.pruned).toBeLessThan(sizes.kept * (engine === 'leveldb' ? 0.5 : 0.75));
    },
  );
});

/** Bytes of the folder after 250 blocks, of which so many are kept. */
async function sizeAfter(engine: StorageEngine, keep: number | undefined): Promise<number> {
  const dir = await temporaryFolder();
  try {
    const store = opened(
      await openStore({
        dir: join(dir, 'store'),
        engine,
        chainId: testChain,
        validator: 'alpha',
        createIfMissing: true,
        memory: { writeBufferBytes: 256 * 1024 },
      }),
    );
    let random = 1;
    for (let height = 0; height < 250; height++) {
      const commit = commitOn(store.head(), testChain, { touched: height === 0 ? [] : [['x']] });
      const body = new Uint32Array(10_000);
      for (let at = 0; at < body.length; at++) body[at] = random = (random * 1664525 + 1013904223) >>> 0;
      const envelopes = height === 0 ? [] : [new Uint8Array(body.buffer)];
      await store.commitBlock({ ...commit, block: { ...commit.block, envelopes } });
      if (keep === undefined || height % keep !== 0 || height <= keep) continue;
      await store.retain({ blocks: h(height - keep), states: h(height - keep) });
      await pruneAll(store);
      await store.compact(true);
    }
    const bytes = await store.sizeBytes();
    await store.close();
    return bytes;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
