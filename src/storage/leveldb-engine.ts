import { ClassicLevel } from 'classic-level';
import { translate } from './errors.js';
import { folderBytes } from './folder.js';
import type { KeyValueEngine, KeyValuePair, RangeOptions } from './engine.js';
import type { WriteBatch } from './write-batch.js';

/** Memory that an engine may use, in bytes. */
export interface EngineMemory {
  /** Cache of blocks that were read. */
  readonly blockCacheBytes: number;
  /** Buffer of writes before they go to a table; engines keep two to four. */
  readonly writeBufferBytes: number;
}

/** LevelDB through classic-level: reads and writes run on the threads of libuv. */
export class LevelDbEngine implements KeyValueEngine {
  readonly name = 'leveldb';
  readonly location: string;
  readonly #db: ClassicLevel<Uint8Array, Uint8Array>;

  private constructor(location: string, db: ClassicLevel<Uint8Array, Uint8Array>) {
    this.location = location;
    this.#db = db;
  }

  /** Opens the database, or with `create` makes it. Rejects with a StorageError. */
  static async open(location: string, memory: EngineMemory, create: boolean): Promise<LevelDbEngine> {
    const db = new ClassicLevel<Uint8Array, Uint8Array>(location, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: create,
      errorIfExists: false,
      compression: true,
      cacheSize: memory.blockCacheBytes,
      writeBufferSize: memory.writeBufferBytes,
      // Small files let LevelDB move the ordered key spaces down its levels without a rewrite: with 16 MiB it writes
      // twice as much.
      maxFileSize: 4 * 1024 * 1024,
      maxOpenFiles: 500,
    });
    try {
      await db.open();
    } catch (error) {
      throw translate(error, location, 'opening LevelDB');
    }
    return new LevelDbEngine(location, db);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    try {
      return await this.#db.getMany(keys as Uint8Array[]);
    } catch (error) {
      throw translate(error, this.location, 'reading');
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

  async compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    try {
      await this.#db.compactRange(from, to);
    } catch (error) {
      throw translate(error, this.location, 'compacting');
    }
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
