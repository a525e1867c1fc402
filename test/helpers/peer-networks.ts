/**
 * A consortium of validators whose peer networks run in this process: real sockets, real certificates, real keys.
 * Everything that happens is recorded, and `until` waits for a condition on the records.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Signer } from '../../src/crypto/types.js';
import type { CertificateIdentity, KeyAndCertificate } from '../../src/network/pki/index.js';
import { createAuthority, issueCertificate } from '../../src/network/pki/index.js';
import type {
  DisconnectReason,
  FetchedBlock,
  FetchedState,
  PeerHandlers,
  PeerMetrics,
  PeerNetwork,
  PeerNetworkOptions,
  PeerValidator,
  TlsMaterial,
} from '../../src/network/index.js';
import { createPeerNetwork } from '../../src/network/index.js';
import type { PeerStatus, ValidatorSetChange } from '../../src/codec/model.js';
import {
  asChainId,
  asPublicKey,
  asSignature,
  asValidatorIndex,
  toHex,
  type ChainId,
  type ValidatorIndex,
} from '../../src/types/index.js';

export const network = 'testnet';
const validity = { nowMs: Date.now(), days: 30 };

/** An Ed25519 key as a Signer. */
export function makeSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    publicKey: asPublicKey(new Uint8Array(raw)),
    sign: (message) => Promise.resolve(asSignature(sign(null, message, privateKey))),
  };
}

export async function tlsFor(
  authority: KeyAndCertificate,
  identity: CertificateIdentity,
  held = validity,
): Promise<TlsMaterial> {
  const issued = await issueCertificate(authority, { identity, hosts: ['localhost', '127.0.0.1'] }, held);
  return { caPem: authority.certificatePem, ...issued };
}

export const newAuthority = (): Promise<KeyAndCertificate> => createAuthority(network, validity);

/** What happened at one validator, in order; waiters are woken by each entry. */
export class Records {
  readonly consensus: { from: number; text: string }[] = [];
  readonly transactions: { from: number; envelope: Uint8Array }[] = [];
  readonly relayed: { observer: string; envelope: Uint8Array }[] = [];
  observers = 0;
  readonly statuses: { from: number; status: PeerStatus }[] = [];
  readonly fetches: { from: number; digest: string; hashes: string[] }[] = [];
  readonly bodies: { from: number; digest: string; hashes: number; envelopes: readonly Uint8Array[] }[] = [];
  readonly connected: number[] = [];
  readonly disconnected: { peer: number; reason: DisconnectReason }[] = [];
  readonly refused: { peer: number | undefined; direction: 'in' | 'out'; reason: DisconnectReason }[] = [];
  readonly shed: { direction: 'in' | 'out'; traffic: string; count: number }[] = [];
  readonly paused: string[] = [];
  readonly logs: { level: string; fields: object; message: string }[] = [];
  sentBytes = 0;
  receivedBytes = 0;
  readonly #waiters = new Set<() => void>();

  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Resolves as soon as the condition holds; it is looked at after each record. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
      look();
    });
  }
}

/** Resolves as soon as the condition holds over several validators. */
export function untilAll(nodes: readonly { records: Records }[], condition: () => boolean): Promise<void> {
  return Promise.race(nodes.map((node) => node.records.until(condition)));
}

export interface TestNode {
  readonly index: ValidatorIndex;
  readonly id: string;
  readonly records: Records;
  readonly signer: Signer;
  tls: TlsMaterial;
  network: PeerNetwork;
  /** Stops it and starts another one in its place, on the same port unless told otherwise. */
  readonly restart: (changes?: Partial<PeerNetworkOptions>) => Promise<void>;
}

export interface NodeSetup {
  readonly options?: Partial<PeerNetworkOptions>;
  readonly handlers?: Partial<PeerHandlers>;
}

export interface TestConsortium {
  readonly nodes: readonly TestNode[];
  readonly authority: KeyAndCertificate;
  readonly validators: readonly PeerValidator[];
  readonly chainId: ChainId;
  readonly node: (index: number) => TestNode;
  start(): Promise<void>;
  allConnected(): Promise<void>;
  stop(): Promise<void>;
}

export const fastTimeouts = {
  handshakeMs: 5_000,
  minReconnectMs: 5,
  maxReconnectMs: 40,
  minPenaltyMs: 50,
  maxPenaltyMs: 200,
} as const;

