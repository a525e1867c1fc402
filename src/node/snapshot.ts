/**
 * Copies the state of a recent block from the other validators into a store of its own, and puts that in the place of
 * the node's store. For a node that is so far behind that executing all the blocks would take longer. The replica does
 * not run meanwhile: it votes on nothing. Until the copy is finished, the store that was there stays as it was.
 */
import { rm } from 'node:fs/promises';
import type { ValidatorSet } from '../codec/index.js';
import type { NodeConfig } from '../config/index.js';
import type { SignatureVerifier } from '../crypto/index.js';
import type { PeerHandlers, PeerNetwork } from '../network/index.js';
import {
  adoptIncoming,
  openInstall,
  openStore,
  snapshotFolders,
  targetOf,
  type SnapshotTarget,
  type StateInstall,
  type Store,
} from '../storage/index.js';
import { copyState, readSetChanges, verifyBlock, type Electorate } from '../sync/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { asHeight, faultyOf, limits, QuaestorError } from '../types/index.js';
import type { ChainId, Height, ValidatorIndex } from '../types/index.js';
import type { EpochPeers } from './epoch-peers.js';
import { followSets } from './follow-sets.js';
import { FollowedSets } from './followed-sets.js';
import type { Clock } from './ports.js';
import { sleep } from './sleep.js';

/** How long peers are given to say where they stand. */
const meetingMs = 20_000;
const pollMs = 50;
/** Progress is logged so often. */
const logIntervalMs = 2_000;
/** Bound of fetching one block. */
const blockTimeoutMs = 30_000;

