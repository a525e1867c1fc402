/**
 * Both sides of calls that stream much from one node to another. Nothing in what they carry is checked here beyond its
 * form.
 */
import type { ClientReadableStream, Metadata, ServerWritableStream, ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Readable } from 'node:stream';
import { QuaestorError } from '../types/index.js';
import type { Result } from '../types/index.js';
import type { PeerClient } from './dialer.js';
import { gateReads } from './read-gate.js';
import type { PeerValidator } from './types.js';

/** What is asked for is not kept here any more. */
export class NotRetainedError extends QuaestorError {
  constructor(oldest: number) {
    super('NOT_RETAINED', `Blocks are kept above height ${oldest} only.`, { oldest: String(oldest) });
  }
}

type BulkCall = ServerWritableStream<Buffer, Buffer>;

/** Writes messages as fast as the other side takes them. Resolves when the call is over, whatever the outcome. */
export async function serveBulk(
  call: BulkCall,
  messages: AsyncIterable<Buffer>,
  failed: (error: unknown) => void,
): Promise<void> {
  const cancelled = new Promise<false>((resolve) => void call.once('cancelled', () => resolve(false)));
  try {
    for await (const message of messages) {
      if (!(await Promise.race([written(call, message), cancelled]))) return;
    }
    call.end();
  } catch (error) {
    if (error instanceof NotRetainedError) {
      refuse(call, status.OUT_OF_RANGE, error.message);
      return;
    }
    failed(error);
    refuse(call, status.INTERNAL, 'what is asked for cannot be read');
  }
}

/** Writes one message; resolves when the connection took it, which holds back reading what comes next. */
function written(call: BulkCall, message: Buffer): Promise<boolean> {
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
  metadata?: Metadata,
): void {
  call.emit('error', { code, details, ...(metadata !== undefined && { metadata }) });
}

export interface BulkRequest<T> {
  /** The connection: one of its own, unless it is to be kept: bulk does not share one with votes. */
  open(): PeerClient;
  /** The connection is in use otherwise and stays open. */
  readonly keep?: boolean;
  start(client: PeerClient): ClientReadableStream<Buffer>;
  decode(message: Buffer): Result<T, string>;
  readonly peer: PeerValidator;
  readonly signal: AbortSignal | undefined;
}

/** Makes one call. Throws a QuaestorError: FETCH_FAILED, NOT_RETAINED, FETCH_TIMEOUT, FETCH_ABORTED or PEER_SENT_GARBAGE. */
export async function* fetchBulk<T>(request: BulkRequest<T>): AsyncGenerator<T, void, undefined> {
  const { peer, signal } = request;
  const client = request.open();
  const call = request.start(client);
  // One message at a time: read-ahead would be bounded by count only.
  const stream = call as unknown as Readable;
  const more = gateReads(stream, () => stream.readableLength === 0);
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  try {
    for await (const message of stream as AsyncIterable<Buffer>) {
      const item = request.decode(message);
      if (!item.ok)
        throw failure('PEER_SENT_GARBAGE', peer, `sent something that cannot be read: ${item.error}`);
      yield item.value;
      more();
    }
  } catch (error) {
    if (error instanceof QuaestorError) throw error;
    throw translate(client, peer, error, signal?.aborted === true);
  } finally {
    signal?.removeEventListener('abort', cancel);
    call.cancel();
    if (request.keep !== true) client.close();
  }
}

function translate(client: PeerClient, peer: PeerValidator, error: unknown, aborted: boolean): QuaestorError {
  const { code } = error as Partial<ServiceError>;
  if (aborted) return failure('FETCH_ABORTED', peer, 'was no longer asked', error);
  if (code === status.DEADLINE_EXCEEDED)
    return failure('FETCH_TIMEOUT', peer, 'did not answer in time', error);
  if (code === status.OUT_OF_RANGE)
    return failure('NOT_RETAINED', peer, 'does not keep what it was asked for', error);
  const { reason, detail } = client.explain(error);
  return failure('FETCH_FAILED', peer, `did not give what it was asked for (${reason}): ${detail}`, error);
}

function failure(code: string, peer: PeerValidator, what: string, cause?: unknown): QuaestorError {
  return new QuaestorError(code, `Validator "${peer.id}" ${what}.`, { validator: peer.id }, cause);
}
