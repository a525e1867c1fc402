/** One validator as a process runs it: store, keys, network, replica, services, put together and taken apart. */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startAdminServer, startHttpServer, startLedgerServer } from '../api/index.js';
import type { HealthPort } from '../api/ports.js';
import { firstValidatorSet, type Genesis } from '../codec/index.js';
import { formatAddress, type NodeConfig } from '../config/index.js';
import { createVerifierPool, installNativeSha256 } from '../crypto/native/index.js';
import { seedHashTables } from '../ledger/index.js';
import { openStore, settleFolders, type Store } from '../storage/index.js';
import { apiMetrics, createMetrics, HealthState, observeVerifier, type Logger } from '../telemetry/index.js';
import { asHeight, quorumOf } from '../types/index.js';
import { CertificateWatch } from './certificate-watch.js';
import { systemClock } from './clock.js';
import { DiskWatch } from './disk-watch.js';
import { readElectorates, type Electorates, type Identity } from './electorate.js';
import { EpochPeers } from './epoch-peers.js';
import { summaryOf, type GenesisSummary } from './genesis-summary.js';
import { boundHeapGrowth } from './heap.js';
import { showLimits } from './limits-shown.js';
import { openHistory, type History } from './history.js';
import { NodeBackup } from './node-backup.js';
import { NodeAdmin } from './node-admin.js';
import { networkOf, readClientTls, readPeerTls } from './node-network.js';
import { NodeSigners } from './node-signers.js';
import { NodeView } from './node-view.js';
import { Parts } from './parts.js';
import { ThreadWatch } from './thread-watch.js';
import { NodeObserver } from './observer.js';
import { NodeReads } from './reads.js';
import { createReplicaOn, type Replica } from './replica.js';
import { serveBlocks, serveSetChanges, serveState } from './serve-peers.js';
import { fetchSnapshot, nothing, storedSets, withSnapshotNetwork } from './snapshot.js';
import { addressesOf, checkId, checkKeys, clientLimitsOf, settingsOf } from './validator-settings.js';

export interface ValidatorOptions {
  readonly config: NodeConfig;
  readonly genesis: Genesis | GenesisSummary;
  readonly log: Logger;
  /** Version of the software. */
  readonly version: string;
  /** The others are so many blocks ahead that a snapshot would be quicker (`sync.snapshotThreshold`). */
  readonly behind?: () => void;
  /** The last lines of the log, oldest first; default none. */
  readonly recentLines?: () => readonly string[];
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
  /** Uses the limits of clients of this configuration from now on; nothing else of it. */
  useLimits(config: NodeConfig): void;
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
  checkId(config, genesis);
  // What lives as long as the node keeps these, and not the genesis, which may name very many accounts.
  const { network: networkName, validators, parameters, chainId } = summaryOf(genesis);
  const clock = systemClock;
  const genesisElectorates: Electorates = {
    current: firstValidatorSet(validators),
    previous: undefined,
    scheduled: undefined,
  };
  const metrics = createMetrics({ version, network: networkName, validator: config.validator });
  const health = new HealthState();
  const keys = await NodeSigners.open({
    config,
    network: networkName,
    chainId,
    pipelineWindow: parameters.pipelineWindowBlocks,
    log,
    metrics,
    health,
  });
  parts.add(() => keys.close());
  const identity: Identity = {
    id: config.role === 'observer' ? undefined : config.validator,
    signers: keys.signers,
  };
  const clientTls = await readClientTls(config, networkName);
  const peerTls = await readPeerTls(config, networkName);
  showLimits(metrics, config, parameters);
  const certificates = new CertificateWatch({ clock, log, metrics });
  certificates.use('peer', peerTls.expiryMs);
  certificates.use('client', clientTls.expiryMs);
  health.update({ quorum: quorumOf(validators.length) });
  let fail: (reason: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (fail = resolve));

  const view: { current?: NodeView } = {};
  const admins: { current?: NodeAdmin } = {};
  const healthPort: HealthPort = {
    live: () => health.live(),
    ready: () => view.current?.ready() ?? health.ready(),
    quorumReachable: () => view.current?.quorumReachable() ?? health.quorumReachable(),
  };
  const { host, port } = config.listen.http;
  const httpServer = await startHttpServer({ host, port, health: healthPort, metrics, log });
  parts.add(() => httpServer.close());

