/** Sealed segments and their manifest (ledger/v1/segment.proto). */
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  equalBytes,
  limits,
  type Height,
  type Result,
} from '../types/index.js';
import { readCertificate, writeCertificate } from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type { SealedBlock, SegmentEntry, SegmentFrame, SegmentIndex, SegmentManifest } from './model.js';
import { readSetChange, writeSetChange } from './proof.js';
import type { Reader } from './reader.js';
import {
  bytes,
  message,
  repeated,
  repeatedBytes,
  schema,
  string,
  uint32,
  uint64,
  type Field,
} from './schema.js';
import type { Writer } from './writer.js';

const blockFields = schema('quaestor.ledger.v1.SealedBlock', {
  header: bytes(1),
  certificate: message(2, 'quaestor.ledger.v1.CommitCertificate'),
  envelopes: repeatedBytes(3),
  results: repeatedBytes(4),
});
const frameFields = schema('quaestor.ledger.v1.SegmentFrame', {
  blocks: uint32(1),
  compressedBytes: uint32(2),
  bytes: uint32(3),
  hash: bytes(4),
});
const indexFields = schema('quaestor.ledger.v1.SegmentIndex', {
  version: uint32(1),
  chainId: bytes(2),
  firstHeight: uint64(3),
  lastHeight: uint64(4),
  previousDigest: bytes(5),
  lastDigest: bytes(6),
  frames: repeated(7, 'quaestor.ledger.v1.SegmentFrame'),
});
const entryFields = schema('quaestor.ledger.v1.SegmentEntry', {
  firstHeight: uint64(1),
  lastHeight: uint64(2),
  previousDigest: bytes(3),
  firstDigest: bytes(4),
  lastDigest: bytes(5),
  contentHash: bytes(6),
  bytes: uint64(7),
  indexBytes: uint32(8),
  indexHash: bytes(9),
});
const manifestFields = schema('quaestor.ledger.v1.SegmentManifest', {
  version: uint32(1),
  chainId: bytes(2),
  writer: string(3),
  segments: repeated(4, 'quaestor.ledger.v1.SegmentEntry'),
  setChanges: repeated(5, 'quaestor.ledger.v1.ValidatorSetChange'),
});

function writeBlock(writer: Writer, value: SealedBlock): void {
  writer.bytes(blockFields.header, value.header);
  writer.message(blockFields.certificate, value.certificate, writeCertificate);
  writer.items(blockFields.envelopes, value.envelopes);
  writer.items(blockFields.results, value.results);
}

function readBlock(reader: Reader): SealedBlock {
  const most = limits.maxBlockTransactions;
  const value: SealedBlock = {
    header: reader.bytes(blockFields.header, 1, bounds.maxHeaderBytes),
    certificate: reader.requiredMessage(blockFields.certificate, readCertificate),
    envelopes: reader.items(blockFields.envelopes, 1, limits.maxEnvelopeBytes, most),
    results: reader.items(blockFields.results, 1, bounds.maxResultBytes, most),
  };
  reader.end(blockFields);
  return value;
}

function writeFrame(writer: Writer, value: SegmentFrame): void {
  writer.uint(frameFields.blocks, value.blocks);
  writer.uint(frameFields.compressedBytes, value.compressedBytes);
  writer.uint(frameFields.bytes, value.bytes);
  writer.bytes(frameFields.hash, value.hash);
}

function readFrame(reader: Reader): SegmentFrame {
  const value: SegmentFrame = {
    blocks: reader.uint(frameFields.blocks, 1, bounds.maxSegmentBlocks),
    compressedBytes: reader.uint(frameFields.compressedBytes, 1, bounds.maxFrameBytes),
    bytes: reader.uint(frameFields.bytes, 1, bounds.maxFrameBytes),
    hash: asHash(reader.fixed(frameFields.hash, 32)),
  };
  reader.end(frameFields);
  return value;
}

/** Last height of a segment; it has at least one block and not too many. */
function readLastHeight(reader: Reader, field: Field, first: Height): Height {
  return asHeight(reader.uint(field, first, Math.min(limits.maxHeight, first + bounds.maxSegmentBlocks - 1)));
}

function writeIndex(writer: Writer, value: SegmentIndex): void {
  writer.uint(indexFields.version, value.version);
  writer.bytes(indexFields.chainId, value.chainId);
  writer.uint(indexFields.firstHeight, value.firstHeight);
  writer.uint(indexFields.lastHeight, value.lastHeight);
  writer.bytes(indexFields.previousDigest, value.previousDigest);
  writer.bytes(indexFields.lastDigest, value.lastDigest);
  writer.messages(indexFields.frames, value.frames, writeFrame);
}

