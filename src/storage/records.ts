/**
 * Bodies of the values: how they are put together and taken apart. Every value read goes through `checked`.
 */
import { decodeCommitCertificate, encodeCommitCertificate } from '../codec/index.js';
import { asDigest, asHash, asHeight, asTxId, toHex, type Height, type TxId } from '../types/index.js';
import { ByteReader, type ByteWriter } from './byte-writer.js';
import { crc32 } from './checksum.js';
import { corrupt } from './errors.js';
import { keySpaceOf } from './key-spaces.js';
import type { Head, RetainBounds, StoredHeader } from './types.js';

/** Error for a damaged entry. */
export function corruptEntry(key: Uint8Array, what: string, cause?: unknown) {
  const space = keySpaceOf(key)?.name ?? 'unknown';
  const hex = toHex(key);
  return corrupt(`${what} (key space "${space}", key ${hex})`, { keySpace: space, key: hex }, cause);
}

/** The body of a stored value. Throws CORRUPT when the checksum does not hold. */
export function checked(key: Uint8Array, stored: Uint8Array): Uint8Array {
  const end = stored.length - 4;
  if (end < 0) throw corruptEntry(key, 'a value is cut off');
  const expected = crc32(stored, 0, end, crc32(key));
  const found =
    (((stored[end] ?? 0) << 24) |
      ((stored[end + 1] ?? 0) << 16) |
      ((stored[end + 2] ?? 0) << 8) |
      (stored[end + 3] ?? 0)) >>>
    0;
  if (found !== expected) throw corruptEntry(key, 'a checksum does not hold');
  return stored.subarray(0, end);
}

/** `checked` and taken apart by `parse`, whose RangeErrors become CORRUPT. */
export function parsed<T>(key: Uint8Array, stored: Uint8Array, parse: (body: Uint8Array) => T): T {
  const body = checked(key, stored);
  try {
    return parse(body);
  } catch (error) {
    if (error instanceof RangeError) throw corruptEntry(key, 'a record has a wrong form', error);
    throw error;
  }
}

/** A list: count (4), the length of each item (4), the items. */
export function writeList(out: ByteWriter, items: readonly Uint8Array[]): void {
  out.u32(items.length);
  for (const item of items) out.u32(item.length);
  for (const item of items) out.bytes(item);
}

/** Views of the items of a list. */
export function readList(body: Uint8Array): readonly Uint8Array[] {
  const lengths = new ByteReader(body);
  const count = lengths.u32();
  // Before room is made for so many.
  if (4 * count > body.length - 4) throw new RangeError(`a list of ${count} items does not fit`);
  const items = new ByteReader(body, 4 + 4 * count);
  return Array.from({ length: count }, () => items.bytes(lengths.u32()));
}

/** A list of short items: count (4), then for each its length (1) and its bytes. */
export function writeShortList(out: ByteWriter, items: Iterable<Uint8Array>): void {
  const at = out.length;
  let count = 0;
  out.u32(0);
  for (const item of items) {
    out.u8(item.length).bytes(item);
    count++;
  }
  writeCount(out, at, count);
}

/** As `writeShortList`, of texts that can be keys. */
export function writeTextList(out: ByteWriter, items: Iterable<string>): void {
  const at = out.length;
  let count = 0;
  out.u32(0);
  for (const item of items) {
    out.u8(item.length).text(item);
    count++;
  }
  writeCount(out, at, count);
}

function writeCount(out: ByteWriter, at: number, count: number): void {
  new DataView(out.buffer.buffer, out.buffer.byteOffset).setUint32(at, count);
}

/** Views of the items of a short list. */
export function readShortList(reader: ByteReader): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (let left = reader.u32(); left > 0; left--) items.push(reader.bytes(reader.u8()));
  return items;
}

export function writeHeader(out: ByteWriter, header: StoredHeader): void {
  out.bytes(header.digest).u32(header.headerBytes.length).bytes(header.headerBytes);
  if (header.certificate !== undefined) out.bytes(encodeCommitCertificate(header.certificate));
}

export function readHeader(height: Height, body: Uint8Array): StoredHeader {
  const reader = new ByteReader(body);
  const digest = asDigest(reader.bytes(32));
  const headerBytes = reader.bytes(reader.u32());
  if (reader.atEnd) return { height, digest, headerBytes };
  const certificate = decodeCommitCertificate(reader.rest());
  if (!certificate.ok) throw new RangeError(certificate.error.message);
  return { height, digest, headerBytes, certificate: certificate.value };
}

export function writeHead(out: ByteWriter, head: Head): void {
  out.u48(head.height).bytes(head.digest).bytes(head.stateRoot);
}

export function readHead(body: Uint8Array): Head {
  const reader = new ByteReader(body);
  return {
    height: asHeight(reader.u48()),
    digest: asDigest(reader.bytes(32)),
    stateRoot: asHash(reader.bytes(32)),
  };
}

export function writeRetainBounds(out: ByteWriter, { blocks, states }: RetainBounds): void {
  out.u48(blocks).u48(states);
}

export function readRetainBounds(body: Uint8Array): RetainBounds {
  const reader = new ByteReader(body);
  return { blocks: asHeight(reader.u48()), states: asHeight(reader.u48()) };
}

export interface Location {
  readonly height: Height;
  readonly index: number;
}

export function readLocation(body: Uint8Array): Location {
  const reader = new ByteReader(body);
  return { height: asHeight(reader.u48()), index: reader.u16() };
}

/** The id at an index of a record of transaction ids. */
export function transactionIdAt(body: Uint8Array, index: number): TxId {
  return asTxId(new ByteReader(body, index * 32).bytes(32));
}

/** Indexes of a history record, descending. */
export function readIndexes(body: Uint8Array): readonly number[] {
  const reader = new ByteReader(body);
  return Array.from({ length: body.length >>> 1 }, () => reader.u16());
}

/** Value of a state record behind its presence byte, or undefined when it says "removed". */
export function presentValue(reader: ByteReader): Uint8Array | undefined {
  return reader.u8() === 1 ? reader.rest() : undefined;
}

export interface LatestRecord {
  /** Block that wrote it last. */
  readonly height: Height;
  readonly value: Uint8Array | undefined;
}

export function readLatest(body: Uint8Array): LatestRecord {
  const reader = new ByteReader(body);
  return { height: asHeight(reader.u48()), value: presentValue(reader) };
}
