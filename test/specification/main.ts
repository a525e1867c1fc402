/**
 * Explores the specification for as long as asked: `npm run specification -- --minutes 10 --seed 1`.
 * Half of the time goes to systems that are seen whole, as far as it reaches; the rest to random traces and to simulated
 * networks whose writes are held against the rules.
 */
import { parseArgs } from 'node:util';
import { simulate } from '../simulation/run.js';
import { flawed, flaws, largerSystems, nameOf, randomSystems, smallSystems } from './configurations.js';
import { exploreAll, exploreAtRandom, type Exploration } from './explore.js';
import { witnessOf } from './witness.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string', default: '1' } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('Usage: npm run specification -- [--minutes MINUTES] [--seed SEED]\n');
  process.exit(2);
}

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const startMs = Date.now();
/** Whether less than this part of the time has passed. */
const within = (part: number): boolean => Date.now() - startMs < part * minutes * 60_000;

function report(name: string, { violation, ...explored }: Exploration, sinceMs: number): void {
  const { traces, steps, states, complete } = explored;
  const seen = states > 0 ? `${complete ? 'all' : 'the first'} ${states} states` : `${traces} traces`;
  say(`${name}: ${seen}, ${steps} steps, ${((Date.now() - sinceMs) / 1000).toFixed(1)} s`);
  if (violation === undefined) return;
  say(`BROKEN ${violation.property}: ${violation.problem}`);
  for (const step of violation.steps) say(`  ${JSON.stringify(step)}`);
  process.exit(1);
}

for (const flaw of flaws) {
  const { configuration, bounds } = flawed(flaw);
  const { violation, traces } = exploreAtRandom(configuration, bounds, { seed, traces: 100_000, steps: 120 });
  say(`flaw ${flaw.flaw}: ${violation?.property ?? 'NOT NOTICED'} after ${traces} traces`);
  if (violation === undefined) process.exit(1);
}

for (const system of [...smallSystems, ...largerSystems]) {
  if (!within(0.5)) {
    say(`${nameOf(system)}: no time left`);
    continue;
  }
  const sinceMs = Date.now();
  const { configuration, bounds } = system;
  report(
    nameOf(system),
    exploreAll(configuration, bounds, 40_000_000, () => within(0.5)),
    sinceMs,
  );
}

for (let round = 0; within(0.8); round++) {
  const system = randomSystems[round % randomSystems.length];
  if (system === undefined) break;
  const { configuration, bounds } = system;
  const options = { seed: seed + round, traces: 1000, steps: 200 };
  const sinceMs = Date.now();
  report(`${nameOf(system)}, seed ${options.seed}`, exploreAtRandom(configuration, bounds, options), sinceMs);
}

const steps = new Map<string, number>();
let simulations = 0;
for (; simulations === 0 || within(1); simulations++) {
  const { conformance, make } = witnessOf();
  const simulated = seed * 1_000_000 + simulations;
  await simulate(simulated, {}, undefined, make);
  const { deviation } = conformance();
  if (deviation !== undefined) {
    say(`DEVIATION with seed ${simulated}: ${JSON.stringify(deviation)}`);
    process.exit(1);
  }
  for (const [kind, count] of conformance().steps) steps.set(kind, (steps.get(kind) ?? 0) + count);
}
say(
  `${simulations} simulations from seed ${seed * 1_000_000} conform: ${JSON.stringify(Object.fromEntries(steps))}`,
);
