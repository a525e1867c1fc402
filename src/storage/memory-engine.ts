/**
 * An engine in memory for tests and for the deterministic simulator. It has no timer, clock or randomness of its own:
 * when a write reaches the "disk" is decided by the schedule that is passed in, and faults are ordered by the caller.
 */
import { keyText } from './byte-writer.js';
import { StorageError } from './errors.js';
import type { KeyValueEngine, KeyValuePair, RangeOptions } from './engine.js';
import type { WriteBatch } from './write-batch.js';
import { compareBytes } from '../types/index.js';

/** Runs `complete` when a write is synced. */
export type WriteSchedule = (complete: () => void) => void;

/** What a disk held at some moment; opaque. */
export type MemoryDiskCopy = readonly (readonly [string, KeyValuePair])[];

interface PendingWrite {
  readonly batches: readonly WriteBatch[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
  done: boolean;
}

/**
 * What outlives a crash: synced writes only. Open a store on it, `crash()`, open a store on it again: what was not
 * synced is gone, and the old store's promises never settle, as those of a killed process.
 */
export class MemoryDisk {
  readonly #entries = new Map<string, KeyValuePair>();
  readonly #schedule: WriteSchedule;
  #sorted: KeyValuePair[] | undefined;
  #pending: PendingWrite[] = [];
  #failure: { readonly code: 'DISK_FULL' | 'IO'; readonly applied: boolean } | undefined;
  #owner: MemoryEngine | undefined;

  /** `schedule` decides when a write is synced; at once without it. */
  constructor(options: { readonly schedule?: WriteSchedule } = {}) {
    this.#schedule = options.schedule ?? ((complete) => complete());
  }

  /** Lets the next write fail. With `applied` it reaches the disk all the same, which the writer cannot know. */
  failNextWrite(code: 'DISK_FULL' | 'IO', applied = false): void {
    this.#failure = { code, applied };
  }

  /** Kills the process that has the disk open. With `keepPending` the writes on their way reach the disk although
   * nobody was told; without it they are lost. */
  crash(options: { readonly keepPending?: boolean } = {}): void {
    for (const write of this.#pending) {
      write.done = true;
      if (options.keepPending === true) this.#apply(write.batches);
    }
    this.#pending = [];
    this.#failure = undefined;
    this.#owner = undefined;
  }

  /** Flips one bit of the value of a key, or removes the entry. For tests of corruption. */
  damage(key: Uint8Array, how: 'flip' | 'remove' = 'flip'): void {
    const id = keyText(key);
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new RangeError('no such key');
    this.#sorted = undefined;
    if (how === 'remove') {
      this.#entries.delete(id);
      return;
    }
    const value = entry.value.slice();
    value[0] = (value[0] ?? 0) ^ 1;
    this.#entries.set(id, { key: entry.key, value });
  }

  /** A copy of what is on the disk now. */
  copy(): MemoryDiskCopy {
    return [...this.#entries];
  }

  /** Puts a copy in the place of what is on the disk. No process may have it open. */
  restore(copy: MemoryDiskCopy): void {
    this.#sorted = undefined;
    this.#entries.clear();
    for (const [id, entry] of copy) this.#entries.set(id, entry);
  }

  /** Takes the disk for an engine. Undefined when another one has it. */
  attach(engine: MemoryEngine): boolean {
    if (this.#owner !== undefined) return false;
    this.#owner = engine;
    return true;
  }

  detach(engine: MemoryEngine): void {
    if (this.#owner === engine) this.#owner = undefined;
  }

  owns(engine: MemoryEngine): boolean {
    return this.#owner === engine;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(keyText(key))?.value;
  }

  /** All entries in the order of their keys. */
  sorted(): readonly KeyValuePair[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => compareBytes(a.key, b.key));
    return this.#sorted;
  }

  get bytes(): number {
    let total = 0;
    for (const { key, value } of this.#entries.values()) total += key.length + value.length;
    return total;
  }

  submit(batches: readonly WriteBatch[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const write: PendingWrite = { batches, resolve, reject, done: false };
      this.#pending.push(write);
      this.#schedule(() => this.#complete(write));
    });
  }

  #complete(write: PendingWrite): void {
    if (write.done) return;
    write.done = true;
    this.#pending = this.#pending.filter((other) => other !== write);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined || failure.applied) this.#apply(write.batches);
    if (failure === undefined) write.resolve();
    else
      write.reject(
        new StorageError(
          failure.code,
          failure.code === 'DISK_FULL' ? 'The memory disk is full.' : 'The memory disk failed.',
        ),
      );
  }

  #apply(batches: readonly WriteBatch[]): void {
    this.#sorted = undefined;
    for (const batch of batches) {
      batch.forEach(
        (key, value) => this.#entries.set(keyText(key), { key: key.slice(), value: value.slice() }),
        (key) => this.#entries.delete(keyText(key)),
      );
    }
  }
}

/** Index of the first entry whose key is not less than `key`. */
function lowerBound(entries: readonly KeyValuePair[], key: Uint8Array): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && compareBytes(entry.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A process's view of a MemoryDisk. Synchronous inside. */
export class MemoryEngine implements KeyValueEngine {
  readonly name = 'memory';
  readonly location = 'memory';
  readonly #disk: MemoryDisk;

  /** Throws a StorageError LOCKED when another engine has the disk. */
  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    if (!disk.attach(this))
      throw new StorageError('LOCKED', 'The memory disk is in use by another store.', { dir: this.location });
  }

  /** After a crash nothing settles any more. */
  #alive<T>(work: () => T): Promise<T> {
    return this.#disk.owns(this) ? Promise.resolve(work()) : new Promise<T>(() => undefined);
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#alive(() => keys.map((key) => this.#disk.get(key)));
  }

  range({ from, to, limit, reverse = false }: RangeOptions): Promise<readonly KeyValuePair[]> {
    return this.#alive(() => {
      const entries = this.#disk.sorted();
      const start = lowerBound(entries, from);
      const end = Math.max(start, lowerBound(entries, to));
      return reverse
        ? entries.slice(Math.max(start, end - limit), end).reverse()
        : entries.slice(start, Math.min(end, start + limit));
    });
  }

  write(batches: readonly WriteBatch[]): Promise<void> {
    return this.#disk.owns(this) ? this.#disk.submit(batches) : new Promise<void>(() => undefined);
  }

  compact(): Promise<void> {
    return this.#alive(() => undefined);
  }

  sizeBytes(): Promise<number> {
    return this.#alive(() => this.#disk.bytes);
  }

  close(): Promise<void> {
    this.#disk.detach(this);
    return Promise.resolve();
  }
}
