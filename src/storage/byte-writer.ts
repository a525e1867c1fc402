import { invariant } from '../types/index.js';

/** Appends to a buffer that grows. Numbers are big-endian, so that keys sort by them. */
export class ByteWriter {
  buffer: Uint8Array;
  length = 0;

  /** Starts with room for so many bytes, or with a buffer that is used again. */
  constructor(room: number | Uint8Array = 64) {
    this.buffer = typeof room === 'number' ? new Uint8Array(room) : room;
  }

  /** Makes room for `count` more bytes. */
  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.buffer[this.length++] = value >>> 8;
    this.buffer[this.length++] = value;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.buffer[this.length++] = value >>> 24;
    this.buffer[this.length++] = value >>> 16;
    this.buffer[this.length++] = value >>> 8;
    this.buffer[this.length++] = value;
    return this;
  }

  /** A height: 6 bytes. */
  u48(value: number): this {
    return this.u16(Math.floor(value / 2 ** 32)).u32((value % 2 ** 32) >>> 0);
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** Text of the characters U+0001 to U+007F only, one byte each: its order as text is its order as bytes. */
  text(value: string): this {
    this.#reserve(value.length);
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      invariant(unit > 0 && unit < 0x80, 'a text in a key is ASCII without NUL');
      this.buffer[this.length++] = unit;
    }
    return this;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

/** Reads back what `ByteWriter` wrote. Reading past the end throws a RangeError. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  #number(count: number): number {
    if (this.#offset + count > this.#bytes.length) throw new RangeError('a record is too short');
    let value = 0;
    for (let end = this.#offset + count; this.#offset < end; this.#offset++)
      value = value * 256 + (this.#bytes[this.#offset] ?? 0);
    return value;
  }

  u8(): number {
    return this.#number(1);
  }
  u16(): number {
    return this.#number(2);
  }
  u32(): number {
    return this.#number(4);
  }
  u48(): number {
    return this.#number(6);
  }

  /** A view of the next bytes. */
  bytes(count: number): Uint8Array {
    if (this.#offset + count > this.#bytes.length) throw new RangeError('a record is too short');
    this.#offset += count;
    return this.#bytes.subarray(this.#offset - count, this.#offset);
  }

  /** A view of all bytes that are left. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#offset);
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }
}

/** Whether a text can be part of a key at all (see `ByteWriter.text`). */
export function isKeyText(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0 || unit >= 0x80) return false;
  }
  return true;
}

const scratch = Buffer.alloc(256);

/** The text that has one character (U+0000 to U+00FF) for each byte: of what `ByteWriter.text` wrote, or of any key that
 * is to be a key of a Map. */
export function keyText(bytes: Uint8Array): string {
  if (bytes.length > scratch.length)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  // No view of the bytes: it costs more than copying them.
  scratch.set(bytes);
  return scratch.toString('latin1', 0, bytes.length);
}
