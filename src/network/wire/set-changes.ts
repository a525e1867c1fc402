import { decodeValidatorSetChanges, encodeValidatorSetChanges } from '../../codec/index.js';
import type { ValidatorSetChange } from '../../codec/model.js';
import type { Result } from '../../types/index.js';
import { limits } from '../../types/index.js';
import {
  MalformedError,
  Reader,
  Writer,
  bytesTag,
  fieldSize,
  guarded,
  integerSize,
  integerTag,
} from './protobuf.js';

/** Bytes of a FetchSetChangesRequest. */
export function encodeFetchSetChangesRequest(knownEpoch: number): Buffer {
  return new Writer(integerSize(knownEpoch)).integer(1, knownEpoch).bytes;
}

/** Reads a FetchSetChangesRequest: the epoch that is known; the error says what is wrong with it. */
export function decodeFetchSetChangesRequest(bytes: Buffer): Result<number, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    let knownEpoch = 0;
    while (!reader.atEnd()) {
      if (reader.tag() !== integerTag(1)) throw new MalformedError('the request has an unknown field');
      knownEpoch = reader.varint(limits.maxHeight);
    }
    return knownEpoch;
  });
}

/** Bytes of a FetchSetChangesResponse. */
export function encodeFetchedSetChange(change: ValidatorSetChange): Buffer {
  const changes = encodeValidatorSetChanges({ changes: [change] });
  return new Writer(fieldSize(changes.length)).field(1, changes).bytes;
}

/** Reads a FetchSetChangesResponse: one change, unchecked; the error says what is wrong with it. */
export function decodeFetchedSetChange(bytes: Buffer): Result<ValidatorSetChange, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    if (reader.atEnd() || reader.tag() !== bytesTag(1)) throw new MalformedError('the message is empty');
    const decoded = decodeValidatorSetChanges(Uint8Array.from(reader.content()));
    if (!decoded.ok) throw new MalformedError(decoded.error.message);
    const [change, ...others] = decoded.value.changes;
    if (change === undefined || others.length > 0 || !reader.atEnd()) {
      throw new MalformedError('the message has not one change');
    }
    return change;
  });
}
