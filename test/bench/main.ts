/** npm run bench: measures networks of validators on this machine and says how far they are from the floor. */
import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { measureFloor, type Floor } from './floor.js';
import { measureNetwork } from './network.js';
import { readOptions, usage, type BenchOptions } from './options.js';
import { summarizeProfiles } from './profile.js';
import { renderReport } from './report.js';
import type { BenchResult, Machine, NetworkResult } from './results.js';

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function bench(options: BenchOptions): Promise<BenchResult> {
  const cores = availableParallelism();
  const machine: Machine = {
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cores,
    memoryBytes: totalmem(),
    nodeVersion: process.version,
    platform: `${process.platform}-${process.arch}`,
    loadAverageAtStart: loadavg()[0] ?? 0,
  };
  const measured = options.parts.has('floor') ? await measureFloor(options.runMs / 10) : undefined;
  let floor: Floor | undefined = measured;
  if (floor !== undefined) {
    say(
      `floor: ${floor.floorVerifyPerSecond.toFixed(0)} checks/s, ${floor.floorVerifyCpuUs.toFixed(1)} us of CPU each\n`,
    );
  }
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'quaestor-bench-')));
  await mkdir(dir, { recursive: true });
  if (options.profile !== undefined) await mkdir(options.profile, { recursive: true });
  const networks: NetworkResult[] = [];
  try {
    for (const [index, { validators, accounts }] of options.networks.entries()) {
      networks.push(
        await measureNetwork({
          dir: join(dir, `${index}-${validators}x${accounts}`),
          validators,
          accounts,
          main: index === 0,
          floor,
          cores,
          bench: options,
          say,
        }),
      );
    }
    if (measured !== undefined) floor = better(measured, await measureFloor(options.runMs / 10));
  } finally {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  }
  if (options.profile !== undefined) say(await summarizeProfiles(options.profile));
  const [main] = networks;
  return {
    machine,
    quick: options.runMs < 5000,
    ...floor,
    ...definedOnly({
      peakTransfersPerSecond: main?.peakTransfersPerSecond,
      limitRatio: main?.limitRatio,
      cpuLimitRatio: main?.cpuLimitRatio,
      finalityP50Ms: main?.low?.finalityP50Ms,
      finalityP95Ms: main?.low?.finalityP95Ms,
      finalityP99Ms: main?.low?.finalityP99Ms,
      cpuPerTransferPerValidatorUs: main?.peak?.cpuPerTransferPerValidatorUs,
      residentBytesMax: maxOf(main?.memory?.flatMap(({ residentBytes }) => residentBytes)),
      idleCpuPercent: main?.idleCpuPercent,
    }),
    networks,
  };
}

/** The machine may have been busier at one of the times. */
function better(first: Floor, second: Floor): Floor {
  return {
    floorVerifyPerSecond: Math.max(first.floorVerifyPerSecond, second.floorVerifyPerSecond),
    floorVerifyCpuUs: Math.min(first.floorVerifyCpuUs, second.floorVerifyCpuUs),
    opensslVerifyPerSecond: Math.max(first.opensslVerifyPerSecond, second.opensslVerifyPerSecond),
    nobleVerifyPerSecond: Math.max(first.nobleVerifyPerSecond, second.nobleVerifyPerSecond),
  };
}

function maxOf(values: readonly number[] | undefined): number | undefined {
  return values === undefined || values.length === 0 ? undefined : Math.max(...values);
}

function definedOnly(values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const entries = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(usage);
  else {
    const result = await bench(options);
    process.stdout.write(renderReport(result));
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}
