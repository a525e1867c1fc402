/**
 * How long an attack or an accident can hold the network up, in virtual time: scenarios by hand with a stated bound for
 * each measured time. Delays of the network are all `delayMs`; T is the view timeout.
 */
import type { SimulationOptions } from '../options.js';
import { simulate } from '../run.js';
import type { Stage } from '../world.js';

export interface Measure {
  readonly what: string;
  readonly ms: number;
  readonly boundMs: number;
}

export interface Scenario {
  readonly name: string;
  readonly text: string;
  readonly bound: string;
  readonly run: (validators: number) => Promise<Measure>;
}

const viewTimeoutMs = 300;
const delayMs = 20;
const silenceMs = 1200;
const inclusionDeadlineMs = 600;
const heartbeatMs = 100;
const troubleMs = 5000;
const resubmitMs = 300;
/** Time for a view that is asked for to be there, and its first block to be on disk: view-change, new-view, pre-prepare,
 * prepare, commit, and six writes of a millisecond, twice the batch delay. */
const startMs = 5 * delayMs + 20;

const calm: Partial<SimulationOptions> = {
  byzantine: [],
  parameters: {
    pipelineWindowBlocks: 4,
    checkpointIntervalBlocks: 16,
    validityWindowBlocks: 1000,
    maxBlockTransactions: 100,
    maxClockSkewMs: 1000,
  },
  timeouts: {
    viewTimeoutMs,
    maxViewTimeoutMs: 32 * viewTimeoutMs,
    retransmitMs: 100,
    primarySilenceMs: silenceMs,
  },
  heartbeatMs,
  inclusionDeadlineMs,
  mempoolTransactions: 10_000,
  network: {
    minDelayMs: delayMs,
    maxDelayMs: delayMs,
    loss: 0,
    duplication: 0,
    straggling: 0,
    straggleMs: 0,
    ordered: true,
    calmDelayMs: delayMs,
  },
  disk: { maxWriteMs: 1, stalling: 0, stallMs: 0 },
  machine: { slowness: 0, slowMs: 0, maxSkewMs: 0, maxDrift: 0 },
  faults: {
    crashes: 0,
    blackouts: 0,
    diskFailures: 0,
    partitions: 0,
    disconnects: 0,
    filters: 0,
    isolation: false,
  },
  troubleMs,
};

/** Runs a scenario; throws when it breaks a promise. */
async function run(
  validators: number,
  script: (stage: Stage) => void,
  options: Partial<SimulationOptions> = {},
): Promise<void> {
  const clients = { count: 3, transactions: 300, resubmitMs };
  const { outcome } = await simulate(1, { ...calm, clients, validators, ...options }, 40, script);
  if (outcome.failure !== undefined)
    throw new Error(`${outcome.failure}\n${outcome.trace.lines().join('\n')}`);
}

/** Longest time from `fromMs` to `toMs` in which no correct replica made a block durable. */
function gapWatch(stage: Stage, fromMs: number, toMs: number): () => number {
  let lastMs = fromMs;
  let longestMs = 0;
  stage.durable = () => {
    const { nowMs } = stage.time;
    if (nowMs < fromMs || lastMs >= toMs) return;
    longestMs = Math.max(longestMs, Math.min(nowMs, toMs) - lastMs);
    lastMs = nowMs;
  };
  return () => Math.max(longestMs, toMs - lastMs);
}

/** Longest time that an order of a client took which was made between two moments. */
const longestWaitMs = (stage: Stage, fromMs: number, toMs: number): number =>
  Math.max(
    0,
    ...stage.orders
      .filter(({ flaw, madeMs }) => flaw === 'none' && madeMs >= fromMs && madeMs <= toMs)
      .map(({ madeMs, settledMs }) => (settledMs ?? Infinity) - madeMs),
  );

const faultyIndexes = (validators: number): number[] =>
  Array.from({ length: Math.floor((validators - 1) / 3) }, (_, index) => index);

