/**
 * Log records as the store keeps them. The first byte of a value is the version of this format; the rest is read
 * strictly: every byte is accounted for.
 */
import {
  decodeBlockHeader,
  decodePreparedCertificate,
  decodeSignedNewView,
  decodeSignedViewChange,
  encodePreparedCertificate,
  encodeSignedNewView,
  encodeSignedViewChange,
  type SignedViewChange,
} from '../codec/index.js';
import { headerDigest } from '../crypto/index.js';
import {
  asDigest,
  asHash,
  asHeight,
  asView,
  concatBytes,
  err,
  limits,
  ok,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type View,
} from '../types/index.js';
import type { LogRecord } from './types.js';

/** A log record in bytes. A later one of the same name and height replaces it. */
export interface EncodedLogRecord {
  readonly name: string;
  /** 0 for records that belong to no height. */
  readonly height: Height;
  readonly value: Uint8Array;
}

const version = 1;
/** Version of records that belong to a validator set: its epoch comes first. In version 1 there was but one. */
const epochVersion = 2;
const epochRecords: ReadonlySet<string> = new Set(['view', 'newView', 'newViewDraft']);
const noHeight = asHeight(0);
/** Stands for a list of transaction hashes that is not known. */
const unknownCount = 0xffff_ffff;

/** A log record in bytes. */
export function encodeLogRecord(record: LogRecord): EncodedLogRecord {
  switch (record.kind) {
    case 'view':
      return ofEpoch('view', record.epoch, uint48(record.view), Uint8Array.of(record.changing ? 1 : 0));
    case 'vote':
      return entry(`vote/${record.phase}`, record.height, uint48(record.view), record.digest);
    case 'block': {
      const { header, headerBytes, transactionHashes } = record.block;
      const count = transactionHashes?.length ?? unknownCount;
      const hashes = transactionHashes ?? [];
      return entry('block', header.height, sized(headerBytes), uint32(count), ...hashes);
    }
    case 'prepared':
      return entry('prepared', record.height, sized(encodePreparedCertificate(record.certificate)));
    case 'newView':
      return ofEpoch('newView', record.epoch, sized(encodeSignedNewView(record.message)));
    case 'abstention':
      return entry('abstention', noHeight, Uint8Array.of(record.active ? 1 : 0));
    case 'newViewDraft': {
      const { view, viewChanges, reproposals } = record.statement;
      return ofEpoch(
        'newViewDraft',
        record.epoch,
        uint48(view),
        uint32(viewChanges.length),
        ...viewChanges.map((viewChange) => sized(encodeSignedViewChange(viewChange))),
        uint32(reproposals.length),
        ...reproposals.map(({ height, digest }) => concatBytes(uint48(height), digest)),
      );
    }
  }
}

/** The record of an entry, or a sentence that says what is wrong with it. */
export function decodeLogRecord(encoded: EncodedLogRecord): Result<LogRecord, string> {
  const { name, height, value } = encoded;
  try {
    const reader = new LogReader(value);
    const format = reader.uint(1);
    const known = epochRecords.has(name) ? format === version || format === epochVersion : format === version;
    if (!known) return err(`The log record "${name}" has a format that this version does not know.`);
    const epoch = format === epochVersion ? reader.uint(6) : 0;
    const record = readRecord(name, height, epoch, reader);
    if (record === undefined)
      return err(`The log record "${name}" is of a kind that this version does not know.`);
    reader.end();
    return ok(record);
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    return err(`The log record "${name}" of height ${height} is damaged: ${error.message}.`);
  }
}

function readRecord(name: string, height: Height, epoch: number, reader: LogReader): LogRecord | undefined {
  switch (name) {
    case 'view':
      return { kind: 'view', epoch, view: reader.view(), changing: reader.flag() };
    case 'vote/prePrepare':
    case 'vote/prepare':
    case 'vote/commit': {
      const phase =
        name === 'vote/prePrepare' ? 'prePrepare' : name === 'vote/prepare' ? 'prepare' : 'commit';
      return { kind: 'vote', phase, height, view: reader.view(), digest: reader.digest() };
    }
    case 'block':
      return readBlock(height, reader);
    case 'prepared':
      return {
        kind: 'prepared',
        height,
        certificate: reader.decoded(reader.sized(), decodePreparedCertificate),
      };
    case 'newView':
      return { kind: 'newView', epoch, message: reader.decoded(reader.sized(), decodeSignedNewView) };
    case 'newViewDraft':
      return readDraft(epoch, reader);
    case 'abstention':
      return { kind: 'abstention', active: reader.flag() };
    default:
      return undefined;
  }
}

