/**
 * Peers for the measurement of copying a state: a store that a thread of its own serves over gRPC and mTLS on loopback,
 * as three validators, through the real peer network.
 */
import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { StateTree, type Signer } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { createPeerNetwork, type PeerNetwork, type TlsMaterial } from '../../src/network/index.js';
import { serveState } from '../../src/node/serve-peers.js';
import { openStore, type StoreOptions } from '../../src/storage/index.js';
import { asPublicKey, asSignature, asValidatorIndex, type ChainId } from '../../src/types/index.js';
import {
  network,
  recordingHandlers,
  recordingLogger,
  recordingMetrics,
  Records,
} from '../helpers/peer-networks.js';

export interface PeerIdentity {
  readonly id: string;
  readonly key: KeyObject;
  readonly tls: TlsMaterial;
}

interface PeersOrder {
  readonly store: StoreOptions;
  readonly chainId: ChainId;
  readonly identities: readonly PeerIdentity[];
}

const signerOf = (key: KeyObject): Signer => ({
  publicKey: asPublicKey(
    new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)),
  ),
  sign: (message) => Promise.resolve(asSignature(sign(null, message, key))),
});

/** The network of one of these validators; ports of those that it dials are known before. */
export function networkOf(
  { chainId, identities }: Pick<PeersOrder, 'chainId' | 'identities'>,
  self: number,
  ports: ReadonlyMap<number, number>,
  serve: ReturnType<typeof recordingHandlers>['serveState'] | undefined,
): { readonly peer: PeerNetwork; readonly records: Records } {
  const own = identities[self];
  if (own === undefined) throw new Error(`there is no validator ${self}`);
  const records = new Records();
  const peer = createPeerNetwork({
    network,
    chainId,
    role: 'validator',
    self: own.id,
    validators: identities.map(({ id, key }, index) => ({
      id,
      index: asValidatorIndex(index),
      publicKey: signerOf(key).publicKey,
      address: `127.0.0.1:${ports.get(index) ?? 1}`,
    })),
    signer: signerOf(own.key),
    tls: own.tls,
    listen: { host: '127.0.0.1', port: 0 },
    handlers: recordingHandlers(records, serve === undefined ? {} : { serveState: serve }),
    logger: recordingLogger(records),
    metrics: recordingMetrics(records),
  });
  return { peer, records };
}

/** Starts validators 1 and up in a thread. */
export async function startPeers(
  order: PeersOrder,
): Promise<{ readonly ports: ReadonlyMap<number, number>; close(): Promise<void> }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: order });
  const ports = await new Promise<ReadonlyMap<number, number>>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    ports,
    async close() {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage('close');
      await ended;
    },
  };
}

async function serve(order: PeersOrder): Promise<void> {
  installNativeSha256();
  const opened = await openStore(order.store);
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  const tree = new StateTree({ maxBytes: 64 * 1024 * 1024 });
  const ports = new Map<number, number>();
  const networks: PeerNetwork[] = [];
  for (let index = order.identities.length - 1; index > 0; index--) {
    const { peer } = networkOf(order, index, ports, (height, from, until) =>
      serveState(store, tree, height, { from, until }),
    );
    await peer.start();
    ports.set(index, peer.port());
    networks.push(peer);
  }
  parentPort?.once('message', () => {
    void Promise.all(networks.map((one) => one.stop()))
      .then(() => store.close())
      .then(() => process.exit(0));
  });
  parentPort?.postMessage(ports);
}

if (!isMainThread) await serve(workerData as PeersOrder);