/** Time from a moment until all replicas but some have started a view of at least `view`. */
function viewWatch(stage: Stage, absent: ReadonlySet<number>, view: number): () => number {
  const started = new Set<number>();
  let doneMs = Infinity;
  const wanted = stage.machines.length - absent.size;
  stage.viewStarted = (validator, number) => {
    if (number < view || absent.has(validator)) return;
    started.add(validator);
    if (started.size === wanted) doneMs = Math.min(doneMs, stage.time.nowMs);
  };
  return () => doneMs;
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'primaryCrash',
    text: 'The primary crashes under load: until all others have started the next view',
    bound: '2 T + 3 delays',
    run: async (validators) => {
      const atMs = 2000;
      let doneMs = (): number => Infinity;
      await run(validators, (stage) => {
        doneMs = viewWatch(stage, new Set([0]), 1);
        stage.time.in(atMs, () => stage.machines[0]?.kill(false));
      });
      return { what: 'view change', ms: doneMs() - atMs, boundMs: 2 * viewTimeoutMs + 3 * delayMs };
    },
  },
  {
    name: 'primaryCrashAfterOthers',
    text: 'The same after two failed views and a second of calm: timeouts have been reset',
    bound: '2 T + 3 delays',
    run: async (validators) => {
      const atMs = 4000;
      let doneMs = (): number => Infinity;
      await run(validators, (stage) => {
        doneMs = viewWatch(stage, new Set([2]), 3);
        const { time, machines, network } = stage;
        // Views 0 and 1 fail: their primaries are not heard.
        time.in(1000, () => {
          for (const { index } of machines)
            for (const from of [0, 1]) if (index !== from && index > 1) network.cut(from, index);
        });
        time.in(2500, () => {
          for (const { index } of machines)
            for (const from of [0, 1]) if (index !== from && index > 1) network.mend(from, index);
        });
        time.in(atMs, () => machines[2]?.kill(false));
      });
      return { what: 'view change', ms: doneMs() - atMs, boundMs: 2 * viewTimeoutMs + 3 * delayMs };
    },
  },
  {
    name: 'primariesCrash',
    text: 'The primaries of the first f views crash at once under load: longest time without a block',
    bound: 'sum of T 2^i for i < f, + f + 5 delays + 20 ms, + T',
    run: async (validators) => {
      const crashed = faultyIndexes(validators);
      let gap = (): number => Infinity;
      await run(validators, (stage) => {
        gap = gapWatch(stage, 1000, troubleMs);
        stage.time.in(1500, () => {
          for (const index of crashed) stage.machines[index]?.kill(false);
        });
      });
      const timeoutsMs = crashed.reduce((sum, _, index) => sum + viewTimeoutMs * 2 ** index, 0);
      return {
        what: 'pause',
        ms: gap(),
        boundMs: timeoutsMs + crashed.length * delayMs + startMs + viewTimeoutMs,
      };
    },
  },
  {
    name: 'slowPrimary',
    text: 'The primary delays all that it sends by 0.7 T, and its blocks hold one transaction: longest wait of a client',
    bound: 'inclusion deadline + primary silence + 2 heartbeats + T + 5 delays + 20 ms + backlog of as long',
    run: async (validators) => {
      let stageSeen: Stage | undefined;
      await run(
        validators,
        (stage) => {
          stageSeen = stage;
          for (const { index } of stage.machines)
            if (index !== 0) stage.network.slow(0, index, 0.7 * viewTimeoutMs);
        },
        {
          parameters: { ...calm.parameters!, maxBlockTransactions: 1, pipelineWindowBlocks: 1 },
          clients: { count: 3, transactions: 100, resubmitMs },
        },
      );
      const noticedMs = inclusionDeadlineMs + silenceMs + 2 * heartbeatMs + viewTimeoutMs + startMs;
      return {
        what: 'wait',
        ms: stageSeen === undefined ? Infinity : longestWaitMs(stageSeen, 0, 3500),
        boundMs: 2 * noticedMs,
      };
    },
  },
  {
    name: 'censoringPrimary',
    text: 'The primary passes over what one member sends, and orders all else: longest wait of a client',
    bound: 'inclusion deadline + primary silence + 2 heartbeats + T + 5 delays + 20 ms',
    run: async (validators) => {
      let stageSeen: Stage | undefined;
      await run(validators, (stage) => (stageSeen = stage), {
        byzantine: [{ index: 0, strategies: ['censoring'] }],
      });
      return {
        what: 'wait',
        ms: stageSeen === undefined ? Infinity : longestWaitMs(stageSeen, 0, 3500),
        boundMs: inclusionDeadlineMs + silenceMs + 2 * heartbeatMs + viewTimeoutMs + startMs,
      };
    },
  },
  {
    name: 'viewChangeStorm',
    text: 'f replicas ask for views all the time, near and enormous ones: longest time without a block',
    bound: 'T',
    run: async (validators) => {
      let gap = (): number => Infinity;
      const storming = faultyIndexes(validators).map((index) => validators - 1 - index);
      await run(validators, (stage) => (gap = gapWatch(stage, 500, 4500)), {
        byzantine: storming.map((index) => ({ index, strategies: ['wildViews'] as const })),
      });
      return { what: 'pause', ms: gap(), boundMs: viewTimeoutMs };
    },
  },
  {
    name: 'restartOfAll',
    text: 'All validators lose power under load and are back 50 ms later: until all have a new block',
    bound: '2 T + 5 delays + 20 ms',
    run: async (validators) => {
      const atMs = 2000;
      const backMs = atMs + 50;
      let doneMs = Infinity;
      await run(validators, (stage) => {
        const seen = new Set<number>();
        stage.durable = (validator) => {
          if (stage.time.nowMs > backMs) seen.add(validator);
          if (seen.size === validators) doneMs = Math.min(doneMs, stage.time.nowMs);
        };
        stage.time.in(atMs, () => {
          for (const machine of stage.machines) machine.kill(false);
        });
        stage.time.in(backMs, () => {
          for (const machine of stage.machines) machine.start();
        });
      });
      return { what: 'pause', ms: doneMs - backMs, boundMs: 2 * viewTimeoutMs + startMs };
    },
  },
  {
    name: 'restartAfterLongTrouble',
    text: 'Timeouts have grown while no quorum could be heard but each knew of one; then all restart: until all have a new block',
    bound: '2 T + 5 delays + 20 ms',
    run: async (validators) => {
      const backMs = 4000;
      let doneMs = Infinity;
      await run(validators, (stage) => {
        const { time, machines, network } = stage;
        const seen = new Set<number>();
        stage.durable = (validator) => {
          if (time.nowMs > backMs) seen.add(validator);
          if (seen.size === validators) doneMs = Math.min(doneMs, time.nowMs);
        };
        // Nobody hears a new-view, so that views fail one after the other.
        const deaf = {
          loses: (_from: number, _to: number, packet: { readonly kind: string }) =>
            packet.kind === 'consensus' && time.nowMs > 1500,
        };
        time.in(1000, () => network.addFilter(deaf));
        time.in(backMs - 50, () => {
          network.removeFilter(deaf);
          for (const machine of machines) machine.kill(false);
        });
        time.in(backMs, () => {
          for (const machine of machines) machine.start();
        });
      });
      return { what: 'pause', ms: doneMs - backMs, boundMs: 2 * viewTimeoutMs + startMs };
    },
  },
  {
    name: 'clocksOff',
    text: "Every validator's wall clock is off by half of what blocks may differ, to one side or the other: longest time without a block",
    bound: 'T',
    run: async (validators) => {
      let gap = (): number => Infinity;
      await run(
        validators,
        (stage) => {
          gap = gapWatch(stage, 500, 4500);
          for (const machine of stage.machines)
            machine.skew.wallOffsetMs = machine.index % 2 === 0 ? 499 : -499;
        },
        { machine: { ...calm.machine!, maxSkewMs: 500 } },
      );
      return { what: 'pause', ms: gap(), boundMs: viewTimeoutMs };
    },
  },
  {
    name: 'joining',
    text: 'Nothing is to do, and f + 1 replicas no longer hear the primary: until all others have joined them in the next view',
    bound: '2 primary silences + 3 delays',
    run: async (validators) => {
      const atMs = 1000;
      let doneMs = (): number => Infinity;
      await run(
        validators,
        (stage) => {
          doneMs = viewWatch(stage, new Set([0]), 1);
          stage.time.in(atMs, () => {
            for (let index = 1; index <= Math.floor((validators - 1) / 3) + 1; index++)
              stage.network.cut(0, index);
          });
        },
        { clients: { count: 1, transactions: 0, resubmitMs } },
      );
      return { what: 'view change', ms: doneMs() - atMs, boundMs: 2 * silenceMs + 3 * delayMs };
    },
  },
  {
    name: 'burstOfLoss',
    text: 'All votes are lost for 50 ms, with a view timeout of a second: longest time without a block',
    bound: '50 ms + 2 retransmission periods of 100 ms + 5 delays + 20 ms',
    run: async (validators) => {
      let gap = (): number => Infinity;
      await run(
        validators,
        (stage) => {
          gap = gapWatch(stage, 1000, 3000);
          const { time, network } = stage;
          const lossy = {
            loses: (_from: number, _to: number, packet: { readonly kind: string }) =>
              packet.kind === 'consensus',
          };
          time.in(1500, () => network.addFilter(lossy));
          time.in(1550, () => network.removeFilter(lossy));
        },
        {
          timeouts: {
            viewTimeoutMs: 1000,
            maxViewTimeoutMs: 8000,
            retransmitMs: 100,
            primarySilenceMs: silenceMs,
          },
        },
      );
      return { what: 'pause', ms: gap(), boundMs: 50 + 200 + startMs };
    },
  },
];
