import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  collectBackups,
  listBackups,
  readBackup,
  refuseUnfinishedRestore,
  restoreBackup,
  takeBackup,
  trustBackup,
  verifyBackup,
  type RestoreOptions,
  type TakeOptions,
  type TrustedBackup,
} from '../../../src/backup/index.js';
import { divideState, type DividedPart } from '../../../src/backup/divide.js';
import { decodeLogRecord } from '../../../src/consensus/index.js';
import { DividedTree, stateKeyPath, subtreeOf } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { ObjectStoreError } from '../../../src/objects/index.js';
import { manifestKey, readManifest, verifySegment } from '../../../src/segments/index.js';
import { openStore, type Store } from '../../../src/storage/index.js';
import { asDigest, asHeight, asStateKey, compareBytes } from '../../../src/types/index.js';
import { trustGenesis } from '../../../src/verify/index.js';

import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { MemoryObjects } from '../../helpers/segments.js';
import { checkByOpenSsl } from '../../helpers/signed-chain.js';
import { temporaryFolder } from '../../helpers/stores.js';

const { genesis, validatorKeys } = testGenesis(4);
const chainId = genesisChainId(genesis);
const trust = trustGenesis(genesis, { checkSignature: checkByOpenSsl });
const folders: string[] = [];

async function folder(): Promise<string> {
  const dir = await temporaryFolder();
  folders.push(dir);
  return dir;
}

async function openIn(dataDir: string, validator = 'v1'): Promise<Store> {
  const dir = join(dataDir, 'store');
  const opened = await openStore({ dir, engine: 'leveldb', chainId, validator, createIfMissing: true });
  if (!opened.ok) throw opened.error;
  return opened.value;
}

let store: Store;
let chain: ExecutedChain;
let spoolDir: string;
let genesisFile: string;
const open: Store[] = [];

beforeAll(async () => {
  store = await openIn(await folder());
  open.push(store);
  genesisFile = join(await folder(), 'genesis.yaml');
  await writeFile(genesisFile, 'network: testnet\n');
  spoolDir = join(await folder(), 'spool');
  chain = await ExecutedChain.create({ store, genesis, keys: validatorKeys, transactionsPerBlock: 2 });
  await chain.append(12);
});

afterAll(async () => {
  await Promise.all(open.map((opened) => opened.close()));
  await Promise.all(folders.map((dir) => rm(dir, { recursive: true, force: true })));
});

let clockMs = Date.UTC(2026, 0, 1);
const take = (objects: MemoryObjects, options: Partial<TakeOptions> = {}) =>
  takeBackup({
    store,
    objects,
    genesisFile,
    writer: 'v1',
    software: '1.2.3',
    nowMs: (clockMs += 1000),
    spoolDir,
    ...options,
  });

async function trusted(objects: MemoryObjects, id?: string): Promise<TrustedBackup> {
  const ids = await listBackups(objects);
  return trustBackup(trust, await readBackup(objects, chainId, id ?? ids.at(-1)!));
}

const verify = async (objects: MemoryObjects) =>
  verifyBackup(objects, await trusted(objects), () => undefined);

async function restore(objects: MemoryObjects, dataDir: string, options: Partial<RestoreOptions> = {}) {
  return restoreBackup({
    objects,
    backup: await trusted(objects),
    dataDir,
    engine: 'leveldb',
    validator: 'v1',
    software: '1.2.3',
    signal: new AbortController().signal,
    progressed: () => undefined,
    ...options,
  });
}

/** All keys and values of a store's last state. */
async function stateOf(of: Store): Promise<ReadonlyMap<string, string>> {
  const { height } = of.head()!;
  const all = await of.stateRange({ prefix: '', height, limit: 10_000 });
  return new Map(all.map(({ key, value }) => [key, Buffer.from(value).toString('hex')]));
}

async function abstentionIn(of: Store): Promise<boolean> {
  const records = (await of.readLog()).map((entry) => decodeLogRecord(entry));
  return records.some(({ ok, ...rest }) => ok && 'value' in rest && isActive(rest.value));
}
const isActive = (record: unknown): boolean => {
  const { kind, active } = record as { kind: string; active?: boolean };
  return kind === 'abstention' && active === true;
};

