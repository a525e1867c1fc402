import type { AdminPort, ConsensusInfo, LogLevel, NodeStatus, PeerInfo } from '../api/ports.js';
import { encodeEvidence, encodeValidatorSetChanges, type Validator } from '../codec/index.js';
import type { ConsensusSnapshot } from '../consensus/index.js';
import type { NodeConfig } from '../config/index.js';
import type { PeerNetwork } from '../network/index.js';
import type { Store } from '../storage/index.js';
import { readSetChanges } from '../sync/index.js';
import type { HealthState, Logger, Metrics } from '../telemetry/index.js';
import { asHeight, asView, faultyOf, limits, quorumOf } from '../types/index.js';
import type { View } from '../types/index.js';
import type { EpochPeers } from './epoch-peers.js';
import type { Clock } from './ports.js';
import { ReadinessLog } from './readiness-log.js';
import type { Replica } from './replica.js';

export interface NodeViewOptions {
  readonly version: string;
  readonly config: NodeConfig;
  readonly networkName: string;
  readonly peers: EpochPeers;
  readonly clock: Clock;
  readonly store: Store;
  readonly network: PeerNetwork;
  readonly replica: Replica;
  readonly health: HealthState;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The others are `sync.snapshotThreshold` blocks ahead, or more. Called again and again. */
  readonly behind?: () => void;
}

/** What the view alone answers of an operator's questions. */
type NodeInspection = Pick<AdminPort, 'nodeInfo' | 'peers' | 'consensusState' | 'evidence' | 'setLogLevel'>;

/** Stands for the index of a node that does not validate, which has none. */
const noIndex = 0xffff_ffff;
/** How long a validator that starts is given to connect before it says that a quorum is missing. */
const connectingMs = 5000;

/** What a running validator says of itself to clients, operators, probes and Prometheus. */
export class NodeView implements NodeInspection {
  readonly #options: NodeViewOptions;
  readonly #startedMs: number;
  #hadQuorum: boolean | undefined;
  /** Since the start enough validators have said where they stand. */
  #hasHeard = false;
  readonly #readiness: ReadinessLog;
  #peersShown: ReadonlySet<string> = new Set();

  constructor(options: NodeViewOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#readiness = new ReadinessLog(options.log);
    // Not only once it happens: an alert has to tell 0 from a node that says nothing.
    options.metrics.consensus.halted.set(0);
  }

  /** As HealthState.ready, with what is true now. */
  ready(): ReturnType<HealthState['ready']> {
    this.refreshHealth();
    return this.#options.health.ready();
  }

  /** As HealthState.quorumReachable, with what is true now. */
  quorumReachable(): boolean {
    this.refreshHealth();
    return this.#options.health.quorumReachable();
  }

  /** The part of GetStatus that is not in the store. */
  status(): Omit<NodeStatus, 'height' | 'digest' | 'stateRoot'> {
    const { version, config, networkName, replica } = this.#options;
    const validators = this.#validators;
    const snapshot = replica.driver.snapshot();
    const stats = replica.mempool.stats();
    const { view, primary } = this.#viewOf(snapshot);
    return {
      version,
      network: networkName,
      chainId: replica.config.chainId,
      validator: config.validator,
      view,
      primary: validators[primary]?.id ?? '',
      viewChangeInProgress: snapshot.viewChangeInProgress,
      connectedValidators: this.#connected(),
      validators: validators.length,
      quorum: quorumOf(validators.length),
      synced: this.ready().ready,
      pendingTransactions: stats.pending + stats.inFlight,
      epoch: replica.driver.electorates.current.epoch,
      validates: replica.driver.self !== undefined,
    };
  }

