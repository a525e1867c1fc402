/**
 * The little of Protocol Buffers' encoding that the frames between validators need. Written by hand because frames are
 * hostile input in bulk: this reader refuses what is unknown, repeated or out of bounds before it allocates anything
 * for it, where a general one builds objects first.
 */
import { err, ok, type Result } from '../../types/index.js';

/** Thrown inside the decoders of this folder, which turn it into a value at their border. */
export class MalformedError extends Error {}

/** What a decoder gives, or what is wrong with its input. */
export function guarded<T>(decode: () => T): Result<T, string> {
  try {
    return ok(decode());
  } catch (error) {
    if (error instanceof MalformedError) return err(error.message);
    throw error;
  }
}

/** Wire type of a length-delimited field. */
const bytesType = 2;
/** Wire type of an integer. */
const varintType = 0;

/** Bytes that a varint takes. `value` is a safe non-negative integer. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Bytes that a length-delimited field of a one-byte tag takes. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Writes fields one after the other into a buffer of exactly the right size. */
export class Writer {
  readonly bytes: Buffer;
  #offset = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.#offset++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.#offset++] = rest;
    return this;
  }

  /** Tag and length of a length-delimited field; its content follows. */
  header(field: number, length: number): this {
    this.bytes[this.#offset++] = (field << 3) | bytesType;
    return this.varint(length);
  }

  raw(content: Uint8Array): this {
    this.bytes.set(content, this.#offset);
    this.#offset += content.length;
    return this;
  }

  field(field: number, content: Uint8Array): this {
    return this.header(field, content.length).raw(content);
  }

  /** An integer field; the default 0 is left out. */
  integer(field: number, value: number): this {
    if (value === 0) return this;
    this.bytes[this.#offset++] = (field << 3) | varintType;
    return this.varint(value);
  }
}

/** Size of an integer field as `Writer.integer` writes it. */
export function integerSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

/** Reads the fields of one message. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #offset: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  atEnd(): boolean {
    return this.#offset >= this.#end;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** The tag of the next field: number and wire type. */
  tag(): number {
    return this.varint(0xffff_ffff);
  }

  varint(max: number): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      if (this.#offset >= this.#end) throw new MalformedError('it ends in the middle of a number');
      const byte = this.#bytes[this.#offset++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > max) throw new MalformedError('a number is out of bounds');
        return value;
      }
      scale *= 128;
    }
    throw new MalformedError('a number is out of bounds');
  }

  /** Content of a length-delimited field: a view. */
  content(): Buffer {
    const end = this.#skip();
    return this.#bytes.subarray(end.start, end.end);
  }

  /** A reader of a length-delimited field's content. */
  message(): Reader {
    const { start, end } = this.#skip();
    return new Reader(this.#bytes, start, end);
  }

  /** Passes over the value of a field that is not known. */
  pass(tag: number): void {
    const type = tag & 7;
    if (type === bytesType) this.#skip();
    else if (type === varintType) {
      for (let count = 0; ; count++) {
        if (this.#offset >= this.#end) throw new MalformedError('it ends in the middle of a number');
        if (count === 10) throw new MalformedError('a number is out of bounds');
        if ((this.#bytes[this.#offset++] ?? 0) < 128) return;
      }
    } else {
      this.#offset += type === 1 ? 8 : 4;
      if ((type !== 1 && type !== 5) || this.#offset > this.#end)
        throw new MalformedError('a field has an unknown type');
    }
  }

  #skip(): { start: number; end: number } {
    const length = this.varint(0xffff_ffff);
    const start = this.#offset;
    const end = start + length;
    if (end > this.#end) throw new MalformedError('a field is longer than the message');
    this.#offset = end;
    return { start, end };
  }
}

/** Tag of a length-delimited field. */
export const bytesTag = (field: number): number => (field << 3) | bytesType;
/** Tag of an integer field. */
export const integerTag = (field: number): number => (field << 3) | varintType;

/** Bytes of a field that must have exactly this length. */
export function exactly(content: Buffer, length: number): Buffer {
  if (content.length !== length) {
    throw new MalformedError(`a field has ${content.length} bytes instead of ${length}`);
  }
  return content;
}
