import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { status, type ServiceError } from '@grpc/grpc-js';
import { LoopLag } from '../../../src/api/loop-lag.js';
import { RateLimit } from '../../../src/api/rate-limit.js';
import {
  beginCall,
  chargeRequest,
  defaultClientLimits,
  ShedError,
  TrafficAccount,
  type TrafficLimits,
} from '../../../src/api/traffic.js';
import { QuaestorClient } from '../../../src/client/index.js';
import { decodeRetryDelayMs, statusDetailsKey } from '../../../src/client/rpc-status.js';
import type { SubmitStreamResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import {
  grpcCredentials,
  invoke,
  rawClient,
  serve,
  signedTransfer,
  TestPki,
  type TestServer,
} from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

const generous: TrafficLimits = {
  requestsPerSecond: 1_000_000,
  transactionsPerSecond: 1_000_000,
  bytesPerSecond: 1_000_000_000,
  maxOpenCalls: 1_000,
};

describe('RateLimit', () => {
  it('allows a burst of a second, then the rate, and a request larger than the burst at the price of the debt', () => {
    const limit = new RateLimit(10, 0);
    for (let count = 0; count < 10; count++) {
      expect(limit.hasRoom(0)).toBe(true);
      limit.take(1, 0);
    }
    expect(limit.hasRoom(0)).toBe(false);
    expect(limit.hasRoom(101)).toBe(true);
    limit.take(31, 101);
    expect(limit.hasRoom(3000)).toBe(false);
    expect(limit.hasRoom(3300)).toBe(true);
  });

  it('spreads those that it refuses over the time in which they can be served', () => {
    const limit = new RateLimit(10, 0);
    limit.take(10, 0);
    const delays = Array.from({ length: 20 }, () => limit.refuse(1, 0));
    expect(delays[0]).toBe(0);
    expect(delays[19]).toBe(1900);
    // Half of them may have been back by then.
    expect(limit.refuse(1, 1000)).toBe(1000);
  });
});

describe('the accounts of a member and of its connections', () => {
  const causeOf = (run: () => unknown): string | undefined => {
    try {
      run();
      return undefined;
    } catch (error) {
      if (error instanceof ShedError) return error.shed;
      throw error;
    }
  };

  it('shed by the limit that is exceeded, charge nobody for what they shed, and spare other members', () => {
    const member = new TrafficAccount('Member', { ...generous, requestsPerSecond: 4, maxOpenCalls: 3 }, 0);
    const other = new TrafficAccount('Other', { ...generous, requestsPerSecond: 4, maxOpenCalls: 3 }, 0);
    const connections = [1, 2].map(
      () => new TrafficAccount('Connection', { ...generous, maxOpenCalls: 2, bytesPerSecond: 100 }, 0),
    );
    const [first, second] = connections.map((connection) => [member, connection]);
    const ends = [beginCall(first!, 0), beginCall(first!, 0)];
    expect(causeOf(() => beginCall(first!, 0))).toBe('calls');
    ends.push(beginCall(second!, 0));
    expect(causeOf(() => beginCall(second!, 0))).toBe('calls');
    for (const end of ends) {
      end();
      end();
    }
    expect(member.openCalls).toBe(0);
    beginCall(second!, 0)();
    expect(causeOf(() => beginCall(second!, 0))).toBe('requests');
    expect(member.openCalls).toBe(0);
    beginCall([other], 0)();
    chargeRequest(first!, 500, 0, 0);
    expect(causeOf(() => chargeRequest(first!, 1, 0, 3000))).toBe('bytes');
    chargeRequest(second!, 1, 0, 3000);
    chargeRequest(first!, 1, 0, 6000);
  });
});

describe('LoopLag', () => {
  it('calls a load too high when the loop is late several times in a row, not once', () => {
    let nowMs = 0;
    const lag = new LoopLag({ lateMs: 100, inARow: 3, intervalMs: 10 }, () => nowMs);
    const tickAfter = (ms: number): number => {
      nowMs += ms;
      lag.tick();
      return lag.overloadMs;
    };
    tickAfter(10);
    expect([500, 10, 150, 150, 10].map(tickAfter)).toEqual([0, 0, 0, 0, 0]);
    expect([150, 150, 150].map(tickAfter)).toEqual([0, 0, 140]);
    expect(tickAfter(10)).toBe(0);
  });
});

describe('the server of the ledger', () => {
  let pki: TestPki;
  let chain: FakeChain;
  const open: (() => Promise<void> | void)[] = [];

  beforeAll(async () => {
    pki = await TestPki.create();
    chain = await FakeChain.create();
  });

  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  async function start(perMember: Partial<TrafficLimits>, perConnection: Partial<TrafficLimits> = {}) {
    const traffic = {
      perMember: { ...generous, ...perMember },
      perConnection: { ...generous, ...perConnection },
    };
    const server = await serve(new FakeNode(chain), pki, { traffic });
    open.push(() => server.server.close(100));
    return server;
  }

  async function clientOf(server: TestServer, name: string) {
    const client = rawClient(server.address, grpcCredentials(await pki.issue('member', name)));
    open.push(() => client.close());
    return client;
  }

  const delayOf = (error: ServiceError | undefined): number | undefined => {
    const [details] = error?.metadata.get(statusDetailsKey) ?? [];
    return details === undefined ? undefined : decodeRetryDelayMs(details as Buffer);
  };

  it('sheds the calls of a member above its rate with a hint, on all its connections, and serves another', async () => {
    const server = await start({ requestsPerSecond: 20 });
    const [left, right, other] = [
      await clientOf(server, 'alpha'),
      await clientOf(server, 'alpha'),
      await clientOf(server, 'beta'),
    ];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const client = index % 2 === 0 ? left : right;
        return invoke(client.getStatus.bind(client), {});
      }),
    );
    const shed = answers.filter(({ error }) => error !== undefined);
    expect(shed.length).toBeGreaterThanOrEqual(150);
    for (const { error, info } of shed) {
      expect([error?.code, info?.reason, info?.metadata['limit']]).toEqual([
        status.RESOURCE_EXHAUSTED,
        'RATE_LIMITED',
        'requests',
      ]);
      expect(delayOf(error)).toBeGreaterThanOrEqual(50);
    }
    // Who comes later is sent away for longer: 150 and more are served in 7 s and more.
    expect(Math.max(...shed.map(({ error }) => delayOf(error) ?? 0))).toBeGreaterThan(3000);
    expect(server.metrics.sheds.get('GetStatus requests')).toBe(shed.length);
    expect(server.metrics.open).toBe(0);
    for (let count = 0; count < 20; count++) {
      expect((await invoke(other.getStatus.bind(other), {})).error).toBeUndefined();
    }
  });

  it('refuses calls that are open beyond the limit, and takes new ones when some have ended', async () => {
    const server = await start({}, { maxOpenCalls: 3 });
    const client = await clientOf(server, 'alpha');
    const streams = Array.from({ length: 3 }, () => client.subscribe({}));
    for (const stream of streams) stream.on('error', () => undefined);
    await until(() => server.metrics.open === 3);
    const refused = await invoke(client.getStatus.bind(client), {});
    expect(refused.info?.reason).toBe('TOO_MANY_CALLS');
    streams[0]?.cancel();
    await until(() => server.metrics.open === 2);
    expect((await invoke(client.getStatus.bind(client), {})).error).toBeUndefined();
    for (const stream of streams) stream.cancel();
  });

  it('does not decode what is above the rate of bytes or transactions', async () => {
    const server = await start({ transactionsPerSecond: 1 }, { bytesPerSecond: 100 });
    const client = await clientOf(server, 'alpha');
    const { bytes } = await signedTransfer(chain);
    const answers = [];
    for (let count = 0; count < 2; count++) {
      const envelope = {
        payload: bytes,
        signatures: [{ publicKey: bytes.subarray(0, 32), signature: bytes }],
      };
      answers.push(await invoke(client.submit.bind(client), { envelope }));
    }
    expect(answers.map(({ info }) => info?.reason)).toEqual(['ENVELOPE_TOO_LARGE', 'RATE_LIMITED']);
    expect(server.metrics.sheds).toEqual(new Map([['Submit bytes', 1]]));
  });

  it('uses other limits at once, for connections that are open too', async () => {
    const server = await start({ requestsPerSecond: 1 });
    const client = await clientOf(server, 'alpha');
    await invoke(client.getStatus.bind(client), {});
    expect((await invoke(client.getStatus.bind(client), {})).info?.reason).toBe('RATE_LIMITED');
    server.server.useLimits({
      maxInFlightPerMember: 1,
      maxInFlightBytesPerMember: 1000,
      maxInFlightPerStream: 1,
      maxStreamsPerIdentity: 0,
      traffic: { perMember: { ...generous, requestsPerSecond: 1000 }, perConnection: generous },
    });
    // A second's worth of the new rate is earned in milliseconds.
    let answer = await invoke(client.getStatus.bind(client), {});
    while (answer.info?.reason === 'RATE_LIMITED') answer = await invoke(client.getStatus.bind(client), {});
    expect(answer.error).toBeUndefined();
    const stream = client.submitStream();
    const refused = await new Promise<ServiceError>((resolve) => stream.on('error', resolve));
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(server.metrics.sheds.get('SubmitStream streams')).toBe(1);
  });

  it('slows a stream down that is above its rate, and loses nothing of it', async () => {
    const server = await start({ transactionsPerSecond: 50 });
    const client = await clientOf(server, 'alpha');
    const stream = client.submitStream();
    const numbers: number[] = [];
    stream.on('data', ({ finalized }: SubmitStreamResponse__Output) => {
      for (const { transactions } of finalized) numbers.push(...transactions.map(({ number }) => number));
    });
    const ended = new Promise((resolve) => stream.on('end', resolve));
    for (let first = 0; first < 60; first += 20) {
      const batch = await Promise.all(Array.from({ length: 20 }, () => signedTransfer(chain)));
      stream.write({ envelopes: batch.map(({ bytes }) => bytes), firstNumber: first });
    }
    stream.end();
    await ended;
    expect(numbers.sort((left, right) => left - right)).toEqual(Array.from({ length: 60 }, (_, at) => at));
    expect(server.metrics.helds).toBeGreaterThan(0);
    expect(server.metrics.sheds.size).toBe(0);
  });

  it('lets the SDK keep to the hint until the deadline, or until its caller gives up', async () => {
    const server = await start({ requestsPerSecond: 2 });
    const client = QuaestorClient.connect({
      validators: [{ address: server.address }],
      tls: await pki.issue('member', 'alpha'),
      genesis: chain.genesis,
    });
    open.push(() => client.close());
    for (let count = 0; count < 4; count++) {
      await client.submit(await signedTransfer(chain));
      await client.getStatus();
    }
    // 8 calls at 2 a second, of which 2 at once: without the hints it would have asked many times in vain.
    const shed = [...server.metrics.sheds.values()].reduce((sum, count) => sum + count, 0);
    expect(shed).toBeGreaterThan(0);
    expect(shed).toBeLessThanOrEqual(16);
    const abort = new AbortController();
    const reads = Promise.all(Array.from({ length: 30 }, () => client.getStatus({ signal: abort.signal })));
    await until(() => [...server.metrics.sheds.values()].reduce((sum, count) => sum + count, 0) > shed);
    abort.abort(new Error('enough'));
    await expect(reads).rejects.toThrow('enough');
  });

  it('has defaults under which one member cannot use all connections of a node', () => {
    const { perMember, perConnection } = defaultClientLimits;
    for (const key of Object.keys(perMember) as (keyof TrafficLimits)[]) {
      expect(perConnection[key]).toBeLessThanOrEqual(perMember[key]);
    }
  });
});
