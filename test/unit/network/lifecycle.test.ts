import { afterEach, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { createConnection, createServer } from 'node:net';
import { connect } from 'node:tls';
import type { FetchedBlock } from '../../../src/network/index.js';
import { asHeight } from '../../../src/types/index.js';
import { certifiedChain } from '../../helpers/certified-chain.js';
import type { NodeSetup, TestConsortium } from '../../helpers/peer-networks.js';
import { fastTimeouts, makeConsortium, network, newAuthority, tlsFor } from '../../helpers/peer-networks.js';
import { contextOf } from '../../helpers/raw-peer.js';
import { until } from '../../helpers/until.js';

let consortium: TestConsortium;
afterEach(() => consortium.stop());

async function connected(count: number, setup?: (index: number) => NodeSetup): Promise<TestConsortium> {
  consortium = await makeConsortium(count, setup);
  await consortium.start();
  await consortium.allConnected();
  return consortium;
}

describe('connections between validators', () => {
  it.each([0, 1])('come back after validator %i was restarted', async (restarted) => {
    const { node } = await connected(2);
    await node(restarted).restart();
    await consortium.allConnected();
    const other = node(1 - restarted);
    other.network.sendConsensus('all', Buffer.from('again'));
    const { records } = node(restarted);
    await records.until(() => records.consensus.some(({ text }) => text === 'again'));
  });

  it('know a validator that has moved by its key (pitfall 36)', async () => {
    const { node } = await connected(2);
    const before = node(0).network.port();
    // The others still have its old address.
    await node(0).restart({ listen: { host: '127.0.0.1', port: 0 } });
    expect(node(0).network.port()).not.toBe(before);
    await consortium.allConnected();
    node(1).network.sendConsensus(node(0).index, Buffer.from('to the new place'));
    const { records } = node(0);
    await records.until(() => records.consensus.some(({ text }) => text === 'to the new place'));
  });

  it('keep the last votes for a peer that is away', async () => {
    const { node } = await connected(2);
    await node(1).network.stop();
    await until(() => node(0).network.connected().length === 0);
    for (const text of ['first', 'second']) node(0).network.sendConsensus('all', Buffer.from(text));
    node(0).network.relayTransactions([Buffer.from('lost')]);
    await node(1).restart();
    const { records } = node(1);
    await records.until(() => records.consensus.length === 2);
    expect(records.consensus.map(({ text }) => text)).toEqual(['first', 'second']);
    expect(records.transactions).toEqual([]);
  });

  it('start in any order', async () => {
    consortium = await makeConsortium(3);
    const { nodes } = consortium;
    await nodes[0]!.restart();
    await nodes[2]!.restart();
    await nodes[1]!.restart();
    await consortium.allConnected();
  });

  it('end when the other side vanishes without a word', async () => {
    consortium = await makeConsortium(2, () => ({
      options: { timeouts: { ...fastTimeouts, keepaliveMs: 100, keepaliveTimeoutMs: 100 } },
    }));
    const { node, validators } = consortium;
    await node(1).network.start();
    const pipes: Socket[] = [];
    const cable = createServer((inward) => {
      const outward = createConnection(node(1).network.port(), '127.0.0.1');
      for (const socket of [inward, outward]) socket.on('error', () => undefined);
      pipes.push(inward, outward);
      inward.pipe(outward).pipe(inward);
    });
    await new Promise<void>((resolve) => cable.listen(0, '127.0.0.1', resolve));
    const { port } = cable.address() as AddressInfo;
    await node(0).restart({
      validators: validators.map(({ id, index, publicKey }) => ({
        id,
        index,
        publicKey,
        address: `127.0.0.1:${port}`,
      })),
    });
    await consortium.allConnected();
    cable.close();
    for (const socket of pipes) {
      socket.unpipe();
      socket.pause();
    }
    for (const { records } of [node(0), node(1)]) await records.until(() => records.disconnected.length > 0);
    for (const socket of pipes) socket.destroy();
  });

  it('allow much to be in flight towards the side that was dialed, too', async () => {
    consortium = await makeConsortium(2);
    await consortium.node(1).network.start();
    const session = http2.connect(`https://127.0.0.1:${consortium.node(1).network.port()}`, {
      ...contextOf(consortium.node(0).tls),
      checkServerIdentity: () => undefined,
    });
    const wide = new Promise<void>((resolve) =>
      session.on('remoteSettings', ({ initialWindowSize = 0 }) => {
        if (initialWindowSize >= 1024 * 1024) resolve();
      }),
    );
    const stream = session.request({
      ':method': 'POST',
      ':path': '/quaestor.peer.v1.PeerService/Connect',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    await wide;
    session.destroy();
  });

  it('end with the network, which may be stopped twice and before it was started', async () => {
    const { node, nodes } = await connected(3);
    await node(0).network.stop();
    await node(0).network.stop();
    for (const other of nodes.slice(1)) {
      await other.records.until(() => other.network.connected().length === 1);
    }
    expect(node(0).network.connected()).toEqual([]);
    node(0).network.sendConsensus('all', Buffer.from('into the void'));
    node(0).network.relayTransactions([Buffer.from('into the void')]);
    const idle = await makeConsortium(2);
    await idle.stop();
  });

  it('use a reloaded certificate from the next one on, and the old one until then', async () => {
    const { node, authority } = await connected(2);
    const identity = { network, role: 'validator', id: 'bank-1' } as const;
    const renewed = await tlsFor(authority, identity);
    node(1).network.reloadTls(renewed);
    expect(node(0).network.connected()).toEqual([1]);
    expect(await shownCertificate(1)).toBe(new X509Certificate(renewed.certificatePem).fingerprint256);

    const rogue = await tlsFor(authority, { ...identity, id: 'bank-0' });
    expect(() => node(1).network.reloadTls(rogue)).toThrow(
      expect.objectContaining({ code: 'TLS_IDENTITY_MISMATCH' }),
    );
    expect(await shownCertificate(1)).toBe(new X509Certificate(renewed.certificatePem).fingerprint256);

    // The handshake signs the certificate that is in use, on either side.
    await node(0).restart();
    await consortium.allConnected();
    node(0).network.reloadTls(await tlsFor(authority, { ...identity, id: 'bank-0' }));
    await node(1).restart({ tls: renewed });
    await consortium.allConnected();
  });

  it('trust a new authority beside the old one, then alone', async () => {
    const { node, nodes, authority } = await connected(2);
    const next = await newAuthority();
    const both = `${authority.certificatePem}${next.certificatePem}`;
    for (const { network: peers, tls } of nodes) peers.reloadTls({ ...tls, caPem: both });
    for (const each of nodes) {
      each.tls = await tlsFor(next, { network, role: 'validator', id: each.id });
      each.network.reloadTls({ ...each.tls, caPem: both });
    }
    for (const each of nodes) await each.restart();
    await consortium.allConnected();
    expect(node(0).network.connected()).toEqual([1]);
  });

  /** Fingerprint of the certificate that a validator shows now. */
  function shownCertificate(index: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        {
          ...contextOf(consortium.node(0).tls),
          host: '127.0.0.1',
          port: consortium.node(index).network.port(),
          ALPNProtocols: ['h2'],
          checkServerIdentity: () => undefined,
        },
        () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
  }
});

describe('fetching blocks', () => {
  const { blocks } = certifiedChain(40, { envelopesPerBlock: 3 });

  async function* serve(fromHeight: number, maxBlocks: number): AsyncGenerator<FetchedBlock> {
    for (const block of blocks.slice(fromHeight - 1, fromHeight - 1 + maxBlocks)) {
      await Promise.resolve();
      yield block;
    }
  }

  const options = { fromHeight: asHeight(3), maxBlocks: 20, deadlineMs: 10_000 };

  async function collect(from: number, by: number, changes = {}): Promise<FetchedBlock[]> {
    const fetched: FetchedBlock[] = [];
    const { network: own } = consortium.node(by);
    for await (const block of own.fetchBlocks(consortium.node(from).index, { ...options, ...changes })) {
      fetched.push(block);
    }
    return fetched;
  }

  it.each([
    [0, 1],
    [1, 0],
  ])('gives %i the blocks of %i', async (by, from) => {
    await connected(2, () => ({
      handlers: { serveBlocks: (fromHeight, maxBlocks) => serve(fromHeight, maxBlocks) },
    }));
    const fetched = await collect(from, by);
    expect(fetched.map(({ certificate }) => certificate.height)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 3),
    );
    expect(fetched.map(({ headerBytes }) => Buffer.from(headerBytes))).toEqual(
      blocks.slice(2, 22).map(({ headerBytes }) => Buffer.from(headerBytes)),
    );
    expect(await collect(from, by, { fromHeight: asHeight(39) })).toHaveLength(2);
    expect(await collect(from, by, { fromHeight: asHeight(41) })).toEqual([]);
  });

  it('reads from the store only as fast as the blocks are taken', async () => {
    const big = { ...blocks[0]!, envelopes: [Buffer.alloc(60_000, 1)] };
    let read = 0;
    await connected(2, () => ({
      handlers: {
        serveBlocks: async function* () {
          for (; read < 500; read++) {
            await Promise.resolve();
            yield big;
          }
        },
      },
    }));
    const iterator = consortium
      .node(0)
      .network.fetchBlocks(consortium.node(1).index, { ...options, maxBlocks: 500 });
    let taken = 0;
    for await (const _block of iterator) {
      taken++;
      if (taken === 1) {
        for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
        // The receive window of 1 MiB, and what the two ends hold in their hands.
        expect(read).toBeLessThan(60);
      }
    }
    expect(taken).toBe(500);
  });

  it('ends at its deadline, when it is aborted, and when this node stops', async () => {
    let ended = 0;
    await connected(2, () => ({
      handlers: {
        serveBlocks: async function* () {
          try {
            yield blocks[0]!;
            await new Promise(() => undefined);
          } finally {
            ended++;
          }
        },
      },
    }));
    await expect(collect(1, 0, { deadlineMs: 50 })).rejects.toMatchObject({ code: 'FETCH_TIMEOUT' });
    const abort = new AbortController();
    const aborted = collect(1, 0, { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'FETCH_ABORTED' });
    const stopped = collect(1, 0);
    const stopping = consortium.node(0).network.stop();
    await expect(stopped).rejects.toMatchObject({ code: 'FETCH_ABORTED' });
    await stopping;
    expect(ended).toBeLessThanOrEqual(3);
  });

  it('stops the other side when the taker has enough', async () => {
    let finished = false;
    await connected(2, () => ({
      handlers: {
        serveBlocks: async function* (fromHeight, maxBlocks) {
          try {
            for (;;) yield* serve(fromHeight, maxBlocks);
          } finally {
            finished = true;
          }
        },
      },
    }));
    for await (const _block of consortium.node(0).network.fetchBlocks(consortium.node(1).index, options))
      break;
    await until(() => finished);
  });

  it('fails when the peer is away, or cannot read its store, or has too many calls open', async () => {
    const { node } = await connected(2, () => ({
      options: { limits: { maxFetchBlocksCalls: 1 } },
      handlers: {
        serveBlocks: async function* () {
          yield blocks[0]!;
          await Promise.resolve();
          throw new Error('disk');
        },
      },
    }));
    await expect(collect(1, 0)).rejects.toMatchObject({ code: 'FETCH_FAILED' });
    expect(node(1).records.logs.some(({ level }) => level === 'error')).toBe(true);
    const both = await Promise.allSettled([collect(1, 0), collect(1, 0)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await node(1).network.stop();
    await expect(collect(1, 0)).rejects.toMatchObject({ code: 'FETCH_FAILED' });
  });
});
