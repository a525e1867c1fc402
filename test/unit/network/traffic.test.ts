import { afterEach, describe, expect, it } from '@jest/globals';
import { asDigest, asHash, asHeight, asView } from '../../../src/types/index.js';
import type { NodeSetup, TestConsortium } from '../../helpers/peer-networks.js';
import { hashOf, makeConsortium } from '../../helpers/peer-networks.js';

let consortium: TestConsortium;
afterEach(() => consortium.stop());

async function connected(count: number, setup?: (index: number) => NodeSetup): Promise<TestConsortium> {
  consortium = await makeConsortium(count, setup);
  await consortium.start();
  await consortium.allConnected();
  return consortium;
}

/** Jest's own comparison takes seconds for megabytes. */
function same(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return (
    left.length === right.length && left.every((bytes, index) => Buffer.compare(bytes, right[index]!) === 0)
  );
}

const status = {
  view: asView(3),
  viewChangeInProgress: true,
  committedHeight: asHeight(2 ** 40),
  stableCheckpointHeight: asHeight(0),
};

describe('traffic between validators', () => {
  it('connects all pairs, and carries messages to one and to all', async () => {
    const { nodes, node } = await connected(4);
    for (const { network, index } of nodes) {
      expect(network.connected()).toEqual([0, 1, 2, 3].filter((other) => other !== index));
    }
    for (const sender of nodes) {
      sender.network.sendConsensus('all', Buffer.from(`from ${sender.index}`));
      sender.network.sendConsensus(nodes[(sender.index + 1) % 4]!.index, Buffer.from('neighbour'));
    }
    for (const { records, index } of nodes) {
      await records.until(() => records.consensus.length === 4);
      expect(records.consensus.filter(({ text }) => text === 'neighbour')).toEqual([
        { from: (index + 3) % 4, text: 'neighbour' },
      ]);
      for (const other of nodes.filter((candidate) => candidate.index !== index)) {
        expect(records.consensus).toContainEqual({ from: other.index, text: `from ${other.index}` });
      }
    }
    expect(node(0).records.refused).toEqual([]);
  });

  it('keeps the order of consensus messages', async () => {
    const { node } = await connected(2);
    const sent = Array.from({ length: 5000 }, (_, number) => `message ${number}`);
    for (const text of sent) node(1).network.sendConsensus(node(0).index, Buffer.from(text));
    const { records } = node(0);
    await records.until(() => records.consensus.length === sent.length);
    expect(records.consensus.map(({ text }) => text)).toEqual(sent);
  });

  it('relays transactions to all others, whole and unchanged', async () => {
    const { node } = await connected(3);
    const envelopes = Array.from({ length: 3000 }, (_, number) => Buffer.alloc(100 + (number % 500), number));
    for (const envelope of envelopes) node(1).network.relayTransactions([envelope]);
    for (const receiver of [node(0), node(2)]) {
      await receiver.records.until(() => receiver.records.transactions.length === envelopes.length);
      receiver.records.transactions.forEach(({ from, envelope }, position) => {
        expect(from).toBe(1);
        expect(Buffer.compare(envelope, envelopes[position]!)).toBe(0);
      });
    }
    expect(node(1).records.transactions).toEqual([]);
  });

  it('tells the last status to whoever connects, first of all', async () => {
    consortium = await makeConsortium(2);
    const { node } = consortium;
    node(0).network.sendStatus('all', { ...status, view: asView(1) });
    node(0).network.sendStatus('all', status);
    await consortium.start();
    await node(1).records.until(() => node(1).records.statuses.length > 0);
    expect(node(1).records.statuses).toEqual([{ from: 0, status }]);
    expect(node(1).network.peers()[0]).toMatchObject({ index: 0, connected: true, status });
  });

  it('fetches bodies, in parts that do not show', async () => {
    const digest = asDigest(hashOf('block'));
    const hashes = ['a', 'b', 'c'].map((text) => asHash(hashOf(text)));
    const bodies = Array.from({ length: 300 }, (_, number) => Buffer.alloc(20_000, number));
    const { node } = await connected(2, (index) => ({
      handlers: {
        onFetchBodies: (from, wanted, which) => {
          const { network } = consortium.node(index);
          if (which.length > 0) network.sendBodies(from, wanted, [], bodies.slice(0, which.length));
          else
            network.sendBodies(
              from,
              wanted,
              bodies.map((_, n) => asHash(hashOf(`${n}`))),
              bodies,
            );
        },
      },
    }));
    const { records, network } = node(0);
    network.requestBodies(node(1).index, digest, hashes);
    await records.until(() => records.bodies.length === 1);
    expect(node(1).records.fetches[0]?.hashes).toEqual(
      hashes.map((hash) => Buffer.from(hash).toString('hex')),
    );
    expect(records.bodies[0]).toMatchObject({ from: 1, hashes: 0 });
    expect(same(records.bodies[0]!.envelopes, bodies.slice(0, 3))).toBe(true);

    network.requestBodies(node(1).index, digest, []);
    await records.until(() => records.bodies.length === 2);
    expect(records.bodies[1]).toMatchObject({ hashes: 300 });
    expect(same(records.bodies[1]!.envelopes, bodies)).toBe(true);
  });

  it('says when a peer does not have the bodies, and ignores bodies that nobody asked for', async () => {
    const digest = asDigest(hashOf('block'));
    const { node } = await connected(2, (index) => ({
      handlers: {
        onFetchBodies: (from, wanted) => consortium.node(index).network.sendBodies(from, wanted, [], []),
      },
    }));
    node(1).network.sendBodies(node(0).index, asDigest(hashOf('other')), [], [Buffer.from('unasked')]);
    node(0).network.requestBodies(node(1).index, digest, [asHash(hashOf('a'))]);
    await node(0).records.until(() => node(0).records.bodies.length > 0);
    expect(node(0).records.bodies).toEqual([
      { from: 1, digest: Buffer.from(digest).toString('hex'), hashes: 0, envelopes: [] },
    ]);
  });
});
