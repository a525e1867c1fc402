import { CodecError } from './errors.js';
import type { Field } from './schema.js';

const initialCapacity = 64 * 1024;
const keptCapacity = 1024 * 1024;
const utf8 = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;

/** Writes the content of a message. */
export type WriteFunction<T> = (writer: Writer, value: T) => void;

/**
 * Writes canonical protobuf, one pass, into a buffer that all encodings share (encoding is synchronous and does not
 * nest). Methods are called in ascending order of field numbers. A nested message is written behind one byte kept
 * free for its length; when the length needs more, the message is moved, which costs less than a pass for sizes.
 */
export class Writer {
  #messageName = '';
  #bytes = new Uint8Array(initialCapacity);
  #position = 0;

  /** Starts over. */
  begin(messageName: string): void {
    this.#messageName = messageName;
    this.#position = 0;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    const written = this.#bytes.slice(0, this.#position);
    if (this.#bytes.length > keptCapacity) this.#bytes = new Uint8Array(initialCapacity);
    return written;
  }

  /** A number; 0 is left out. */
  uint(field: Field, value: number): void {
    if (value === 0) return;
    this.#representable(field, value);
    this.#reserve(12);
    this.#tag(field);
    this.#varint(value);
  }

  /** Bytes; none are left out. */
  bytes(field: Field, value: Uint8Array): void {
    if (value.length !== 0) this.item(field, value);
  }

  /** Bytes that are there even when empty: `optional` fields and items of lists. */
  item(field: Field, value: Uint8Array): void {
    this.#reserve(7 + value.length);
    this.#tag(field);
    this.#varint(value.length);
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  items(field: Field, values: readonly Uint8Array[]): void {
    for (const value of values) this.item(field, value);
  }

  /** Text; none is left out. */
  text(field: Field, value: string): void {
    const { length } = value;
    if (length === 0) return;
    this.#reserve(7 + length);
    const start = this.#position;
    const bytes = this.#bytes;
    this.#tag(field);
    this.#varint(length);
    let position = this.#position;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) {
        this.#position = start;
        if (loneSurrogate.test(value)) this.#refuse(field, 'holds half of a surrogate pair, so has no UTF-8');
        this.bytes(field, utf8.encode(value));
        return;
      }
      bytes[position++] = unit;
    }
    this.#position = position;
  }

  /** An amount in decimal; zero is "0", not left out. */
  amount(field: Field, value: bigint): void {
    this.text(field, value.toString());
  }

  /** A message, or nothing when undefined. */
  message<T>(field: Field, value: T | undefined, write: WriteFunction<T>): void {
    if (value === undefined) return;
    this.#reserve(3);
    this.#tag(field);
    const lengthAt = this.#position++;
    write(this, value);
    const start = lengthAt + 1;
    const length = this.#position - start;
    if (length < 0x80) {
      this.#bytes[lengthAt] = length;
      return;
    }
    const extra = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : length < 0x1000_0000 ? 3 : 4;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + extra, start, start + length);
    this.#position = lengthAt;
    this.#varint(length);
    this.#position = start + extra + length;
  }

  messages<T>(field: Field, values: readonly T[], write: WriteFunction<T>): void {
    for (const value of values) this.message(field, value, write);
  }

  /** Numbers of enums, packed; an empty list is left out. */
  packed(field: Field, values: readonly number[]): void {
    if (values.length === 0) return;
    this.message(field, values, (writer, numbers) => {
      for (const value of numbers) {
        writer.#representable(field, value);
        writer.#reserve(10);
        writer.#varint(value);
      }
    });
  }

  #tag({ tag }: Field): void {
    if (tag > 0x7f) this.#varint(tag);
    else this.#bytes[this.#position++] = tag;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let position = this.#position;
    let rest = value;
    while (rest > 0x7f) {
      // Beyond 31 bits the bit operators of the language do not reach.
      bytes[position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[position++] = rest;
    this.#position = position;
  }

  #reserve(count: number): void {
    const needed = this.#position + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  #representable(field: Field, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 64) {
      this.#refuse(field, `is ${value}, which is not an unsigned 64-bit integer`);
    }
  }

  #refuse(field: Field, problem: string): never {
    throw new CodecError('BAD_VALUE', this.#messageName, field.name, this.#position, problem);
  }
}
