/** One validator as a process runs it: store, keys, network, replica, services, put together and taken apart. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startAdminServer, startHttpServer, startLedgerServer } from '../api/index.js';
import type { AdminPort, HealthPort, NodeStatus } from '../api/ports.js';
import type { Genesis } from '../codec/index.js';
import { formatAddress, type NodeConfig, type TlsFiles } from '../config/index.js';
import { createVerifierPool, installNativeSha256, openKeyFile } from '../crypto/native/index.js';
import { genesisChainId, seedHashTables } from '../ledger/index.js';
import { createPeerNetwork, type FetchedBlock, type TlsMaterial } from '../network/index.js';
import { openStore, type Store } from '../storage/index.js';
import {
  apiMetrics,
  createMetrics,
  HealthState,
  observeVerifier,
  peerMetrics,
  type Logger,
} from '../telemetry/index.js';
import {
  asHeight,
  asValidatorIndex,
  equalBytes,
  faultyOf,
  QuaestorError,
  quorumOf,
  toHex,
} from '../types/index.js';
import type { Height, ValidatorIndex } from '../types/index.js';
import { systemClock } from './clock.js';
import { NodeObserver } from './observer.js';
import type { PeerPort } from './ports.js';
import { NodeReads } from './reads.js';
import { createReplicaOn, type Replica, type ReplicaSettings } from './replica.js';

export interface ValidatorOptions {
  readonly config: NodeConfig;
  readonly genesis: Genesis;
  readonly log: Logger;
  /** Version of the software. */
  readonly version: string;
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

/** Sends a heartbeat so often: several times within the shortest time after which silence is noticed. */
const heartbeatsPerSilence = 4;
/** Most wanted heartbeat interval, so that an idle network costs nearly nothing. */
const maxHeartbeatMs = 1000;

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

/** What is open, to be closed in the opposite order. */
class Parts {
  readonly #closers: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const close of this.#closers.reverse()) await close();
    })();
    return this.#closing;
  }
}

