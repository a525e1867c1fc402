import type { Height, Result } from '../../types/index.js';
import { asHeight, asStateKey, compareBytes, limits } from '../../types/index.js';
import type { FetchedState } from '../types.js';
import {
  MalformedError,
  Reader,
  Writer,
  bytesTag,
  exactly,
  fieldSize,
  guarded,
  integerSize,
  integerTag,
} from './protobuf.js';

export interface FetchStateRequest {
  readonly height: Height;
  readonly from: Uint8Array;
  readonly until: Uint8Array;
}

const pathBytes = 32;
/** Most items of one side of a proof: one a bit of a path. */
const maxProofItems = 256;
/** A chunk has fewer entries by far; it is bounded by the size of its message too. */
const maxEntries = 100_000;
/** Keys of the state are ASCII. */
const isKey = (bytes: Buffer): boolean => bytes.length > 0 && bytes.every((byte) => byte > 0 && byte < 0x80);

/** Bytes of a FetchStateRequest. */
export function encodeFetchStateRequest({ height, from, until }: FetchStateRequest): Buffer {
  return new Writer(integerSize(height) + fieldSize(from.length) + fieldSize(until.length))
    .integer(1, height)
    .field(2, from)
    .field(3, until).bytes;
}

/** Reads a FetchStateRequest; the error says what is wrong with it. */
export function decodeFetchStateRequest(bytes: Buffer): Result<FetchStateRequest, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    let height = 0;
    let from: Buffer | undefined;
    let until: Buffer | undefined;
    while (!reader.atEnd()) {
      const tag = reader.tag();
      if (tag === integerTag(1)) height = reader.varint(limits.maxHeight);
      else if (tag === bytesTag(2)) from = exactly(reader.content(), pathBytes);
      else if (tag === bytesTag(3)) until = exactly(reader.content(), pathBytes);
      else throw new MalformedError('the request has an unknown field');
    }
    if (from === undefined || until === undefined || compareBytes(from, until) > 0) {
      throw new MalformedError('the request names no range');
    }
    return { height: asHeight(height), from, until };
  });
}

/** Bytes of a FetchStateResponse. */
export function encodeFetchedState({ entries, to, proof }: FetchedState): Buffer {
  const keys = entries.map(({ key }) => Buffer.from(key, 'latin1'));
  const sizes = entries.map(
    ({ value }, index) => fieldSize(keys[index]?.length ?? 0) + fieldSize(value.length),
  );
  let size = fieldSize(to.length);
  for (const entry of sizes) size += fieldSize(entry);
  for (const item of [...proof.left, ...proof.right]) size += fieldSize(item.length);
  const writer = new Writer(size);
  for (const [index, { value }] of entries.entries()) {
    writer
      .header(1, sizes[index] ?? 0)
      .field(1, keys[index] ?? value)
      .field(2, value);
  }
  writer.field(2, to);
  for (const item of proof.left) writer.field(3, item);
  for (const item of proof.right) writer.field(4, item);
  return writer.bytes;
}

/** Reads a FetchStateResponse; the error says what is wrong with it. */
export function decodeFetchedState(bytes: Buffer): Result<FetchedState, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    const entries: FetchedState['entries'][number][] = [];
    const left: Uint8Array[] = [];
    const right: Uint8Array[] = [];
    let to: Uint8Array | undefined;
    let stage = 1;
    while (!reader.atEnd()) {
      const tag = reader.tag();
      const field = tag >>> 3;
      if (tag !== bytesTag(field) || field < stage || field > 4) {
        throw new MalformedError('a chunk has an unknown field, or fields out of order');
      }
      stage = field;
      if (field === 1) {
        if (entries.length === maxEntries) throw new MalformedError('a chunk has too many entries');
        entries.push(decodeEntry(reader.message()));
      } else if (field === 2) {
        if (to !== undefined) throw new MalformedError('a chunk ends twice');
        to = Uint8Array.from(exactly(reader.content(), pathBytes));
      } else {
        const side = field === 3 ? left : right;
        if (side.length === maxProofItems) throw new MalformedError('a proof is too long');
        side.push(Uint8Array.from(reader.content()));
      }
    }
    if (to === undefined) throw new MalformedError('a chunk does not say where it ends');
    return { entries, to, proof: { left, right } };
  });
}

function decodeEntry(reader: Reader): FetchedState['entries'][number] {
  const next = (tag: number): Buffer => {
    if (reader.atEnd() || reader.tag() !== tag) throw new MalformedError('an entry lacks a field');
    return reader.content();
  };
  const key = next(bytesTag(1));
  const value = next(bytesTag(2));
  if (!isKey(key) || !reader.atEnd()) throw new MalformedError('an entry is malformed');
  return { key: asStateKey(key.toString('latin1')), value };
}