  const verifier = createVerifierPool({
    maxBatch: 256,
    threads: config.verifier.threads ?? Math.max(1, availableParallelism() - 1),
  });
  parts.add(() => verifier.close());
  observeVerifier(metrics, () => verifier.stats());

  const peersOf = (electorates: Electorates): EpochPeers =>
    new EpochPeers({ electorates, addresses: addressesOf(config, electorates) });
  const openNetwork = networkOf({
    config,
    chainId,
    networkName,
    identity,
    tls: peerTls.material,
    log,
    metrics,
  });
  await settleFolders(config.dataDir);
  if (options.snapshot !== undefined) {
    const { signal, done } = options.snapshot;
    const { sets, ownHeight } = await storedSets({ ...config, chainId }, genesisElectorates.current);
    const peers = peersOf(sets.electorates());
    const installed = await withSnapshotNetwork(
      (handlers) => {
        const network = openNetwork(peers, () => sets.electorates(), handlers);
        peers.use(network);
        return network;
      },
      (network) =>
        fetchSnapshot({
          config,
          chainId,
          ownHeight,
          sets,
          checkpointIntervalBlocks: parameters.checkpointIntervalBlocks,
          network,
          peers,
          verifier,
          clock,
          log,
          metrics,
          progressed: (copiedFraction) => health.update({ copiedFraction }),
          signal,
        }),
    );
    health.update({ copiedFraction: undefined });
    // The copy took what was said along, and counts its writes anew.
    if (installed && config.storage.witnessFile !== undefined)
      await rm(config.storage.witnessFile, { force: true });
    done(installed);
  }

