import { firstValidatorSet } from '../codec/index.js';
import type { Genesis } from '../codec/index.js';
import type { ConsensusConfig } from '../consensus/types.js';
import { StateTree, validatorSetHash } from '../crypto/index.js';
import { Mempool, type MempoolOptions } from '../mempool/index.js';
import type { BlockSource, SyncLimits } from '../sync/index.js';
import { asHeight } from '../types/index.js';
import type { ValidatorIndex } from '../types/index.js';
import type { DriverObserver } from './driver-options.js';
import { configAt, readElectorates } from './electorate.js';
import { ReplicaDriver } from './driver.js';
import { summaryOf, type GenesisSummary } from './genesis-summary.js';
import type { DriverPorts } from './ports.js';
import { ensureGenesis, recover } from './recovery.js';

/** What an operator may choose for a replica; the rest is in the genesis. */
export interface ReplicaSettings {
  readonly timeouts: ConsensusConfig['timeouts'];
  readonly heartbeatMs: number;
  readonly bodyGraceMs: number;
  readonly bodyRetryMs: number;
  readonly batchDelayMs: number;
  readonly batchTransactions: number;
  /** Memory for nodes of the state tree, in bytes. */
  readonly treeBytes: number;
  readonly mempool: Pick<
    MempoolOptions,
    | 'maxTransactions'
    | 'maxBytes'
    | 'maxMemberTransactions'
    | 'maxMemberBytes'
    | 'relayAgainMs'
    | 'inclusionDeadlineMs'
  >;
  readonly syncLimits?: Partial<SyncLimits>;
}

export interface ReplicaOptions {
  /** A summary will do if the store has the genesis block. */
  readonly genesis: Genesis | GenesisSummary;
  /** Own index in the genesis; undefined for an observer, and for a validator that the genesis does not name. */
  readonly self: ValidatorIndex | undefined;
  /** Own id, for a validator that the genesis does not name. */
  readonly validator?: string;
  readonly settings: ReplicaSettings;
  readonly ports: DriverPorts;
  readonly blocks: BlockSource;
  readonly observer: DriverObserver;
}

/** A replica with the parts that others read. */
export interface Replica {
  readonly driver: ReplicaDriver;
  readonly mempool: Mempool;
  readonly tree: StateTree;
  /** At the start: the validator set may have changed since. */
  readonly config: ConsensusConfig;
}

/** Configuration of the protocol for the validator set of a genesis. */
export function consensusConfigOf(
  genesis: Genesis | GenesisSummary,
  self: ValidatorIndex | undefined,
  timeouts: ConsensusConfig['timeouts'],
): ConsensusConfig {
  const { chainId, validators, parameters } = summaryOf(genesis);
  const validatorSet = firstValidatorSet(validators);
  return {
    chainId,
    validatorSet,
    validatorSetHash: validatorSetHash(validatorSet),
    self,
    pipelineWindow: parameters.pipelineWindowBlocks,
    checkpointInterval: parameters.checkpointIntervalBlocks,
    timeouts,
  };
}

/** Makes a replica on an open store: commits the genesis block if there is none, else reads where it was. */
export async function createReplicaOn(options: ReplicaOptions): Promise<Replica> {
  const { genesis, self, settings, ports, blocks, observer } = options;
  const { store } = ports;
  const { parameters } = genesis;
  const tree = new StateTree({ maxBytes: settings.treeBytes });
  if ('accounts' in genesis) await ensureGenesis(store, tree, genesis);
  const electorates = await readElectorates(store);
  const id = options.validator ?? (self === undefined ? undefined : genesis.validators[self]?.id);
  const identity = { id, signers: [ports.signer, ports.nextSigner].filter((signer) => signer !== undefined) };
  const base = consensusConfigOf(genesis, undefined, settings.timeouts);
  const config = configAt(base, electorates, identity);
  const recovered = await recover(store, config.chainId, parameters.validityWindowBlocks);
  const mempool = new Mempool({
    ...settings.mempool,
    committedHeight: store.head()?.height ?? asHeight(0),
    validityWindowBlocks: parameters.validityWindowBlocks,
    window: recovered.committedHashes,
  });
  const driver = new ReplicaDriver(
    {
      ports,
      config,
      electorates,
      identity,
      parameters,
      governance: recovered.governance,
      mempool,
      tree,
      observer,
      blocks,
      heartbeatMs: settings.heartbeatMs,
      bodyGraceMs: settings.bodyGraceMs,
      bodyRetryMs: settings.bodyRetryMs,
      batchDelayMs: settings.batchDelayMs,
      batchTransactions: settings.batchTransactions,
      ...(settings.syncLimits === undefined ? {} : { syncLimits: settings.syncLimits }),
    },
    recovered,
  );
  return { driver, mempool, tree, config };
}
