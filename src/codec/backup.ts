/** Backups: parts of a state, and manifests (ledger/v1/backup.proto). */
import { asChainId, asHash, asStateKey, limits, type Result } from '../types/index.js';
import { readCertificate, writeCertificate } from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type { BackupManifest, BackupPart, StatePart } from './model.js';
import { readSetChange, writeSetChange } from './proof.js';
import type { Reader } from './reader.js';
import { bytes, message, repeated, schema, string, uint32, uint64 } from './schema.js';
import { follows, readEntry, writeEntry } from './segment.js';
import type { Writer } from './writer.js';

/** Prefixes of parts, in bits: a copy of a state has 16 strands, and 32 bits are more than any state needs. */
const minDepth = 4;
const maxDepth = 32;
const allPaths = 2 ** maxDepth;
const hashBytes = 32;
const leafBytes = 64;

const entryFields = schema('quaestor.ledger.v1.StatePartEntry', { key: string(1), value: bytes(2) });
const statePartFields = schema('quaestor.ledger.v1.StatePart', {
  entries: repeated(1, 'quaestor.ledger.v1.StatePartEntry'),
});
const partFields = schema('quaestor.ledger.v1.BackupPart', {
  depth: uint32(1),
  entries: uint32(2),
  bytes: uint32(3),
  contentHash: bytes(4),
  subtree: bytes(5),
});
const manifestFields = schema('quaestor.ledger.v1.BackupManifest', {
  version: uint32(1),
  chainId: bytes(2),
  writer: string(3),
  software: string(4),
  createdMs: uint64(5),
  header: bytes(6),
  certificate: message(7, 'quaestor.ledger.v1.CommitCertificate'),
  setChanges: repeated(8, 'quaestor.ledger.v1.ValidatorSetChange'),
  parts: repeated(9, 'quaestor.ledger.v1.BackupPart'),
  segments: repeated(10, 'quaestor.ledger.v1.SegmentEntry'),
});

type Entry = StatePart['entries'][number];

function writeStateEntry(writer: Writer, value: Entry): void {
  writer.text(entryFields.key, value.key);
  writer.bytes(entryFields.value, value.value);
}

function readStateEntry(reader: Reader): Entry {
  const key = reader.text(entryFields.key, bounds.maxStateKeyBytes);
  if (key === '') reader.missing(entryFields.key);
  const value = reader.bytes(entryFields.value, 0, bounds.maxStateValueBytes);
  reader.end(entryFields);
  return { key: asStateKey(key), value };
}

function writeStatePart(writer: Writer, value: StatePart): void {
  writer.messages(statePartFields.entries, value.entries, writeStateEntry);
}

function readStatePart(reader: Reader): StatePart {
  const entries = reader.messages(statePartFields.entries, 1, bounds.maxStatePartEntries, readStateEntry);
  reader.end(statePartFields);
  return { entries };
}

function writePart(writer: Writer, value: BackupPart): void {
  writer.uint(partFields.depth, value.depth);
  writer.uint(partFields.entries, value.entries);
  writer.uint(partFields.bytes, value.bytes);
  writer.bytes(partFields.contentHash, value.contentHash ?? new Uint8Array(0));
  writer.bytes(partFields.subtree, value.subtree);
}

function readPart(reader: Reader): BackupPart {
  const depth = reader.uint(partFields.depth, minDepth, maxDepth);
  const entries = reader.uint(partFields.entries, 0, bounds.maxStatePartEntries);
  const size = reader.uint(partFields.bytes, 0, bounds.maxStatePartBytes);
  const contentHash = reader.bytes(partFields.contentHash, 0, hashBytes);
  const subtree = reader.bytes(partFields.subtree, 0, leafBytes);
  reader.end(partFields);
  const wanted = entries === 0 ? 0 : entries === 1 ? leafBytes : hashBytes;
  if (subtree.length !== wanted) {
    reader.fail('BAD_VALUE', partFields.subtree, `has ${subtree.length} bytes, not ${wanted}`);
  }
  if (contentHash.length !== (entries === 0 ? 0 : hashBytes) || (size === 0) !== (entries === 0)) {
    reader.fail('BAD_VALUE', partFields.contentHash, 'is there without an object, or not there for one');
  }
  return {
    depth,
    entries,
    bytes: size,
    contentHash: entries === 0 ? undefined : asHash(contentHash),
    subtree,
  };
}

/** Whether prefixes of these depths follow each other and cover all paths. */
function coversAll(parts: readonly BackupPart[]): boolean {
  let start = 0;
  for (const { depth } of parts) {
    const size = 2 ** (maxDepth - depth);
    if (start % size !== 0) return false;
    start += size;
  }
  return start === allPaths;
}

function writeManifest(writer: Writer, value: BackupManifest): void {
  writer.uint(manifestFields.version, value.version);
  writer.bytes(manifestFields.chainId, value.chainId);
  writer.text(manifestFields.writer, value.writer);
  writer.text(manifestFields.software, value.software);
  writer.uint(manifestFields.createdMs, value.createdMs);
  writer.bytes(manifestFields.header, value.header);
  writer.message(manifestFields.certificate, value.certificate, writeCertificate);
  writer.messages(manifestFields.setChanges, value.setChanges, writeSetChange);
  writer.messages(manifestFields.parts, value.parts, writePart);
  writer.messages(manifestFields.segments, value.segments, writeEntry);
}

function readManifest(reader: Reader): BackupManifest {
  reader.uint(manifestFields.version, 1, 1);
  const value: BackupManifest = {
    version: 1,
    chainId: asChainId(reader.fixed(manifestFields.chainId, 32)),
    writer: reader.id(manifestFields.writer, idRules.validator),
    software: reader.text(manifestFields.software, limits.maxNameBytes),
    createdMs: reader.uint(manifestFields.createdMs, 0, limits.maxTimeMs),
    header: reader.bytes(manifestFields.header, 1, bounds.maxHeaderBytes),
    certificate: reader.requiredMessage(manifestFields.certificate, readCertificate),
    setChanges: reader.messages(manifestFields.setChanges, 0, limits.maxValidatorSetChanges, readSetChange),
    parts: reader.messages(manifestFields.parts, 1, bounds.maxBackupParts, readPart),
    segments: reader.messages(manifestFields.segments, 0, bounds.maxSegments, readEntry, follows),
  };
  reader.end(manifestFields);
  if (!coversAll(value.parts)) {
    reader.fail('BAD_VALUE', manifestFields.parts, 'do not cover each path once');
  }
  return value;
}

/** Canonical bytes of a part of a state. */
export const encodeStatePart: (value: StatePart) => Uint8Array = encoder('StatePart', writeStatePart);
/** Reads a part of a state; whether it is that of the state is for src/backup. The values are views of `bytes`. */
export const decodeStatePart: (bytes: Uint8Array) => Result<StatePart, CodecError> = decoder(
  'StatePart',
  bounds.maxStatePartBytes,
  readStatePart,
);

/** Canonical bytes of the manifest of a backup. */
export const encodeBackupManifest: (value: BackupManifest) => Uint8Array = encoder(
  'BackupManifest',
  writeManifest,
);
/** Reads the manifest of a backup, whose parts cover all paths and whose segments follow each other. */
export const decodeBackupManifest: (bytes: Uint8Array) => Result<BackupManifest, CodecError> = decoder(
  'BackupManifest',
  bounds.maxBackupManifestBytes,
  readManifest,
);
