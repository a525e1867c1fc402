/**
 * The only way to write. One unit is under way at a time; what arrives meanwhile becomes the next unit, so that one
 * sync serves all that waits. After a failed write nothing more is written: whether the unit reached the disk is then
 * unknown, and a later sync that succeeds says nothing about it (Rebello et al., "Can Applications Recover from fsync
 * Failures?", USENIX ATC 2020).
 */
import { ByteReader } from './byte-writer.js';
import type { KeyValueEngine } from './engine.js';
import { corrupt, StorageError } from './errors.js';
import { keySpaces, makeKey, writeKey } from './key-spaces.js';
import { parsed } from './records.js';
import { scan } from './scan.js';
import { WriteBatch } from './write-batch.js';

/** Numbers of the last so many units are kept, to see a gap: more than an engine's log can hold. */
const sequenceSlots = 4096;

/** Most bytes merged into one unit. */
const maxUnitBytes = 8 * 1024 * 1024;

interface Waiting {
  readonly batch: WriteBatch;
  readonly durable: () => void;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export class UnitWriter {
  readonly #engine: KeyValueEngine;
  readonly #acknowledged: (sequence: number) => void;
  #sequence: number;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #failure: StorageError | undefined;

  /** `sequence`: number of the last unit in the store. `acknowledged` is told each number that is durable. */
  constructor(engine: KeyValueEngine, sequence: number, acknowledged: (sequence: number) => void) {
    this.#engine = engine;
    this.#sequence = sequence;
    this.#acknowledged = acknowledged;
  }

  /** Why nothing can be written any more. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** Writes a batch. When it is synced, `durable` is called, in the order of submission, then the promise resolves.
   * Rejects with a StorageError. */
  submit(batch: WriteBatch, durable: () => void): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, durable, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Takes no more writes and waits for those under way. */
  async close(): Promise<void> {
    this.#failure ??= new StorageError('CLOSED', 'The store is closed.');
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const unit = this.#nextUnit();
      const sequence = this.#sequence + 1;
      const marker = new WriteBatch(32);
      writeKey.sequence(marker.begin(), sequence % sequenceSlots);
      marker.value().u48(sequence);
      marker.end();
      try {
        await this.#engine.write([...unit.map(({ batch }) => batch), marker]);
      } catch (error) {
        this.#fail(error as StorageError, unit);
        break;
      }
      this.#sequence = sequence;
      this.#acknowledged(sequence);
      for (const { durable } of unit) durable();
      for (const { resolve } of unit) resolve();
    }
    this.#running = undefined;
  }

  #nextUnit(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { batch } of this.#waiting) {
      bytes += batch.bytes;
      if (count > 0 && bytes > maxUnitBytes) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #fail(error: StorageError, unit: readonly Waiting[]): void {
    this.#failure = new StorageError(
      'FAILED',
      `The store in "${this.#engine.location}" takes no more writes because one failed (${error.message}) It must be ` +
        'opened again, when the cause is gone, to see what reached the disk.',
      { cause: error.code, ...error.details },
      error,
    );
    for (const { reject } of unit) reject(error);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** Number of the last unit in the store. Throws CORRUPT when one of the last units is missing. */
export async function lastSequence(engine: KeyValueEngine): Promise<number> {
  const bySlot = new Map<number, number>();
  for await (const { key, value } of scan(engine, keySpaces.sequence)) {
    bySlot.set(
      new ByteReader(key, 1).u16(),
      parsed(key, value, (body) => new ByteReader(body).u48()),
    );
  }
  const last = Math.max(0, ...bySlot.values());
  for (let number = Math.max(1, last - sequenceSlots + 1); number <= last; number++) {
    if (bySlot.get(number % sequenceSlots) !== number)
      throw corrupt(
        `write ${number} of ${last} is missing, so a part of the engine's log was lost in "${engine.location}"`,
        {
          missing: String(number),
          last: String(last),
          key: Buffer.from(makeKey((out) => writeKey.sequence(out, number % sequenceSlots))).toString('hex'),
        },
      );
  }
  return last;
}
