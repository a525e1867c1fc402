/** Changes what a closed store has on the disk, behind its back. */
import rocksdb from '@nxtedition/rocksdb';
import { ClassicLevel } from 'classic-level';
import { join } from 'node:path';
import { crc32 } from '../../src/storage/checksum.js';
import type { StorageEngine } from '../../src/storage/index.js';

interface Raw {
  entries(): Promise<[Uint8Array, Uint8Array][]>;
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  del(key: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

async function openRaw(dir: string, engine: StorageEngine): Promise<Raw> {
  if (engine === 'leveldb') {
    const db = new ClassicLevel<Uint8Array, Uint8Array>(join(dir, 'leveldb'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    });
    await db.open();
    return {
      entries: () => db.iterator().all(),
      put: (key, value) => db.put(key, value),
      del: (key) => db.del(key),
      close: () => db.close(),
    };
  }
  const db = new rocksdb.RocksLevel(join(dir, 'rocksdb'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: false,
    cacheSize: 1 << 20,
    cacheIndexAndFilterBlocks: true,
    memtableMemoryBudget: 4 << 20,
    compaction: 'level',
    compression: true,
    walCompression: false,
    parallelism: 1,
  });
  await db.open();
  return {
    entries: async () => {
      const iterator = db.iterator({
        gte: Uint8Array.of(0),
        lt: Uint8Array.of(255),
        reverse: false,
        limit: 1e6,
      });
      const rows: [Uint8Array, Uint8Array][] = [];
      for (let page = await iterator.nextv(1000); page.length > 0; page = await iterator.nextv(1000))
        rows.push(...page);
      await iterator.close();
      return rows;
    },
    put: (key, value) => db.batch().put(key, value).write({ sync: true }),
    del: (key) => db.batch().del(key).write({ sync: true }),
    close: () => db.close(),
  };
}

/** Gives every entry that `matches` another value, or removes it when `change` answers undefined. Answers how many. */
export async function tamper(
  dir: string,
  engine: StorageEngine,
  matches: (key: Uint8Array) => boolean,
  change: (value: Uint8Array, key: Uint8Array) => Uint8Array | undefined,
): Promise<number> {
  const raw = await openRaw(dir, engine);
  let count = 0;
  for (const [key, value] of await raw.entries()) {
    if (!matches(key)) continue;
    const changed = change(value.slice(), key);
    await (changed === undefined ? raw.del(key) : raw.put(key, changed));
    count++;
  }
  await raw.close();
  return count;
}

/** Adds a record like the first that `matches`, under a key of its own and a checksum that holds. */
export async function addRecord(
  dir: string,
  engine: StorageEngine,
  matches: (key: Uint8Array) => boolean,
): Promise<void> {
  const raw = await openRaw(dir, engine);
  const [key, value] = (await raw.entries()).find(([found]) => matches(found)) ?? [];
  if (key === undefined || value === undefined) throw new Error('There is no such record.');
  const added = Uint8Array.of(...key, 0x7a);
  await raw.put(added, withChecksum(added, value.subarray(0, -4)));
  await raw.close();
}

/** A value as it is stored: its body and the checksum of key and body. */
export function withChecksum(key: Uint8Array, body: Uint8Array): Uint8Array {
  const value = new Uint8Array(body.length + 4);
  value.set(body);
  new DataView(value.buffer).setUint32(body.length, crc32(body, 0, body.length, crc32(key)));
  return value;
}

/** The value with its first bit flipped. */
export function flipped(value: Uint8Array): Uint8Array {
  value[0] = (value[0] ?? 0) ^ 0x80;
  return value;
}
