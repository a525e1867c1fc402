/** Explores what the protocol can do: at random from a seed, or everything within bounds. */
import { Prng } from '../helpers/prng.js';
import {
  allAsks,
  allStarts,
  claims,
  newProtocol,
  pickAsk,
  pickReports,
  plainSteps,
  senders,
  viewsAhead,
  type Bounds,
} from './choices.js';
import { firstBroken, type PropertyName } from './properties.js';
import type { Report } from './derivation.js';
import type { Configuration, Protocol, Step } from './protocol.js';
import { keyOf, StateSet } from './symmetry.js';

export interface Violation {
  readonly property: PropertyName;
  readonly problem: string;
  readonly steps: readonly Step[];
}

export interface Exploration {
  /** Random traces, or 0. */
  readonly traces: number;
  readonly steps: number;
  /** Different states, up to symmetry; 0 at random. */
  readonly states: number;
  /** Whether everything within the bounds was seen. */
  readonly complete: boolean;
  readonly seen: ReadonlyMap<string, number>;
  readonly violation: Violation | undefined;
}

/** Takes random steps, `steps` of them at most in each of so many traces, and checks every state. */
export function exploreAtRandom(
  configuration: Configuration,
  bounds: Bounds,
  options: { readonly seed: number; readonly traces: number; readonly steps: number },
): Exploration {
  const seen = new Map<string, number>();
  let total = 0;
  for (let trace = 0; trace < options.traces; trace++) {
    const random = new Prng(options.seed * 1_000_003 + trace);
    const taken: Step[] = [];
    for (const { step, protocol } of randomTrace(configuration, bounds, random, options.steps)) {
      taken.push(step);
      total++;
      seen.set(step.kind, (seen.get(step.kind) ?? 0) + 1);
      const broken = firstBroken(protocol);
      if (broken === undefined) continue;
      const violation = { ...broken, steps: taken };
      return { traces: trace + 1, steps: total, states: 0, complete: false, seen, violation };
    }
  }
  return { traces: options.traces, steps: total, states: 0, complete: false, seen, violation: undefined };
}

/** A random run of the protocol, step by step. */
export function* randomTrace(
  configuration: Configuration,
  bounds: Bounds,
  random: Prng,
  most: number,
): Generator<{ readonly step: Step; readonly protocol: Protocol }> {
  const protocol = newProtocol(configuration);
  // How eager this run is to leave views, so that some runs get far in one view and some pass through all.
  const haste = random.pick([0.02, 0.1, 0.3]);
  // And whether disks are so slow that nothing becomes final.
  const stalls = random.chance(0.3);
  let failures = 0;
  for (let count = 0; count < most && failures < 50;) {
    const step = randomStep(protocol, bounds, random, haste, stalls);
    if (step === undefined || protocol.apply(step) !== undefined) {
      failures++;
      continue;
    }
    failures = 0;
    count++;
    yield { step, protocol };
  }
}

function randomStep(
  protocol: Protocol,
  bounds: Bounds,
  random: Prng,
  haste: number,
  stalls: boolean,
): Step | undefined {
  const steps = plainSteps(protocol, bounds).filter(({ kind }) => !stalls || kind !== 'finalize');
  const kinds = [...new Set(steps.map(({ kind }) => kind))];
  if (random.chance(kinds.length === 0 ? 0.5 : haste)) return randomAsk(protocol, bounds, random);
  if (kinds.length > 0 && random.chance(0.7)) {
    const kind = random.pick(kinds);
    return random.pick(steps.filter((step) => step.kind === kind));
  }
  return randomEntry(protocol, bounds, random);
}

// Nothing at all is an offer too.
const picker =
  (random: Prng) =>
  <T>(items: readonly T[]): T =>
    items[random.below(items.length)] as T;

function randomAsk(protocol: Protocol, bounds: Bounds, random: Prng): Step | undefined {
  const index = random.below(protocol.configuration.n);
  const lowest = (protocol.replicas[index]?.view ?? bounds.views) + 1;
  if (lowest >= bounds.views) return undefined;
  const view = random.chance(0.7) ? lowest : lowest + random.below(bounds.views - lowest);
  return pickAsk(protocol, bounds, index, view, picker(random));
}

