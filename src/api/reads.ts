/** GetStatus, GetTransaction and GetBlock. */
import { decodeBlockHeader, decodeTransactionEnvelope, decodeTransactionResult } from '../codec/index.js';
import {
  certificateToWire,
  envelopeToWire,
  headerToWire,
  receiptToWire,
  resultToWire,
} from '../codec/wire-convert.js';
import type { GetBlockRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetBlockRequest.js';
import type { GetBlockResponse } from '../codec/wire/quaestor/ledger/v1/GetBlockResponse.js';
import type { GetStatusResponse } from '../codec/wire/quaestor/ledger/v1/GetStatusResponse.js';
import type { GetTransactionRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetTransactionRequest.js';
import type { GetTransactionResponse } from '../codec/wire/quaestor/ledger/v1/GetTransactionResponse.js';
import type { StoredBlock, StoredHeader } from '../storage/types.js';
import {
  asHeight,
  asTxId,
  DefectError,
  invariant,
  limits,
  toHex,
  type Height,
  type Result,
} from '../types/index.js';
import { ApiError, invalidField } from './errors.js';
import { finalBlock, receiptOf } from './final-block.js';
import type { ReadPort } from './ports.js';

/** What was read from the own store must decode. */
export function stored<T>(result: Result<T, Error>): T {
  if (!result.ok) throw new DefectError(`the store holds bytes that do not decode: ${result.error.message}`);
  return result.value;
}

/** A height from a request: a safe integer within the protocol's bounds. */
export function heightField(field: string, value: number, lowest = 0): Height {
  if (!Number.isSafeInteger(value) || value < lowest || value > limits.maxHeight) {
    throw invalidField(field, `it must be a height from ${lowest} to ${limits.maxHeight}.`);
  }
  return asHeight(value);
}

/** The height of a state that is asked for, or the latest; throws unless it is kept here. */
export function heightToRead(reads: ReadPort, requested: number | undefined): Height {
  const head = reads.head().height;
  if (requested === undefined) return head;
  const height = heightField('height', requested);
  if (height > head) {
    throw new ApiError(
      'HEIGHT_NOT_REACHED',
      `Height ${height} is not reached yet; the latest here is ${head}.`,
      { height: String(height), head: String(head) },
    );
  }
  const oldest = reads.oldestState();
  if (height < oldest) {
    throw new ApiError(
      'HEIGHT_NOT_RETAINED',
      `The state of height ${height} is not kept by this node; the oldest is ${oldest}.`,
      { height: String(height), oldest: String(oldest) },
    );
  }
  return asHeight(height);
}

/** Throws unless blocks of the height are kept here. */
export function checkBlockRetained(reads: ReadPort, height: Height): void {
  if (height > 0 && height < reads.oldestBlock()) throw blockNotRetained(reads, height);
}

/** The answer about a block that is not kept here, or was given up while it was read. */
export function blockNotRetained(reads: ReadPort, height: Height): ApiError {
  const oldest = reads.oldestBlock();
  return new ApiError(
    'HEIGHT_NOT_RETAINED',
    `Block ${height} is not kept by this node; the oldest is ${oldest}. Ask a node that keeps more.`,
    { height: String(height), oldest: String(oldest) },
  );
}

export function getStatus(reads: ReadPort): GetStatusResponse {
  return { ...reads.status() };
}

export async function getTransaction(
  reads: ReadPort,
  request: GetTransactionRequest__Output,
): Promise<GetTransactionResponse> {
  if (request.txId.length !== 32) {
    throw invalidField('tx_id', `it has ${request.txId.length} bytes; transaction ids have 32.`);
  }
  const location = await reads.locate(asTxId(request.txId));
  if (location === undefined) {
    throw new ApiError(
      'TRANSACTION_NOT_FOUND',
      `No final transaction ${toHex(request.txId)} is known here; it may be pending or unknown` +
        (reads.oldestTransaction() > 1
          ? `, or in a block below ${reads.oldestTransaction()}, which this node does not keep: ask a node that keeps more.`
          : '.'),
    );
  }
  checkBlockRetained(reads, location.height);
  const block = await reads.block(location.height);
  if (block === undefined) throw blockNotRetained(reads, location.height);
  const envelope = block.envelopes[location.index];
  invariant(
    block.certificate !== undefined && envelope !== undefined,
    'indexed transactions are in the store',
  );
  const final = finalBlock({ ...block, certificate: block.certificate });
  return {
    envelope: envelopeToWire(stored(decodeTransactionEnvelope(envelope))),
    receipt: receiptToWire(receiptOf(final, location.index)),
  };
}

export async function getBlock(reads: ReadPort, request: GetBlockRequest__Output): Promise<GetBlockResponse> {
  const head = reads.head().height;
  const height = request.height === undefined ? head : heightField('height', request.height);
  if (height > head) {
    throw new ApiError('BLOCK_NOT_FOUND', `Block ${height} does not exist yet; the latest here is ${head}.`, {
      height: String(height),
      head: String(head),
    });
  }
  checkBlockRetained(reads, height);
  const block = await readBlock(reads, height, request.includeTransactions);
  if (block === undefined) throw blockNotRetained(reads, height);
  return block;
}

/** A block as the service sends it; undefined when the store does not have it. */
export async function readBlock(
  reads: ReadPort,
  height: Height,
  includeTransactions: boolean,
): Promise<GetBlockResponse | undefined> {
  if (includeTransactions) {
    const block = await reads.block(height);
    return block === undefined ? undefined : { ...headerPart(block), ...bodyPart(block) };
  }
  const header = await reads.header(height);
  return header === undefined ? undefined : headerPart(header);
}

function headerPart({ headerBytes, digest, certificate }: StoredHeader): GetBlockResponse {
  return {
    header: headerToWire(stored(decodeBlockHeader(headerBytes))),
    headerBytes,
    digest,
    ...(certificate === undefined ? {} : { certificate: certificateToWire(certificate) }),
  };
}

function bodyPart({ envelopes, results }: StoredBlock): Pick<GetBlockResponse, 'transactions' | 'results'> {
  return {
    transactions: envelopes.map((bytes) => envelopeToWire(stored(decodeTransactionEnvelope(bytes)))),
    results: results.map((bytes) => resultToWire(stored(decodeTransactionResult(bytes)))),
  };
}