  const opened = await openStore({
    dir: join(config.dataDir, 'store'),
    engine: config.storage.engine,
    chainId,
    validator: config.validator,
    createIfMissing: true,
    memory: { blockCacheBytes: Math.max(1024 * 1024, Math.floor(config.storage.cacheBytes / 2)) },
    ...(config.storage.witnessFile !== undefined && { witnessFile: config.storage.witnessFile }),
    software: version,
    migrating: (step) =>
      log.warn(
        { code: 'STORE_MIGRATED', ...step },
        `The store is brought to format ${step.to}: ${step.title}. Older software refuses it from now on.`,
      ),
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  log.info(
    { code: 'STORAGE_OPENED', engine: store.engine, dir: config.dataDir, height: store.head()?.height },
    'The store is open.',
  );
  parts.add(() => store.close());
  keys.use(store);

  const electorates = store.head() === undefined ? genesisElectorates : await readElectorates(store);
  checkKeys(config, electorates, identity.signers);
  const peers = peersOf(electorates);

  // The network hands over what comes in to the driver, and the driver sends through the network.
  const link: { replica?: Replica; history?: History; backup?: NodeBackup } = {};
  const network = openNetwork(peers, () => link.replica?.driver.electorates ?? electorates, {
    onConsensus: (from, bytes) => link.replica?.driver.receiveConsensusOf(peers.ids[from] ?? '', bytes),
    onTransactions: (_from, envelopes) => link.replica?.driver.receiveTransactions(envelopes),
    onStatus: (from, status) => link.replica?.driver.receiveStatus(peers.replyTo(from), status),
    onFetchBodies: (from, digest, hashes) =>
      link.replica?.driver.serveBodies(peers.replyTo(from), digest, hashes),
    onBodies: (from, digest, hashes, envelopes) => {
      const place = peers.placeOf(from);
      return place === undefined
        ? undefined
        : link.replica?.driver.receiveBodies(place, digest, hashes, envelopes);
    },
    onEvidence: (from, bytes) => link.replica?.driver.receiveEvidence(peers.replyTo(from), bytes),
    onObserverTransactions: (_observer, envelopes) => link.replica?.driver.receiveTransactions(envelopes),
    onConnected: (peer) => {
      link.replica?.driver.peerConnected(peers.replyTo(peer));
      view.current?.refreshHealth();
    },
    onDisconnected: () => view.current?.refreshHealth(),
    serveBlocks: (fromHeight, maxBlocks) => serveBlocks(store, fromHeight, maxBlocks, link.history?.archive),
    serveState: (height, from, until) =>
      link.replica === undefined ? nothing() : serveState(store, link.replica.tree, height, { from, until }),
    serveSetChanges: (knownEpoch) => serveSetChanges(store, knownEpoch),
  });
  peers.use(network);
  const threads = new ThreadWatch(log, () => verifier.stats().crashes);
  const disk = new DiskWatch({
    clock,
    log,
    metrics,
    dir: config.dataDir,
    storeBytes: () => store.sizeBytes(),
  });
  const settings = settingsOf(config);
  const reads: { current?: NodeReads } = {};
  const observer = new NodeObserver({
    log,
    metrics,
    clock,
    validator: config.validator,
    committed: (height) => {
      reads.current?.committed(height);
      keys.committed(height);
      const { replica } = link;
      if (replica !== undefined) network.tellObservers(replica.driver.status());
    },
    tick: () => {
      view.current?.refreshHealth();
      certificates.look();
      void disk.look();
      threads.look();
      link.history?.retention.look();
      link.backup?.look();
      admins.current?.drained.look();
    },
    ...(options.behind === undefined ? {} : { historyPruned: options.behind }),
    halted: (reason) => {
      health.update({ halted: reason, failure: reason });
      fail(reason);
    },
  });
  const replica = await createReplicaOn({
    genesis,
    self: undefined,
    ...(identity.id === undefined ? {} : { validator: identity.id }),
    settings,
    ports: { clock, store, peers, verifier, signer: identity.signers[0], nextSigner: identity.signers[1] },
    blocks: peers,
    observer,
  });
  link.replica = replica;
  const { driver, tree } = replica;
  const { retention, archive } = (link.history = openHistory({
    config,
    genesis: { validators, parameters },
    store,
    clock,
    log,
    metrics,
    // Who only follows takes no part in checkpoints: what is on its disk is final.
    stableHeight: () =>
      driver.self === undefined
        ? (store.head()?.height ?? asHeight(0))
        : driver.snapshot().stableCheckpointHeight,
    held: () => link.backup?.isRunning === true,
  }));
  parts.add(() => retention.stop());
  const backup = (link.backup = new NodeBackup({
    config,
    version,
    store,
    ...(archive === undefined ? {} : { olderBlock: (height) => archive.block(height) }),
    clock,
    log,
    metrics,
  }));
  parts.add(() => backup.stop());

  const nodeView = new NodeView({
    version,
    config,
    networkName,
    peers,
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
  const admin = new NodeAdmin({
    config,
    view: nodeView,
    replica,
    retention,
    backup,
    clock,
    health,
    metrics,
    log,
    recentLines: options.recentLines ?? (() => []),
  });
  admins.current = admin;
  metrics.beforeScrape(() => nodeView.refreshMetrics());
  reads.current = new NodeReads({
    store,
    tree,
    status: () => nodeView.status(),
    archive,
    unreadable: (height, error) =>
      log.warn(
        { code: 'SEGMENT_UNREADABLE', height, error: String(error) },
        'A sealed block can not be read.',
      ),
  });
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
      ...clientLimitsOf(config),
      defaultSubmitWaitMs: config.api.defaultDeadlineMs,
      maxSubmitWaitMs: config.api.maxDeadlineMs,
    },
  });
  parts.add(() => ledgerServer.close());
  const adminServer = await startAdminServer({
    ...surface,
    address: formatAddress(config.listen.admin),
    admin,
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
      await keys.reloadCertificates();
      network.reloadTls(newPeerTls.material);
      ledgerServer.reloadTls(newClientTls.material);
      adminServer.reloadTls(newClientTls.material);
      certificates.use('peer', newPeerTls.expiryMs);
      certificates.use('client', newClientTls.expiryMs);
      log.info({ code: 'CERTIFICATE_RELOADED' }, 'New certificates are used for new connections.');
    },
    useLimits(changed) {
      ledgerServer.useLimits(clientLimitsOf(changed));
      log.info({ code: 'LIMITS_CHANGED' }, 'The limits of clients are those of the configuration file now.');
    },
    async stop() {
      await admin.drained.begin();
      health.update({ stopping: true });
      // Connections that this node ends are no lost quorum.
      delete view.current;
      await parts.close();
    },
  };
}
