/** What one simulation is like. All of it follows from the seed; it is printed with a failure. */
import { faultyOf } from '../../src/types/index.js';
import type { DiskOptions } from './disk.js';
import type { NetworkOptions } from './network.js';
import { Random } from './random.js';
import { strategyNames, type StrategyName } from './byzantine/index.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly validators: number;
  /** Faulty validators and what each does. */
  readonly byzantine: readonly { readonly index: number; readonly strategies: readonly StrategyName[] }[];
  readonly parameters: {
    readonly pipelineWindowBlocks: number;
    readonly checkpointIntervalBlocks: number;
    readonly validityWindowBlocks: number;
    readonly maxBlockTransactions: number;
    readonly maxClockSkewMs: number;
  };
  readonly timeouts: {
    readonly viewTimeoutMs: number;
    readonly maxViewTimeoutMs: number;
    readonly retransmitMs: number;
    readonly primarySilenceMs: number;
  };
  readonly heartbeatMs: number;
  readonly inclusionDeadlineMs: number;
  /** Most transactions in a mempool: small ones overflow. */
  readonly mempoolTransactions: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly machine: {
    /** Probability that a signature check, a signature or a read takes up to `slowMs`. */
    readonly slowness: number;
    readonly slowMs: number;
    readonly maxSkewMs: number;
    /** Machine seconds per true second differ from 1 by up to this. */
    readonly maxDrift: number;
  };
  readonly faults: {
    readonly crashes: number;
    /** All machines lose power at once. */
    readonly blackouts: number;
    readonly diskFailures: number;
    readonly partitions: number;
    readonly disconnects: number;
    /** Times at which messages of one kind are lost for a while. */
    readonly filters: number;
    /** One replica after the other is cut off, all the time. */
    readonly isolation: boolean;
    /** In each view other replicas hear the votes. */
    readonly lossByView?: boolean;
    /** Links that come and go every few milliseconds. */
    readonly flapping?: number;
    /** Links that are slower than the others for a while. */
    readonly slowLinks?: number;
    /** Processes that stand still for a while. */
    readonly pauses?: number;
    /** Wall clocks that jump by up to `maxClockJumpMs`. */
    readonly clockJumps?: number;
    /** Stored blocks and entries of the state that are damaged on disk. */
    readonly damage?: number;
    /** Times at which a machine copies the state of a checkpoint instead of executing blocks. */
    readonly snapshots?: number;
    /** A machine whose data folder is put back to an earlier state, or lost, and whether a witness outside of the folder
     * knows how far it was. */
    readonly oldFolder?: { readonly machine: number; readonly times: number; readonly witnessed: boolean };
  };
  readonly clients: {
    readonly count: number;
    readonly transactions: number;
    readonly resubmitMs: number;
    /** Times at which a client sends very many conflicting transactions at once. */
    readonly floods?: number;
  };
  /** Changes of the validator set by governed transactions, among the first validators and spare ones. */
  readonly reconfiguration?: { readonly changes: number; readonly spares: number };
  /** Replicas that are in no validator set: they follow, and relay what their clients submit. */
  readonly observers?: number;
  /** Some machines prune their stores as they go. */
  readonly pruning?: boolean;
  /** How long the network is troubled. */
  readonly troubleMs: number;
  /** How long everything may take once it is calm. */
  readonly calmMs: number;
}

/** A jump that leaves each clock within what blocks may differ from it. */
export const maxClockJumpMs = 300;

/** Machines of all kinds: the validators of the genesis, spare ones, observers. */
export const machineCount = ({ validators, reconfiguration, observers = 0 }: SimulationOptions): number =>
  validators + (reconfiguration?.spares ?? 0) + observers;

/** Whether these are all options of a simulation: what is left out of them is none of it. */
function isWhole(given: Partial<SimulationOptions>): given is SimulationOptions {
  const needed: readonly (keyof SimulationOptions)[] = [
    ...(['seed', 'validators', 'byzantine', 'parameters', 'timeouts', 'heartbeatMs', 'clients'] as const),
    ...(['inclusionDeadlineMs', 'mempoolTransactions', 'network', 'disk', 'machine', 'faults'] as const),
    ...(['troubleMs', 'calmMs'] as const),
  ];
  return needed.every((key) => given[key] !== undefined);
}

