/**
 * Explores the specification for as long as asked: `npm run specification -- --minutes 10 --seed 1`.
 * Half of the time goes to systems that are seen whole, as far as it reaches; the rest to random traces and to simulated
 * networks whose writes are held against the rules.
 */
import { parseArgs } from 'node:util';
import { flawed, flaws, largerSystems, nameOf, randomSystems, smallSystems } from './configurations.js';
import { exploreAll, exploreAtRandom, type Exploration } from './explore.js';
import { flawedModules, replay, runQuint, soundModules } from './quint.js';
import { conformanceOf } from './witness.js';

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

for (let round = 0; within(0.65); round++) {
  const system = randomSystems[round % randomSystems.length];
  if (system === undefined) break;
  const { configuration, bounds } = system;
  const options = { seed: seed + round, traces: 1000, steps: 200 };
  const sinceMs = Date.now();
  report(`${nameOf(system)}, seed ${options.seed}`, exploreAtRandom(configuration, bounds, options), sinceMs);
}

for (const [module, system] of soundModules) {
  const { violated, output, traces } = await runQuint(module, { seed, samples: 25, steps: 40, traces: 25 });
  const differences = traces
    .map((trace) => replay(trace, system).difference)
    .filter((text) => text !== undefined);
  say(
    `Quint ${module}: 25 traces of 40 steps, ${violated ? 'BROKEN' : 'sound'}, ${differences.length} differ from the rules here`,
  );
  for (const text of violated ? [output, ...differences] : differences) say(text);
  if (violated || differences.length > 0) process.exit(1);
}
// Quint's simulator is too slow to meet each flaw for certain; exploreAtRandom has to, above.
for (const module of flawedModules) {
  if (!within(0.85)) break;
  const { violated } = await runQuint(module, { seed, samples: 150, steps: 40, traces: 0 });
  say(`Quint flaw ${module}: ${violated ? 'noticed' : 'not noticed'} in 150 traces`);
}

const steps = new Map<string, number>();
let simulations = 0;
for (; simulations === 0 || within(1); simulations++) {
  const simulated = seed * 1_000_000 + simulations;
  const { deviation, steps: taken } = await conformanceOf(simulated);
  if (deviation !== undefined) {
    say(`DEVIATION with seed ${simulated}: ${JSON.stringify(deviation)}`);
    process.exit(1);
  }
  for (const [kind, count] of taken) steps.set(kind, (steps.get(kind) ?? 0) + count);
}
say(
  `${simulations} simulations from seed ${seed * 1_000_000} conform: ${JSON.stringify(Object.fromEntries(steps))}`,
);
