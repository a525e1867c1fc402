import type { PeerStatus } from '../../codec/model.js';
import type { Digest, Hash } from '../../types/index.js';
import { bounds } from '../../codec/bounds.js';
import { asDigest, asHash, asHeight, asView, limits } from '../../types/index.js';
import type { Reader } from './protobuf.js';
import { MalformedError, Writer, bytesTag, exactly, fieldSize, integerSize, integerTag } from './protobuf.js';

/** One item of traffic (Frame in peer_service.proto). */
export type Frame =
  | { readonly kind: 'consensus'; readonly message: Uint8Array }
  | { readonly kind: 'transactions'; readonly envelopes: readonly Uint8Array[] }
  | { readonly kind: 'status'; readonly status: PeerStatus }
  | { readonly kind: 'fetchBodies'; readonly digest: Digest; readonly transactionHashes: readonly Hash[] }
  | {
      readonly kind: 'bodies';
      readonly digest: Digest;
      readonly transactionHashes: readonly Hash[];
      readonly envelopes: readonly Uint8Array[];
    }
  | { readonly kind: 'evidence'; readonly evidence: Uint8Array };

/** Most frames that one FrameBatch may hold. */
export const maxFramesPerBatch = 8192;

// Field numbers of peer_service.proto.
const field = { consensus: 1, transactions: 2, status: 3, fetchBodies: 4, bodies: 5, evidence: 6 } as const;
const batchFrames = 1;
const digestBytes = 32;

/**
 * Encoders give a frame as it stands in a FrameBatch, with the batch's tag and length before it: a batch is then these
 * pieces one after the other, and a piece can be shared between peers.
 */

/** A frame with a canonical ConsensusMessage. */
export function encodeConsensusFrame(message: Uint8Array): Buffer {
  const frame = fieldSize(message.length);
  return new Writer(fieldSize(frame)).header(batchFrames, frame).field(field.consensus, message).bytes;
}

/** A frame with canonical Evidence. */
export function encodeEvidenceFrame(evidence: Uint8Array): Buffer {
  const frame = fieldSize(evidence.length);
  return new Writer(fieldSize(frame)).header(batchFrames, frame).field(field.evidence, evidence).bytes;
}

/** A frame with relayed TransactionEnvelopes. */
export function encodeTransactionsFrame(envelopes: readonly Uint8Array[]): Buffer {
  const batch = listSize(envelopes);
  const frame = fieldSize(batch);
  const writer = new Writer(fieldSize(frame)).header(batchFrames, frame).header(field.transactions, batch);
  for (const envelope of envelopes) writer.field(1, envelope);
  return writer.bytes;
}

/** A frame with a Status. */
export function encodeStatusFrame(status: PeerStatus): Buffer {
  const content = statusSize(status);
  const frame = fieldSize(content);
  const writer = new Writer(fieldSize(frame)).header(batchFrames, frame).header(field.status, content);
  return writeStatus(writer, status).bytes;
}

/** Bytes of the content of a Status. */
export function statusSize(status: PeerStatus): number {
  return (
    integerSize(status.view) +
    integerSize(status.viewChangeInProgress ? 1 : 0) +
    integerSize(status.committedHeight) +
    integerSize(status.stableCheckpointHeight)
  );
}

/** Writes the content of a Status. */
export function writeStatus(writer: Writer, status: PeerStatus): Writer {
  return writer
    .integer(1, status.view)
    .integer(2, status.viewChangeInProgress ? 1 : 0)
    .integer(3, status.committedHeight)
    .integer(4, status.stableCheckpointHeight);
}

/** Bytes of the content of a TransactionBatch. */
export const transactionsSize = (envelopes: readonly Uint8Array[]): number => listSize(envelopes);

/** Writes the content of a TransactionBatch. */
export function writeTransactions(writer: Writer, envelopes: readonly Uint8Array[]): Writer {
  for (const envelope of envelopes) writer.field(1, envelope);
  return writer;
}

/** A frame with a FetchBodies. */
export function encodeFetchBodiesFrame(digest: Digest, transactionHashes: readonly Hash[]): Buffer {
  const content = fieldSize(digest.length) + listSize(transactionHashes);
  const frame = fieldSize(content);
  const writer = new Writer(fieldSize(frame))
    .header(batchFrames, frame)
    .header(field.fetchBodies, content)
    .field(1, digest);
  for (const hash of transactionHashes) writer.field(2, hash);
  return writer.bytes;
}

/** A frame with Bodies. */
export function encodeBodiesFrame(
  digest: Digest,
  transactionHashes: readonly Hash[],
  envelopes: readonly Uint8Array[],
): Buffer {
  const content = fieldSize(digest.length) + listSize(transactionHashes) + listSize(envelopes);
  const frame = fieldSize(content);
  const writer = new Writer(fieldSize(frame))
    .header(batchFrames, frame)
    .header(field.bodies, content)
    .field(1, digest);
  for (const hash of transactionHashes) writer.field(2, hash);
  for (const envelope of envelopes) writer.field(3, envelope);
  return writer.bytes;
}

function listSize(items: readonly Uint8Array[]): number {
  let size = 0;
  for (const item of items) size += fieldSize(item.length);
  return size;
}