describe('a backup', () => {
  it('is proven from the genesis alone, and names all blocks and all of the state', async () => {
    const objects = new MemoryObjects();
    const taken = await take(objects);
    expect(taken).toMatchObject({ height: store.head()!.height, firstBlock: 1 });
    const { entries, transactions } = await verify(objects);
    expect(entries).toBe((await stateOf(store)).size);
    expect(transactions).toBe(2 * taken.height);
    expect([...objects.objects.keys()].filter((key) => key.startsWith('genesis/'))).toHaveLength(1);
  });

  it('writes only what changed since the one before', async () => {
    const objects = new MemoryObjects();
    const first = await take(objects);
    const same = await take(objects);
    expect(same).toMatchObject({ writtenObjects: 1, height: first.height });
    expect(same.id > first.id).toBe(true);
    await chain.append(1);
    const before = new Set(objects.objects.keys());
    const next = await take(objects);
    expect(next.height).toBe(first.height + 1);
    const parts = (await trusted(objects)).manifest.parts.filter(({ entries }) => entries > 0);
    const rewritten = [...objects.objects.keys()].filter(
      (key) => key.startsWith('state/') && !before.has(key),
    );
    expect(rewritten.length).toBeLessThan(parts.length);
    // One segment of one block, the parts that hold what it changed, the manifest.
    expect(next.writtenObjects).toBe(rewritten.length + 2);
    const { segments } = (await trusted(objects)).manifest;
    expect(segments.at(-1)).toMatchObject({ firstHeight: next.height, lastHeight: next.height });
    expect([...before].filter((key) => !objects.objects.has(key))).toEqual([]);
    await verify(objects);
  });

  it('divides a state by what is in it, whatever the size of the parts', async () => {
    const entries = Array.from({ length: 300 }, (_, index) => ({
      key: asStateKey(`account/${index}`),
      value: new Uint8Array(index % 7 === 0 ? 900 : 40).fill(index),
    })).sort((left, right) => compareBytes(stateKeyPath(left.key), stateKeyPath(right.key)));
    const roots = new Set<string>();
    for (const maxBytes of [64, 500, 3000, 1_000_000]) {
      const stateChunk: Store['stateChunk'] = ({ from, until, maxBytes: most }) => {
        const found: (typeof entries)[number][] = [];
        let bytes = 0;
        for (const entry of entries) {
          const path = stateKeyPath(entry.key);
          if (compareBytes(path, from) < 0 || compareBytes(path, until) > 0) continue;
          found.push(entry);
          bytes += entry.key.length + entry.value.length;
          if (bytes >= most) return Promise.resolve({ entries: found, to: path });
        }
        return Promise.resolve({ entries: found, to: until });
      };
      const parts: DividedPart[] = [];
      for await (const part of divideState({ stateChunk }, asHeight(1), maxBytes)) parts.push(part);
      expect(parts.flatMap((part) => part.entries)).toEqual(entries);
      for (const part of parts) {
        const size = part.entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
        expect(size <= maxBytes || part.entries.length === 1).toBe(true);
      }
      roots.add(Buffer.from(DividedTree.of(parts)!.root).toString('hex'));
    }
    const whole = Buffer.from(subtreeOf(entries, 0)).toString('hex');
    expect([...roots]).toEqual([whole]);
  });

  it('that is interrupted leaves none, and the next attempt uses what it wrote', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    await chain.append(1);
    objects.before = (operation, key) => {
      if (operation === 'put' && key.startsWith('backups/')) {
        throw new ObjectStoreError('UNAVAILABLE', 'Object storage does not answer.');
      }
    };
    await expect(take(objects)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await listBackups(objects)).toHaveLength(1);
    await verify(objects);
    objects.before = () => undefined;
    const { writtenObjects } = await take(objects);
    // The manifest, and the block that no manifest names yet.
    expect(writtenObjects).toBe(2);
    expect(await readdir(join(spoolDir, '..'))).toEqual([]);
  });

  it('is refused where another node, another chain or sealed segments are', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    await expect(take(objects, { writer: 'v2' })).rejects.toMatchObject({ code: 'WRONG_WRITER' });
    const other = trustGenesis({ ...genesis, network: 'another' }, { checkSignature: checkByOpenSsl });
    const [id] = await listBackups(objects);
    await expect(readBackup(objects, other.chainId, id!)).rejects.toMatchObject({ code: 'WRONG_CHAIN' });
    objects.objects.set(manifestKey, new Uint8Array(1));
    await expect(take(objects)).rejects.toMatchObject({ code: 'WRONG_WRITER' });
  });
});