/** Options from a seed; parts may be given, or all: then nothing is drawn. */
export function optionsOf(seed: number, given: Partial<SimulationOptions> = {}): SimulationOptions {
  if (isWhole(given)) return given;
  const random = new Random(seed);
  const validators = given.validators ?? random.pick([1, 2, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7]);
  // A part of the simulations has few faults, so that deep runs happen too.
  const wild = random.chance(0.7);
  const maxSkewMs = random.pick([0, 50, 400]);
  const viewTimeoutMs = random.pick([150, 300, 600]);
  const transactions = random.integer(6, 28);
  const troubleMs = random.integer(700, 2200);
  const options: SimulationOptions = {
    seed,
    validators,
    byzantine: byzantineOf(random, validators),
    parameters: {
      pipelineWindowBlocks: random.pick([1, 2, 4, 8]),
      checkpointIntervalBlocks: random.pick([1, 2, 5, 16]),
      validityWindowBlocks: random.pick([8, 30, 1000]),
      maxBlockTransactions: random.pick([1, 3, 100]),
      maxClockSkewMs: 1000,
    },
    timeouts: {
      viewTimeoutMs,
      maxViewTimeoutMs: viewTimeoutMs * 8,
      retransmitMs: random.pick([60, 150]),
      primarySilenceMs: random.pick([500, 1200]),
    },
    heartbeatMs: 100,
    inclusionDeadlineMs: random.pick([600, 1500]),
    mempoolTransactions: random.pick([8, 1000, 1000]),
    network: {
      minDelayMs: random.pick([0.1, 1, 5]),
      maxDelayMs: random.pick([5, 15, 60]),
      loss: wild ? random.pick([0, 0.02, 0.1, 0.25]) : 0,
      duplication: wild ? random.pick([0, 0.05]) : 0,
      straggling: wild ? random.pick([0, 0.02, 0.1]) : 0,
      straggleMs: random.pick([200, 1000]),
      ordered: random.chance(0.3),
    },
    disk: {
      maxWriteMs: random.pick([0.5, 3, 12]),
      stalling: wild ? random.pick([0, 0.02]) : 0,
      stallMs: random.pick([100, 500]),
    },
    machine: {
      slowness: random.pick([0, 0.02, 0.2]),
      slowMs: random.pick([2, 20]),
      maxSkewMs,
      maxDrift: random.pick([0, 0.02]),
    },
    faults: {
      crashes: wild ? random.pick([0, 1, 2, 6]) : random.pick([0, 1]),
      blackouts: random.chance(0.15) ? 1 : 0,
      diskFailures: random.chance(0.15) ? 1 : 0,
      partitions: wild ? random.pick([0, 1, 3]) : 0,
      disconnects: wild ? random.pick([0, 2, 6]) : 0,
      filters: random.pick([0, 2, 5, 10]),
      isolation: random.chance(0.25),
    },
    clients: { count: random.integer(1, 4), transactions, resubmitMs: random.pick([300, 900]) },
    troubleMs,
    calmMs: 60_000,
  };
  const hunted = random.chance(0.2) ? hunting(random, options) : options;
  return { ...withChanges(random, { ...withRareFaults(random, hunted), ...given }), ...given };
}

