import type { RocksLevel } from '@nxtedition/rocksdb';
import { StorageError, translate } from './errors.js';
import { folderBytes } from './folder.js';
import type { KeyValueEngine, KeyValuePair, RangeOptions } from './engine.js';
import type { EngineMemory } from './leveldb-engine.js';
import type { WriteBatch } from './write-batch.js';

/** RocksDB through @nxtedition/rocksdb. Its binding writes, and syncs, on the thread that calls it. */
export class RocksDbEngine implements KeyValueEngine {
  readonly name = 'rocksdb';
  readonly location: string;
  readonly #db: RocksLevel;

  private constructor(location: string, db: RocksLevel) {
    this.location = location;
    this.#db = db;
  }

  /** Opens the database, or with `create` makes it. Rejects with a StorageError, ENGINE_UNAVAILABLE when the binding
   * does not load. */
  static async open(location: string, memory: EngineMemory, create: boolean): Promise<RocksDbEngine> {
    let Rocks: typeof RocksLevel;
    try {
      Rocks = (await import('@nxtedition/rocksdb')).default.RocksLevel;
    } catch (error) {
      throw new StorageError(
        'ENGINE_UNAVAILABLE',
        `The RocksDB binding does not load on ${process.platform}-${process.arch}: ${String(error)}. ` +
          'Set storage.engine to "leveldb" or "auto".',
        {},
        error,
      );
    }
    const db = new Rocks(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      createIfMissing: create,
      cacheSize: memory.blockCacheBytes,
      // Index and filters count towards the cache, so that memory stays bounded as the chain grows.
      cacheIndexAndFilterBlocks: true,
      // A memtable has a quarter of it, and up to six are kept.
      memtableMemoryBudget: memory.writeBufferBytes,
      compaction: 'level',
      compression: true,
      walCompression: false,
      parallelism: 2,
    });
    try {
      await db.open();
    } catch (error) {
      throw translate(error, location, 'opening RocksDB');
    }
    return new RocksDbEngine(location, db);
  }

  /** By the synchronous call: with the asynchronous one of binding 12.2 a damaged block is thrown as an uncaught
   * exception and the call never ends. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    try {
      const values = this.#db._getManySync(keys, { valueEncoding: 'buffer' });
      return Promise.resolve(
        values.map((value) => {
          if (value === null) throw new StorageError('IO', `RocksDB gave up a read in "${this.location}".`);
          return value;
        }),
      );
    } catch (error) {
      return Promise.reject(translate(error, this.location, 'reading'));
    }
  }

  async range({ from, to, limit, reverse = false }: RangeOptions): Promise<readonly KeyValuePair[]> {
    try {
      const iterator = this.#db.iterator({ gte: from, lt: to, reverse, limit });
      try {
        const pairs: KeyValuePair[] = [];
        for (;;) {
          const rows = await iterator.nextv(Math.min(limit - pairs.length, 1000));
          for (const [key, value] of rows) pairs.push({ key, value });
          if (rows.length === 0 || pairs.length >= limit) return pairs;
        }
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw translate(error, this.location, 'reading');
    }
  }

  async write(batches: readonly WriteBatch[]): Promise<void> {
    try {
      const chained = this.#db.batch();
      for (const batch of batches) {
        batch.forEach(
          (key, value) => void chained.put(key, value),
          (key) => void chained.del(key),
        );
      }
      await chained.write({ sync: true });
    } catch (error) {
      throw translate(error, this.location, 'writing');
    }
  }

  /** The binding has no call for it: RocksDB compacts by itself, as new writes come. */
  compact(): Promise<void> {
    return Promise.resolve();
  }

  sizeBytes(): Promise<number> {
    return folderBytes(this.location);
  }

  async close(): Promise<void> {
    try {
      await this.#db.close();
    } catch (error) {
      throw translate(error, this.location, 'closing');
    }
  }
}
