import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createMemoryStore,
  MemoryDisk,
  openStore,
  type BlockCommit,
  type Head,
  type HistoryPage,
  type Store,
} from '../../../src/storage/index.js';
import { asHeight, asStateKey } from '../../../src/types/index.js';
import { commitOn, hash32, headAfter } from '../../helpers/commits.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';

const seed = 20_260_731;
/** So little that both generations of the caches are dropped all the time. */
const memory = { stateCacheBytes: 800 };

const key = fc.constantFrom('a', 'a/', 'a/1', 'a/10', 'a/2', 'aa', 'b', 'b/1', 'c');
const account = fc.constantFrom('x', 'xx', 'y');
const block = fc.record({
  state: fc.array(fc.tuple(key, fc.option(fc.string({ maxLength: 6 }), { nil: undefined })), {
    maxLength: 5,
  }),
  touched: fc.array(fc.array(account, { maxLength: 3 }), { maxLength: 4 }),
  /** Blocks are handed over while earlier ones are under way, or the store is opened again first. */
  before: fc.constantFrom('wait', 'hurry', 'hurry', 'read', 'reopen'),
});

/** The plainest thing that answers the same questions. */
class Model {
  readonly states: Map<string, string>[] = [];
  readonly history: { account: string; height: number; index: number }[] = [];

  commit(commit: BlockCommit): void {
    const state = new Map(this.states.at(-1));
    for (const [name, value] of commit.stateWrites) {
      if (value === undefined) state.delete(name);
      else state.set(name, new TextDecoder().decode(value));
    }
    this.states.push(state);
    commit.touchedAccounts.forEach((accounts, index) => {
      for (const name of new Set(accounts))
        this.history.push({ account: name, height: commit.block.height, index });
    });
  }

  range(prefix: string, after: string, height: number): string[] {
    return [...this.states[height]!]
      .filter(([name]) => name.startsWith(prefix) && name > after)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`);
  }
}

async function agrees(store: Store, model: Model): Promise<void> {
  const names = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'aa', 'b', 'b/1', 'c'];
  const decode = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
  const latest = model.states.at(-1)!;
  expect((await store.stateMany(names.map(asStateKey))).map(decode)).toEqual(
    names.map((name) => latest.get(name)),
  );
  for (const [height, state] of model.states.entries()) {
    for (const name of names)
      expect(decode(await store.stateAt(asStateKey(name), asHeight(height)))).toBe(state.get(name));
    for (const [prefix, after, limit] of [
      ['', '', 3],
      ['a/', '', 2],
      ['a', 'a/1', 9],
      ['b', 'a', 9],
    ] as const) {
      const found = await store.stateRange({ prefix, after, height: asHeight(height), limit });
      expect(found.map(({ key: name, value }) => `${name}=${decode(value)}`)).toEqual(
        model.range(prefix, after, height).slice(0, limit),
      );
    }
  }
  for (const name of ['x', 'xx', 'y']) {
    const seen: unknown[] = [];
    for (let before: HistoryPage['next']; ;) {
      const page = await store.history(name, 2, before);
      seen.push(...page.entries);
      if (page.next === undefined) break;
      before = page.next;
    }
    const expected = model.history
      .filter((entry) => entry.account === name)
      .sort((a, b) => b.height - a.height || b.index - a.index)
      .map(({ height, index }) => ({ height, index, txId: hash32(`tx/${height}/${index}`) }));
    expect(seen).toEqual(expected);
  }
}

async function follow(plan: Plan, open: () => Promise<Store>) {
  const model = new Model();
  let store = await open();
  let parent: Head | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  for (const { state, touched, before } of plan) {
    if (before !== 'hurry') await underWay;
    if (before === 'reopen') {
      await store.close();
      store = await open();
    }
    const reading = before === 'read' ? store.stateMany(state.map(([name]) => asStateKey(name))) : undefined;
    const commit = commitOn(parent, testChain, { state, touched });
    underWay = Promise.all([underWay, store.commitBlock(commit)]);
    parent = headAfter(commit);
    model.commit(commit);
    await reading;
  }
  await underWay;
  await agrees(store, model);
  await store.close();
}

type Plan = readonly {
  readonly state: readonly (readonly [string, string | undefined])[];
  readonly touched: readonly (readonly string[])[];
  readonly before: string;
}[];

describe('a store, whatever is committed in whatever way,', () => {
  it('answers as a plain model does, in memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 12 }), async (plan) => {
        const disk = new MemoryDisk({ schedule: (complete) => void Promise.resolve().then(complete) });
        await follow(plan, async () =>
          opened(await createMemoryStore({ disk, chainId: testChain, validator: 'alpha', memory })),
        );
      }),
      { seed, numRuns: 100 },
    );
  });

  it.each(['leveldb', 'rocksdb'] as const)('answers as a plain model does, on %s', async (engine) => {
    await fc.assert(
      fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 12 }), async (plan) => {
        const dir = await temporaryFolder();
        const options = { dir: join(dir, 's'), engine, chainId: testChain, validator: 'alpha', memory };
        await follow(plan, async () => opened(await openStore({ ...options, createIfMissing: true })));
        await rm(dir, { recursive: true });
      }),
      { seed, numRuns: 6 },
    );
  });
});
