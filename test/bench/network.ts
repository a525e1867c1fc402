/** All measurements on one network. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type Usage } from './cluster.js';
import type { Floor } from './floor.js';
import { Load } from './load.js';
import type { LoadOrder } from './load-protocol.js';
import type { BenchOptions, Part } from './options.js';
import { runResult, type MemorySample, type NetworkResult, type PeakRun, type RunResult } from './results.js';
import { makeWorld } from './world.js';

/** Transfers a second of the part "low". */
const lowPerSecond = 10;
/** More than any network here commits in a second: as many are signed for each second of a run. */
const maxPerSecond = 9000;
const unaryConcurrency = 64;
const sdkInFlight = 4000;
const memoryInFlight = 2048;
const memberCount = 4;

type RunOrder = Exclude<LoadOrder, { kind: 'setup' | 'prepare' }>;

export interface NetworkOptions {
  readonly dir: string;
  readonly validators: number;
  readonly accounts: number;
  /** The one that the summary is about: measured in more ways. */
  readonly main: boolean;
  readonly floor: Floor | undefined;
  readonly cores: number;
  readonly bench: BenchOptions;
  readonly say: (text: string) => void;
}

export async function measureNetwork(options: NetworkOptions): Promise<NetworkResult> {
  const { validators, accounts, bench, say } = options;
  say(`${validators} validators, ${accounts} accounts`);
  const world = await makeWorld({
    dir: options.dir,
    validators,
    accounts,
    members: memberCount,
    config: ['log: { level: warn }', ...bench.config],
  });
  const cluster = await Cluster.start({ world, nodeFlags: bench.nodeFlags, profileDir: bench.profile });
  try {
    const load = await Load.start(world);
    try {
      return await new Measurement(options, cluster, load).run();
    } finally {
      await load.stop();
    }
  } finally {
    await cluster.stop();
  }
}

class Measurement {
  readonly #options: NetworkOptions;
  readonly #cluster: Cluster;
  readonly #load: Load;

  constructor(options: NetworkOptions, cluster: Cluster, load: Load) {
    this.#options = options;
    this.#cluster = cluster;
    this.#load = load;
  }