function readIndex(reader: Reader): SegmentIndex {
  reader.uint(indexFields.version, 1, 1);
  const chainId = asChainId(reader.fixed(indexFields.chainId, 32));
  const firstHeight = asHeight(reader.uint(indexFields.firstHeight, 1, limits.maxHeight));
  const lastHeight = readLastHeight(reader, indexFields.lastHeight, firstHeight);
  const previousDigest = asDigest(reader.fixed(indexFields.previousDigest, 32));
  const lastDigest = asDigest(reader.fixed(indexFields.lastDigest, 32));
  const frames = reader.messages(indexFields.frames, 1, bounds.maxSegmentBlocks, readFrame);
  reader.end(indexFields);
  const blocks = frames.reduce((sum, frame) => sum + frame.blocks, 0);
  if (blocks !== lastHeight - firstHeight + 1) {
    reader.fail('BAD_VALUE', indexFields.frames, `hold ${blocks} blocks, which are not those of the heights`);
  }
  return { version: 1, chainId, firstHeight, lastHeight, previousDigest, lastDigest, frames };
}

/** For what lists segments. */
export function writeEntry(writer: Writer, value: SegmentEntry): void {
  writer.uint(entryFields.firstHeight, value.firstHeight);
  writer.uint(entryFields.lastHeight, value.lastHeight);
  writer.bytes(entryFields.previousDigest, value.previousDigest);
  writer.bytes(entryFields.firstDigest, value.firstDigest);
  writer.bytes(entryFields.lastDigest, value.lastDigest);
  writer.bytes(entryFields.contentHash, value.contentHash);
  writer.uint(entryFields.bytes, value.bytes);
  writer.uint(entryFields.indexBytes, value.indexBytes);
  writer.bytes(entryFields.indexHash, value.indexHash);
}

/** For what lists segments. */
export function readEntry(reader: Reader): SegmentEntry {
  const firstHeight = asHeight(reader.uint(entryFields.firstHeight, 1, limits.maxHeight));
  const value: SegmentEntry = {
    firstHeight,
    lastHeight: readLastHeight(reader, entryFields.lastHeight, firstHeight),
    previousDigest: asDigest(reader.fixed(entryFields.previousDigest, 32)),
    firstDigest: asDigest(reader.fixed(entryFields.firstDigest, 32)),
    lastDigest: asDigest(reader.fixed(entryFields.lastDigest, 32)),
    contentHash: asHash(reader.fixed(entryFields.contentHash, 32)),
    bytes: reader.uint(entryFields.bytes, 1, bounds.maxSegmentBytes),
    indexBytes: reader.uint(entryFields.indexBytes, 1, bounds.maxSegmentIndexBytes),
    indexHash: asHash(reader.fixed(entryFields.indexHash, 32)),
  };
  reader.end(entryFields);
  if (value.indexBytes >= value.bytes) {
    reader.fail('BAD_VALUE', entryFields.indexBytes, 'is not less than that of the whole file');
  }
  return value;
}

/** Whether one segment begins where the other ends. */
export const follows = (previous: SegmentEntry, next: SegmentEntry): boolean =>
  next.firstHeight === previous.lastHeight + 1 && equalBytes(next.previousDigest, previous.lastDigest);

function writeManifest(writer: Writer, value: SegmentManifest): void {
  writer.uint(manifestFields.version, value.version);
  writer.bytes(manifestFields.chainId, value.chainId);
  writer.text(manifestFields.writer, value.writer);
  writer.messages(manifestFields.segments, value.segments, writeEntry);
  writer.messages(manifestFields.setChanges, value.setChanges, writeSetChange);
}

function readManifest(reader: Reader): SegmentManifest {
  reader.uint(manifestFields.version, 1, 1);
  const value: SegmentManifest = {
    version: 1,
    chainId: asChainId(reader.fixed(manifestFields.chainId, 32)),
    writer: reader.id(manifestFields.writer, idRules.validator),
    segments: reader.messages(manifestFields.segments, 0, bounds.maxSegments, readEntry, follows),
    setChanges: reader.messages(manifestFields.setChanges, 0, limits.maxValidatorSetChanges, readSetChange),
  };
  reader.end(manifestFields);
  return value;
}

/** Canonical bytes of a block as a segment has it. */
export const encodeSealedBlock: (value: SealedBlock) => Uint8Array = encoder('SealedBlock', writeBlock);
/** Reads a block of a segment; whether it is final is for src/verify. The byte values are views of `bytes`. */
export const decodeSealedBlock: (bytes: Uint8Array) => Result<SealedBlock, CodecError> = decoder(
  'SealedBlock',
  bounds.maxSealedBlockBytes,
  readBlock,
);

/** Canonical bytes of the index of a segment. */
export const encodeSegmentIndex: (value: SegmentIndex) => Uint8Array = encoder('SegmentIndex', writeIndex);
/** Reads the index of a segment, whose frames hold as many blocks as its heights say. */
export const decodeSegmentIndex: (bytes: Uint8Array) => Result<SegmentIndex, CodecError> = decoder(
  'SegmentIndex',
  bounds.maxSegmentIndexBytes,
  readIndex,
);

/** Canonical bytes of a manifest. */
export const encodeSegmentManifest: (value: SegmentManifest) => Uint8Array = encoder(
  'SegmentManifest',
  writeManifest,
);
/** Reads a manifest, whose segments follow each other by height and digest. */
export const decodeSegmentManifest: (bytes: Uint8Array) => Result<SegmentManifest, CodecError> = decoder(
  'SegmentManifest',
  bounds.maxSegmentManifestBytes,
  readManifest,
);
