/** Makes a failing simulation smaller: leaves faults, strategies and clients out for as long as it fails in the same way. */
import type { SimulationOptions } from './options.js';
import { simulate } from './run.js';

type Simpler = (options: SimulationOptions) => SimulationOptions | undefined;

/** What kind of promise was broken: the word before the colon. */
const kindOf = (failure: string): string => failure.split(':')[0] ?? failure;

const calmNetwork = {
  loss: 0,
  duplication: 0,
  straggling: 0,
  corruption: 0,
} as const;

/** Steps, the ones that take away most first. */
function stepsFor(options: SimulationOptions): readonly Simpler[] {
  const steps: Simpler[] = [
    (now) => (now.byzantine.length === 0 ? undefined : { ...now, byzantine: [] }),
    ({ network, ...now }) => ({ ...now, network: { ...network, ...calmNetwork } }),
    (now) => ({ ...now, machine: { ...now.machine, slowness: 0, maxSkewMs: 0, maxDrift: 0 } }),
    (now) => ({ ...now, disk: { ...now.disk, stalling: 0 } }),
    (now) => ({ ...now, clients: { ...now.clients, floods: 0 } }),
    ({ reconfiguration, ...now }) => ({
      ...now,
      ...(reconfiguration !== undefined && { reconfiguration: { changes: 0, spares: 0 } }),
    }),
    (now) => (now.observers === undefined ? undefined : { ...now, observers: 0 }),
    (now) => halved(now, 'transactions'),
    (now) => (now.troubleMs < 200 ? undefined : { ...now, troubleMs: Math.round(now.troubleMs / 2) }),
  ];
  for (const name of Object.keys(options.faults) as (keyof SimulationOptions['faults'])[])
    steps.push((now) => withoutFault(now, name));
  for (const { index } of options.byzantine) {
    steps.push((now) => ({ ...now, byzantine: now.byzantine.filter((one) => one.index !== index) }));
    for (const name of options.byzantine.flatMap(({ strategies }) => strategies))
      steps.push((now) => ({
        ...now,
        byzantine: now.byzantine.map((one) =>
          one.index === index && one.strategies.length > 1
            ? { index, strategies: one.strategies.filter((strategy) => strategy !== name) }
            : one,
        ),
      }));
  }
  for (const name of ['loss', 'duplication', 'straggling', 'corruption'] as const)
    steps.push((now) => ({ ...now, network: { ...now.network, [name]: 0 } }));
  return steps;
}

function halved(options: SimulationOptions, name: 'transactions'): SimulationOptions | undefined {
  const value = options.clients[name];
  return value < 2 ? undefined : { ...options, clients: { ...options.clients, [name]: value >> 1 } };
}

function withoutFault(
  options: SimulationOptions,
  name: keyof SimulationOptions['faults'],
): SimulationOptions | undefined {
  const value = options.faults[name];
  if (value === undefined || value === 0 || value === false) return undefined;
  if (name === 'oldFolder') {
    const { oldFolder: _, ...others } = options.faults;
    return { ...options, faults: others };
  }
  return { ...options, faults: { ...options.faults, [name]: typeof value === 'number' ? 0 : false } };
}

/** The smallest options found within `maxRuns` simulations that fail in the same way. */
export async function shrink(
  failing: SimulationOptions,
  failure: string,
  maxRuns = 80,
): Promise<SimulationOptions> {
  let best = failing;
  let runs = 0;
  for (let changed = true; changed && runs < maxRuns;) {
    changed = false;
    for (const step of stepsFor(best)) {
      if (runs >= maxRuns) break;
      const candidate = step(best);
      if (candidate === undefined || JSON.stringify(candidate) === JSON.stringify(best)) continue;
      runs++;
      const { outcome } = await simulate(candidate.seed, candidate, 1);
      if (outcome.failure === undefined || kindOf(outcome.failure) !== kindOf(failure)) continue;
      best = candidate;
      changed = true;
    }
  }
  return best;
}
