import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { SubscribeResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/SubscribeResponse.js';
import {
  grpcCredentials,
  infoOf,
  rawClient,
  serve,
  signedTransfer,
  TestPki,
  type TestServer,
} from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let pki: TestPki;
let chain: FakeChain;
let server: TestServer;
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(blocks: number, limits: Parameters<typeof serve>[2] = {}): Promise<void> {
  chain = await FakeChain.create();
  for (let height = 1; height <= blocks; height++) await chain.commit();
  server = await serve(new FakeNode(chain), pki, limits);
  open.push(() => server.server.close(100));
}

async function subscribe(request: object): Promise<ClientReadableStream<SubscribeResponse__Output>> {
  const client = rawClient(server.address, grpcCredentials(await pki.issue('member', 'beta')));
  open.push(() => client.close());
  const stream = client.subscribe(request);
  stream.on('error', () => undefined);
  return stream;
}

function failure(
  stream: ClientReadableStream<SubscribeResponse__Output>,
): Promise<[number, string | undefined]> {
  return new Promise((resolve) => {
    stream.on('error', (error: ServiceError) => resolve([error.code, infoOf(error).info?.reason]));
    stream.resume();
  });
}

describe('Subscribe', () => {
  it('gives old blocks and then new ones in order, without gap or repeat', async () => {
    await start(20);
    const stream = await subscribe({ fromHeight: 5, includeTransactions: true });
    const heights: number[] = [];
    stream.on('data', ({ block }: SubscribeResponse__Output) => heights.push(block!.header!.height));
    await until(() => heights.length === 16);
    const transaction = await signedTransfer(chain);
    chain.held = true;
    chain.admit(
      transaction.bytes,
      0,
      { finalized: () => undefined, refused: () => undefined },
      { open: true },
    );
    await chain.commit();
    await chain.commit();
    await until(() => heights.length === 18);
    stream.cancel();
    expect(heights).toEqual(Array.from({ length: 18 }, (_, index) => 5 + index));
    await until(() => server.metrics.open === 0 && chain.listeners.size === 0);
  });

  it('starts with the next block when no height is given, and waits for a height to come', async () => {
    await start(3);
    const next = await subscribe({});
    const later = await subscribe({ fromHeight: 5 });
    const seen: [string, number][] = [];
    next.on('data', ({ block }: SubscribeResponse__Output) => seen.push(['next', block!.header!.height]));
    later.on('data', ({ block }: SubscribeResponse__Output) => seen.push(['later', block!.header!.height]));
    await until(() => chain.listeners.size === 2);
    await chain.commit();
    await chain.commit();
    await until(() => seen.length === 3);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['next', 4],
        ['next', 5],
        ['later', 5],
      ]),
    );
  });

  it('sends heartbeats with the latest height while nothing happens', async () => {
    await start(2, { heartbeatMs: 20 });
    const stream = await subscribe({ fromHeight: 3 });
    const heartbeats: number[] = [];
    stream.on('data', ({ heartbeat }: SubscribeResponse__Output) => heartbeats.push(heartbeat!.height));
    await until(() => heartbeats.length === 3);
    expect(heartbeats).toEqual([2, 2, 2]);
  });

  it('reads the store at the pace of a slow consumer, which misses nothing', async () => {
    const blocks = 200;
    await start(blocks);
    const { bytes } = await signedTransfer(chain);
    server.node.tamper = (block) => ({ ...block, envelopes: Array.from({ length: 100 }, () => bytes) });
    const stream = await subscribe({ fromHeight: 1, includeTransactions: true });
    const heights: number[] = [];
    stream.on('data', ({ block }: SubscribeResponse__Output) => {
      heights.push(block!.header!.height);
      if (heights.length === 1) stream.pause();
    });
    let last = -1;
    for (let quietTurns = 0; quietTurns < 2000; last = server.node.blockReads) {
      await new Promise((resolve) => setImmediate(resolve));
      quietTurns = server.node.blockReads === last ? quietTurns + 1 : 0;
    }
    expect(server.node.blockReads).toBeLessThan(blocks / 2);
    stream.resume();
    await until(() => heights.length === blocks);
    expect(heights).toEqual(Array.from({ length: blocks }, (_, index) => index + 1));
  });

  it('refuses a height that is no longer kept, height 0, and more streams than allowed', async () => {
    await start(5, { maxStreamsPerIdentity: 1 });
    server.node.oldest = 4;
    expect(await failure(await subscribe({ fromHeight: 3 }))).toEqual([
      status.OUT_OF_RANGE,
      'HEIGHT_NOT_RETAINED',
    ]);
    expect(await failure(await subscribe({ fromHeight: 0 }))).toEqual([
      status.INVALID_ARGUMENT,
      'INVALID_FIELD',
    ]);
    await subscribe({});
    await until(() => chain.listeners.size === 1);
    expect(await failure(await subscribe({}))).toEqual([status.RESOURCE_EXHAUSTED, 'TOO_MANY_STREAMS']);
  });

  it('ends with UNAVAILABLE when the server stops', async () => {
    await start(1);
    const ended = failure(await subscribe({ fromHeight: 2 }));
    await until(() => chain.listeners.size === 1);
    await server.server.close();
    expect(await ended).toEqual([status.UNAVAILABLE, 'SHUTTING_DOWN']);
    expect(chain.listeners.size).toBe(0);
  });
});
