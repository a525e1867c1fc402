/** Runs the Quint specification, and holds its traces against protocol.ts. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plainSteps, newProtocol, type Bounds } from './choices.js';
import type { Report } from './derivation.js';
import {
  genesis,
  type BlockId,
  type Certificate,
  type Configuration,
  type Protocol,
  type Step,
} from './protocol.js';

// Jest and run-ts.mjs both start at the root of the repository.
const root = process.cwd();
const instances = 'test/specification/instances.qnt';

/** Modules of instances.qnt without a flaw, and what they are here. */
export const soundModules: ReadonlyMap<
  string,
  { readonly configuration: Configuration; readonly bounds: Bounds }
> = new Map(
  [
    ['alone', 1, [], 3, 2],
    ['three', 3, [], 2, 3],
    ['first', 4, [0], 2, 4],
    ['second', 4, [1], 2, 4],
    ['backup', 4, [3], 3, 3],
    ['seven', 7, [0, 1], 2, 3],
  ].map(([name, n, faulty, heights, views]) => [
    name as string,
    {
      configuration: { n: n as number, faulty: faulty as number[], window: heights as number },
      bounds: { heights: heights as number, views: views as number, extras: false },
    },
  ]),
);

/** Modules of instances.qnt with a flaw. */
export const flawedModules = [
  'lowestCertificate',
  'noLinkCheck',
  'noWalkDown',
  'commitOutOfOrder',
  'votesAfterAsking',
  'hidesCertificates',
  'votesTwice',
  'smallQuorum',
  'acceptsAnyParent',
  'replacesInherited',
  'trustsNewView',
] as const;

export interface QuintRun {
  /** Whether an invariant was broken. */
  readonly violated: boolean;
  readonly output: string;
  /** Traces that were kept, as Quint writes them. */
  readonly traces: readonly unknown[];
}

/** Lets Quint's simulator run a module of instances.qnt. It downloads nothing with this backend. */
export async function runQuint(
  module: string,
  options: {
    readonly seed: number;
    readonly samples: number;
    readonly steps: number;
    readonly traces: number;
  },
): Promise<QuintRun> {
  const folder = await mkdtemp(join(tmpdir(), 'quaestor-quint-'));
  try {
    const args = ['node_modules/@informalsystems/quint/dist/src/cli.js', 'run', '--backend=typescript'];
    args.push(`--main=${module}`, '--invariant=safe', '--verbosity=1', `--seed=${options.seed}`);
    args.push(`--max-samples=${options.samples}`, `--max-steps=${options.steps}`);
    if (options.traces > 0)
      args.push(`--n-traces=${options.traces}`, `--out-itf=${join(folder, '{seq}.itf.json')}`);
    const { failed, output } = await run([...args, instances]);
    const violated = output.includes('[violation]');
    if (failed !== violated || (!violated && !output.includes('[ok]')))
      throw new Error(`Quint could not run ${module}:\n${output}`);
    const files = (await readdir(folder)).sort();
    const traces = await Promise.all(
      files.map(async (file) => JSON.parse(await readFile(join(folder, file), 'utf8')) as unknown),
    );
    return { violated, output, traces };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const run = (args: readonly string[]): Promise<{ readonly failed: boolean; readonly output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [...args], { cwd: root, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, output: stdout + stderr }),
    );
  });

/**
 * Takes the steps of a trace of Quint's by the rules of protocol.ts. Says where the two differ: in whether a step is
 * allowed, in the state that it leads to, or in what else could have been done.
 */
export function replay(
  trace: unknown,
  { configuration, bounds }: { configuration: Configuration; bounds: Bounds },
): {
  readonly steps: number;
  readonly difference: string | undefined;
} {
  const protocol = newProtocol(configuration);
  const states = (trace as { readonly states: readonly Readonly<Record<string, unknown>>[] }).states;
  const end = (steps: number, difference: string | undefined) => ({ steps, difference });
  for (const [index, state] of states.entries()) {
    const of = (name: string): unknown => {
      const key = Object.keys(state).find((variable) => variable.split('::').at(-1) === name);
      if (key === undefined) throw new Error(`the trace has no ${name}`);
      return plain(state[key]);
    };
    const taken = of('taken') as QuintStep;
    if (taken.kind !== 'init') {
      const theirs = (of('offered') as QuintOffer[]).map((offer) =>
        nameOffer({ ...offer, block: idOf(offer.block) }),
      );
      const ours = plainSteps(protocol, bounds).filter((step) => protocol.clone().apply(step) === undefined);
      const named = ours.map((step) => nameOffer(step as Offer));
      if (listOf(theirs) !== listOf(named))
        return end(index, `before step ${index} Quint offers ${listOf(theirs)}; here it is ${listOf(named)}`);
      const step = stepOf(taken);
      const problem = protocol.apply(step);
      if (problem !== undefined) return end(index, `step ${index}, ${JSON.stringify(step)}: ${problem}`);
    }
    const theirs = {
      replicas: of('replicas') as [number, QuintReplica][],
      prepares: of('prepares') as QuintVote[],
      commits: of('commits') as QuintVote[],
    };
    const difference = differs(protocol, theirs);
    if (difference !== undefined) return end(index, `after step ${index}, ${taken.kind}: ${difference}`);
  }
  return end(states.length - 1, undefined);
}

