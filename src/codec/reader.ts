import { asAmount, limits, type Amount } from '../types/index.js';
import { CodecError, type CodecErrorCode } from './errors.js';
import type { IdRule } from './ids.js';
import { schemas, type Field, type Schema } from './schema.js';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const maxAmountDigits = limits.maxAmount.toString().length;
const noBytes = new Uint8Array(0);
/** Digits that a double holds exactly. */
const chunkDigits = 15;

/** Reads the content of a message up to its end. */
export type ReadFunction<T> = (reader: Reader) => T;

/** One of the messages that a oneof may hold. */
export interface Variant<T> {
  readonly field: Field;
  readonly read: ReadFunction<T>;
}

/**
 * Reads canonical protobuf and refuses everything else, in one pass: since fields come in ascending order, a message
 * is read by asking for its fields one after the other and then for its end. What is wrong is thrown as a CodecError
 * (caught in `decoder`); where it is wrong is worked out only then. Byte values are views of the input, not copies.
 */
export class Reader {
  readonly #messageName: string;
  readonly #bytes: Uint8Array;
  #position = 0;
  #end: number;
  readonly #outerFields: Field[] = [];
  /** Index in a list, or -1 outside one. */
  readonly #outerIndexes: number[] = [];

  constructor(messageName: string, bytes: Uint8Array, maxBytes: number) {
    this.#messageName = messageName;
    // A Buffer would give Buffers for views: slower, and not what the types say.
    this.#bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
    if (bytes.length > maxBytes) {
      this.fail('TOO_LARGE', undefined, `has ${bytes.length} bytes; at most ${maxBytes} are allowed`, 0);
    }
  }

  /** A number from `min` to `max`; 0 when absent. */
  uint(field: Field, min: number, max: number): number {
    if (!this.#at(field)) {
      if (min > 0) this.missing(field);
      return 0;
    }
    const start = this.#position;
    const value = this.#varint(field);
    if (value === 0) this.fail('NOT_CANONICAL', field, 'is 0, which must be left out', start);
    if (value < min || value > max) {
      this.fail('BAD_VALUE', field, `is ${value} instead of a number from ${min} to ${max}`, start);
    }
    return value;
  }

  /** A name of an enum by its number; index 0 is the value that is not allowed. */
  enumeration<Name extends string>(field: Field, names: readonly (Name | undefined)[]): Name {
    const start = this.#position;
    const name = names[this.uint(field, 1, 0x7fff_ffff)];
    if (name === undefined) this.fail('BAD_VALUE', field, 'is not a known value of its enum', start);
    return name;
  }