/** Builds `count` validators; `setup` may change the options and handlers of each. */
export async function makeConsortium(
  count: number,
  setup: (index: number) => NodeSetup = () => ({}),
): Promise<TestConsortium> {
  const authority = await newAuthority();
  const chainId = asChainId(new Uint8Array(randomBytes(32)));
  const ports = new Map<number, number>();
  const signers = Array.from({ length: count }, makeSigner);
  const validators: PeerValidator[] = signers.map((signer, index) => ({
    id: `bank-${index}`,
    index: asValidatorIndex(index),
    publicKey: signer.publicKey,
    get address() {
      return `127.0.0.1:${ports.get(index) ?? 1}`;
    },
  }));
  const nodes: TestNode[] = [];
  for (const [index, signer] of signers.entries()) {
    const records = new Records();
    const tls = await tlsFor(authority, { network, role: 'validator', id: `bank-${index}` });
    const base = (): PeerNetworkOptions => {
      const { options = {}, handlers = {} } = setup(index);
      return {
        network,
        chainId,
        role: 'validator',
        self: `bank-${index}`,
        validators,
        signer,
        tls: node.tls,
        listen: { host: '127.0.0.1', port: ports.get(index) ?? 0 },
        timeouts: fastTimeouts,
        handlers: recordingHandlers(records, handlers),
        logger: recordingLogger(records),
        metrics: recordingMetrics(records),
        ...options,
      };
    };
    const node: TestNode = {
      index: asValidatorIndex(index),
      id: `bank-${index}`,
      records,
      signer,
      tls,
      network: undefined as unknown as PeerNetwork,
      async restart(changes = {}) {
        await node.network.stop();
        node.network = createPeerNetwork({ ...base(), ...changes });
        await node.network.start();
        ports.set(index, node.network.port());
      },
    };
    node.network = createPeerNetwork(base());
    nodes.push(node);
  }
  const at = (index: number): TestNode => {
    const node = nodes[index];
    if (node === undefined) throw new Error(`there is no validator ${index}`);
    return node;
  };
  return {
    nodes,
    authority,
    validators,
    chainId,
    node: at,
    async start() {
      // The highest first: the lower ones dial it.
      for (const node of [...nodes].reverse()) {
        await node.network.start();
        ports.set(node.index, node.network.port());
      }
    },
    async allConnected() {
      for (const node of nodes) {
        await node.records.until(() => node.network.connected().length === count - 1);
      }
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.network.stop()));
    },
  };
}

export function recordingHandlers(records: Records, own: Partial<PeerHandlers>): PeerHandlers {
  return {
    onConsensus(from, message) {
      records.consensus.push({ from, text: Buffer.from(message).toString() });
      records.wake();
      return own.onConsensus?.(from, message);
    },
    onTransactions(from, envelopes) {
      for (const envelope of envelopes) records.transactions.push({ from, envelope });
      records.wake();
      return own.onTransactions?.(from, envelopes);
    },
    onStatus(from, status) {
      records.statuses.push({ from, status });
      records.wake();
    },
    onFetchBodies(from, digest, hashes) {
      records.fetches.push({ from, digest: toHex(digest), hashes: hashes.map(toHex) });
      records.wake();
      return own.onFetchBodies?.(from, digest, hashes);
    },
    onBodies(from, digest, hashes, envelopes) {
      records.bodies.push({ from, digest: toHex(digest), hashes: hashes.length, envelopes });
      records.wake();
      return own.onBodies?.(from, digest, hashes, envelopes);
    },
    onObserverTransactions(observer, envelopes) {
      for (const envelope of envelopes) records.relayed.push({ observer, envelope });
      records.wake();
      return own.onObserverTransactions?.(observer, envelopes);
    },
    onEvidence: (from, evidence) => own.onEvidence?.(from, evidence),
    onConnected(peer) {
      records.connected.push(peer);
      records.wake();
    },
    onDisconnected() {
      records.wake();
    },
    serveBlocks:
      own.serveBlocks?.bind(own) ??
      // eslint-disable-next-line @typescript-eslint/require-await
      async function* (): AsyncGenerator<FetchedBlock> {
        yield* [];
      },
    serveSetChanges:
      own.serveSetChanges?.bind(own) ??
      // eslint-disable-next-line @typescript-eslint/require-await
      async function* (): AsyncGenerator<ValidatorSetChange> {
        yield* [];
      },
    serveState:
      own.serveState?.bind(own) ??
      // eslint-disable-next-line @typescript-eslint/require-await
      async function* (): AsyncGenerator<FetchedState> {
        yield* [];
      },
  };
}

export function recordingMetrics(records: Records): PeerMetrics {
  return {
    connected: () => undefined,
    observers(count) {
      records.observers = count;
      records.wake();
    },
    disconnected(peer, reason) {
      records.disconnected.push({ peer, reason });
      records.wake();
    },
    refused(peer, direction, reason) {
      records.refused.push({ peer, direction, reason });
      records.wake();
    },
    sent: (_peer, bytes) => (records.sentBytes += bytes),
    received: (_peer, bytes) => (records.receivedBytes += bytes),
    shed(_peer, direction, traffic, count) {
      records.shed.push({ direction, traffic, count });
      records.wake();
    },
    paused(_peer, cause) {
      records.paused.push(cause);
      records.wake();
    },
  };
}

export function recordingLogger(records: Records): PeerNetworkOptions['logger'] {
  const log = (level: string) => (fields: object, message: string) => {
    records.logs.push({ level, fields, message });
    records.wake();
  };
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}

/** 32 bytes that stand for something. */
export const hashOf = (text: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(text).digest());
