import { afterEach, describe, expect, it } from '@jest/globals';
import type { FetchedBlock, PeerNetwork } from '../../../src/network/index.js';
import { createPeerNetwork } from '../../../src/network/index.js';
import { loadPeerService } from '../../../src/network/definition.js';
import { PeerClient } from '../../../src/network/dialer.js';
import { peerVersions } from '../../../src/network/wire/versions.js';
import { prepareTls } from '../../../src/network/tls.js';
import { defaultPeerLimits, defaultPeerTimeouts } from '../../../src/network/types.js';
import { asHeight, asView } from '../../../src/types/index.js';
import { certifiedChain } from '../../helpers/certified-chain.js';
import { eventually } from '../../helpers/eventually.js';
import {
  makeConsortium,
  network,
  recordingHandlers,
  recordingLogger,
  recordingMetrics,
  Records,
  tlsFor,
} from '../../helpers/peer-networks.js';

let consortium: Awaited<ReturnType<typeof makeConsortium>>;
const observers: PeerNetwork[] = [];
afterEach(async () => {
  for (const observer of observers.splice(0)) await observer.stop();
  await consortium.stop();
});

const records = new Records();

async function observe(id: string): Promise<PeerNetwork> {
  const observer = createPeerNetwork({
    network,
    chainId: consortium.chainId,
    role: 'observer',
    self: id,
    signer: undefined,
    listen: undefined,
    validators: consortium.validators,
    tls: await tlsFor(consortium.authority, { network, role: 'observer', id }),
    timeouts: { minReconnectMs: 20, maxReconnectMs: 100 },
    logger: recordingLogger(records),
    metrics: recordingMetrics(records),
    handlers: recordingHandlers(records, {}),
  });
  observers.push(observer);
  await observer.start();
  return observer;
}

const status = (height: number) => ({
  view: asView(0),
  viewChangeInProgress: false,
  committedHeight: asHeight(height),
  stableCheckpointHeight: asHeight(0),
});

describe('an observer at validators', () => {
  it('hears where they stand, fetches blocks and relays transactions', async () => {
    const { blocks } = certifiedChain(5);
    consortium = await makeConsortium(2, () => ({
      handlers: {
        async *serveBlocks(from, most): AsyncGenerator<FetchedBlock> {
          await Promise.resolve();
          yield* blocks.slice(from - 1, from - 1 + most);
        },
      },
    }));
    await consortium.start();
    const validator = consortium.node(0);
    validator.network.sendStatus('all', status(3));
    consortium.node(1).network.sendStatus('all', status(3));
    const observer = await observe('archive');
    await eventually('it is connected to both', () => observer.connected().length === 2);
    expect(validator.records.observers).toBe(1);
    validator.network.tellObservers(status(5));
    await eventually('it hears of the new block', () =>
      records.statuses.some(({ status: said }) => said.committedHeight === 5),
    );

    const fetched: FetchedBlock[] = [];
    const request = { fromHeight: asHeight(2), maxBlocks: 3, deadlineMs: 5000 };
    for await (const block of observer.fetchBlocks(validator.index, request)) fetched.push(block);
    expect(fetched.map(({ certificate }) => Number(certificate.height))).toEqual([2, 3, 4]);
    // The connection is still there: it is the one of the stream.
    expect(observer.connected()).toHaveLength(2);

    observer.relayTransactions([Uint8Array.of(1, 2, 3)]);
    await validator.records.until(() => validator.records.relayed.length === 1);
    expect(validator.records.relayed[0]).toMatchObject({
      observer: 'archive',
      envelope: Buffer.from([1, 2, 3]),
    });
    // Nothing of it counts as said by a validator.
    expect(validator.records.transactions).toEqual([]);
    expect(validator.network.connected()).not.toContain(2);
  });

  it('may be several processes with one identity, as many as are allowed', async () => {
    consortium = await makeConsortium(1);
    await consortium.start();
    const validator = consortium.node(0);
    validator.network.sendStatus('all', status(1));
    const replicas = [];
    for (let number = 1; number <= 8; number++) {
      const replica = await observe('reports');
      await eventually(`replica ${number} is in`, () => replica.connected().length === 1);
      replicas.push(replica);
    }
    expect(validator.records.observers).toBe(8);
    expect(replicas.map((replica) => replica.connected().length)).toEqual(replicas.map(() => 1));
    const before = records.statuses.length;
    validator.network.tellObservers(status(2));
    const heardSince = () =>
      records.statuses.slice(before).filter((entry) => entry.status.committedHeight === 2);
    await eventually('all have heard', () => heardSince().length === 8);
    // The ninth takes the place of the oldest.
    const ninth = await observe('reports');
    await eventually('the ninth is in', () => ninth.connected().length === 1);
    expect(validator.records.observers).toBeLessThanOrEqual(8);
  });

  it('is let in only as long as there is room', async () => {
    consortium = await makeConsortium(1, () => ({ options: { limits: { maxObservers: 1 } } }));
    await consortium.start();
    const validator = consortium.node(0);
    validator.network.sendStatus('all', status(1));
    const first = await observe('first');
    await eventually('the first is in', () => first.connected().length === 1);
    const second = await observe('second');
    await validator.records.until(() => validator.records.refused.some(({ reason }) => reason === 'limit'));
    expect(second.connected()).toEqual([]);
    await first.stop();
    await eventually('there is room for the second', () => second.connected().length === 1);
  });

  it('has no way into the protocol, and is shut out for rubbish', async () => {
    const timeouts = { minPenaltyMs: 20_000, maxPenaltyMs: 20_000 };
    consortium = await makeConsortium(1, () => ({ options: { timeouts } }));
    await consortium.start();
    const [validator] = consortium.validators;
    const tls = await tlsFor(consortium.authority, { network, role: 'observer', id: 'mole' });
    const client = new PeerClient(
      {
        network,
        limits: defaultPeerLimits,
        timeouts: defaultPeerTimeouts,
        service: loadPeerService(),
        versions: peerVersions,
      },
      validator!,
      prepareTls(tls, network, { id: 'mole' }, 'The certificate', 'observer'),
    );
    const ended = (call: ReturnType<PeerClient['connect']>): Promise<unknown> =>
      new Promise((resolve) => {
        call.on('error', resolve);
        call.on('end', () => resolve('end'));
        call.on('data', () => undefined);
      });
    expect(String(await ended(client.connect('Connect')))).toContain('stranger');
    const rubbish = client.connect('Observe');
    rubbish.write(Buffer.from('rubbish'));
    await ended(rubbish);
    client.close();
    const refusing = consortium.node(0).records;
    await observe('mole');
    await refusing.until(() => refusing.refused.some(({ reason }) => reason === 'penalty'));
  });
});