function readBlock(height: Height, reader: LogReader): LogRecord {
  const headerBytes = reader.sized();
  const header = reader.decoded(headerBytes, decodeBlockHeader);
  if (header.height !== height) throw new LogFormatError('its block has another height');
  const count = reader.uint(4);
  let transactionHashes: Hash[] | undefined;
  if (count !== unknownCount) {
    if (count > limits.maxBlockTransactions) throw new LogFormatError('it names too many transactions');
    transactionHashes = Array.from({ length: count }, () => asHash(reader.bytes(32)));
  }
  return {
    kind: 'block',
    block: { header, headerBytes, digest: headerDigest(headerBytes), transactionHashes },
  };
}

function readDraft(epoch: number, reader: LogReader): LogRecord {
  const view = reader.view();
  const viewChanges: SignedViewChange[] = [];
  for (let left = reader.count(limits.maxValidators); left > 0; left--) {
    viewChanges.push(reader.decoded(reader.sized(), decodeSignedViewChange));
  }
  const reproposals: { height: Height; digest: Digest }[] = [];
  for (let left = reader.count(2 * limits.maxPipelineWindow); left > 0; left--) {
    reproposals.push({ height: asHeight(reader.uint(6)), digest: reader.digest() });
  }
  return { kind: 'newViewDraft', epoch, statement: { kind: 'newView', view, viewChanges, reproposals } };
}

function entry(name: string, height: Height, ...parts: readonly Uint8Array[]): EncodedLogRecord {
  return { name, height, value: concatBytes(Uint8Array.of(version), ...parts) };
}

function ofEpoch(name: string, epoch: number, ...parts: readonly Uint8Array[]): EncodedLogRecord {
  return {
    name,
    height: noHeight,
    value: concatBytes(Uint8Array.of(epochVersion), uint48(epoch), ...parts),
  };
}

/** Big-endian. */
function uint(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(width);
  let rest = value;
  for (let index = width - 1; index >= 0; index--) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

const uint32 = (value: number): Uint8Array => uint(value, 4);
/** Views and heights are below 2^48. */
const uint48 = (value: number): Uint8Array => uint(value, 6);
const sized = (bytes: Uint8Array): Uint8Array => concatBytes(uint32(bytes.length), bytes);

class LogFormatError extends Error {}

class LogReader {
  readonly #value: Uint8Array;
  #position = 0;

  constructor(value: Uint8Array) {
    this.#value = value;
  }

  bytes(length: number): Uint8Array {
    const end = this.#position + length;
    if (end > this.#value.length) throw new LogFormatError('it ends too early');
    const bytes = this.#value.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }

  uint(width: number): number {
    let value = 0;
    for (const byte of this.bytes(width)) value = value * 256 + byte;
    return value;
  }

  view(): View {
    return asView(this.uint(6));
  }

  digest(): Digest {
    return asDigest(this.bytes(32));
  }

  flag(): boolean {
    const value = this.uint(1);
    if (value > 1) throw new LogFormatError('a flag is neither 0 nor 1');
    return value === 1;
  }

  count(most: number): number {
    const value = this.uint(4);
    if (value > most) throw new LogFormatError('a list is too long');
    return value;
  }

  sized(): Uint8Array {
    return this.bytes(this.uint(4));
  }

  decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => Result<T, Error>): T {
    const decoded = decode(bytes);
    if (!decoded.ok) throw new LogFormatError(decoded.error.message);
    return decoded.value;
  }

  end(): void {
    if (this.#position !== this.#value.length) throw new LogFormatError('it has bytes left over');
  }
}