async function assemble(options: ValidatorOptions, parts: Parts): Promise<RunningValidator> {
  const { config, genesis, log, version } = options;
  installNativeSha256();
  seedHashTables(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  const self = indexOf(config.validator, genesis);
  const ids = genesis.validators.map(({ id }) => id);
  const clock = systemClock;
  const startedMs = clock.monotonicMs();
  const chainId = genesisChainId(genesis);
  const quorum = quorumOf(ids.length);

  const signer = await openKeyFile(config.key.file, config.key.passwordFile);
  if (!equalBytes(signer.publicKey, genesis.validators[self]?.publicKey ?? new Uint8Array())) {
    throw new QuaestorError(
      'KEY_MISMATCH',
      `The key in "${config.key.file}" is not that of "${config.validator}" in the genesis: its public key is ` +
        `${toHex(signer.publicKey)}. Use the key file that belongs to this validator.`,
    );
  }
  const metrics = createMetrics({ version, validator: config.validator });
  const health = new HealthState();
  health.update({ signerReady: true, quorum });
  let fail: (reason: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (fail = resolve));

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

  const verifier = createVerifierPool({
    threads: config.verifier.threads ?? Math.max(1, availableParallelism() - 1),
  });
  parts.add(() => verifier.close());
  observeVerifier(metrics, () => verifier.stats());

  // The network hands over what comes in to the driver, and the driver sends through the network.
  const link: { replica?: Replica } = {};
  const network = createPeerNetwork({
    network: genesis.network,
    chainId,
    self,
    validators: peersOf(config, genesis),
    signer,
    tls: await readTls(config.tls.peer),
    listen: config.listen.peer,
    logger: log,
    metrics: peerMetrics(metrics, ids),
    limits: { maxConsensusQueueBytes: config.network.maxQueuePerPeerBytes },
    timeouts: {
      minReconnectMs: config.network.minReconnectDelayMs,
      maxReconnectMs: config.network.maxReconnectDelayMs,
    },
    handlers: {
      onConsensus: (from, bytes) => link.replica?.driver.receiveConsensus(from, bytes),
      onTransactions: (_from, envelopes) => link.replica?.driver.receiveTransactions(envelopes),
      onStatus: (from, status) => link.replica?.driver.receiveStatus(from, status),
      onFetchBodies: (from, digest, hashes) => link.replica?.driver.serveBodies(from, digest, hashes),
      onBodies: (from, digest, hashes, envelopes) =>
        link.replica?.driver.receiveBodies(from, digest, hashes, envelopes),
      onConnected: (peer) => {
        link.replica?.driver.peerConnected(peer);
        refreshHealth();
      },
      onDisconnected: () => refreshHealth(),
      serveBlocks: (_from, fromHeight, maxBlocks) => serveBlocks(store, fromHeight, maxBlocks),
    },
  });
  const peers: PeerPort = network;
  const settings = settingsOf(config);
  const reads: { current?: NodeReads } = {};
  const observer = new NodeObserver({
    log,
    metrics,
    clock,
    validators: ids,
    self,
    committed: (height) => reads.current?.committed(height),
    tick: () => refreshHealth(),
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
  const { driver, mempool, tree } = replica;

  let hadQuorum: boolean | undefined;
  const refreshHealth = (): void => {
    if (link.replica === undefined) return;
    const snapshot = driver.snapshot();
    const height = store.head()?.height ?? asHeight(0);
    const connectedValidators = network.connected().length + 1;
    health.update({
      height,
      knownHeight: Math.max(
        height,
        believableHeight(
          snapshot.peers.map((peer) => peer.committedHeight),
          ids.length,
        ),
      ),
      syncing: snapshot.syncing,
      connectedValidators,
    });
    const hasQuorum = connectedValidators >= quorum;
    if (hadQuorum !== undefined && hasQuorum !== hadQuorum) {
      if (hasQuorum)
        log.info({ code: 'QUORUM_RESTORED', connectedValidators }, 'A quorum of validators is connected.');
      else {
        log.warn(
          { code: 'QUORUM_LOST', connectedValidators, quorum },
          `Only ${connectedValidators} of ${ids.length} validators are connected; ${quorum} are needed to commit.`,
        );
      }
    }
    hadQuorum = hasQuorum;
  };
  metrics.beforeScrape(() => {
    const snapshot = driver.snapshot();
    const stats = mempool.stats();
    metrics.consensus.view.set(snapshot.view);
    metrics.consensus.height.set(store.head()?.height ?? 0);
    metrics.consensus.isPrimary.set(snapshot.isPrimary ? 1 : 0);
    metrics.consensus.knownHeight.set(Math.max(0, ...snapshot.peers.map((peer) => peer.committedHeight)));
    metrics.consensus.blocksInFlight.set(snapshot.inFlight.length);
    metrics.mempool.transactions.set(stats.pending + stats.inFlight);
    metrics.mempool.bytes.set(stats.bytes);
    const oldestMs = mempool.oldestAdmittedAtMs();
    metrics.mempool.oldestAge.set(oldestMs === undefined ? 0 : (clock.monotonicMs() - oldestMs) / 1000);
    metrics.mempool.expired.raiseTo(stats.expired);
    for (const peer of network.peers())
      metrics.network.queueBytes.with({ peer: peer.id }).set(peer.queuedBytes);
  });

  const status = (): Omit<NodeStatus, 'height' | 'digest' | 'stateRoot'> => {
    const snapshot = driver.snapshot();
    const stats = mempool.stats();
    return {
      version,
      network: genesis.network,
      chainId,
      validator: config.validator,
      view: snapshot.view,
      primary: ids[snapshot.primary] ?? '',
      viewChangeInProgress: snapshot.viewChangeInProgress,
      connectedValidators: network.connected().length + 1,
      validators: ids.length,
      quorum,
      synced: health.ready().ready,
      pendingTransactions: stats.pending + stats.inFlight,
    };
  };
  reads.current = new NodeReads({ store, tree, status });
  const healthPort: HealthPort = {
    live: () => health.live(),
    ready: () => health.ready(),
    quorumReachable: () => health.quorumReachable(),
  };
  const admin: AdminPort = {
    nodeInfo: () => ({
      version,
      validator: config.validator,
      index: self,
      storageEngine: store.engine,
      dataDir: config.dataDir,
      pid: process.pid,
      uptimeMs: Math.trunc(clock.monotonicMs() - startedMs),
    }),
    peers: () =>
      network.peers().map((peer) => ({
        validator: peer.id,
        address: peer.address,
        connected: peer.connected,
        height: peer.status?.committedHeight ?? asHeight(0),
        view: peer.status?.view ?? driver.snapshot().view,
        queuedBytes: peer.queuedBytes,
        lastError: peer.lastFailure ?? '',
      })),
    consensusState: () => driver.snapshot(),
    setLogLevel: (level) => log.setLevel(level),
  };

  parts.add(() => driver.stop());
  parts.add(() => network.stop());
  await network.start();
  log.info({ code: 'LISTENING', surface: 'peer', port: network.port() }, 'Listening for validators.');
  driver.start();

  const surface = {
    network: genesis.network,
    tls: await readTls(config.tls.client),
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
      maxInFlightPerMember: config.api.maxInFlightPerClient,
      maxInFlightPerStream: config.api.maxInFlight,
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
  const { host, port } = config.listen.http;
  const httpServer = await startHttpServer({ host, port, health: healthPort, metrics, log });
  parts.add(() => httpServer.close());
  log.info({ code: 'LISTENING', surface: 'client', port: ledgerServer.port }, 'Listening for clients.');
  health.update({ started: true });
  refreshHealth();

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
      const [peerTls, clientTls] = await Promise.all([readTls(config.tls.peer), readTls(config.tls.client)]);
      network.reloadTls(peerTls);
      ledgerServer.reloadTls(clientTls);
      adminServer.reloadTls(clientTls);
      log.info({ code: 'CERTIFICATE_RELOADED' }, 'New certificates are used for new connections.');
    },
    stop() {
      health.update({ stopping: true });
      return parts.close();
    },
  };
}

/** The height that at least one correct validator reported: f of the reports may be lies. */
function believableHeight(reported: readonly Height[], validators: number): number {
  return [...reported].sort((left, right) => right - left)[faultyOf(validators)] ?? 0;
}

function indexOf(validator: string, genesis: Genesis): ValidatorIndex {
  const index = genesis.validators.findIndex(({ id }) => id === validator);
  if (index < 0) {
    throw new QuaestorError(
      'NOT_A_VALIDATOR',
      `"${validator}" is not among the validators of the genesis (${genesis.validators.map(({ id }) => id).join(', ')}). ` +
        `Correct "validator" in the configuration.`,
    );
  }
  return asValidatorIndex(index);
}

function peersOf(
  config: NodeConfig,
  genesis: Genesis,
): Parameters<typeof createPeerNetwork>[0]['validators'] {
  const addresses = new Map(
    config.peers.map(({ validator, address }) => [validator, formatAddress(address)]),
  );
  addresses.set(config.validator, formatAddress(config.listen.peer));
  return genesis.validators.map(({ id, publicKey }, index) => {
    const address = addresses.get(id);
    if (address === undefined) {
      throw new QuaestorError(
        'PEER_ADDRESS_MISSING',
        `The configuration has no address of the validator "${id}". Add it under "peers" in "${config.file}".`,
      );
    }
    return { id, index: asValidatorIndex(index), publicKey, address };
  });
}

async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const [caPem, certificatePem, privateKeyPem] = await Promise.all(
    [files.ca, files.cert, files.key].map((file) => readFile(file, 'utf8')),
  );
  return { caPem: caPem ?? '', certificatePem: certificatePem ?? '', privateKeyPem: privateKeyPem ?? '' };
}

async function* serveBlocks(
  store: Store,
  fromHeight: Height,
  maxBlocks: number,
): AsyncGenerator<FetchedBlock> {
  const last = Math.min(store.head()?.height ?? 0, fromHeight + maxBlocks - 1);
  for (let height = Math.max(1, fromHeight); height <= last; height++) {
    const block = await store.block(asHeight(height));
    if (block?.certificate === undefined) return;
    yield { headerBytes: block.headerBytes, certificate: block.certificate, envelopes: block.envelopes };
  }
}

function settingsOf(config: NodeConfig): ReplicaSettings {
  const { consensus, mempool, sync } = config;
  return {
    timeouts: consensus,
    heartbeatMs: Math.min(maxHeartbeatMs, Math.floor(consensus.primarySilenceMs / heartbeatsPerSilence)),
    bodyRetryMs: consensus.retransmitMs,
    batchDelayMs: 10,
    batchTransactions: 500,
    treeCacheNodes: 16_000,
    mempool: {
      maxTransactions: mempool.maxTransactions,
      maxBytes: mempool.maxBytes,
      maxMemberTransactions: mempool.maxMemberTransactions,
      maxMemberBytes: mempool.maxMemberBytes,
      relayAgainMs: consensus.viewTimeoutMs,
      inclusionDeadlineMs: mempool.overdueAfterMs,
    },
    syncLimits: {
      maxRangeBlocks: sync.maxBlocksPerRequest,
      requestTimeoutMs: sync.requestTimeoutMs,
    },
  };
}
