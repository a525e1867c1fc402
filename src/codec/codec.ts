import { err, ok, type Result } from '../types/index.js';
import { CodecError } from './errors.js';
import { Reader, type ReadFunction } from './reader.js';
import { Writer, type WriteFunction } from './writer.js';

const writer = new Writer();

/** Makes an `encode*`: canonical bytes of a value. */
export function encoder<T>(name: string, write: WriteFunction<T>): (value: T) => Uint8Array {
  return (value) => {
    writer.begin(name);
    write(writer, value);
    return writer.finish();
  };
}

/** Makes a `decode*`: the value of canonical bytes, at most `maxBytes` of them. */
export function decoder<T>(
  name: string,
  maxBytes: number,
  read: ReadFunction<T>,
): (bytes: Uint8Array) => Result<T, CodecError> {
  return (bytes) => {
    try {
      return ok(read(new Reader(name, bytes, maxBytes)));
    } catch (error) {
      if (error instanceof CodecError) return err(error);
      throw error;
    }
  };
}

/**
 * Canonical bytes of a value that was made from input: they are read back, so that all bounds were checked.
 *
 * @example encodeChecked(encodeTransactionPayload, decodeTransactionPayload, payload)
 */
export function encodeChecked<T>(
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T, CodecError>,
  value: T,
): Result<Uint8Array, CodecError> {
  try {
    const bytes = encode(value);
    const read = decode(bytes);
    return read.ok ? ok(bytes) : read;
  } catch (error) {
    if (error instanceof CodecError) return err(error);
    throw error;
  }
}
