/** A node's way to the other nodes: identity, certificates, peer network. */
import type { NodeConfig } from '../config/index.js';
import type { Signer } from '../crypto/index.js';
import {
  createPeerNetwork,
  prepareTls,
  type PeerHandlers,
  type PeerNetwork,
  type TlsMaterial,
} from '../network/index.js';
import { peerMetrics, type Logger, type Metrics } from '../telemetry/index.js';
import type { ChainId } from '../types/index.js';
import { signerIn, type Electorates, type Identity } from './electorate.js';
import type { EpochPeers } from './epoch-peers.js';
import { readTls } from './validator-settings.js';

export interface NodeNetworkOptions {
  readonly config: NodeConfig;
  readonly chainId: ChainId;
  readonly networkName: string;
  readonly identity: Identity;
  readonly tls: TlsMaterial;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Makes a network of these peers, not started; `electorates` says at any time which sets are in force. */
export type OpenNetwork = (
  peers: EpochPeers,
  electorates: () => Electorates,
  handlers: PeerHandlers,
) => PeerNetwork;

/** How this node opens its peer network. */
export function networkOf(options: NodeNetworkOptions): OpenNetwork {
  const { config, chainId, networkName, identity, tls, log, metrics } = options;
  return (peers, electorates, handlers) =>
    createPeerNetwork({
      network: networkName,
      chainId,
      role: config.role,
      self: config.validator,
      validators: peers.validators(),
      signer: handshakeSigner(identity, electorates),
      tls,
      listen: config.role === 'observer' ? undefined : config.listen.peer,
      logger: log,
      metrics: peerMetrics(metrics, peers.ids),
      limits: { maxConsensusQueueBytes: config.network.maxQueuePerPeerBytes },
      timeouts: {
        minReconnectMs: config.network.minReconnectDelayMs,
        maxReconnectMs: config.network.maxReconnectDelayMs,
      },
      handlers,
    });
}

/** Key, certificate and authorities that were checked, and when they expire. */
export interface CheckedTls {
  readonly material: TlsMaterial;
  /** Milliseconds since 1970. */
  readonly expiryMs: number;
}

/** Proves this node to others: with its key in the set in force, or in the one that it is to join or has just left. */
function handshakeSigner(identity: Identity, electorates: () => Electorates): Signer | undefined {
  const [first] = identity.signers;
  if (first === undefined) return undefined;
  const now = (): Signer => {
    const { current, scheduled, previous } = electorates();
    for (const set of [current, scheduled, previous]) {
      const signer = set === undefined ? undefined : signerIn(set, identity);
      if (signer !== undefined) return signer;
    }
    return first;
  };
  return {
    get publicKey() {
      return now().publicKey;
    },
    sign: (message) => now().sign(message),
  };
}

/** The certificate for the other nodes, checked as they check it. Throws a QuaestorError when it can't be used. */
export async function readPeerTls(config: NodeConfig, network: string): Promise<CheckedTls> {
  const material = await readTls(config.tls.peer);
  const { expiryMs } = prepareTls(material, network, { id: config.validator }, undefined, config.role);
  return { material, expiryMs };
}

/** The certificate for clients, checked as they check it: the SDK accepts no server that does not name its validator. */
export async function readClientTls(config: NodeConfig, network: string): Promise<CheckedTls> {
  const material = await readTls(config.tls.client);
  const title = 'The TLS certificate for clients';
  const { expiryMs } = prepareTls(material, network, { id: config.validator }, title, config.role);
  return { material, expiryMs };
}