describe('retention', () => {
  it('never removes what a kept backup names, also after a crash half way', async () => {
    const objects = new MemoryObjects();
    for (let round = 0; round < 4; round++) {
      await take(objects);
      await chain.append(1);
    }
    let deleted = 0;
    objects.before = (operation) => {
      if (operation === 'delete' && ++deleted === 3) throw new Error('crash');
    };
    await expect(collectBackups(objects, chainId, 2)).rejects.toThrow('crash');
    await verify(objects);
    objects.before = () => undefined;
    const { objects: removed } = await collectBackups(objects, chainId, 2);
    expect(removed).toBeGreaterThan(0);
    expect(await listBackups(objects)).toHaveLength(2);
    for (const id of await listBackups(objects)) {
      await verifyBackup(objects, await trusted(objects, id), () => undefined);
    }
    expect(await collectBackups(objects, chainId, 2)).toMatchObject({ backups: 0, objects: 0 });
  });

  it('removes nothing when a backup that stays can not be read', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    await chain.append(1);
    const { id } = await take(objects);
    objects.objects.set(`backups/${id}`, new Uint8Array([1, 2, 3]));
    const before = objects.objects.size;
    await expect(collectBackups(objects, chainId, 1)).rejects.toMatchObject({ code: 'MALFORMED' });
    expect(objects.objects.size).toBe(before);
  });
});

