import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  keySpaces,
  openStore,
  type Head,
  type KeySpace,
  type StorageError,
  type Store,
} from '../../../src/storage/index.js';
import { asHeight, asStateKey, asTxId, type Result } from '../../../src/types/index.js';
import { commitOn, hash32, headAfter, textBytes } from '../../helpers/commits.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';
import { flipped, tamper } from '../../helpers/tamper.js';

const blocks = 12;
const flippedAt = (bytes: Uint8Array, at: number): Uint8Array =>
  Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
const node = (height: number) => hash32(`node/${height}`);

/** A store of some blocks, records and evidence, closed. */
async function fill(store: Store): Promise<void> {
  let parent: Head | undefined;
  for (let height = 0; height < blocks; height++) {
    const commit = commitOn(parent, testChain, {
      touched: height === 0 ? [] : [['a'], ['b']],
      state: [['a', `${height}`]],
      treeNodes: [{ key: node(height), value: textBytes('node') }],
    });
    await store.commitBlock(commit);
    parent = headAfter(commit);
  }
  await store.appendLog([{ name: 'vote', height: asHeight(blocks), value: textBytes('vote') }]);
  await store.putEvidence('proof', textBytes('evidence'));
  await store.close();
}

/** How an entry of block 1 is read. */
const reads: Partial<Record<keyof typeof keySpaces, (store: Store) => Promise<unknown>>> = {
  header: (store) => store.header(asHeight(1)),
  envelopes: (store) => store.block(asHeight(1)),
  results: (store) => store.block(asHeight(1)),
  transactionIds: (store) => store.history('a', 100),
  transaction: (store) => store.locate(asTxId(hash32('tx/1/0'))),
  latest: (store) => store.stateMany([asStateKey('a')]),
  version: (store) => store.stateAt(asStateKey('a'), asHeight(1)),
  treeNode: (store) => store.treeNodes([node(1)]),
  history: (store) => store.history('a', 100),
  evidence: (store) => store.evidence(),
};

describe.each(['leveldb', 'rocksdb'] as const)('a damaged store on %s', (engine) => {
  let dir: string;
  const open = (): Promise<Result<Store, StorageError>> =>
    openStore({ dir, engine, chainId: testChain, validator: 'alpha', createIfMissing: true });
  const inSpace = (space: KeySpace) => (key: Uint8Array) => key[0] === space.prefix;
  /** Entries that belong to block 1, or to no block. */
  const early = (space: KeySpace) => (key: Uint8Array) => {
    const byHeight: readonly KeySpace[] = [
      keySpaces.header,
      keySpaces.envelopes,
      keySpaces.results,
      keySpaces.transactionIds,
    ];
    return key[0] === space.prefix && (!byHeight.includes(space) || key[6] === 1);
  };

  beforeEach(async () => {
    dir = await temporaryFolder();
    await fill(opened(await open()));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it.each(Object.keys(reads) as (keyof typeof reads)[])(
    'reports a flipped bit in %s on read',
    async (name) => {
      const space = keySpaces[name];
      expect(await tamper(dir, engine, early(space), flipped)).toBeGreaterThan(0);
      const store = opened(await open());
      const error: unknown = await reads[name]!(store).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CORRUPT', details: { keySpace: space.name } });
      expect((error as Error).message).toMatch(/restore it from a backup|start with an empty folder/);
      expect((error as StorageError).details['key']).toMatch(/^[0-9a-f]+$/);
      await store.close();
    },
  );

  it.each(['meta', 'log', 'sequence', 'header', 'envelopes', 'results', 'transactionIds'] as const)(
    'refuses to open with a flipped bit in %s',
    async (name) => {
      expect(await tamper(dir, engine, inSpace(keySpaces[name]), flipped)).toBeGreaterThan(0);
      expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
    },
  );

  it.each(['meta', 'header', 'envelopes', 'results', 'transactionIds'] as const)(
    'refuses to open when %s of the last block is gone',
    async (name) => {
      const last = (key: Uint8Array) =>
        inSpace(keySpaces[name])(key) && (name === 'meta' ? key.length === 5 : key[6] === blocks - 1);
      expect(await tamper(dir, engine, last, () => undefined)).toBe(1);
      expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
    },
  );

  it('reports a part of an old block that is gone', async () => {
    expect(await tamper(dir, engine, early(keySpaces.results), () => undefined)).toBe(1);
    const store = opened(await open());
    await expect(store.block(asHeight(1))).rejects.toMatchObject({ code: 'CORRUPT' });
    await store.close();
  });

  it('reports a value that was cut off, or that belongs to another key', async () => {
    const versions = new Map<string, Uint8Array>();
    await tamper(dir, engine, inSpace(keySpaces.version), (value) => {
      versions.set(String(versions.size), value);
      return versions.get(String(versions.size - 2)) ?? value.slice(0, 2);
    });
    const store = opened(await open());
    for (const height of [2, 5, blocks - 1])
      await expect(store.stateAt(asStateKey('a'), asHeight(height))).rejects.toMatchObject({
        code: 'CORRUPT',
      });
    await store.close();
  });

  it('refuses to open when a write in the middle is missing', async () => {
    const fifth = (key: Uint8Array) => inSpace(keySpaces.sequence)(key) && key[2] === 5;
    expect(await tamper(dir, engine, fifth, () => undefined)).toBe(1);
    const result = await open();
    expect(result).toMatchObject({ ok: false, error: { code: 'CORRUPT', details: { missing: '5' } } });
  });

  /** The log of the engine that holds what was written. */
  async function engineLog(): Promise<string> {
    const folder = join(dir, engine);
    const logs = await Promise.all(
      (await readdir(folder))
        .filter((name) => /^\d+\.log$/.test(name))
        .map(async (name) => ({
          path: join(folder, name),
          bytes: (await readFile(join(folder, name))).length,
        })),
    );
    return logs.sort((a, b) => b.bytes - a.bytes)[0]!.path;
  }

  it('refuses to open when the end of the engine log is cut off, which the engine itself does not notice', async () => {
    const path = await engineLog();
    await truncate(path, (await readFile(path)).length - 40);
    expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
  });

  it.each([0.02, 0.1, 0.5, 0.97])(
    'refuses to open when a byte at %d of the engine log is wrong',
    async (part) => {
      const path = await engineLog();
      const content = await readFile(path);
      await writeFile(path, flippedAt(content, Math.floor(content.length * part)));
      expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
    },
  );

  it('never makes a new database over a damaged one', async () => {
    await rm(join(dir, engine, 'CURRENT'));
    const before = await readdir(join(dir, engine));
    expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
    const after = await readdir(join(dir, engine));
    expect(after).toEqual(expect.arrayContaining(before.filter((name) => /\.(log|ldb|sst)$/.test(name))));
    await rm(join(dir, engine), { recursive: true });
    expect(await open()).toMatchObject({ ok: false, error: { code: 'CORRUPT' } });
  });
});