  /** Names of a packed enum in strictly ascending order of number. */
  packedEnum<Name extends string>(field: Field, names: readonly (Name | undefined)[]): Name[] {
    const found: Name[] = [];
    if (!this.#at(field)) return found;
    const length = this.#length(field);
    if (length === 0) this.fail('NOT_CANONICAL', field, 'is an empty list, which must be left out');
    const outerEnd = this.#end;
    this.#end = this.#position + length;
    let previous = 0;
    while (this.#position < this.#end) {
      const start = this.#position;
      const value = this.#varint(field);
      const name = names[value];
      if (name === undefined) this.fail('BAD_VALUE', field, 'holds no known value of its enum', start);
      if (value <= previous) this.fail('WRONG_ORDER', field, 'is not in ascending order', start);
      previous = value;
      found.push(name);
    }
    this.#end = outerEnd;
    return found;
  }

  /** Bytes, `min` to `max` of them; empty when absent. */
  bytes(field: Field, min: number, max: number): Uint8Array {
    if (!this.#at(field)) {
      if (min > 0) this.missing(field);
      return noBytes;
    }
    const value = this.#view(field, min, max);
    if (value.length === 0) this.fail('NOT_CANONICAL', field, 'is empty, so must be left out');
    return value;
  }

  /** Bytes of an `optional` field: undefined when absent, possibly empty when present. */
  optionalBytes(field: Field, max: number): Uint8Array | undefined {
    return this.#at(field) ? this.#view(field, 0, max) : undefined;
  }

  /** Exactly `size` bytes, which must be there. */
  fixed(field: Field, size: number): Uint8Array {
    if (!this.#at(field)) this.missing(field);
    return this.#view(field, size, size);
  }

  /** A list of byte strings, each of `min` to `max` bytes. */
  items(field: Field, min: number, max: number, maxCount: number): Uint8Array[] {
    const values: Uint8Array[] = [];
    while (this.#at(field)) {
      if (values.length === maxCount) this.tooMany(field, maxCount);
      values.push(this.#view(field, min, max));
    }
    return values;
  }

  /** UTF-8 text of at most `max` bytes; empty when absent. */
  text(field: Field, max: number): string {
    if (!this.#at(field)) return '';
    const view = this.#view(field, 0, max);
    if (view.length === 0) this.fail('NOT_CANONICAL', field, 'is empty, so must be left out');
    try {
      return strictUtf8.decode(view);
    } catch {
      this.fail('BAD_UTF8', field, 'is not valid UTF-8', this.#position - view.length);
    }
  }

  /** An id, which must be there. */
  id(field: Field, rule: IdRule): string {
    if (!this.#at(field)) this.missing(field);
    const view = this.#view(field, 1, rule.maxLength);
    const { classes } = rule;
    for (let index = 0; index < view.length; index++) {
      const allowed = classes[view[index] ?? 0] ?? 0;
      if (allowed === 0 || (index === 0 && allowed === 1)) {
        this.fail('BAD_VALUE', field, `must be ${rule.description}`, this.#position - view.length + index);
      }
    }
    return strictUtf8.decode(view);
  }

  /** A list of `min` to `max` ids in strictly ascending order. */
  ids(field: Field, rule: IdRule, min: number, max: number): string[] {
    const values: string[] = [];
    while (this.#isAt(field)) {
      if (values.length === max) this.tooMany(field, max);
      const value = this.id(field, rule);
      const previous = values.at(-1);
      // Ids are ASCII, so the order of strings is the order of their bytes.
      if (previous !== undefined && previous >= value) {
        this.fail('WRONG_ORDER', field, `is not in strictly ascending order at item ${values.length}`);
      }
      values.push(value);
    }
    if (values.length < min) this.missing(field);
    return values;
  }

  /** An amount, `min` to 2^128 - 1 in canonical decimal, which must be there. */
  amount(field: Field, min: 0n | 1n): Amount {
    if (!this.#at(field)) this.missing(field);
    const length = this.#length(field);
    const start = this.#position;
    if (length === 0 || length > maxAmountDigits) this.#badAmount(field, min, start);
    if (this.#bytes[start] === 0x30 && length > 1) this.#badAmount(field, min, start);
    this.#position = start + length;
    let value = 0n;
    let chunk = 0;
    for (let index = 0; index < length; index++) {
      const digit = (this.#bytes[start + index] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) this.#badAmount(field, min, start);
      chunk = chunk * 10 + digit;
      const rest = length - 1 - index;
      if (rest % chunkDigits === 0) {
        value = rest + chunkDigits >= length ? BigInt(chunk) : value * 1_000_000_000_000_000n + BigInt(chunk);
        chunk = 0;
      }
    }
    if (value < min || value > limits.maxAmount) this.#badAmount(field, min, start);
    return asAmount(value);
  }

  /** A message, or undefined when absent. */
  message<T>(field: Field, read: ReadFunction<T>): T | undefined {
    return this.#at(field) ? this.#nested(field, -1, read) : undefined;
  }

  /** The one message of a oneof that is there, by its number; undefined when none of these is. */
  variant<T>(variants: readonly (Variant<T> | undefined)[]): T | undefined {
    const first = this.#position < this.#end ? (this.#bytes[this.#position] ?? 0) : 0;
    const tag = first < 0x80 ? first : (first & 0x7f) | ((this.#bytes[this.#position + 1] ?? 0) << 7);
    const variant = variants[tag >> 3];
    return variant === undefined ? undefined : this.message(variant.field, variant.read);
  }

  /** A message that must be there. */
  requiredMessage<T>(field: Field, read: ReadFunction<T>): T {
    if (!this.#at(field)) this.missing(field);
    return this.#nested(field, -1, read);
  }

  /** A list of `min` to `max` messages. With `ordered`, each must come after the one before it: it gets both and says
   * whether that is so. */
  messages<T>(
    field: Field,
    min: number,
    max: number,
    read: ReadFunction<T>,
    ordered?: (previous: T, next: T) => boolean,
  ): T[] {
    const values: T[] = [];
    let previous: T | undefined;
    while (this.#at(field)) {
      if (values.length === max) this.tooMany(field, max);
      const start = this.#position - (field.tag > 0x7f ? 2 : 1);
      const value = this.#nested(field, values.length, read);
      if (ordered !== undefined && previous !== undefined && !ordered(previous, value)) {
        this.fail('WRONG_ORDER', field, `is not in strictly ascending order at item ${values.length}`, start);
      }
      previous = value;
      values.push(value);
    }
    if (values.length < min) this.missing(field);
    return values;
  }

  /** The end of the message, after its last field. */
  end(fields: Schema): void {
    if (this.#position < this.#end) this.#misplaced(fields, Infinity);
  }

  missing(field: Field): never {
    if (this.#position < this.#end) this.#misplaced(schemas.get(field.message) ?? {}, field.number);
    this.fail('MISSING_FIELD', field, 'is missing');
  }

  tooMany(field: Field, max: number): never {
    this.fail('TOO_LARGE', field, `has more than ${max} items`);
  }

  /** Refuses the bytes. */
  fail(code: CodecErrorCode, field: Field | undefined, problem: string, offset = this.#position): never {
    const names = this.#outerFields.map((outer, depth) => {
      const index = this.#outerIndexes[depth] ?? -1;
      return index < 0 ? outer.name : `${outer.name}[${index}]`;
    });
    if (field !== undefined) names.push(field.name);
    throw new CodecError(code, this.#messageName, names.join('.'), offset, problem);
  }

  /** Whether the next field is this one; steps over its tag if so. */
  #at(field: Field): boolean {
    if (!this.#isAt(field)) return false;
    this.#position += field.tag > 0x7f ? 2 : 1;
    return true;
  }

  #isAt({ tag }: Field): boolean {
    if (this.#position >= this.#end) return false;
    const first = this.#bytes[this.#position];
    if (tag <= 0x7f) return first === tag;
    const second = this.#position + 1;
    return first === ((tag & 0x7f) | 0x80) && second < this.#end && this.#bytes[second] === tag >> 7;
  }

  #nested<T>(field: Field, index: number, read: ReadFunction<T>): T {
    const length = this.#length(field);
    const outerEnd = this.#end;
    this.#end = this.#position + length;
    this.#outerFields.push(field);
    this.#outerIndexes.push(index);
    const value = read(this);
    this.#outerFields.pop();
    this.#outerIndexes.pop();
    this.#end = outerEnd;
    return value;
  }

  #view(field: Field, min: number, max: number): Uint8Array {
    const length = this.#length(field);
    const start = this.#position;
    if (length < min || length > max) {
      const wanted = min === max ? `${min}` : min === 0 ? `at most ${max}` : `${min} to ${max}`;
      this.fail(
        length > max ? 'TOO_LARGE' : 'BAD_VALUE',
        field,
        `has ${length} bytes instead of ${wanted}`,
        start,
      );
    }
    this.#position = start + length;
    return this.#bytes.subarray(start, start + length);
  }

  #length(field: Field): number {
    const start = this.#position;
    const length = this.#varint(field);
    if (length > this.#end - this.#position) {
      this.fail('TRUNCATED', field, `ends before its ${length} bytes do`, start);
    }
    return length;
  }

  /** A varint of minimal length. Values beyond 2^53 are inexact, but larger than any bound. */
  #varint(field: Field | undefined): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#position >= this.#end) this.fail('TRUNCATED', field, 'ends within a number');
      const byte = this.#bytes[this.#position++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && count > 0) {
          this.fail('NOT_CANONICAL', field, 'has a number in more bytes than it needs', this.#position - 1);
        }
        return value;
      }
      scale *= 0x80;
    }
    this.fail('NOT_CANONICAL', field, 'has a number of more than ten bytes');
  }

  #badAmount(field: Field, min: bigint, start: number): never {
    this.fail(
      'BAD_VALUE',
      field,
      `must be a whole number from ${min.toString()} to 2^128 - 1 in decimal digits, without sign or leading zero`,
      start,
    );
  }

  /** Says what is wrong with the next field, if anything but that it comes before those numbered `expected` or more. */
  #misplaced(fields: Schema, expected: number): void {
    const start = this.#position;
    const tag = this.#varint(undefined);
    const number = Math.floor(tag / 8);
    const known = Object.values(fields).find((field) => field.number === number);
    if (known === undefined) {
      this.fail('UNKNOWN_FIELD', undefined, `has a field of number ${number}, which it may not have`, start);
    }
    if (known.tag !== tag) this.fail('WRONG_TYPE', known, `has wire type ${tag % 8}`, start);
    if (number < expected) {
      this.fail('WRONG_ORDER', known, 'comes twice, too often or after a field of a higher number', start);
    }
    this.#position = start;
  }
}
