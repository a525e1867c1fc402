/** Serving of FetchBlocks, FetchState and FetchSetChanges: what is asked for is read, bounded, and what is found is encoded. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { refuse, serveBulk } from './bulk.js';
import type { FetchMethod } from './definition.js';
import type { NetworkLogger, PeerHandlers } from './types.js';
import { decodeFetchBlocksRequest, encodeFetchedBlock } from './wire/blocks.js';
import { decodeFetchSetChangesRequest, encodeFetchedSetChange } from './wire/set-changes.js';
import { decodeFetchStateRequest, encodeFetchedState } from './wire/state.js';

/** Most blocks that one call gives. */
const maxBlocksPerCall = 1024;

type Call = ServerWritableStream<Buffer, Buffer>;

/** Answers one call of FetchBlocks. Resolves when it is over, whatever the outcome. */
async function serveFetchBlocks(
  call: Call,
  peer: string,
  handlers: PeerHandlers,
  logger: NetworkLogger,
): Promise<void> {
  const request = decodeFetchBlocksRequest(call.request);
  if (!request.ok || request.value.maxBlocks === 0) {
    refuse(call, status.INVALID_ARGUMENT, request.ok ? 'no blocks are asked for' : request.error);
    return;
  }
  const { fromHeight, maxBlocks } = request.value;
  const blocks = handlers.serveBlocks(fromHeight, Math.min(maxBlocks, maxBlocksPerCall));
  await serveBulk(call, encoded(blocks, encodeFetchedBlock), (error) =>
    logger.error({ peer, fromHeight, error }, 'Could not read blocks for a peer.'),
  );
}

/** Answers one call of FetchState. Resolves when it is over, whatever the outcome. */
async function serveFetchState(
  call: Call,
  peer: string,
  handlers: PeerHandlers,
  logger: NetworkLogger,
): Promise<void> {
  const request = decodeFetchStateRequest(call.request);
  if (!request.ok) {
    refuse(call, status.INVALID_ARGUMENT, request.error);
    return;
  }
  const { height, from, until } = request.value;
  const chunks = handlers.serveState(height, from, until);
  await serveBulk(call, encoded(chunks, encodeFetchedState), (error) =>
    logger.error({ peer, height, error }, 'Could not read the state for a peer.'),
  );
}

/** Answers one call of FetchSetChanges. Resolves when it is over, whatever the outcome. */
async function serveFetchSetChanges(
  call: Call,
  peer: string,
  handlers: PeerHandlers,
  logger: NetworkLogger,
): Promise<void> {
  const knownEpoch = decodeFetchSetChangesRequest(call.request);
  if (!knownEpoch.ok) {
    refuse(call, status.INVALID_ARGUMENT, knownEpoch.error);
    return;
  }
  const changes = handlers.serveSetChanges(knownEpoch.value);
  await serveBulk(call, encoded(changes, encodeFetchedSetChange), (error) =>
    logger.error({ peer, knownEpoch, error }, 'Could not read changes of the validator set for a peer.'),
  );
}

/** What answers each of the calls. */
export const serveFetch = {
  FetchBlocks: serveFetchBlocks,
  FetchState: serveFetchState,
  FetchSetChanges: serveFetchSetChanges,
} as const satisfies Record<FetchMethod, unknown>;

async function* encoded<T>(items: AsyncIterable<T>, encode: (item: T) => Buffer): AsyncGenerator<Buffer> {
  for await (const item of items) yield encode(item);
}