  async run(): Promise<NetworkResult> {
    const { validators, accounts, main, floor, cores, bench, say } = this.#options;
    const { runMs } = bench;
    const wants = (part: Part): boolean => bench.parts.has(part);
    const diskBefore = await this.#cluster.diskBytes();
    const before = await this.#cluster.usage();
    let result: NetworkResult = { validators, accounts };
    const add = (more: Partial<NetworkResult>): void => {
      result = { ...result, ...more };
    };
    if (wants('idle')) add({ idleCpuPercent: await this.#idle() });
    if (wants('low')) {
      add({
        low: await this.#measure('low', {
          kind: 'open',
          transfersPerSecond: lowPerSecond,
          durationMs: runMs,
        }),
      });
    }
    if (main && wants('unary')) {
      const order = { kind: 'unary', durationMs: runMs } as const;
      add({
        unaryLow: await this.#measure('unary low', { ...order, transfersPerSecond: lowPerSecond }),
        unaryPeak: await this.#measure('unary peak', { ...order, concurrency: unaryConcurrency }),
      });
    }
    if (wants('peak')) {
      const rising: PeakRun[] = [];
      for (const [step, inFlight] of bench.inFlight.entries()) {
        // A profile is of the last run: by then the program is warm.
        const profiled = bench.profile !== undefined && step === bench.inFlight.length - 1;
        if (profiled) await this.#cluster.toggleProfiles();
        const order = { kind: 'closed', inFlight, durationMs: runMs } as const;
        rising.push({ inFlight, ...(await this.#measure(`${inFlight} in flight`, order)) });
        if (profiled) await this.#cluster.toggleProfiles();
      }
      const peak = rising.reduce((best, run) =>
        run.transfersPerSecond > best.transfersPerSecond ? run : best,
      );
      add({ rising, peak, peakTransfersPerSecond: peak.transfersPerSecond });
      if (floor !== undefined) add(ratios(peak, floor, validators, cores));
      if (wants('sustained')) {
        const transfersPerSecond = Math.max(1, Math.floor(peak.transfersPerSecond * 0.8));
        const order = { kind: 'open', transfersPerSecond, durationMs: runMs } as const;
        add({ sustained: await this.#measure('80 % of peak', order) });
      }
    }
    if (main && wants('sdk')) {
      add({
        sdkStreams: await this.#measure('sdk streams', {
          kind: 'sdk',
          inFlight: sdkInFlight,
          durationMs: runMs,
        }),
      });
    }
    if (main && wants('memory')) add({ memory: await this.#memory() });
    const after = await this.#cluster.usage();
    const committed = (after[0]?.committed ?? 0) - (before[0]?.committed ?? 0);
    if (committed > 0) {
      const grown = sum(await this.#cluster.diskBytes()) - sum(diskBefore);
      add({ diskBytesPerTransfer: grown / validators / committed });
    }
    const failed = after.reduce((total, usage) => total + usage.failed, 0);
    if (failed > 0) throw new Error(`${failed} transfers were recorded as failed`);
    say('');
    return result;
  }

  /** Lets the network rest until the work of starting is over (the last collection of garbage too), and then looks at
   * what it uses. */
  async #idle(): Promise<number> {
    const { quick, runMs: shortMs } = this.#options.bench;
    const runMs = quick ? shortMs : 3 * shortMs;
    await delay(runMs / 2);
    const before = await this.#cluster.usage();
    const startMs = performance.now();
    await delay(runMs);
    const elapsedMs = performance.now() - startMs;
    const after = await this.#cluster.usage();
    const percent =
      (100 * (total(after, ({ cpuMs }) => cpuMs) - total(before, ({ cpuMs }) => cpuMs))) / elapsedMs;
    this.#options.say(`  idle: ${percent.toFixed(2)} % of a core, all validators together`);
    return percent;
  }

  async #measure(name: string, order: RunOrder): Promise<RunResult> {
    await this.#load.prepare(transactionsFor(order), await this.#height());
    await this.#settled();
    const before = await this.#cluster.usage();
    const load = await this.#load.run(order);
    await this.#settled();
    const result = runResult(load, before, await this.#cluster.usage());
    this.#options.say(
      `  ${name}: ${result.transfersPerSecond.toFixed(0)}/s, p50 ${result.finalityP50Ms.toFixed(1)} ms, ` +
        `p99 ${result.finalityP99Ms.toFixed(1)} ms, CPU/transfer/validator ` +
        `${result.cpuPerTransferPerValidatorUs.toFixed(1)} us, load ${result.loadCpuPerTransferUs.toFixed(1)} us, ` +
        `${result.transfersPerBlock.toFixed(0)} a block`,
    );
    return result;
  }

  async #height(): Promise<number> {
    return (await this.#cluster.usage())[0]?.metrics.get('quaestor_consensus_height') ?? 0;
  }

  /** Waits until all validators have committed the same. */
  async #settled(): Promise<readonly Usage[]> {
    for (;;) {
      const usage = await this.#cluster.usage();
      if (new Set(usage.map(({ committed }) => committed)).size === 1) return usage;
      await delay(50);
    }
  }

  /** Submits until the totals wanted are reached, and notes the resident memory at each. */
  async #memory(): Promise<readonly MemorySample[]> {
    const samples: MemorySample[] = [];
    for (const target of this.#options.bench.memoryAt) {
      const done = (await this.#settled())[0]?.committed ?? 0;
      for (let left = target - done; left > 0; left -= 50_000) {
        await this.#load.prepare(Math.min(left, 50_000), await this.#height());
        await this.#load.run({ kind: 'closed', inFlight: memoryInFlight, durationMs: 600_000 });
      }
      const usage = await this.#settled();
      const residentBytes = usage.map((validator) => validator.residentBytes);
      samples.push({ transactions: usage[0]?.committed ?? 0, residentBytes });
      const mib = residentBytes.map((bytes) => (bytes / 1024 / 1024).toFixed(0));
      this.#options.say(`  after ${usage[0]?.committed ?? 0} transactions: ${mib.join(', ')} MiB resident`);
    }
    return samples;
  }
}

function transactionsFor(order: RunOrder): number {
  const seconds = order.durationMs / 1000;
  const perSecond = 'transfersPerSecond' in order ? (order.transfersPerSecond ?? maxPerSecond) : maxPerSecond;
  return Math.ceil(perSecond * seconds * 1.05) + 4 * memberCount;
}

function ratios(peak: PeakRun, floor: Floor, validators: number, cores: number): Partial<NetworkResult> {
  const limitTransfersPerSecond = (cores * floor.floorVerifyPerSecond) / validators;
  const cpuUs = validators * peak.cpuPerTransferPerValidatorUs + peak.loadCpuPerTransferUs;
  return {
    limitTransfersPerSecond,
    limitRatio: peak.transfersPerSecond / limitTransfersPerSecond,
    cpuLimitRatio: (validators * floor.floorVerifyCpuUs) / cpuUs,
  };
}

const sum = (values: readonly number[]): number => values.reduce((result, value) => result + value, 0);
const total = (usage: readonly Usage[], of: (usage: Usage) => number): number => sum(usage.map(of));