describe('a restore', () => {
  it('gives the same state, and a store whose validator is silent at first', async () => {
    const objects = new MemoryObjects();
    const { height } = await take(objects);
    const expected = await stateOf(store);
    await chain.append(1);
    const dataDir = await folder();
    expect(await restore(objects, dataDir)).toMatchObject({ height, abstains: true });
    const restored = await openIn(dataDir);
    try {
      expect(restored.head()?.height).toBe(height);
      expect(await stateOf(restored)).toEqual(expected);
      expect(await abstentionIn(restored)).toBe(true);
    } finally {
      await restored.close();
    }
    expect(await readdir(dataDir)).toEqual(['store']);
  });

  it('leaves the mark out only for the block that the whole consortium agreed on', async () => {
    const objects = new MemoryObjects();
    const { height } = await take(objects);
    const { digest } = store.head()!;
    const dataDir = await folder();
    const wrong = { height, digest: asDigest(new Uint8Array(32)) };
    await expect(restore(objects, dataDir, { agreed: wrong })).rejects.toMatchObject({ code: 'NOT_AGREED' });
    expect(await restore(objects, dataDir, { agreed: { height, digest } })).toMatchObject({
      abstains: false,
    });
    const restored = await openIn(dataDir);
    expect(await abstentionIn(restored)).toBe(false);
    await restored.close();
  });

  it('goes on where it was interrupted, and there is no store until the end', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    const dataDir = await folder();
    let reads = 0;
    objects.before = (operation, key) => {
      if (operation !== 'get' || !key.startsWith('state/')) return;
      if (++reads === 4) throw new ObjectStoreError('UNAVAILABLE', 'Object storage does not answer.');
    };
    await expect(restore(objects, dataDir)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await readdir(dataDir)).not.toContain('store');
    await expect(refuseUnfinishedRestore(dataDir)).rejects.toMatchObject({ code: 'RESTORE_UNFINISHED' });
    let again = 0;
    objects.before = (operation, key) => {
      if (operation === 'get' && key.startsWith('state/')) again++;
    };
    await restore(objects, dataDir);
    const all = (await trusted(objects)).manifest.parts.filter(({ entries }) => entries > 0).length;
    expect(again).toBeLessThan(all);
    await refuseUnfinishedRestore(dataDir);
    const restored = await openIn(dataDir);
    expect(await stateOf(restored)).toEqual(await stateOf(store));
    expect(await abstentionIn(restored)).toBe(true);
    await restored.close();
  });

  it('that ends between the last part and its place is finished by the next run, the mark included', async () => {
    const objects = new MemoryObjects();
    const { height } = await take(objects);
    const segments = new MemoryObjects();
    segments.before = (operation) => {
      if (operation === 'put') throw new ObjectStoreError('UNAVAILABLE', 'Object storage does not answer.');
    };
    const dataDir = await folder();
    await expect(restore(objects, dataDir, { segments })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await readdir(dataDir)).not.toContain('store');
    segments.before = () => undefined;
    let reads = 0;
    objects.before = (operation, key) => {
      if (operation === 'get' && key.startsWith('state/')) reads++;
    };
    expect(await restore(objects, dataDir, { segments })).toMatchObject({ height, abstains: true });
    expect(reads).toBe(0);
    const restored = await openIn(dataDir);
    expect(await stateOf(restored)).toEqual(await stateOf(store));
    expect(await abstentionIn(restored)).toBe(true);
    await restored.close();
  });

  it('takes no part of an attempt at another block', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    const dataDir = await folder();
    let reads = 0;
    objects.before = (operation, key) => {
      if (operation === 'get' && key.startsWith('state/') && ++reads === 5) throw new Error('stopped');
    };
    await expect(restore(objects, dataDir)).rejects.toThrow('stopped');
    objects.before = () => undefined;
    await chain.append(1);
    const { height } = await take(objects);
    expect(await restore(objects, dataDir)).toMatchObject({ height });
    const restored = await openIn(dataDir);
    expect(await stateOf(restored)).toEqual(await stateOf(store));
    await restored.close();
  });

  it('refuses a folder that has a store', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    const dataDir = await folder();
    await mkdir(join(dataDir, 'store'));
    await writeFile(join(dataDir, 'store', 'something'), '');
    await expect(restore(objects, dataDir)).rejects.toMatchObject({ code: 'HAS_STORE' });
    expect(await readdir(join(dataDir, 'store'))).toEqual(['something']);
  });

  it('gives a node that seals its blocks those of the backup', async () => {
    const objects = new MemoryObjects();
    const { height } = await take(objects);
    const segments = new MemoryObjects();
    await restore(objects, await folder(), { validator: 'v3', segments });
    const manifest = await readManifest(segments, chainId);
    expect(manifest).toMatchObject({ writer: 'v3' });
    expect(manifest!.segments.at(-1)!.lastHeight).toBe(height);
    for (const entry of manifest!.segments) await verifySegment(segments, trust, entry);
  });

  const damages: readonly (readonly [string, (objects: MemoryObjects) => void, string])[] = [
    ['a part of the state is damaged', (objects) => flip(objects, 'state/'), 'HASH_MISMATCH'],
    ['a part of the state is missing', (objects) => drop(objects, 'state/'), 'MISSING'],
    ['two parts of the state are swapped', (objects) => swap(objects, 'state/'), 'HASH_MISMATCH'],
    ['a segment is damaged', (objects) => flip(objects, 'segments/'), 'HASH_MISMATCH'],
    ['a segment is missing', (objects) => drop(objects, 'segments/'), 'MISSING'],
  ];
  it.each(damages)('is refused, and leaves no store, when %s', async (_name, damage, code) => {
    const objects = new MemoryObjects();
    await take(objects);
    damage(objects);
    const dataDir = await folder();
    await expect(restore(objects, dataDir)).rejects.toMatchObject({ code });
    expect(await readdir(dataDir)).not.toContain('store');
  });

  it('believes no manifest that the validators have not signed', async () => {
    const objects = new MemoryObjects();
    await take(objects);
    const { manifest } = await trusted(objects);
    const forgedPart = manifest.parts.map((part, index) =>
      index === manifest.parts.findIndex(({ entries }) => entries > 1)
        ? { ...part, subtree: new Uint8Array(32).fill(7) }
        : part,
    );
    expect(() => trustBackup(trust, { ...manifest, parts: forgedPart })).toThrow(/do not add up/);
    const { signatures } = manifest.certificate;
    const certificate = { ...manifest.certificate, signatures: signatures.slice(1) };
    expect(() => trustBackup(trust, { ...manifest, certificate })).toThrow(/proves nothing/);
    const fewer = manifest.segments.slice(0, -1);
    expect(() =>
      trustBackup(trust, {
        ...manifest,
        segments: [...fewer, { ...manifest.segments.at(-1)!, lastDigest: asDigest(new Uint8Array(32)) }],
      }),
    ).toThrow(/do not lead up/);
    const { genesis: otherGenesis } = testGenesis(7);
    const other = trustGenesis(otherGenesis, { checkSignature: checkByOpenSsl });
    expect(() => trustBackup(other, manifest)).toThrow(/proves nothing/);
  });
});

const keysIn = (objects: MemoryObjects, prefix: string): string[] =>
  [...objects.objects.keys()].filter((key) => key.startsWith(prefix)).sort();

function flip(objects: MemoryObjects, prefix: string): void {
  const [key] = keysIn(objects, prefix);
  const bytes = objects.objects.get(key!)!;
  bytes[bytes.length >> 1]! ^= 1;
}
function drop(objects: MemoryObjects, prefix: string): void {
  const [key] = keysIn(objects, prefix);
  objects.objects.delete(key!);
}
function swap(objects: MemoryObjects, prefix: string): void {
  const [first, second] = keysIn(objects, prefix);
  const bytes = objects.objects.get(first!)!;
  objects.objects.set(first!, objects.objects.get(second!)!);
  objects.objects.set(second!, bytes);
}