  nodeInfo(): ReturnType<AdminPort['nodeInfo']> {
    const { version, config, replica, store, clock } = this.#options;
    return {
      version,
      validator: config.validator,
      index: replica.driver.self ?? noIndex,
      storageEngine: store.engine,
      dataDir: config.dataDir,
      pid: process.pid,
      uptimeMs: Math.trunc(clock.monotonicMs() - this.#startedMs),
    };
  }

  peers(): readonly PeerInfo[] {
    const { network, replica } = this.#options;
    const { view } = replica.driver.snapshot();
    return network.peers().map((peer) => ({
      validator: peer.id,
      address: peer.address,
      connected: peer.connected,
      height: peer.status?.committedHeight ?? asHeight(0),
      view: peer.status?.view ?? view,
      queuedBytes: peer.queuedBytes,
      lastError: peer.lastFailure ?? '',
    }));
  }

  consensusState(): ConsensusInfo {
    return this.#options.replica.driver.snapshot();
  }

  async evidence(): ReturnType<AdminPort['evidence']> {
    const { replica, store } = this.#options;
    const height = store.head()?.height ?? asHeight(0);
    const changes = await readSetChanges(store, height, 0, limits.maxValidatorSetChanges);
    return {
      evidence: replica.driver.evidence.list().map(encodeEvidence),
      setChanges: encodeValidatorSetChanges({ changes }),
    };
  }

  setLogLevel(level: LogLevel): LogLevel {
    const { log } = this.#options;
    const before = log.setLevel(level);
    log.info({ code: 'LOG_LEVEL_CHANGED', before, level }, `The level of the log is ${level} now.`);
    return before;
  }

  /** Brings the health up to date with heights and connections; says so when the quorum is lost or back. */
  refreshHealth(): void {
    const { replica, health, store, log, clock } = this.#options;
    const snapshot = replica.driver.snapshot();
    const validators = this.#validators.length;
    // Who only follows needs one validator.
    const quorum = replica.driver.self === undefined ? 1 : quorumOf(validators);
    const height = store.head()?.height ?? asHeight(0);
    const reported = snapshot.peers.map((peer) => peer.committedHeight);
    const connectedValidators = this.#connected();
    // Who only follows and hears of no validator in force, because they have all left since, goes by those that it hears
    // of: what they say is proven before it is used.
    const isLost = reported.length === 0 && replica.driver.self === undefined;
    const outside = isLost ? (replica.driver.claimedOutside ?? 0) : 0;
    const knownHeight = Math.max(height, believableHeight(reported, validators), outside);
    const { snapshotThresholdBlocks } = this.#options.config.sync;
    if (snapshotThresholdBlocks > 0 && knownHeight - height >= snapshotThresholdBlocks)
      this.#options.behind?.();
    // f + 1, of whom one is correct, tell somebody who only follows where the others are; to vote takes a quorum.
    const isVoter = replica.driver.self !== undefined;
    const heardValidators = reported.length + 1;
    const neededValidators = isVoter ? quorum : faultyOf(validators) + 2;
    this.#hasHeard ||= heardValidators >= neededValidators;
    health.update({
      height,
      knownHeight,
      heardValidators,
      neededValidators: this.#hasHeard ? 0 : neededValidators,
      syncing: snapshot.syncing,
      connectedValidators,
      quorum,
    });
    this.#readiness.tell(health.ready());
    const hasQuorum = connectedValidators >= quorum;
    // The first quorum after the start restores none; when it does not come, that is said once.
    const isLate = clock.monotonicMs() - this.#startedMs >= connectingMs;
    const known = this.#hadQuorum ?? (isLate && !hasQuorum ? true : undefined);
    if (known !== undefined && known !== hasQuorum) {
      if (hasQuorum) {
        log.info(
          { code: 'QUORUM_RESTORED', connectedValidators },
          'A quorum of validators is connected again.',
        );
      } else {
        log.warn(
          { code: 'QUORUM_LOST', connectedValidators, quorum },
          `Only ${connectedValidators} of ${validators} validators are connected; ${quorum} are needed to commit.`,
        );
      }
    }
    if (hasQuorum || known !== undefined) this.#hadQuorum = hasQuorum;
  }

  /** The validators in force, in order of index. */
  get #validators(): readonly Validator[] {
    return this.#options.replica.driver.electorates.current.validators;
  }

  /** Validators in force that are connected, this one included if it is one. */
  #connected(): number {
    const { peers, replica } = this.#options;
    return peers.connected().length + (replica.driver.self === undefined ? 0 : 1);
  }

  /** The view and its primary. Who only follows is told of no views: it goes by what validators say. */
  #viewOf({ view, primary, peers }: ConsensusSnapshot): {
    readonly view: View;
    readonly primary: number;
  } {
    if (this.#options.replica.driver.self !== undefined) return { view, primary };
    const validators = this.#validators.length;
    const said = believableHeight(
      peers.map((peer) => peer.view),
      validators,
    );
    return { view: asView(said), primary: said % validators };
  }

  /** Sets what is cheaper to read at a scrape than to keep. */
  refreshMetrics(): void {
    const { metrics, network, peers, replica, store, clock } = this.#options;
    const { consensus, mempool, sync } = metrics;
    const snapshot = replica.driver.snapshot();
    const stats = replica.mempool.stats();
    metrics.node.ready.set(this.ready().ready ? 1 : 0);
    consensus.view.set(this.#viewOf(snapshot).view);
    consensus.isPrimary.set(snapshot.isPrimary ? 1 : 0);
    consensus.abstaining.set(snapshot.abstaining ? 1 : 0);
    const reported = snapshot.peers.map((peer) => peer.committedHeight);
    const height = store.head()?.height ?? 0;
    consensus.height.set(height);
    consensus.knownHeight.set(Math.max(height, believableHeight(reported, this.#validators.length)));
    consensus.stableCheckpointHeight.set(snapshot.stableCheckpointHeight);
    consensus.evidenceKept.set(replica.driver.evidence.size);
    consensus.blocksInFlight.set(snapshot.inFlight.length);
    consensus.viewChangeInProgress.set(snapshot.viewChangeInProgress ? 1 : 0);
    sync.active.set(snapshot.syncing ? 1 : 0);
    mempool.transactions.set(stats.pending + stats.inFlight);
    mempool.bytes.set(stats.bytes);
    mempool.expired.raiseTo(stats.expired);
    const oldestMs = replica.mempool.oldestAdmittedAtMs();
    mempool.oldestAge.set(oldestMs === undefined ? 0 : (clock.monotonicMs() - oldestMs) / 1000);
    metrics.network.peersConnected.set(peers.connected().length);
    const shown = network.peers().filter((peer) => peer.known);
    const known = new Set(shown.map(({ id }) => id));
    for (const peer of this.#peersShown) {
      if (known.has(peer)) continue;
      // It has left: nobody has to be alarmed.
      metrics.network.peerConnected.with({ peer }).clear();
      metrics.network.queueBytes.with({ peer }).clear();
    }
    this.#peersShown = known;
    for (const peer of shown) {
      // Also one that was never connected: an alert can't see what is not there.
      metrics.network.peerConnected.with({ peer: peer.id }).set(peer.connected ? 1 : 0);
      metrics.network.queueBytes.with({ peer: peer.id }).set(peer.queuedBytes);
    }
  }
}

/** The height or view that at least one correct validator reported: f of the reports may be lies. */
function believableHeight(reported: readonly number[], validators: number): number {
  return [...reported].sort((left, right) => right - left)[faultyOf(validators)] ?? 0;
}
