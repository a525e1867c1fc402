import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { encodeTransactionEnvelope, encodeTransactionPayload } from '../../../src/codec/index.js';
import type { SubmitStreamRequest } from '../../../src/codec/wire/quaestor/ledger/v1/SubmitStreamRequest.js';
import type { SubmitStreamResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import { decodeBlockHeader } from '../../../src/codec/index.js';
import { merkleLeafHash, merkleRootFromPath } from '../../../src/crypto/index.js';
import { asHeight, asPublicKey, asSignature } from '../../../src/types/index.js';
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

type Stream = ClientDuplexStream<SubmitStreamRequest, SubmitStreamResponse__Output>;

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

async function start(limits: Parameters<typeof serve>[2] = {}): Promise<void> {
  chain = await FakeChain.create();
  server = await serve(new FakeNode(chain), pki, limits);
  open.push(() => server.server.close(100));
}

interface Session {
  readonly stream: Stream;
  readonly responses: SubmitStreamResponse__Output[];
  /** Resolves with the stream's final status code. */
  readonly ended: Promise<{ code: number; reason: string | undefined }>;
}

async function openStream(name = 'alpha'): Promise<Session> {
  const client = rawClient(server.address, grpcCredentials(await pki.issue('member', name)));
  open.push(() => client.close());
  const stream = client.submitStream() as Stream;
  const responses: SubmitStreamResponse__Output[] = [];
  stream.on('data', (response: SubmitStreamResponse__Output) => responses.push(response));
  const ended = new Promise<{ code: number; reason: string | undefined }>((resolve) => {
    stream.on('error', (error: ServiceError) =>
      resolve({ code: error.code, reason: infoOf(error).info?.reason }),
    );
    stream.on('end', () => resolve({ code: status.OK, reason: undefined }));
  });
  return { stream, responses, ended };
}

const finalized = (responses: readonly SubmitStreamResponse__Output[]): number[] =>
  responses.flatMap(({ finalized: batches }) =>
    batches.flatMap(({ transactions }) => transactions.map(({ number }) => number)),
  );

/** An envelope that decodes, with signatures that nobody checks while the node refuses or holds everything. */
function cheapEnvelope(serial: number): Uint8Array {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, serial);
  const payload = encodeTransactionPayload({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(100),
    operations: [{ kind: 'burn', asset: 'CHF', account: 'A1', amount: 1n as never }],
  });
  const signature = {
    publicKey: asPublicKey(new Uint8Array(32)),
    signature: asSignature(new Uint8Array(64)),
  };
  return encodeTransactionEnvelope({ payload, signatures: [signature] });
}

