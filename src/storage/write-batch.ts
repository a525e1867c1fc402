import { ByteWriter } from './byte-writer.js';
import { crc32 } from './checksum.js';

/**
 * Entries to be written as one unit, in one buffer: no object per entry. Use: `begin()`, write the key to `out`,
 * `value()`, write the body to `out`, `end()`; or `begin()`, key, `remove()`. The checksum is added by `end`.
 */
export class WriteBatch {
  readonly out: ByteWriter;
  /** Per entry: start of key, start of value, end of value (or -1 for a removal). */
  readonly #offsets: number[] = [];
  #keyStart = 0;
  #valueStart = 0;

  /** `room`: bytes to take at once, or a buffer that no other batch needs any more. It grows when that is too little. */
  constructor(room: number | Uint8Array = 1024) {
    this.out = new ByteWriter(room);
  }

  begin(): ByteWriter {
    this.#keyStart = this.out.length;
    return this.out;
  }

  value(): ByteWriter {
    this.#valueStart = this.out.length;
    return this.out;
  }

  end(): void {
    this.out.u32(crc32(this.out.buffer, this.#keyStart, this.out.length));
    this.#offsets.push(this.#keyStart, this.#valueStart, this.out.length);
  }

  remove(): void {
    this.#offsets.push(this.#keyStart, this.out.length, -1);
  }

  get count(): number {
    return this.#offsets.length / 3;
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.out.length;
  }

  /** Calls back for each entry in order, with views that are valid as long as nothing is added. */
  forEach(put: (key: Uint8Array, value: Uint8Array) => void, remove: (key: Uint8Array) => void): void {
    const { buffer } = this.out;
    const offsets = this.#offsets;
    for (let index = 0; index < offsets.length; index += 3) {
      const valueStart = offsets[index + 1] ?? 0;
      const valueEnd = offsets[index + 2] ?? 0;
      const key = buffer.subarray(offsets[index], valueStart);
      if (valueEnd < 0) remove(key);
      else put(key, buffer.subarray(valueStart, valueEnd));
    }
  }
}
