/**
 * Plants each mutation in a copy of the code and looks for a schedule that catches it:
 * npm run mutations -- [--only TEXT] [--seed N] [--seeds N] [--processes P] [--json FILE]
 * Exit code 1 when one survives.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { installNativeSha256 } from '../../../src/crypto/native/sha256.js';
import type { SimulationOptions } from '../options.js';
import { runPool, type JobResult } from '../pool.js';
import { simulate } from '../run.js';
import { mutations, type Mutation } from './list.js';
import { makeMutant, type Mutant } from './mutant.js';

installNativeSha256();
const { values } = parseArgs({
  options: {
    /** Part of the names, or several with commas between them. */
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '30000' },
    seeds: { type: 'string', default: '2000' },
    processes: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'string' },
  },
});

interface Hunted {
  readonly name: string;
  readonly schedules: number;
  readonly caught: Pick<JobResult, 'seed' | 'failure'> | undefined;
}

const wanted = values.only.split(',');
const chosen = mutations.filter(({ name }) => wanted.some((part) => name.includes(part)));
const first = Number(values.seed);
const most = Number(values.seeds);

/** Options of a schedule in which what the mutation breaks is likely to be put to the test. */
function focused({ strategies, options = {} }: Mutation, number: number): Partial<SimulationOptions> {
  if (strategies === undefined) return options;
  return { validators: 4, byzantine: [{ index: number % 4, strategies }] };
}

/** Measures the scenario of a mutation; a bound that is broken, or a failure, has caught it. */
async function measure({ name, scenario = '' }: Mutation, mutant: Mutant): Promise<Hunted> {
  const code = await new Promise<number | null>((resolve) => {
    const child = fork(
      mutant.module('test/simulation/liveness/main.ts'),
      ['--only', scenario, '--validators', '4'],
      { silent: true, execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    child.on('close', resolve);
  });
  const caught = code === 0 ? undefined : { seed: 1, failure: `LIVENESS: scenario ${scenario}` };
  return { name, schedules: 1, caught };
}

async function hunt(mutation: Mutation): Promise<Hunted> {
  const mutant = await makeMutant(process.cwd(), mutation);
  if (mutation.scenario !== undefined) {
    try {
      return await measure(mutation, mutant);
    } finally {
      mutant.dispose();
    }
  }
  let given = 0;
  let schedules = 0;
  let caught: JobResult | undefined;
  try {
    await runPool({
      processes: 1,
      worker: mutant.module('test/simulation/worker.ts'),
      batch: 1,
      next: () =>
        caught !== undefined || given >= most
          ? undefined
          : { seed: first + given, options: focused(mutation, given++), traceLines: 1 },
      done: (result) => {
        schedules++;
        if (result.failure !== undefined) caught ??= result;
      },
    });
  } finally {
    mutant.dispose();
  }
  if (caught !== undefined) await control(mutation, caught.seed);
  return { name: mutation.name, schedules, caught };
}

/** The same schedule without the mutation must pass: else it is not the mutation that was caught. */
async function control(mutation: Mutation, seed: number): Promise<void> {
  const { outcome } = await simulate(seed, focused(mutation, seed - first), 1);
  if (outcome.failure !== undefined)
    throw new Error(`Seed ${seed} fails without "${mutation.name}", too: ${outcome.failure}`);
}

const results: Hunted[] = [];
const queue = [...chosen];
await Promise.all(
  Array.from({ length: Number(values.processes) }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const result = await hunt(next);
      results.push(result);
      const { name, schedules, caught } = result;
      const how =
        caught === undefined
          ? `SURVIVES ${schedules} schedules`
          : `${String(schedules).padStart(5)} schedules, seed ${caught.seed}: ${(caught.failure ?? '').split('\n')[0]?.slice(0, 150) ?? ''}`;
      process.stdout.write(`${name.padEnd(64)}${how}\n`);
    }
  }),
);
const survivors = results.filter(({ caught }) => caught === undefined);
process.stdout.write(
  `${results.length - survivors.length} of ${results.length} mutations caught${survivors.length === 0 ? '' : `; not: ${survivors.map(({ name }) => name).join('; ')}`}\n`,
);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results));
process.exitCode = survivors.length === 0 ? 0 : 1;