export interface SnapshotOptions {
  readonly config: Pick<NodeConfig, 'dataDir' | 'storage' | 'sync' | 'validator'>;
  readonly chainId: ChainId;
  /** The last block that this node has. */
  readonly ownHeight: Height;
  /** What is known of validator sets; the changes since are fetched first. */
  readonly sets: FollowedSets;
  readonly checkpointIntervalBlocks: number;
  readonly network: PeerNetwork;
  /** Tells the network of every set. */
  readonly peers: EpochPeers;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Part of the state that is copied, 0 … 1. */
  readonly progressed: (fraction: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs one copy to its end. True when the store was replaced; false when no copy could be had, which the log explains.
 * Rejects when the disk fails.
 */
export async function fetchSnapshot(options: SnapshotOptions): Promise<boolean> {
  const { config, log, signal } = options;
  const folders = snapshotFolders(config.dataDir);
  await followSets(options);
  const known = await knownHeight(options);
  if (known === undefined) {
    if (!signal.aborted) giveUp(log, 'too few validators say where they stand');
    return false;
  }
  if (known - options.ownHeight < config.sync.snapshotThresholdBlocks / 2) {
    // Who said so was in no validator set, and it is not true: blocks are dropped for no such reason. Or the node has
    // caught up by blocks meanwhile.
    giveUp(log, 'the validators in force are not far ahead');
    return false;
  }
  let install = await openIncoming(options);
  try {
    if (install.finished || (install.target !== undefined && isOutdated(options, known, install.target))) {
      // A copy that was finished but not put in place lacks the votes since.
      await install.close();
      await rm(folders.incoming, { recursive: true, force: true });
      install = await openIncoming(options);
    }
    if (install.target === undefined) {
      // Those that were met since may know more.
      await followSets(options);
      const target = await chooseTarget(options, known);
      if (target === undefined) {
        giveUp(log, 'no validator gave the header of a recent checkpoint');
        return false;
      }
      await install.begin(target);
    }
    if (!(await copy(options, install))) return false;
    if (!(await finishCopy(options, install))) {
      giveUp(log, 'this node has executed the blocks up to there itself meanwhile');
      return false;
    }
  } finally {
    await install.close();
  }
  await adoptIncoming(config.dataDir);
  log.info(
    { code: 'SNAPSHOT_INSTALLED', height: install.target?.height, ...install.progress() },
    `The state of block ${install.target?.height ?? 0} is installed; blocks below it are not kept by this node.`,
  );
  return true;
}

/** Whether nobody can give the rest any more, or the copy would be too far behind when it is finished. */
function isOutdated(options: SnapshotOptions, known: Height, { height }: SnapshotTarget): boolean {
  const { snapshotThresholdBlocks } = options.config.sync;
  return peersAt(options, height).length === 0 || known - height >= Math.max(1, snapshotThresholdBlocks);
}

function giveUp(log: Logger, reason: string): void {
  log.warn({ code: 'SNAPSHOT_FAILED', reason }, `No snapshot could be fetched: ${reason}.`);
}

async function openIncoming({ config, chainId }: SnapshotOptions): Promise<StateInstall> {
  const opened = await openInstall({
    dir: snapshotFolders(config.dataDir).incoming,
    engine: config.storage.engine,
    chainId,
    validator: config.validator,
    createIfMissing: true,
  });
  if (!opened.ok) throw opened.error;
  return opened.value;
}

/** The height that at least one correct validator has, once enough have said where they stand. */
async function knownHeight({
  network,
  peers,
  sets,
  clock,
  signal,
}: SnapshotOptions): Promise<Height | undefined> {
  const { validators } = sets.electorates().current;
  const faulty = faultyOf(validators.length);
  const endMs = clock.monotonicMs() + meetingMs;
  while (clock.monotonicMs() < endMs && !signal.aborted) {
    const inForce = network.peers().filter(({ index }) => peers.placeOf(index) !== undefined);
    const heights = inForce
      .flatMap(({ status }) => (status === undefined ? [] : [status.committedHeight]))
      .sort((left, right) => right - left);
    // All that answer soon are waited for, and f + 1 are enough.
    const enough = heights.length > faulty && heights.length >= inForce.length - faulty;
    if (enough) return heights[faulty];
    await sleep(clock, pollMs, signal);
  }
  return undefined;
}

/** Peers that have a block, those that said so last. */
function peersAt({ network }: SnapshotOptions, height: Height): readonly ValidatorIndex[] {
  return network
    .peers()
    .filter(({ status }) => status !== undefined && status.committedHeight >= height)
    .map(({ index }) => index);
}

/** The last checkpoint at or below a height, checked. */
async function chooseTarget(options: SnapshotOptions, known: Height): Promise<SnapshotTarget | undefined> {
  const { checkpointIntervalBlocks, network, sets, verifier, signal, log, peers } = options;
  const height = asHeight(Math.floor(known / checkpointIntervalBlocks) * checkpointIntervalBlocks);
  if (height === 0) return undefined;
  for (const peer of peersAt(options, height)) {
    try {
      const request = { fromHeight: height, maxBlocks: 1, deadlineMs: blockTimeoutMs, signal };
      for await (const block of network.fetchBlocks(peer, request)) {
        const checked = await verifyBlock(block, height, sets.electorateAt(height), verifier);
        if (checked.ok) return targetOf({ ...checked.value, height });
        log.warn({ peer: peers.ids[peer], detail: checked.error }, 'A validator gave a false block.');
        break;
      }
    } catch (error) {
      if (!(error instanceof QuaestorError)) throw error;
      log.info({ peer: peers.ids[peer], detail: error.message }, 'A validator gave no block.');
    }
  }
  return undefined;
}

async function copy(options: SnapshotOptions, install: StateInstall): Promise<boolean> {
  const { network, clock, signal, log, metrics } = options;
  const { ids } = options.peers;
  const { target } = install;
  if (target === undefined) return false;
  const peers = peersAt(options, target.height);
  metrics.sync.snapshotHeight.set(target.height);
  const start = install.progress();
  log.info(
    {
      code: 'SNAPSHOT_STARTED',
      height: target.height,
      peers: peers.map((peer) => ids[peer]),
      ...start,
    },
    `Copying the state of block ${target.height} from ${peers.length} validators` +
      (start.entries > 0 ? `, ${percent(start.fraction)} of which is here already.` : '.'),
  );
  let loggedMs = clock.monotonicMs();
  const end = await copyState({
    sink: install,
    source: network,
    peers,
    clock,
    signal,
    onChunk: (_peer, progress) => {
      metrics.sync.snapshotProgress.set(progress.fraction);
      options.progressed(progress.fraction);
      metrics.sync.snapshotBytes.raiseTo(progress.bytes);
      const nowMs = clock.monotonicMs();
      if (nowMs - loggedMs < logIntervalMs) return;
      loggedMs = nowMs;
      log.info(
        { code: 'SNAPSHOT_PROGRESS', height: target.height, ...progress },
        `${percent(progress.fraction)} of the state of block ${target.height} is copied: ${progress.bytes} bytes.`,
      );
    },
    onFault: (peer, fault, detail) => {
      metrics.sync.failures.with({ reason: `snapshot_${fault}` }).inc();
      log.warn(
        { code: 'SNAPSHOT_PEER_FAILED', peer: ids[peer], fault, detail },
        'A validator did not give what was asked of the state.',
      );
    },
  });
  if (end === 'stuck') giveUp(log, 'no validator is left that gives the rest');
  return end === 'complete';
}

/** The validator sets that this node knew last, proven again, and its last block; those of the genesis when it has none. */
export async function storedSets(
  place: Pick<NodeConfig, 'dataDir' | 'validator'> & Pick<Electorate, 'chainId'>,
  genesisSet: ValidatorSet,
): Promise<{ readonly sets: FollowedSets; readonly ownHeight: Height }> {
  const sets = new FollowedSets(place.chainId, genesisSet);
  const store = await openOld(place);
  try {
    const head = store?.head();
    if (store === undefined || head === undefined) return { sets, ownHeight: asHeight(0) };
    for (const change of await readSetChanges(store, head.height, 0, limits.maxValidatorSetChanges)) {
      const followed = sets.follow(change);
      if (!followed.ok) throw followed.error;
    }
    return { sets, ownHeight: head.height };
  } finally {
    await store?.close();
  }
}

/** The store that this node has had so far, if there is one. */
async function openOld({
  dataDir,
  validator,
  chainId,
}: Pick<NodeConfig, 'dataDir' | 'validator'> & Pick<Electorate, 'chainId'>): Promise<Store | undefined> {
  const dir = snapshotFolders(dataDir).store;
  const opened = await openStore({ dir, engine: 'auto', chainId, validator, createIfMissing: false });
  if (!opened.ok && opened.error.code !== 'NOT_FOUND') throw opened.error;
  return opened.ok ? opened.value : undefined;
}

/**
 * What this node has said and seen before goes along: it must not contradict a vote. False when its own store is as far
 * as the copy: the votes for blocks that it has committed are no longer in its log, so a lower state would forget them.
 */
export async function finishCopy(
  { config, chainId, sets }: Pick<SnapshotOptions, 'config' | 'chainId' | 'sets'>,
  install: StateInstall,
): Promise<boolean> {
  const store = await openOld({ ...config, chainId });
  try {
    if ((store?.head()?.height ?? 0) >= (install.target?.height ?? 0)) return false;
    const [log, evidence] = await Promise.all([store?.readLog() ?? [], store?.evidence() ?? []]);
    const headers = install.target === undefined ? [] : sets.headersBelow(install.target.height);
    await install.finish({ log, evidence, headers });
    return true;
  } finally {
    await store?.close();
  }
}

/** A network that takes part in nothing, for as long as `work` takes. */
export async function withSnapshotNetwork<T>(
  open: (handlers: PeerHandlers) => PeerNetwork,
  work: (network: PeerNetwork) => Promise<T>,
): Promise<T> {
  const ignore = (): void => undefined;
  const network = open({
    onConsensus: ignore,
    onTransactions: ignore,
    onStatus: ignore,
    onFetchBodies: ignore,
    onBodies: ignore,
    onEvidence: ignore,
    onObserverTransactions: ignore,
    onConnected: ignore,
    onDisconnected: ignore,
    serveBlocks: nothing,
    serveState: nothing,
    serveSetChanges: nothing,
  });
  try {
    await network.start();
    return await work(network);
  } finally {
    await network.stop();
  }
}

/** Gives nothing. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function* nothing(): AsyncGenerator<never> {
  yield* [];
}

const percent = (fraction: number): string => `${Math.floor(fraction * 100)} %`;
