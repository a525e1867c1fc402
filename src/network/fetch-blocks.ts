/**
 * Both sides of FetchBlocks: final blocks for a replica that is behind. Nothing in them is checked here beyond their
 * form.
 */
import type { ServerWritableStream, ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Readable } from 'node:stream';
import { QuaestorError } from '../types/index.js';
import type { PeerClient } from './dialer.js';
import { gateReads } from './read-gate.js';
import type {
  FetchBlocksOptions,
  FetchedBlock,
  NetworkLogger,
  PeerHandlers,
  PeerValidator,
} from './types.js';
import {
  decodeFetchBlocksRequest,
  decodeFetchedBlock,
  encodeFetchBlocksRequest,
  encodeFetchedBlock,
} from './wire/blocks.js';

/** Most blocks that one call gives. */
const maxBlocksPerCall = 1024;

/** Answers one call. Resolves when it is over, whatever the outcome. */
export async function serveFetchBlocks(
  call: ServerWritableStream<Buffer, Buffer>,
  peer: PeerValidator,
  handlers: PeerHandlers,
  logger: NetworkLogger,
): Promise<void> {
  const request = decodeFetchBlocksRequest(call.request);
  if (!request.ok || request.value.maxBlocks === 0) {
    refuse(call, status.INVALID_ARGUMENT, request.ok ? 'no blocks are asked for' : request.error);
    return;
  }
  const { fromHeight, maxBlocks } = request.value;
  const most = Math.min(maxBlocks, maxBlocksPerCall);
  const cancelled = new Promise<false>((resolve) => void call.once('cancelled', () => resolve(false)));
  try {
    for await (const block of handlers.serveBlocks(peer.index, fromHeight, most)) {
      if (!(await Promise.race([written(call, encodeFetchedBlock(block)), cancelled]))) return;
    }
    call.end();
  } catch (error) {
    logger.error({ peer: peer.id, fromHeight, error }, 'Could not read blocks for a peer.');
    refuse(call, status.INTERNAL, 'the blocks cannot be read');
  }
}

/** Writes one message; resolves when the connection took it, which holds back reading the next block. */
function written(call: ServerWritableStream<Buffer, Buffer>, message: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (call.cancelled) resolve(false);
    else call.write(message, () => resolve(!call.cancelled));
  });
}

/** Ends a call with an error. */
export function refuse(
  call: { emit(event: 'error', error: Partial<ServiceError>): unknown },
  code: status,
  details: string,
): void {
  call.emit('error', { code, details });
}

/** Makes one call, over a connection of its own: bulk does not share one with votes. */
export async function* fetchBlocks(
  open: () => PeerClient,
  peer: PeerValidator,
  options: FetchBlocksOptions,
): AsyncGenerator<FetchedBlock, void, undefined> {
  const { signal } = options;
  const client = open();
  const call = client.fetchBlocks(encodeFetchBlocksRequest(options), options.deadlineMs);
  // One block at a time: read-ahead would be bounded by count only.
  const stream = call as unknown as Readable;
  const more = gateReads(stream, () => stream.readableLength === 0);
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  try {
    for await (const message of stream as AsyncIterable<Buffer>) {
      const block = decodeFetchedBlock(message);
      if (!block.ok)
        throw failure('PEER_SENT_GARBAGE', peer, `sent a block that cannot be read: ${block.error}`);
      yield block.value;
      more();
    }
  } catch (error) {
    if (error instanceof QuaestorError) throw error;
    throw translate(client, peer, error, signal?.aborted === true);
  } finally {
    signal?.removeEventListener('abort', cancel);
    call.cancel();
    client.close();
  }
}

function translate(client: PeerClient, peer: PeerValidator, error: unknown, aborted: boolean): QuaestorError {
  const { code } = error as Partial<ServiceError>;
  if (aborted) return failure('FETCH_ABORTED', peer, 'was no longer asked', error);
  if (code === status.DEADLINE_EXCEEDED)
    return failure('FETCH_TIMEOUT', peer, 'did not answer in time', error);
  const { reason, detail } = client.explain(error);
  return failure('FETCH_FAILED', peer, `did not give the blocks (${reason}): ${detail}`, error);
}

function failure(code: string, peer: PeerValidator, what: string, cause?: unknown): QuaestorError {
  return new QuaestorError(code, `Validator "${peer.id}" ${what}.`, { validator: peer.id }, cause);
}