/** The frames of a FrameBatch. Throws MalformedError. `lenient`: kinds and fields that are not known are passed over. */
export function decodeFrames(batch: Reader, lenient: boolean): Frame[] {
  const frames: Frame[] = [];
  let count = 0;
  while (!batch.atEnd()) {
    if (batch.tag() !== bytesTag(batchFrames)) throw new MalformedError('a batch has an unknown field');
    if (++count > maxFramesPerBatch) throw new MalformedError('a batch has too many frames');
    const frame = decodeFrame(batch.message(), lenient);
    if (frame !== undefined) frames.push(frame);
  }
  return frames;
}

function decodeFrame(reader: Reader, lenient: boolean): Frame | undefined {
  if (reader.atEnd()) throw new MalformedError('a frame is empty');
  const tag = reader.tag();
  let frame: Frame;
  switch (tag) {
    case bytesTag(field.consensus):
      frame = { kind: 'consensus', message: notEmpty(reader.content()) };
      break;
    case bytesTag(field.transactions):
      frame = { kind: 'transactions', envelopes: decodeTransactions(reader.message()) };
      break;
    case bytesTag(field.status):
      frame = { kind: 'status', status: decodeStatus(reader.message(), lenient) };
      break;
    case bytesTag(field.fetchBodies):
      frame = decodeFetchBodies(reader.message());
      break;
    case bytesTag(field.bodies):
      frame = decodeBodies(reader.message());
      break;
    case bytesTag(field.evidence):
      frame = { kind: 'evidence', evidence: decodeEvidence(reader.content()) };
      break;
    default:
      if (lenient) return undefined;
      throw new MalformedError('a frame has an unknown kind');
  }
  if (!reader.atEnd()) throw new MalformedError('a frame holds more than one thing');
  return frame;
}

function decodeEvidence(content: Buffer): Buffer {
  if (content.length > bounds.maxEvidenceBytes) throw new MalformedError('a piece of evidence is too large');
  // A copy: what is kept for ever must not keep a whole message in memory.
  return Buffer.from(notEmpty(content));
}

/** Content of a TransactionBatch. Throws MalformedError. */
export function decodeTransactions(reader: Reader): readonly Uint8Array[] {
  const envelopes: Uint8Array[] = [];
  while (!reader.atEnd()) {
    if (reader.tag() !== bytesTag(1)) throw new MalformedError('relayed transactions have an unknown field');
    // A copy: one envelope that waits in the mempool must not keep a whole message of a hostile peer in memory.
    envelopes.push(Buffer.from(pushable(reader.content(), envelopes.length)));
  }
  if (envelopes.length === 0) throw new MalformedError('a batch of transactions is empty');
  return envelopes;
}

/** Content of a Status. Throws MalformedError. `lenient`: fields that are not known are passed over. */
export function decodeStatus(reader: Reader, lenient = false): PeerStatus {
  let view = 0;
  let changing = 0;
  let committed = 0;
  let stable = 0;
  let last = 0;
  while (!reader.atEnd()) {
    const tag = reader.tag();
    if (tag <= last) throw new MalformedError('fields of a status are not in order');
    last = tag;
    if (tag === integerTag(1)) view = reader.varint(limits.maxView);
    else if (tag === integerTag(2)) changing = reader.varint(1);
    else if (tag === integerTag(3)) committed = reader.varint(limits.maxHeight);
    else if (tag === integerTag(4)) stable = reader.varint(limits.maxHeight);
    else if (lenient) reader.pass(tag);
    else throw new MalformedError('a status has an unknown field');
  }
  return {
    view: asView(view),
    viewChangeInProgress: changing === 1,
    committedHeight: asHeight(committed),
    stableCheckpointHeight: asHeight(stable),
  };
}

function decodeFetchBodies(reader: Reader): Frame {
  const digest = decodeDigest(reader);
  const transactionHashes: Hash[] = [];
  while (!reader.atEnd()) {
    if (reader.tag() !== bytesTag(2)) throw new MalformedError('a request for bodies has an unknown field');
    transactionHashes.push(decodeHash(reader, transactionHashes.length));
  }
  return { kind: 'fetchBodies', digest, transactionHashes };
}

function decodeBodies(reader: Reader): Frame {
  const digest = decodeDigest(reader);
  const transactionHashes: Hash[] = [];
  const envelopes: Uint8Array[] = [];
  while (!reader.atEnd()) {
    const tag = reader.tag();
    if (tag === bytesTag(2) && envelopes.length === 0) {
      transactionHashes.push(decodeHash(reader, transactionHashes.length));
    } else if (tag === bytesTag(3)) {
      envelopes.push(pushable(reader.content(), envelopes.length));
    } else {
      throw new MalformedError('bodies have an unknown or misplaced field');
    }
  }
  return { kind: 'bodies', digest, transactionHashes, envelopes };
}

function decodeDigest(reader: Reader): Digest {
  if (reader.atEnd() || reader.tag() !== bytesTag(1)) throw new MalformedError('a digest is missing');
  return asDigest(exactly(reader.content(), digestBytes));
}

function decodeHash(reader: Reader, count: number): Hash {
  if (count >= limits.maxBlockTransactions) throw new MalformedError('a list of hashes is too long');
  return asHash(exactly(reader.content(), digestBytes));
}

function pushable(envelope: Buffer, count: number): Buffer {
  if (count >= limits.maxBlockTransactions) throw new MalformedError('a list of transactions is too long');
  if (envelope.length > limits.maxEnvelopeBytes) throw new MalformedError('a transaction is too large');
  return notEmpty(envelope);
}

function notEmpty(content: Buffer): Buffer {
  if (content.length === 0) throw new MalformedError('a message is empty');
  return content;
}
