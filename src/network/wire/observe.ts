import type { PeerStatus } from '../../codec/model.js';
import type { Result } from '../../types/index.js';
import { err, ok } from '../../types/index.js';
import {
  decodeStatus,
  decodeTransactions,
  writeStatus,
  statusSize,
  transactionsSize,
  writeTransactions,
} from './frames.js';
import { MalformedError, Reader, Writer, bytesTag, fieldSize } from './protobuf.js';

/** Bytes of an ObserveRequest. */
export function encodeObserveRequest(envelopes: readonly Uint8Array[]): Buffer {
  const size = transactionsSize(envelopes);
  return writeTransactions(new Writer(fieldSize(size)).header(1, size), envelopes).bytes;
}

/** Reads an ObserveRequest: envelopes, not decoded. The error says what is wrong with it. */
export function decodeObserveRequest(bytes: Buffer): Result<readonly Uint8Array[], string> {
  return only(bytes, decodeTransactions);
}

/** Bytes of an ObserveResponse. */
export function encodeObserveResponse(status: PeerStatus): Buffer {
  const size = statusSize(status);
  return writeStatus(new Writer(fieldSize(size)).header(1, size), status).bytes;
}

/** Reads an ObserveResponse; the error says what is wrong with it. */
export function decodeObserveResponse(bytes: Buffer): Result<PeerStatus, string> {
  return only(bytes, (reader) => decodeStatus(reader));
}

/** The content of a message's only field. */
function only<T>(bytes: Buffer, decode: (reader: Reader) => T): Result<T, string> {
  try {
    const reader = new Reader(bytes);
    if (reader.atEnd() || reader.tag() !== bytesTag(1)) throw new MalformedError('the message is empty');
    const value = decode(reader.message());
    if (!reader.atEnd()) throw new MalformedError('the message has a second field');
    return ok(value);
  } catch (error) {
    if (error instanceof MalformedError) return err(error.message);
    throw error;
  }
}