type QuintBlock = readonly (readonly [number, string])[];
interface QuintCertificate {
  readonly view: number;
  readonly block: QuintBlock;
}
interface QuintVote extends QuintCertificate {
  readonly voter: number;
}
interface QuintReport {
  readonly sender: number;
  readonly committed: QuintCertificate;
  readonly prepared: readonly QuintCertificate[];
}
interface QuintStep {
  readonly kind: 'init' | Step['kind'];
  readonly replica: number;
  readonly view: number;
  readonly block: QuintBlock;
  readonly reports: readonly QuintReport[];
}
interface QuintOffer extends QuintCertificate {
  readonly kind: Offer['kind'];
  readonly replica: number;
}
interface QuintReplica {
  readonly view: number;
  readonly changing: boolean;
  readonly start: { readonly base: QuintBlock; readonly blocks: readonly QuintBlock[]; readonly top: number };
  readonly final: QuintCertificate;
  readonly prepared: readonly QuintCertificate[];
}
type Offer = Extract<Step, { readonly block: BlockId }>;

/** The Informal Trace Format in plain values: integers as numbers, sets and maps as arrays. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [key, content] = entries[0] ?? [];
  if (key === '#bigint') return Number(content);
  if (key === '#set' || key === '#tup' || key === '#map') return plain(content);
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item)]));
}

const idOf = (block: QuintBlock): BlockId => block.map(([view, letter]) => `${view}${letter}`).join('');
const certificateOf = ({ view, block }: QuintCertificate): Certificate => ({ view, block: idOf(block) });
const listOf = (items: readonly string[]): string => [...items].sort().join(', ');
const nameOffer = ({
  kind,
  replica,
  view,
  block,
}: Pick<Offer, 'kind' | 'replica' | 'view' | 'block'>): string => `${kind} ${replica} ${view} ${block}`;

function stepOf({ kind, replica, view, block, reports }: QuintStep): Step {
  switch (kind) {
    case 'init':
    case 'restart':
      return { kind: 'restart', replica };
    case 'ask':
      return { kind, replica, view };
    case 'start':
    case 'enter':
      return { kind, replica, view, reports: reports.map(reportOf) };
    default:
      return { kind, replica, view, block: idOf(block) };
  }
}

function reportOf({ sender, committed, prepared }: QuintReport): Report {
  return {
    sender,
    committed: committed.block.length === 0 ? undefined : certificateOf(committed),
    prepared: prepared.map(certificateOf).sort((left, right) => left.block.length - right.block.length),
  };
}

function differs(
  protocol: Protocol,
  theirs: {
    readonly replicas: readonly (readonly [number, QuintReplica])[];
    readonly prepares: readonly QuintVote[];
    readonly commits: readonly QuintVote[];
  },
): string | undefined {
  for (const phase of ['prepares', 'commits'] as const) {
    const ours = protocol.replicas.flatMap((replica, voter) =>
      [...(replica?.[phase] ?? [])].map(([key, block]) => `${voter} ${Number.parseInt(key)} ${block}`),
    );
    const said = theirs[phase].map(({ voter, view, block }) => `${voter} ${view} ${idOf(block)}`);
    if (listOf(ours) !== listOf(said)) return `${phase} are ${listOf(ours)}, in Quint ${listOf(said)}`;
  }
  for (const [index, their] of theirs.replicas) {
    const own = protocol.replicas[index];
    if (own === undefined) return `replica ${index} is faulty`;
    const ours = show(
      own.view,
      own.changing,
      { view: own.finalView, block: own.final },
      [...own.prepared.values()],
      own.start,
    );
    const { base, blocks, top } = their.start;
    const start = { base: idOf(base), blocks: blocks.map(idOf), top };
    const said = show(
      their.view,
      their.changing,
      certificateOf(their.final),
      their.prepared.map(certificateOf),
      start,
    );
    if (ours !== said) return `replica ${index} is ${ours}, in Quint ${said}`;
  }
  return undefined;
}

function show(
  view: number,
  changing: boolean,
  final: Certificate,
  prepared: readonly Certificate[],
  start: { readonly base: BlockId; readonly blocks: readonly BlockId[]; readonly top: number },
): string {
  const certificates = listOf(prepared.map((certificate) => `${certificate.view} ${certificate.block}`));
  const last = final.block === genesis ? 'genesis' : `${final.view} ${final.block}`;
  return `${view}${changing ? '?' : ''} final ${last} prepared ${certificates} start ${start.base}:${listOf(start.blocks)}:${start.top}`;
}