function randomEntry(protocol: Protocol, bounds: Bounds, random: Prng): Step | undefined {
  const replica = random.below(protocol.configuration.n);
  const views = viewsAhead(protocol, bounds, replica);
  if (views.length === 0) return undefined;
  const view = random.pick(views);
  const primary = protocol.primary(view);
  const started = startedReports.get(protocol)?.get(view);
  const isStarted = protocol.replicas[primary]?.started.has(view) === true;
  if (isStarted && started !== undefined) return { kind: 'enter', replica, view, reports: started };
  const from = senders(protocol, view);
  while (from.length > protocol.quorum) from.splice(random.below(from.length), 1);
  const reports = pickReports(protocol, bounds, view, from, picker(random));
  const claimed = claims(protocol);
  const lies = protocol.flaws.trustsNewView === true && claimed.length > 0 && random.chance(0.5);
  const blocks = lies ? { blocks: random.pick(claimed) } : {};
  if (replica !== primary) return { kind: 'enter', replica, view, reports, ...blocks };
  const said = startedReports.get(protocol) ?? new Map<number, readonly Report[]>();
  // If it starts the view with these, they are what it has sent.
  if (!isStarted) startedReports.set(protocol, said.set(view, reports));
  return { kind: 'start', replica, view, reports };
}

/** What the correct primaries of a random run have sent in their new-views. */
const startedReports = new WeakMap<Protocol, Map<number, readonly Report[]>>();

/** Sees every state within the bounds, up to symmetry: `most` of them at most, and for as long as `goesOn`. */
export function exploreAll(
  configuration: Configuration,
  bounds: Bounds,
  most: number,
  goesOn: () => boolean = () => true,
): Exploration {
  const seen = new Map<string, number>();
  const known = new StateSet();
  const path: Step[] = [];
  let steps = 0;
  const first = newProtocol(configuration);
  known.add(keyOf(first, bounds));
  const stack: { readonly protocol: Protocol; readonly choices: Step[] }[] = [
    { protocol: first, choices: allSteps(first, bounds) },
  ];
  const result = (complete: boolean, violation?: Violation): Exploration => ({
    traces: 0,
    steps,
    states: known.size,
    complete,
    seen,
    violation,
  });
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const step = top.choices.pop();
    if (step === undefined) {
      stack.pop();
      path.pop();
      continue;
    }
    const protocol = top.protocol.clone();
    if (protocol.apply(step) !== undefined) continue;
    steps++;
    seen.set(step.kind, (seen.get(step.kind) ?? 0) + 1);
    if (!known.add(keyOf(protocol, bounds))) continue;
    path.push(step);
    const broken = firstBroken(protocol);
    if (broken !== undefined) return result(false, { ...broken, steps: [...path] });
    if (known.size >= most || !goesOn()) return result(false);
    stack.push({ protocol, choices: allSteps(protocol, bounds) });
  }
  return result(true);
}

function allSteps(protocol: Protocol, bounds: Bounds): Step[] {
  const steps = [...plainSteps(protocol, bounds), ...allAsks(protocol, bounds)];
  for (let view = 1; view < bounds.views; view++) {
    const entering = [...protocol.replicas.keys()].filter((index) =>
      viewsAhead(protocol, bounds, index).includes(view),
    );
    if (entering.length === 0) continue;
    const primary = protocol.primary(view);
    const started = protocol.replicas[primary]?.started.get(view);
    for (const [key, reports] of allStarts(protocol, bounds, view)) {
      if (started === undefined) {
        if (protocol.replicas[primary] !== undefined)
          steps.push({ kind: 'start', replica: primary, view, reports });
        else for (const replica of entering) steps.push({ kind: 'enter', replica, view, reports });
      } else if (key === `${started.base}|${started.blocks.join()}`) {
        for (const replica of entering) steps.push({ kind: 'enter', replica, view, reports });
      }
    }
  }
  return steps;
}