/** Some simulations change their validators, some have observers. */
function withChanges(random: Random, options: SimulationOptions): SimulationOptions {
  const changes = random.chance(0.16) ? random.integer(1, 4) : 0;
  const observers = random.chance(0.12) ? random.integer(1, 2) : 0;
  const faulty = options.byzantine.map(({ index }) => index);
  const victims = Array.from({ length: options.validators }, (_, index) => index).filter(
    (index) => !faulty.includes(index),
  );
  // Its machine counts among the faulty ones: it may have to be silent for long.
  const canReturn = faulty.length < faultyOf(options.validators) && random.chance(0.3);
  const oldFolder = {
    machine: random.pick(victims),
    times: random.integer(1, 2),
    witnessed: random.chance(0.75),
  };
  const snapshots = random.chance(0.2) ? random.integer(1, 3) : 0;
  const base = {
    ...options,
    faults: { ...options.faults, snapshots, ...(canReturn && { damage: 0, oldFolder }) },
  };
  const spares = changes > 0 ? random.integer(0, 3) : 0;
  // A folder that is put back has less than was given up elsewhere.
  const pruning = random.chance(0.25) && !canReturn;
  return {
    ...base,
    ...(pruning && { pruning }),
    ...(observers > 0 && { observers }),
    ...(changes > 0 && {
      reconfiguration: { changes, spares },
      // A spoilt disk takes its machine out of service, perhaps out of a set that tolerates no fault.
      faults: { ...base.faults, damage: 0 },
      clients: { ...options.clients, transactions: options.clients.transactions + 10 },
    }),
  };
}

/** Adds faults that most simulations do without. */
function withRareFaults(random: Random, options: SimulationOptions): SimulationOptions {
  const { network, faults, clients } = options;
  return {
    ...options,
    network: {
      ...network,
      corruption: random.chance(0.15) ? random.pick([0.01, 0.05]) : 0,
      ...(random.chance(0.15) && { queuePackets: random.pick([3, 10]) }),
      // Calm, but so slow that a view needs more than the first timeout.
      ...(random.chance(0.06) && {
        calmDelayMs: Math.min(180, options.timeouts.viewTimeoutMs * random.between(0.35, 0.6)),
      }),
    },
    faults: {
      ...faults,
      lossByView: faults.lossByView === true || random.chance(0.15),
      flapping: random.chance(0.15) ? random.integer(1, 3) : 0,
      slowLinks: random.chance(0.2) ? random.integer(1, 4) : 0,
      pauses: random.chance(0.25) ? random.integer(1, 4) : 0,
      clockJumps: random.chance(0.2) ? random.integer(1, 4) : 0,
      damage: random.chance(0.12) ? random.integer(1, 2) : 0,
    },
    clients: { ...clients, floods: random.chance(0.12) ? 1 : 0 },
  };
}

/** A network in which little is lost by chance, but where views change all the time and a faulty primary starts some:
 * where certificates of several views compete. */
function hunting(random: Random, options: SimulationOptions): SimulationOptions {
  const strategies = random.pick<readonly StrategyName[]>([
    ['splitViews'],
    ['hoarding'],
    ['hoarding', 'stingy'],
    ['hoarding', 'stingy'],
    ['hoarding', 'splitViews', 'stingy'],
    ['forgetful', 'stingy'],
    ['forgetful', 'twins'],
    ['twins', 'doubleVotes'],
    ['hoarding', 'twins'],
    ['splitViews', 'doubleVotes', 'replaying'],
  ]);
  return {
    ...options,
    validators: 4,
    byzantine: random.chance(0.75) ? [{ index: random.below(4), strategies }] : [],
    timeouts: { ...options.timeouts, viewTimeoutMs: 150, maxViewTimeoutMs: 600 },
    network: { ...options.network, minDelayMs: 1, maxDelayMs: 15, loss: 0, straggling: 0.02 },
    faults: {
      ...options.faults,
      filters: random.pick([0, 15]),
      isolation: random.chance(0.6),
      partitions: 0,
      disconnects: 0,
      lossByView: random.chance(0.5),
    },
    troubleMs: 2200,
  };
}

function byzantineOf(random: Random, validators: number): SimulationOptions['byzantine'] {
  const most = faultyOf(validators);
  const count = random.chance(0.35) ? 0 : random.integer(Math.min(1, most), most);
  const indexes = Array.from({ length: validators }, (_, index) => index);
  const chosen: { index: number; strategies: readonly StrategyName[] }[] = [];
  while (chosen.length < count) {
    const index = random.pick(indexes);
    if (chosen.some((other) => other.index === index)) continue;
    const strategies = new Set<StrategyName>();
    const number = random.integer(1, 3);
    while (strategies.size < number) strategies.add(random.pick(strategyNames));
    chosen.push({ index, strategies: [...strategies] });
  }
  return chosen;
}
