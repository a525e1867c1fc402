/** What the store uses of @nxtedition/rocksdb 12, which ships no types. It follows abstract-level 1. */
declare module '@nxtedition/rocksdb' {
  export interface RocksBatch {
    put(key: Uint8Array, value: Uint8Array): this;
    del(key: Uint8Array): this;
    write(options: { sync: boolean }): Promise<void>;
  }
  export interface RocksIterator {
    nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
    close(): Promise<void>;
  }
  export interface RocksOptions {
    keyEncoding: 'buffer';
    valueEncoding: 'buffer';
    createIfMissing: boolean;
    /** Bytes of the block cache. */
    cacheSize: number;
    cacheIndexAndFilterBlocks: boolean;
    /** Bytes; a memtable gets a quarter. */
    memtableMemoryBudget: number;
    compaction: 'level' | 'universal';
    compression: boolean;
    walCompression: boolean;
    /** Background threads. */
    parallelism: number;
  }
  export class RocksLevel {
    constructor(location: string, options: RocksOptions);
    open(): Promise<void>;
    close(): Promise<void>;
    batch(): RocksBatch;
    iterator(options: { gte: Uint8Array; lt: Uint8Array; reverse: boolean; limit: number }): RocksIterator;
    /** Synchronous; undefined where there is no value. */
    _getManySync(
      keys: readonly Uint8Array[],
      options: { valueEncoding: 'buffer' },
    ): (Uint8Array | null | undefined)[];
  }
  const module: { readonly RocksLevel: typeof RocksLevel };
  export default module;
}
