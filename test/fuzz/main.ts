/**
 * Fuzzes every reader and the consensus core, guided by coverage:
 * npm run fuzz -- [--seed N] [--minutes M] [--target TEXT]
 * Writes what fails to test/fuzz/regressions, goes on, and ends with exit code 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { coverageGuide } from './coverage.js';
import { fuzz, FuzzFailure, type Target } from './fuzzer.js';
import { fuzzCore } from './core.js';
import { targets } from './targets.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    /** Part of the names of targets; all by default. */
    target: { type: 'string', default: '' },
  },
});

const folder = join(process.cwd(), 'test', 'fuzz', 'regressions');
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const endMs = Date.now() + Number(values.minutes) * 60_000;
/** Each target is tried for a short while, then the next, until the time is over. */
const sliceMs = 1500;
const coreName = 'consensus core';

const chosen: readonly (Target | undefined)[] = [
  ...targets.filter(({ name }) => name.includes(values.target)),
  ...(coreName.includes(values.target) ? [undefined] : []),
];
const totals = new Map<string, { inputs: number; failures: number }>();
const guide = await coverageGuide();
for (let round = 0; Date.now() < endMs; round++) {
  for (const target of chosen) {
    if (Date.now() >= endMs) break;
    const seed = Number(values.seed) + round;
    const untilMs = Math.min(endMs, Date.now() + sliceMs);
    const total = totals.get(target?.name ?? coreName) ?? { inputs: 0, failures: 0 };
    totals.set(target?.name ?? coreName, total);
    const goOn = (inputs: number): boolean => {
      total.inputs = Math.max(total.inputs, inputs);
      return Date.now() < untilMs;
    };
    const before = total.inputs;
    total.inputs = 0;
    try {
      if (target === undefined) fuzzCore({ seed, goOn });
      else await fuzz(target, { seed, goOn, guide });
    } catch (error) {
      total.failures++;
      print(error instanceof Error ? error.message : String(error));
      if (error instanceof FuzzFailure) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, error.fileName), error.input);
        print(`Kept as ${join(folder, error.fileName)}`);
      }
    }
    total.inputs += before;
  }
}
guide.stop();
let failures = 0;
for (const [name, total] of totals) {
  failures += total.failures;
  print(
    `${String(total.inputs).padStart(9)} inputs  ${String(total.failures).padStart(3)} failures  ${name}`,
  );
}
print(`Seed ${values.seed}, ${guide.branches()} branches of src reached, ${failures} failures.`);
process.exitCode = failures === 0 ? 0 : 1;
