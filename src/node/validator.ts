/** One validator as a process runs it: store, keys, network, replica, services, put together and taken apart. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startAdminServer, startHttpServer, startLedgerServer } from '../api/index.js';
import type { HealthPort } from '../api/ports.js';
import { firstValidatorSet, type Genesis } from '../codec/index.js';
import { formatAddress, type NodeConfig } from '../config/index.js';
import { validatorSetHash } from '../crypto/index.js';
import {
  createVerifierPool,
  installNativeSha256,
  openKeyFile,
  type KeySigner,
} from '../crypto/native/index.js';
import { seedHashTables } from '../ledger/index.js';
import {
  createObserverNetwork,
  createPeerNetwork,
  prepareTls,
  type PeerHandlers,
  type PeerNetwork,
  type TlsMaterial,
} from '../network/index.js';
import { openStore, settleFolders, type Store } from '../storage/index.js';
import {
  apiMetrics,
  createMetrics,
  HealthState,
  observeVerifier,
  peerMetrics,
  type Logger,
} from '../telemetry/index.js';
import { equalBytes, invariant, QuaestorError, quorumOf, toHex } from '../types/index.js';
import type { ValidatorIndex } from '../types/index.js';
import { CertificateWatch } from './certificate-watch.js';
import { systemClock } from './clock.js';
import { DiskWatch } from './disk-watch.js';
import { summaryOf, type GenesisSummary } from './genesis-summary.js';
import { boundHeapGrowth } from './heap.js';
import { showLimits } from './limits-shown.js';
import { NodeView } from './node-view.js';
import { Parts } from './parts.js';
import { NodeObserver } from './observer.js';
import type { PeerPort } from './ports.js';
import { NodeReads } from './reads.js';
import { createReplicaOn, type Replica } from './replica.js';
import { serveBlocks, serveState } from './serve-peers.js';
import { fetchSnapshot, nothing, storedValidatorSet, withSnapshotNetwork } from './snapshot.js';
import { indexOf, peersOf, readTls, settingsOf } from './validator-settings.js';

export interface ValidatorOptions {
  readonly config: NodeConfig;
  readonly genesis: Genesis | GenesisSummary;
  readonly log: Logger;
  /** Version of the software. */
  readonly version: string;
  /** The others are so many blocks ahead that a snapshot would be quicker (`sync.snapshotThreshold`). */
  readonly behind?: () => void;
  /** Copy a snapshot before the replica starts. */
  readonly snapshot?: {
    /** Gives the copy up; what is copied stays for the next attempt. */
    readonly signal: AbortSignal;
    /** Whether there is a new store. */
    readonly done: (installed: boolean) => void;
  };
}

/** A validator that runs. */
export interface RunningValidator {
  /** Ports that it listens on. */
  readonly ports: {
    readonly peer: number;
    readonly client: number;
    readonly admin: number;
    readonly http: number;
  };
  readonly store: Store;
  /** Resolves with the reason if the validator can't go on. The caller stops it and exits with an error. */
  readonly failed: Promise<string>;
  /** Uses the certificate files as they are now, for new connections. Throws a QuaestorError when they can't be used. */
  reloadCertificates(): Promise<void>;
  /** Finishes what is being written, closes everything. Idempotent. */
  stop(): Promise<void>;
}

/** Starts a validator. Rejects with a QuaestorError that says what was wrong, having closed what it had opened. */
export async function startValidator(options: ValidatorOptions): Promise<RunningValidator> {
  const parts = new Parts();
  try {
    return await assemble(options, parts);
  } catch (error) {
    await parts.close();
    throw error;
  }
}

