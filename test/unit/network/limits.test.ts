import { afterEach, describe, expect, it } from '@jest/globals';
import { Outbox } from '../../../src/network/outbox.js';
import { TokenBucket } from '../../../src/network/token-bucket.js';
import { asDigest } from '../../../src/types/index.js';
import type { NodeSetup, TestConsortium } from '../../helpers/peer-networks.js';
import { hashOf, makeConsortium } from '../../helpers/peer-networks.js';
import { until } from '../../helpers/until.js';

const piece = (text: string, count = 1) => ({ bytes: Buffer.from(text), count });
const texts = (pieces: readonly Uint8Array[]) => pieces.map((bytes) => Buffer.from(bytes).toString());

describe('what waits for a peer', () => {
  const limits = { maxConsensusQueueBytes: 10, maxRelayQueueBytes: 10, maxBodiesQueueBytes: 10 };

  it('leaves in order of urgency, in messages of bounded size', () => {
    const outbox = new Outbox(limits);
    outbox.pushRelay(piece('relay'));
    outbox.pushBodies([piece('body1'), piece('body2')]);
    outbox.pushConsensus(piece('vote1'));
    outbox.pushConsensus(piece('vote2'));
    outbox.setStatus(piece('old'));
    outbox.setStatus(piece('new'));
    expect(texts(outbox.take(13))).toEqual(['new', 'vote1', 'vote2']);
    expect(texts(outbox.take(3))).toEqual(['body1']);
    expect(texts(outbox.take(100))).toEqual(['body2', 'relay']);
    expect(outbox.take(100)).toEqual([]);
    expect(outbox.empty).toBe(true);
  });

  it('drops the oldest consensus messages when there are too many', () => {
    const outbox = new Outbox(limits);
    expect(outbox.pushConsensus(piece('1234'))).toBe(0);
    expect(outbox.pushConsensus(piece('5678'))).toBe(0);
    expect(outbox.pushConsensus(piece('9'))).toBe(0);
    expect(outbox.pushConsensus(piece('abcdef'))).toBe(2);
    expect(texts(outbox.take(100))).toEqual(['9', 'abcdef']);
  });

  it('sheds further transactions and whole answers when there are too many', () => {
    const outbox = new Outbox(limits);
    expect(outbox.pushRelay(piece('12345678'))).toBe(true);
    expect(outbox.pushRelay(piece('901'))).toBe(false);
    expect(outbox.pushBodies([piece('12345'), piece('6')])).toBe(true);
    expect(outbox.pushBodies([piece('7'), piece('890123')])).toBe(false);
    expect(texts(outbox.take(100))).toEqual(['12345', '6', '12345678']);
  });

  it('is forgotten with the connection, but for the newest consensus messages', () => {
    const outbox = new Outbox(limits);
    outbox.pushRelay(piece('relay'));
    outbox.pushBodies([piece('body')]);
    outbox.setStatus(piece('status'));
    outbox.pushConsensus(piece('vote1'));
    outbox.pushConsensus(piece('vote2'));
    outbox.reset(7);
    expect(texts(outbox.take(100))).toEqual(['vote2']);
  });
});

describe('a rate limit', () => {
  it('allows a burst of one second, then the rate', () => {
    const bucket = new TokenBucket(1000, 0);
    expect(bucket.take(1000, 0)).toBe(0);
    expect(bucket.take(500, 0)).toBe(500);
    expect(bucket.take(0, 500)).toBe(0);
    expect(bucket.take(100, 500)).toBe(100);
    expect(bucket.take(1000, 60_000)).toBe(0);
    expect(bucket.take(1, 60_000)).toBe(1);
  });
});

