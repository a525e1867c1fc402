/** Stores of older and later software: what is migrated, what is used as it is, what is refused and left as it was. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore, type StorageEngine, type StoreOptions } from '../../../src/storage/index.js';
import type { KeyValueEngine } from '../../../src/storage/engine.js';
import { endKey, firstKey, keySpaces } from '../../../src/storage/key-spaces.js';
import { currentLayout, layoutOf, type Layout, type Migration } from '../../../src/storage/migrations.js';
import { WriteBatch } from '../../../src/storage/write-batch.js';
import { commitOn } from '../../helpers/commits.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';

let dir: string;
beforeEach(async () => {
  dir = join(await temporaryFolder(), 'store');
});
afterEach(() => rm(join(dir, '..'), { recursive: true, force: true }));

const open = (layout: Layout = currentLayout, changes: Partial<StoreOptions> = {}) =>
  openStore(
    { dir, engine: 'auto', chainId: testChain, validator: 'alpha', createIfMissing: true, ...changes },
    layout,
  );
const refusal = async (...args: Parameters<typeof open>) => {
  const result = await open(...args);
  if (result.ok) {
    await result.value.close();
    throw new Error('it was opened');
  }
  return result.error;
};

/** Software before there were migrations. */
const firstLayout = layoutOf([]);

/** A store with a chain of blocks, written by software of a layout. */
async function make(layout: Layout, engine: StorageEngine = 'leveldb', blocks = 12): Promise<void> {
  const store = opened(await open(layout, { engine, software: '0.0.9' }));
  for (let made = 0; made < blocks; made++) await store.commitBlock(commitOn(store.head(), testChain));
  await store.close();
}

/** Adds a block, as software that runs does; gives the height before. */
async function use(layout: Layout, changes: Partial<StoreOptions> = {}): Promise<number | undefined> {
  const store = opened(await open(layout, changes));
  const height = store.head()?.height;
  await store.commitBlock(commitOn(store.head(), testChain));
  await store.close();
  return height;
}

/** Names and contents of all files. */
async function contents(): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of (await readdir(dir, { recursive: true, withFileTypes: true })).sort((left, right) =>
    `${left.parentPath}/${left.name}` < `${right.parentPath}/${right.name}` ? -1 : 1,
  )) {
    const path = join(entry.parentPath, entry.name);
    hash.update(path).update(entry.isFile() ? await readFile(path) : '');
  }
  return hash.digest('hex');
}

/** Rewrites every header in units of three, as a change of layout would; fails after `survives` units. */
function rewriting(survives = Infinity): Migration {
  let units = 0;
  return {
    to: currentLayout.format + 1,
    compatibleSince: currentLayout.format + 1,
    title: 'headers are written again',
    async run(engine: KeyValueEngine) {
      const to = endKey(keySpaces.header);
      for (let from = firstKey(keySpaces.header); ;) {
        const entries = await engine.range({ from, to, limit: 3 });
        const last = entries.at(-1);
        if (last === undefined) return;
        if (units++ >= survives) throw new Error('the power went');
        const batch = new WriteBatch();
        for (const { key, value } of entries) {
          batch.begin().bytes(key);
          batch.value().bytes(value.subarray(0, -4));
          batch.end();
        }
        await engine.write([batch]);
        from = Uint8Array.of(...last.key, 0);
      }
    },
  };
}
const nextLayout = (survives?: number): Layout =>
  layoutOf([...currentLayout.migrations, rewriting(survives)]);

describe('a store of an older format', () => {
  it.each(['leveldb', 'rocksdb'] as const)('is migrated in place (%s), and said so', async (engine) => {
    await make(firstLayout, engine);
    const steps: number[][] = [];
    const changes = {
      software: '1.2.3',
      migrating: ({ from, to }: { from: number; to: number }) => void steps.push([from, to]),
    };
    expect(await use(currentLayout, changes)).toBe(11);
    expect(steps).toEqual([[1, 2]]);
    const text = await readFile(join(dir, 'QUAESTOR-STORE'), 'utf8');
    expect(text).toMatch(/^format: 2\ncompatible-since: 2\nsoftware: 1\.2\.3$/m);
    expect(await use(currentLayout, changes)).toBe(12);
    expect(steps).toHaveLength(1);
  });

  it('is left alone by who only looks at it', async () => {
    await make(firstLayout);
    expect(await refusal(currentLayout, { migrate: false })).toMatchObject({
      code: 'FORMAT_TOO_OLD',
      details: { found: '1', needed: '2' },
    });
    expect(await use(firstLayout)).toBe(11);
  });

  it.each([0, 1, 2, 3])(
    'is migrated by the next start when the migration was cut off after %i units',
    async (survives) => {
      await make(firstLayout);
      expect((await refusal(nextLayout(survives))).message).toMatch(/the power went/);
      // Half done, it is nothing for the software before it.
      expect((await refusal(currentLayout)).code).toBe('FORMAT_TOO_NEW');
      expect(await use(nextLayout())).toBe(11);
      expect(await use(nextLayout())).toBe(12);
    },
  );
});

describe('a store of a later format', () => {
  it.each(['leveldb', 'rocksdb'] as const)(
    'is refused (%s), saying what to do, and left as it was',
    async (engine) => {
      await make(nextLayout(), engine);
      const before = await contents();
      const { code, message, details } = await refusal();
      expect({ code, details }).toMatchObject({
        code: 'FORMAT_TOO_NEW',
        details: { found: '3', compatibleSince: '3', supported: '2' },
      });
      expect(message).toMatch(
        /format 3, given to it by version 0\.0\.9 .* knows format 3; this version knows up to 2/,
      );
      expect(message).toMatch(/Nothing was changed.*docs\/upgrades\.md/);
      expect(await contents()).toBe(before);
    },
  );

  it('is refused without its text file too', async () => {
    await make(nextLayout());
    await rm(join(dir, 'QUAESTOR-STORE'));
    expect((await refusal()).code).toBe('FORMAT_TOO_NEW');
    expect(await use(nextLayout())).toBe(11);
  });

  it('is used as it is when it says that this software may', async () => {
    const compatible = layoutOf([
      ...currentLayout.migrations,
      { ...rewriting(), compatibleSince: currentLayout.format },
    ]);
    await make(compatible);
    expect(await use(currentLayout)).toBe(11);
    await rm(join(dir, 'QUAESTOR-STORE'));
    expect(await use(currentLayout)).toBe(12);
    expect(await readFile(join(dir, 'QUAESTOR-STORE'), 'utf8')).toMatch(/^format: 3\ncompatible-since: 2$/m);
    expect(await use(compatible)).toBe(13);
    expect((await refusal(firstLayout)).code).toBe('FORMAT_TOO_NEW');
  });
});