async function assemble(options: ValidatorOptions, parts: Parts): Promise<RunningValidator> {
  const { config, genesis, log, version } = options;
  boundHeapGrowth();
  installNativeSha256();
  seedHashTables(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  const self = config.role === 'observer' ? undefined : indexOf(config.validator, genesis);
  // What lives as long as the node keeps these, and not the genesis, which may name very many accounts.
  const { network: networkName, validators, parameters, chainId } = summaryOf(genesis);
  const ids = validators.map(({ id }) => id);
  const clock = systemClock;
  // An observer needs one validator to follow.
  const quorum = self === undefined ? 1 : quorumOf(ids.length);

  const signer = self === undefined ? undefined : await openSigner(config, genesis, self);
  const clientTls = await readClientTls(config, networkName);
  const peerTls = await readPeerTls(config, networkName);
  const metrics = createMetrics({ version, network: networkName, validator: config.validator });
  showLimits(metrics, config, genesis.parameters);
  const certificates = new CertificateWatch({ clock, log, metrics });
  certificates.use('peer', peerTls.expiryMs);
  certificates.use('client', clientTls.expiryMs);
  const health = new HealthState();
  health.update({ signerReady: true, quorum });
  let fail: (reason: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (fail = resolve));

  const view: { current?: NodeView } = {};
  const healthPort: HealthPort = {
    live: () => health.live(),
    ready: () => view.current?.ready() ?? health.ready(),
    quorumReachable: () => view.current?.quorumReachable() ?? health.quorumReachable(),
  };
  const { host, port } = config.listen.http;
  const httpServer = await startHttpServer({ host, port, health: healthPort, metrics, log });
  parts.add(() => httpServer.close());

  const verifier = createVerifierPool({
    maxBatch: 512,
    threads: config.verifier.threads ?? Math.max(1, availableParallelism() - 1),
  });
  parts.add(() => verifier.close());
  observeVerifier(metrics, () => verifier.stats());

  const openNetwork = (handlers: PeerHandlers): PeerNetwork => {
    const shared = {
      network: networkName,
      validators: peersOf(config, genesis),
      tls: peerTls.material,
      logger: log,
      metrics: peerMetrics(metrics, ids),
      limits: { maxConsensusQueueBytes: config.network.maxQueuePerPeerBytes },
      timeouts: {
        minReconnectMs: config.network.minReconnectDelayMs,
        maxReconnectMs: config.network.maxReconnectDelayMs,
      },
      handlers,
    };
    return self === undefined || signer === undefined
      ? createObserverNetwork({ ...shared, observer: config.validator })
      : createPeerNetwork({ ...shared, chainId, self, signer, listen: config.listen.peer });
  };
  await settleFolders(config.dataDir);
  if (options.snapshot !== undefined) {
    const { signal, done } = options.snapshot;
    const place = { ...config, chainId };
    const validatorSet = (await storedValidatorSet(place)) ?? firstValidatorSet(genesis.validators);
    const installed = await withSnapshotNetwork(openNetwork, (network) =>
      fetchSnapshot({
        config,
        electorate: { chainId, validatorSet, validatorSetHash: validatorSetHash(validatorSet) },
        checkpointIntervalBlocks: parameters.checkpointIntervalBlocks,
        network,
        validators: ids,
        verifier,
        clock,
        log,
        metrics,
        progressed: (copiedFraction) => health.update({ copiedFraction }),
        signal,
      }),
    );
    health.update({ copiedFraction: undefined });
    done(installed);
  }

  const opened = await openStore({
    dir: join(config.dataDir, 'store'),
    engine: config.storage.engine,
    chainId,
    validator: config.validator,
    createIfMissing: true,
    memory: { blockCacheBytes: Math.max(1024 * 1024, Math.floor(config.storage.cacheBytes / 2)) },
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  parts.add(() => store.close());

  // The network hands over what comes in to the driver, and the driver sends through the network.
  const link: { replica?: Replica } = {};
  const network = openNetwork({
    onConsensus: (from, bytes) => link.replica?.driver.receiveConsensus(from, bytes),
    onTransactions: (_from, envelopes) => link.replica?.driver.receiveTransactions(envelopes),
    onStatus: (from, status) => link.replica?.driver.receiveStatus(from, status),
    onFetchBodies: (from, digest, hashes) => link.replica?.driver.serveBodies(from, digest, hashes),
    onBodies: (from, digest, hashes, envelopes) =>
      link.replica?.driver.receiveBodies(from, digest, hashes, envelopes),
    onEvidence: (from, bytes) => link.replica?.driver.receiveEvidence(from, bytes),
    onObserverTransactions: (_observer, envelopes) => link.replica?.driver.receiveTransactions(envelopes),
    onConnected: (peer) => {
      link.replica?.driver.peerConnected(peer);
      view.current?.refreshHealth();
    },
    onDisconnected: () => view.current?.refreshHealth(),
    serveBlocks: (fromHeight, maxBlocks) => serveBlocks(store, fromHeight, maxBlocks),
    serveState: (height, from, until) =>
      link.replica === undefined ? nothing() : serveState(store, link.replica.tree, height, { from, until }),
  });
  const disk = new DiskWatch({
    clock,
    log,
    metrics,
    dir: config.dataDir,
    storeBytes: () => store.sizeBytes(),
  });
  const peers: PeerPort = network;
  const settings = settingsOf(config);
  const reads: { current?: NodeReads } = {};
  const observer = new NodeObserver({
    log,
    metrics,
    clock,
    validator: config.validator,
    committed: (height) => {
      reads.current?.committed(height);
      const { replica } = link;
      if (replica !== undefined) network.tellObservers(replica.driver.status());
    },
    tick: () => {
      view.current?.refreshHealth();
      certificates.look();
      void disk.look();
    },
    halted: (reason) => {
      health.update({ halted: reason, failure: reason });
      fail(reason);
    },
  });
  const replica = await createReplicaOn({
    genesis,
    self,
    settings,
    ports: { clock, store, peers, verifier, signer },
    blocks: network,
    observer,
  });
  link.replica = replica;
  const { driver, tree } = replica;

  const nodeView = new NodeView({
    version,
    config,
    genesis: { network: networkName, validators },
    self,
    clock,
    store,
    network,
    replica,
    health,
    metrics,
    log,
    ...(options.behind === undefined ? {} : { behind: options.behind }),
  });
  view.current = nodeView;
  metrics.beforeScrape(() => nodeView.refreshMetrics());
  reads.current = new NodeReads({ store, tree, status: () => nodeView.status() });
  parts.add(() => driver.stop());
  parts.add(() => network.stop());
  await network.start();
  log.info({ code: 'LISTENING', surface: 'peer', port: network.port() }, 'Listening for validators.');
  driver.start();

  const surface = {
    network: networkName,
    tls: clientTls.material,
    health: healthPort,
    log,
    metrics: apiMetrics(metrics),
    reflection: config.api.reflection,
  };
  const ledgerServer = await startLedgerServer({
    ...surface,
    address: formatAddress(config.listen.client),
    ledger: driver.desk,
    reads: reads.current,
    limits: {
      maxInFlightPerMember: config.api.maxInFlightPerMember,
      maxInFlightPerStream: config.api.maxInFlightPerStream,
      maxStreamsPerIdentity: config.api.maxStreamsPerClient,
      defaultSubmitWaitMs: config.api.defaultDeadlineMs,
      maxSubmitWaitMs: config.api.maxDeadlineMs,
    },
  });
  parts.add(() => ledgerServer.close());
  const adminServer = await startAdminServer({
    ...surface,
    address: formatAddress(config.listen.admin),
    admin: nodeView,
  });
  parts.add(() => adminServer.close());
  log.info({ code: 'LISTENING', surface: 'client', port: ledgerServer.port }, 'Listening for clients.');
  health.update({ started: true });
  nodeView.refreshHealth();

  return {
    ports: {
      peer: network.port(),
      client: ledgerServer.port,
      admin: adminServer.port,
      http: httpServer.port,
    },
    store,
    failed,
    async reloadCertificates() {
      const [newPeerTls, newClientTls] = await Promise.all([
        readPeerTls(config, networkName),
        readClientTls(config, networkName),
      ]);
      network.reloadTls(newPeerTls.material);
      ledgerServer.reloadTls(newClientTls.material);
      adminServer.reloadTls(newClientTls.material);
      certificates.use('peer', newPeerTls.expiryMs);
      certificates.use('client', newClientTls.expiryMs);
      log.info({ code: 'CERTIFICATE_RELOADED' }, 'New certificates are used for new connections.');
    },
    stop() {
      health.update({ stopping: true });
      // Connections that this node ends are no lost quorum.
      delete view.current;
      return parts.close();
    },
  };
}

interface CheckedTls {
  readonly material: TlsMaterial;
  /** Milliseconds since 1970. */
  readonly expiryMs: number;
}

async function openSigner(
  { key, validator }: NodeConfig,
  genesis: Pick<GenesisSummary, 'validators'>,
  self: ValidatorIndex,
): Promise<KeySigner> {
  invariant(key !== undefined, 'the configuration of a validator names its key');
  const signer = await openKeyFile(key.file, key.passwordFile);
  if (equalBytes(signer.publicKey, genesis.validators[self]?.publicKey ?? new Uint8Array())) return signer;
  throw new QuaestorError(
    'KEY_MISMATCH',
    `The key in "${key.file}" is not that of "${validator}" in the genesis: its public key is ` +
      `${toHex(signer.publicKey)}. Use the key file that belongs to this validator.`,
  );
}

async function readPeerTls(config: NodeConfig, network: string): Promise<CheckedTls> {
  const material = await readTls(config.tls.peer);
  const { expiryMs } = prepareTls(material, network, { id: config.validator }, undefined, config.role);
  return { material, expiryMs };
}

/** The certificate for clients, checked as they check it: the SDK accepts no server that does not name its validator. */
async function readClientTls(config: NodeConfig, network: string): Promise<CheckedTls> {
  const material = await readTls(config.tls.client);
  const title = 'The TLS certificate for clients';
  const { expiryMs } = prepareTls(material, network, { id: config.validator }, title, config.role);
  return { material, expiryMs };
}