describe('a peer that sends too much', () => {
  let consortium: TestConsortium;
  afterEach(() => consortium.stop());

  async function connected(setup: (index: number) => NodeSetup): Promise<TestConsortium> {
    consortium = await makeConsortium(2, setup);
    await consortium.start();
    await consortium.allConnected();
    return consortium;
  }

  /** A handler that does not finish until told. */
  function gate(): { readonly work: Promise<void>; open(): void } {
    let open = (): void => undefined;
    const work = new Promise<void>((resolve) => (open = resolve));
    return { work, open: () => open() };
  }

  it.each([
    [0, 1],
    [1, 0],
  ])('is not read from while its messages wait to be worked on (%i to %i)', async (sending, receiving) => {
    const hold = gate();
    const { node } = await connected((index) => ({
      options: {
        limits: index === receiving ? { maxBacklogBytes: 100_000 } : { maxConsensusQueueBytes: 2_000_000 },
      },
      handlers: index === receiving ? { onConsensus: () => hold.work } : {},
    }));
    const [sender, receiver] = [node(sending), node(receiving)];
    const message = Buffer.alloc(50_000, 1);
    const total = 200;
    for (let sent = 0; sent < total; sent++) sender.network.sendConsensus(receiver.index, message);
    // Most of it is dropped where it comes from, what is left waits there, and the receiver has taken in what the
    // limit and the windows of the transport allow.
    await receiver.records.until(() => receiver.records.paused.includes('backlog'));
    await sender.records.until(() => sender.records.shed.length > 0);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const taken = receiver.records.consensus.length;
    expect(taken * message.length).toBeLessThanOrEqual(100_000 + 256 * 1024);
    expect(receiver.network.peers()[0]?.backlogBytes).toBe(taken * message.length);
    const queued = sender.network.peers()[0]?.queuedBytes ?? 0;
    expect(queued).toBeGreaterThan(0);
    expect(queued).toBeLessThanOrEqual(2_000_000);

    hold.open();
    const dropped = sender.records.shed.reduce((sum, { count }) => sum + count, 0);
    await receiver.records.until(() => receiver.records.consensus.length === total - dropped);
    await until(() => receiver.network.peers()[0]?.backlogBytes === 0);
    expect(sender.network.peers()[0]?.queuedBytes).toBe(0);
    expect(receiver.records.disconnected).toEqual([]);
  });

  it('has its transactions shed, and its votes heard, while transactions wait to be worked on', async () => {
    const hold = gate();
    const { node } = await connected((index) => ({
      options: index === 0 ? { limits: { maxRelayBacklogBytes: 100_000 } } : {},
      handlers: index === 0 ? { onTransactions: () => hold.work } : {},
    }));
    const { records } = node(0);
    const flood = Array.from({ length: 3000 }, () => Buffer.alloc(1000, 1));
    node(1).network.relayTransactions(flood);
    await records.until(() => records.shed.some(({ direction }) => direction === 'in'));
    node(1).network.sendConsensus(node(0).index, Buffer.from('vote'));
    await records.until(() => records.consensus.length === 1);
    const shed = () => records.shed.reduce((sum, { count }) => sum + count, 0);
    await records.until(() => records.transactions.length + shed() === flood.length);
    expect(records.transactions.length).toBeLessThanOrEqual(200);
    expect(records.paused).toEqual([]);
    hold.open();
  });

  it('is slowed down to its rate', async () => {
    const { node } = await connected((index) => ({
      options: index === 0 ? { limits: { maxFramesPerSecond: 2000 } } : {},
    }));
    const { records } = node(0);
    for (let sent = 0; sent < 2500; sent++) node(1).network.sendConsensus(node(0).index, Buffer.from('vote'));
    await records.until(() => records.consensus.length === 2500);
    node(1).network.sendConsensus(node(0).index, Buffer.from('late'));
    await records.until(() => records.paused.includes('rate'));
    await records.until(() => records.consensus.length === 2501);
  });

  it('does not delay votes behind its transactions', async () => {
    const { node } = await connected(() => ({ options: { limits: { maxRelayQueueBytes: 50_000_000 } } }));
    const { records } = node(0);
    const flood = Array.from({ length: 20_000 }, () => Buffer.alloc(1000, 1));
    node(1).network.relayTransactions(flood);
    // Once the flood is on its way, a vote overtakes all of it that has not been handed to the transport.
    await records.until(() => records.transactions.length > 0);
    const before = records.transactions.length;
    node(1).network.sendConsensus(node(0).index, Buffer.from('vote'));
    await records.until(() => records.consensus.length === 1);
    expect(records.transactions.length - before).toBeLessThan(5000);
    await records.until(() => records.transactions.length === flood.length);
  });

  it('does not lose votes to a queue full of bodies', async () => {
    const { node } = await connected(() => ({ options: { limits: { maxBodiesQueueBytes: 1_000_000 } } }));
    const digest = asDigest(hashOf('block'));
    const bodies = Array.from({ length: 90 }, () => Buffer.alloc(10_000, 1));
    for (let time = 0; time < 3; time++) node(1).network.sendBodies(node(0).index, digest, [], bodies);
    node(1).network.sendConsensus(node(0).index, Buffer.from('vote'));
    expect(node(1).records.shed).toContainEqual(
      expect.objectContaining({ direction: 'out', traffic: 'bodies' }),
    );
    await node(0).records.until(() => node(0).records.consensus.length === 1);
  });
});