describe('SubmitStream', () => {
  it('answers each transaction once, grouped by block, with paths that lead to the header, and ends cleanly', async () => {
    await start();
    const { stream, responses, ended } = await openStream();
    const transactions = await Promise.all(Array.from({ length: 20 }, () => signedTransfer(chain)));
    const envelopes = transactions.map(({ bytes }) => bytes);
    stream.write({ envelopes: envelopes.slice(0, 12), firstNumber: 100 });
    stream.write({ envelopes: envelopes.slice(12), firstNumber: 112 });
    stream.end();
    expect(await ended).toEqual({ code: status.OK, reason: undefined });
    const numbers = finalized(responses).sort((left, right) => left - right);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => 100 + index));
    for (const batch of responses.flatMap((response) => response.finalized)) {
      const header = decodeBlockHeader(batch.header);
      if (!header.ok) throw header.error;
      for (const { result, index, path } of batch.transactions) {
        const root = merkleRootFromPath(merkleLeafHash(result), index, header.value.transactionCount, path);
        expect(root).toEqual(header.value.resultsRoot);
      }
    }
    expect(server.metrics.inFlight).toBe(0);
  });

  it('refuses single transactions of a batch by number, and goes on with the rest', async () => {
    await start();
    const { stream, responses, ended } = await openStream();
    const good = await Promise.all(Array.from({ length: 3 }, () => signedTransfer(chain)));
    const foreign = await signedTransfer(chain, { sender: 'beta' });
    stream.write({
      envelopes: [good[0]!.bytes, foreign.bytes, good[1]!.bytes, Uint8Array.of(1, 2, 3), good[2]!.bytes],
      firstNumber: 0,
    });
    stream.end();
    expect((await ended).code).toBe(status.OK);
    expect(finalized(responses).sort()).toEqual([0, 2, 4]);
    const refused = responses.flatMap((response) => response.refused);
    expect(refused.map(({ number, reason, statusCode }) => ({ number, reason, statusCode }))).toEqual([
      { number: 1, reason: 'SENDER_MISMATCH', statusCode: status.PERMISSION_DENIED },
      { number: 3, reason: 'ENVELOPE_MALFORMED', statusCode: status.INVALID_ARGUMENT },
    ]);
  });

  it('answers a final transaction again with its receipt', async () => {
    await start();
    const transaction = await signedTransfer(chain);
    for (let round = 0; round < 2; round++) {
      const { stream, responses, ended } = await openStream();
      stream.write({ envelopes: [transaction.bytes], firstNumber: 7 });
      stream.end();
      await ended;
      expect(finalized(responses)).toEqual([7]);
    }
    expect([...chain.executions.values()]).toEqual([1]);
  });

  it('splits the answers of a large block into messages of at most 1,000 transactions', async () => {
    await start();
    chain.held = true;
    const { stream, responses, ended } = await openStream();
    const transactions = await Promise.all(Array.from({ length: 1100 }, () => signedTransfer(chain)));
    const envelopes = transactions.map(({ bytes }) => bytes);
    stream.write({ envelopes: envelopes.slice(0, 1000), firstNumber: 0 });
    stream.write({ envelopes: envelopes.slice(1000), firstNumber: 1000 });
    await until(() => chain.pendingCount === 1100);
    chain.release();
    stream.end();
    await ended;
    expect(responses.map((response) => response.finalized[0]!.transactions.length)).toEqual([1000, 100]);
  });

  it.each([
    [
      'more than 1,000 envelopes',
      { envelopes: Array.from({ length: 1001 }, () => new Uint8Array(1)), firstNumber: 0 },
    ],
    ['numbers above 2^53', { envelopes: [new Uint8Array(1)], firstNumber: '18446744073709551615' }],
  ])('ends the stream on a message with %s', async (_what, request) => {
    await start();
    const { stream, ended } = await openStream();
    stream.write(request);
    expect(await ended).toEqual({ code: status.INVALID_ARGUMENT, reason: 'INVALID_FIELD' });
    expect(server.node.submitted).toBe(0);
  });

  it('stops reading a stream whose transactions in flight are at the limit, and goes on when some are final', async () => {
    await start({ maxInFlightPerStream: 50 });
    chain.held = true;
    const { stream, responses, ended } = await openStream();
    const transactions = await Promise.all(Array.from({ length: 300 }, () => signedTransfer(chain)));
    for (let first = 0; first < 300; first += 10) {
      const envelopes = transactions.slice(first, first + 10).map(({ bytes }) => bytes);
      stream.write({ envelopes, firstNumber: first });
    }
    stream.end();
    await until(() => chain.pendingCount >= 50);
    // Everything that could still be read would have arrived by the time a later call on another stream is answered.
    const probe = await openStream();
    probe.stream.end();
    await probe.ended;
    expect(server.metrics.maxInFlight).toBeLessThanOrEqual(60);
    chain.release();
    expect((await ended).code).toBe(status.OK);
    expect(finalized(responses)).toHaveLength(300);
    expect(server.metrics.maxInFlight).toBeLessThanOrEqual(60);
  });

  it('shares the limit of a member between its streams, and wakes the ones that wait', async () => {
    await start({ maxInFlightPerMember: 20 });
    chain.held = true;
    const [left, right] = [await openStream(), await openStream()];
    const transactions = await Promise.all(Array.from({ length: 80 }, () => signedTransfer(chain)));
    for (let first = 0; first < 80; first += 10) {
      const envelopes = transactions.slice(first, first + 10).map(({ bytes }) => bytes);
      (first < 40 ? left : right).stream.write({ envelopes, firstNumber: first });
    }
    left.stream.end();
    right.stream.end();
    await until(() => chain.pendingCount >= 20);
    expect(server.metrics.maxInFlight).toBeLessThanOrEqual(40);
    chain.release();
    await Promise.all([left.ended, right.ended]);
    expect(finalized([...left.responses, ...right.responses])).toHaveLength(80);
    expect(server.metrics.inFlight).toBe(0);
  });

  it('reads no further from a client that does not read its answers', async () => {
    await start({ maxInFlightPerStream: 100_000, maxInFlightPerMember: 1_000_000 });
    server.node.refuseAll = 'OVERLOADED';
    const client = rawClient(server.address, grpcCredentials(await pki.issue('member', 'alpha')));
    open.push(() => client.close());
    const stream = client.submitStream() as Stream;
    let ended = false;
    stream.on('error', () => (ended = true));
    // The client stops reading at the first answer, and keeps writing as long as the transport takes it.
    stream.on('data', () => stream.pause());
    const envelopes = Array.from({ length: 1000 }, (_, index) => cheapEnvelope(index));
    let written = 0;
    let blocked = false;
    const writeOn = (): void => {
      while (!blocked && written < 400) {
        written += 1;
        if (!stream.write({ envelopes, firstNumber: written * 1000 })) {
          blocked = true;
          stream.once('drain', () => {
            blocked = false;
            writeOn();
          });
        }
      }
    };
    writeOn();
    let last = -1;
    let quietRounds = 0;
    // Quiet: the server has taken nothing more for many turns in which it took its turns.
    while (quietRounds < 2000) {
      await new Promise((resolve) => setImmediate(resolve));
      quietRounds = server.node.submitted === last ? quietRounds + 1 : 0;
      last = server.node.submitted;
    }
    expect(ended).toBe(false);
    expect(server.node.submitted).toBeLessThan(200_000);
    stream.cancel();
    await until(() => server.metrics.open === 0);
    expect(server.metrics.inFlight).toBe(0);
  });

  it('forgets the waits of a stream that is cancelled', async () => {
    await start();
    chain.held = true;
    const { stream } = await openStream();
    stream.write({ envelopes: [(await signedTransfer(chain)).bytes], firstNumber: 0 });
    await until(() => chain.pendingCount === 1);
    stream.cancel();
    await until(() => server.node.handles.size === 0 && server.metrics.inFlight === 0);
    expect(chain.pendingCount).toBe(1);
  });

  it('refuses more streams than an identity may have', async () => {
    await start({ maxStreamsPerIdentity: 1 });
    const first = await openStream();
    first.stream.write({ envelopes: [(await signedTransfer(chain)).bytes], firstNumber: 0 });
    await until(() => first.responses.length === 1);
    expect(await (await openStream()).ended).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      reason: 'TOO_MANY_STREAMS',
    });
    first.stream.end();
    await first.ended;
    const next = await openStream();
    next.stream.end();
    expect((await next.ended).code).toBe(status.OK);
  });

  it('ends streams with UNAVAILABLE when the server stops', async () => {
    await start();
    chain.held = true;
    const { stream, ended } = await openStream();
    stream.write({ envelopes: [(await signedTransfer(chain)).bytes], firstNumber: 0 });
    await until(() => chain.pendingCount === 1);
    await server.server.close();
    expect(await ended).toEqual({ code: status.UNAVAILABLE, reason: 'SHUTTING_DOWN' });
  });
});
