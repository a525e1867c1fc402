/**
 * Simulates one seed after the other:
 * npm run simulate -- [--seed N] [--count N | --minutes M] [--processes P] [--trace LINES]
 * Prints each failure whole and goes on, and a summary at the end. Exit code 1 when there was a failure.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { installNativeSha256 } from '../../src/crypto/native/sha256.js';
import { optionsOf, type SimulationOptions } from './options.js';
import { diagram } from './diagram.js';
import { runPool, type Job } from './pool.js';
import { regressions } from './regressions.js';
import { report, simulate } from './run.js';
import { shrink } from './shrink.js';
import { Summary } from './summary.js';

const usage = `Usage: npm run simulate -- [options]

Simulates networks, one seed after the other, and prints each failure with the seed and the command that repeats it.

  --seed N         the first seed; default 1
  --count N        so many seeds
  --minutes M      or seeds for so long; default 1
  --processes P    at once; default one for each processor
  --trace LINES    lines of the trace that a failure shows; default 120
  --regressions    the schedules of regressions.ts instead of seeds
  --options JSON   parts of the options of all simulations, as a failure prints them
  --shrink         with --count 1: makes a failing simulation smaller
  --stop           ends with the first failure
  --json FILE      writes the coverage and the hash of all traces
  --help           this text
`;

const optionTypes = {
  seed: { type: 'string', default: '1' },
  count: { type: 'string' },
  minutes: { type: 'string', default: '1' },
  processes: { type: 'string', default: String(availableParallelism()) },
  trace: { type: 'string', default: '120' },
  /** The simulations of regressions.ts instead of seeds. */
  regressions: { type: 'boolean', default: false },
  /** Parts of the options of all simulations, in JSON: those that a failure prints. */
  options: { type: 'string', default: '{}' },
  /** Makes the simulation of `--count 1` smaller when it fails. */
  shrink: { type: 'boolean', default: false },
  /** Ends with the first failure. */
  stop: { type: 'boolean', default: false },
  /** A file that gets the coverage and the hash of all traces, for tests. */
  json: { type: 'string' },
} as const;

function commandLine() {
  try {
    return parseArgs({ options: { ...optionTypes, help: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(2);
  }
}

const values = commandLine();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

/** Failures that are made smaller at the end. */
const maxShrunk = 3;

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const traceLines = Number(values.trace);
const options = JSON.parse(values.options) as Partial<SimulationOptions>;
const first = Number(values.seed);
const count = values.regressions
  ? regressions.length
  : values.count === undefined
    ? Infinity
    : Number(values.count);

/** Prints a failure once more as small as it can be made, with a diagram of its last messages. */
async function explain(seed: number, failure: string): Promise<void> {
  print(`\nseed ${seed}, made smaller:`);
  const smaller = await shrink(optionsOf(seed, options), failure);
  const result = await simulate(seed, smaller, 2000);
  for (const line of diagram(result.outcome.trace.lines(), smaller.validators)) print(line);
  print(
    `again, smaller: npm run simulate -- --seed ${seed} --count 1 --options '${JSON.stringify(smaller)}'`,
  );
  print(`seed ${seed}: ${result.outcome.failure ?? 'does not fail any more'}`);
}

async function one(): Promise<void> {
  installNativeSha256();
  const result = await simulate(first, options, traceLines);
  print(report(result, traceLines));
  const { failure } = result.outcome;
  if (failure !== undefined && values.shrink) await explain(first, failure);
  process.exitCode = failure === undefined ? 0 : 1;
}

async function many(): Promise<void> {
  installNativeSha256();
  const startedMs = Date.now();
  const endMs = startedMs + Number(values.minutes) * 60_000;
  const summary = new Summary();
  let given = 0;
  let stopped = false;
  const next = (): Job | undefined => {
    if (stopped || given >= count || (count === Infinity && Date.now() >= endMs)) return undefined;
    const regression = values.regressions ? regressions[given]?.options : undefined;
    const seed = regression?.seed ?? first + given;
    given++;
    return { seed, options: { ...regression, ...options }, traceLines };
  };
  await runPool({
    processes: Number(values.processes),
    next,
    done: (result) => {
      summary.add(result);
      if (result.report !== undefined) print(result.report);
      if (result.failure !== undefined && values.stop) stopped = true;
    },
  });
  print(summary.text((Date.now() - startedMs) / 1000));
  for (const { seed, failure } of summary.failures.slice(0, maxShrunk))
    if (failure !== undefined && !values.regressions) await explain(seed, failure);
  if (values.json !== undefined) {
    const { coverage, traceHash, done, blocks } = summary;
    writeFileSync(values.json, JSON.stringify({ coverage, traceHash, done, blocks }));
  }
  process.exitCode = summary.failures.length === 0 ? 0 : 1;
}

await (count === 1 && !values.regressions ? one() : many());
