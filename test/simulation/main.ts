/**
 * Simulates one seed after the other: npm run simulate -- [--seed N] [--count N | --minutes M] [--trace LINES]
 * Prints each failure whole and goes on. Exit code 1 when there was one.
 */
import { parseArgs } from 'node:util';
import { installNativeSha256 } from '../../src/crypto/native/sha256.js';
import { regressions } from './regressions.js';
import { report, simulate } from './run.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    trace: { type: 'string', default: '120' },
    /** The simulations of regressions.ts instead of seeds. */
    regressions: { type: 'boolean', default: false },
    /** Ends with the first failure. */
    stop: { type: 'boolean', default: false },
    /** Names each seed before it runs: for one that never ends. */
    verbose: { type: 'boolean', default: false },
  },
});

installNativeSha256();
const first = Number(values.seed);
const given = values.regressions ? regressions.map(({ options }) => options) : [];
const count = values.regressions
  ? given.length
  : values.count === undefined
    ? Infinity
    : Number(values.count);
const endMs = Date.now() + Number(values.minutes) * 60_000;
const startedMs = Date.now();
const lines = Number(values.trace);
const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const totals = new Map<string, number>();
const add = (what: string, value: number): void => {
  if (what.startsWith('most ')) totals.set(what, Math.max(totals.get(what) ?? 0, value));
  else totals.set(what, (totals.get(what) ?? 0) + value);
};
const failures: number[] = [];
let stall = { ms: 0, seed: 0 };
let settling = { ms: 0, seed: 0 };
let done = 0;
for (let seed = first; done < count && (count !== Infinity || Date.now() < endMs); seed++) {
  if (values.verbose) process.stderr.write(`seed ${seed}\n`);
  const options = given[done];
  const result = await simulate(options?.seed ?? seed, options, lines);
  const { outcome } = result;
  done++;
  add('blocks', outcome.height);
  add('views', outcome.highestView);
  for (const [what, value] of outcome.counts) add(what, value);
  if (outcome.failure !== undefined) {
    failures.push(seed);
    print(report(result, lines));
    if (values.stop) break;
  } else {
    if (outcome.longestStallMs > stall.ms) stall = { ms: outcome.longestStallMs, seed };
    if (outcome.settlingMs > settling.ms) settling = { ms: outcome.settlingMs, seed };
    if (count === 1) print(report(result, lines));
  }
  // Lets signals and garbage collection through.
  await new Promise((resolve) => setImmediate(resolve));
}
const seconds = (Date.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage();
for (const [what, value] of [...totals].sort()) print(`${String(value).padStart(12)}  ${what}`);
print(
  `${done} simulations in ${seconds.toFixed(1)} s: ${(done / seconds).toFixed(1)} a second, ${((user + system) / 1000 / done).toFixed(1)} ms of processor time each`,
);
print(
  `longest stall after calm: ${stall.ms.toFixed(0)} ms (seed ${stall.seed}); longest until all is final: ${settling.ms.toFixed(0)} ms (seed ${settling.seed})`,
);
print(failures.length === 0 ? 'no failures' : `FAILED seeds: ${failures.join(' ')}`);
process.exitCode = failures.length === 0 ? 0 : 1;
