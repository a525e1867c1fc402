/**
 * A second witness of how far the store was written: a small file beside the database that holds the number of the last
 * acknowledged write. Engines drop a damaged tail of their log in silence and open with an older state; a validator
 * that forgets its votes in this way could contradict them. A database that is behind the witness is refused.
 * The file is written after the database was synced, and is not synced itself: it may lag, it never leads.
 */
import { open as openFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from './byte-writer.js';
import { crc32 } from './checksum.js';

export const highWaterName = 'high-water';

/** Remembers outside of a store the number of its last acknowledged write. */
export interface WriteWitness {
  /** What it held when the store was opened; 0 for nothing. */
  readonly found: number;
  /** A write was acknowledged. */
  note(number: number): void;
  /** From now on the store is as it is, however far behind: forgets a higher number. */
  reset(number: number): Promise<void>;
  close(): Promise<void>;
}

const slotBytes = 16;

export class HighWater implements WriteWitness {
  readonly #file: FileHandle;
  #next: number | undefined;
  #writing: Promise<void> | undefined;
  /** Number that the file held when it was opened; 0 for a new or unreadable file. */
  readonly found: number;
  /** The file held something, of which nothing can be read. */
  readonly damaged: boolean;

  private constructor(file: FileHandle, found: number, damaged: boolean) {
    this.#file = file;
    this.found = found;
    this.damaged = damaged;
  }

  /** Opens or creates the file of a data folder. Rejects with the error of the file system. */
  static open(dir: string): Promise<HighWater> {
    return HighWater.at(join(dir, highWaterName));
  }

  /** Opens or creates such a file anywhere. Rejects with the error of the file system. */
  static async at(path: string): Promise<HighWater> {
    const file = await openFile(path, 'r+').catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
      return openFile(path, 'w+', 0o644);
    });
    const bytes = new Uint8Array(2 * slotBytes);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead === 0) {
      await file.write(bytes, 0, bytes.length, 0);
      await file.sync();
    }
    // Two slots, written in turn: a torn write spoils one.
    const numbers = [0, slotBytes].map((offset) => {
      const slot = new ByteReader(bytes, offset);
      const number = slot.u48();
      return slot.u32() === crc32(bytes, offset, offset + 6) ? number : 0;
    });
    const isNew = bytesRead === 0 || (bytesRead === bytes.length && bytes.every((byte) => byte === 0));
    const found = Math.max(...numbers);
    return new HighWater(file, found, !isNew && found === 0);
  }

  /** Notes that a write was acknowledged. Returns at once; of several notes in a row only the last is written. */
  note(number: number): void {
    this.#next = number;
    this.#writing ??= this.#drain();
  }

  async reset(number: number): Promise<void> {
    await this.#writing;
    const slots = new ByteWriter(2 * slotBytes);
    for (const of of number % 2 === 0 ? [number, 0] : [0, number]) {
      const start = slots.length;
      slots.u48(of);
      slots.u32(crc32(slots.buffer, start, slots.length));
      slots.bytes(new Uint8Array(slotBytes - (slots.length - start)));
    }
    await this.#file.write(slots.buffer, 0, 2 * slotBytes, 0);
    await this.#file.sync();
  }

  async #drain(): Promise<void> {
    while (this.#next !== undefined) {
      const number = this.#next;
      this.#next = undefined;
      const slot = new ByteWriter(slotBytes).u48(number);
      slot.u32(crc32(slot.buffer, 0, slot.length));
      try {
        await this.#file.write(slot.buffer, 0, slotBytes, (number % 2) * slotBytes);
      } catch {
        // The witness only lags then, which is the safe side; the database reports its own errors.
      }
    }
    this.#writing = undefined;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}
