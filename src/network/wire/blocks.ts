import { decodeCommitCertificate, encodeCommitCertificate } from '../../codec/index.js';
import type { Height, Result } from '../../types/index.js';
import { asHeight, limits } from '../../types/index.js';
import type { FetchedBlock } from '../types.js';
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

export interface FetchBlocksRequest {
  readonly fromHeight: Height;
  readonly maxBlocks: number;
}

/** Bytes of a FetchBlocksRequest. */
export function encodeFetchBlocksRequest(request: FetchBlocksRequest): Buffer {
  return new Writer(integerSize(request.fromHeight) + integerSize(request.maxBlocks))
    .integer(1, request.fromHeight)
    .integer(2, request.maxBlocks).bytes;
}

/** Reads a FetchBlocksRequest; the error says what is wrong with it. */
export function decodeFetchBlocksRequest(bytes: Buffer): Result<FetchBlocksRequest, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    let fromHeight = 0;
    let maxBlocks = 0;
    while (!reader.atEnd()) {
      const tag = reader.tag();
      if (tag === integerTag(1)) fromHeight = reader.varint(limits.maxHeight);
      else if (tag === integerTag(2)) maxBlocks = reader.varint(0xffff_ffff);
      else throw new MalformedError('the request has an unknown field');
    }
    return { fromHeight: asHeight(fromHeight), maxBlocks };
  });
}

/** Bytes of a FetchBlocksResponse. */
export function encodeFetchedBlock(block: FetchedBlock): Buffer {
  const certificate = encodeCommitCertificate(block.certificate);
  let size = fieldSize(block.headerBytes.length) + fieldSize(certificate.length);
  for (const envelope of block.envelopes) size += fieldSize(envelope.length);
  const writer = new Writer(size).field(1, block.headerBytes).field(2, certificate);
  for (const envelope of block.envelopes) writer.field(3, envelope);
  return writer.bytes;
}

/** Reads a FetchBlocksResponse; the error says what is wrong with it. The header is not decoded. */
export function decodeFetchedBlock(bytes: Buffer): Result<FetchedBlock, string> {
  return guarded(() => {
    const reader = new Reader(bytes);
    const next = (tag: number): Buffer => {
      if (reader.atEnd() || reader.tag() !== tag) throw new MalformedError('a block lacks a field');
      return reader.content();
    };
    const headerBytes = next(bytesTag(1));
    const certificate = decodeCommitCertificate(next(bytesTag(2)));
    if (!certificate.ok)
      throw new MalformedError(`its certificate is malformed: ${certificate.error.message}`);
    const envelopes: Uint8Array[] = [];
    while (!reader.atEnd()) {
      if (envelopes.length === limits.maxBlockTransactions) throw new MalformedError('a block is too long');
      envelopes.push(next(bytesTag(3)));
    }
    return { headerBytes, certificate: certificate.value, envelopes };
  });
}
