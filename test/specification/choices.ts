/**
 * The steps that can be taken from a state of a small system: blocks are named by their way from genesis, two
 * characters a height, the view in which it was first proposed and a letter. A correct primary proposes `a`, a faulty
 * one `a` and `b`.
 */
import { derive, type Report, type Start } from './derivation.js';
import {
  genesis,
  place,
  Protocol,
  type Block,
  type BlockId,
  type Certificate,
  type Configuration,
  type Knowledge,
  type Replica,
  type Step,
} from './protocol.js';

export interface Bounds {
  readonly heights: number;
  /** Views are 0 to views - 1. */
  readonly views: number;
  /** Whether a correct replica may show certificates that it has not logged, of the highest view it may know of. */
  readonly extras: boolean;
}

/** A block of the model by its name. */
export function namedBlock(id: BlockId): Block {
  return { height: id.length / 2, parent: id.slice(0, -2), view: Number(id.at(-2)) };
}

export const newProtocol = (configuration: Configuration): Protocol =>
  new Protocol(configuration, namedBlock);

const letters = (protocol: Protocol, view: number): readonly string[] =>
  protocol.replicas[protocol.primary(view)] === undefined ? ['a', 'b'] : ['a'];

/** Steps that may be taken, but for changes of view; `apply` has the last word. */
export function plainSteps(protocol: Protocol, bounds: Bounds): Step[] {
  const steps: Step[] = [];
  const committed = protocol.certificates('commits');
  for (const [index, replica] of protocol.replicas.entries()) {
    if (replica === undefined) continue;
    votesOf(protocol, bounds, index, replica, committed, steps);
    for (const { view, block } of committed) {
      const { height, parent } = protocol.block(block);
      if (height === replica.finalHeight + 1 && parent === replica.final)
        steps.push({ kind: 'finalize', replica: index, view, block });
    }
    const { forgetsVotes, forgetsCertificates } = protocol.flaws;
    if (forgetsVotes === true || forgetsCertificates === true)
      steps.push({ kind: 'restart', replica: index });
  }
  return steps;
}

function votesOf(
  protocol: Protocol,
  bounds: Bounds,
  index: number,
  replica: Replica,
  committed: readonly Certificate[],
  steps: Step[],
): void {
  const { changing, start } = replica;
  // Votes for what is final already: they may have been on their way to the disk.
  const isLate = (block: BlockId): boolean =>
    !bounds.extras && namedBlock(block).height <= replica.finalHeight;
  const lowest = protocol.flaws.votesAfterAsking === true && changing ? 0 : replica.view;
  if (changing && lowest === replica.view) return;
  for (let view = lowest; view <= replica.view; view++) {
    for (const [key, block] of replica.prepares) {
      if (Number.parseInt(key) === view && !replica.commits.has(key) && !isLate(block))
        steps.push({ kind: 'commit', replica: index, view, block });
    }
    const isPrimary = protocol.primary(view) === index;
    const kind = isPrimary ? 'propose' : 'prepare';
    for (const block of proposals(protocol, bounds, view, replica, committed)) {
      if (!replica.prepares.has(place(view, namedBlock(block).height)) && !isLate(block))
        steps.push({ kind, replica: index, view, block });
    }
    if (isPrimary) continue;
    for (const block of start.blocks) {
      if (!replica.prepares.has(place(view, namedBlock(block).height)) && !isLate(block))
        steps.push({ kind, replica: index, view, block });
    }
  }
}

/** Fresh blocks of a view on what a replica may have accepted below. */
function proposals(
  protocol: Protocol,
  bounds: Bounds,
  view: number,
  replica: Replica,
  committed: readonly Certificate[],
): Set<BlockId> {
  const parents = new Set<BlockId>([replica.final, ...committed.map(({ block }) => block)]);
  for (const [key, block] of replica.prepares) if (Number.parseInt(key) === view) parents.add(block);
  if (bounds.extras)
    for (let block = replica.final; block !== genesis;) parents.add((block = namedBlock(block).parent));
  if (protocol.flaws.acceptsAnyParent === true) {
    for (const { block } of protocol.certificates('prepares')) parents.add(block);
    for (const other of protocol.replicas)
      for (const block of other?.prepares.values() ?? []) parents.add(block);
  }
  const blocks = new Set<BlockId>();
  for (const parent of parents) {
    if (namedBlock(parent).height >= bounds.heights) continue;
    for (const letter of letters(protocol, view)) blocks.add(`${parent}${view}${letter}`);
  }
  return blocks;
}

/** Views that a replica can enter, or start as their primary, now. */
export function viewsAhead(protocol: Protocol, bounds: Bounds, index: number): number[] {
  const replica = protocol.replicas[index];
  if (replica === undefined) return [];
  const views: number[] = [];
  for (let view = replica.changing ? replica.view : replica.view + 1; view < bounds.views; view++) {
    if (senders(protocol, view).length >= protocol.quorum) views.push(view);
  }
  return views;
}

/** Validators that can have said a view-change for a view. */
export function senders(protocol: Protocol, view: number): number[] {
  return [...protocol.replicas.keys()].filter((index) => protocol.replicas[index]?.asked.has(view) ?? true);
}

/** What a validator shows of one height: nothing, or a certificate. */
type Offer = Certificate | undefined;

/** What a validator can show in its view-change for a view: what is final, and the certificates of each height. */
export interface Offers {
  readonly committed: readonly Offer[];
  /** By height, from 1. */
  readonly prepared: readonly (readonly Offer[])[];
}

/** What a replica can show when it asks for a view now: at least what is on its disk. */
export function offersOf(protocol: Protocol, bounds: Bounds, view: number, replica: Replica): Offers {
  const logged = protocol.logged(replica);
  return bounds.extras ? upwards(protocol, bounds, view, logged) : only(bounds, logged);
}

const nothing: Knowledge = { committed: undefined, prepared: [] };

/** What a sender can have shown for a view: what it has said if it is correct, anything if it is faulty. */
function shownBy(protocol: Protocol, bounds: Bounds, view: number, sender: number): Offers {
  const replica = protocol.replicas[sender];
  return replica === undefined
    ? upwards(protocol, bounds, view, nothing)
    : only(bounds, replica.asked.get(view) ?? nothing);
}

function only({ heights }: Bounds, { committed, prepared }: Knowledge): Offers {
  const of = (height: number): Offer => prepared.find(({ block }) => namedBlock(block).height === height);
  return { committed: [committed], prepared: Array.from({ length: heights }, (_, index) => [of(index + 1)]) };
}

/** This, and all certificates of higher blocks or views that there are. */
function upwards(protocol: Protocol, bounds: Bounds, view: number, floor: Knowledge): Offers {
  const { committed, prepared } = only(bounds, floor);
  const floorHeight = floor.committed === undefined ? 0 : namedBlock(floor.committed.block).height;
  const higher = protocol
    .certificates('commits')
    .filter(({ block }) => namedBlock(block).height > floorHeight);
  const below = protocol.certificates('prepares').filter((certificate) => certificate.view < view);
  return {
    committed: [...committed, ...higher],
    prepared: prepared.map((offers, index) => [
      ...offers,
      ...below.filter(
        ({ block, view: of }) => namedBlock(block).height === index + 1 && of > (offers[0]?.view ?? -1),
      ),
    ]),
  };
}

/** A report of these: what is at or below its final block is left out. */
function reportOf(sender: number, committed: Offer, prepared: readonly Offer[]): Report {
  const height = committed === undefined ? 0 : namedBlock(committed.block).height;
  const shown = prepared.slice(height).filter((certificate) => certificate !== undefined);
  return { sender, committed, prepared: shown };
}

type Pick = <T>(items: readonly T[]) => T;

const pickReport = (sender: number, { committed, prepared }: Offers, pick: Pick): Report =>
  reportOf(
    sender,
    pick(committed),
    prepared.map((offers) => pick(offers)),
  );

/** A way in which a replica can ask for a view. */
export function pickAsk(protocol: Protocol, bounds: Bounds, index: number, view: number, pick: Pick): Step {
  const replica = protocol.replicas[index];
  const offers = replica === undefined ? only(bounds, nothing) : offersOf(protocol, bounds, view, replica);
  const { committed, prepared } = pickReport(index, offers, pick);
  return { kind: 'ask', replica: index, view, knows: { committed, prepared } };
}

/** View-changes of a quorum from which a view can start. */
export function pickReports(
  protocol: Protocol,
  bounds: Bounds,
  view: number,
  quorum: readonly number[],
  pick: Pick,
): Report[] {
  return quorum.map((sender) => pickReport(sender, shownBy(protocol, bounds, view, sender), pick));
}

/** All ways in which replicas can ask for views. */
export function allAsks(protocol: Protocol, bounds: Bounds): Step[] {
  const steps: Step[] = [];
  for (const [index, replica] of protocol.replicas.entries()) {
    if (replica === undefined) continue;
    for (let view = replica.view + 1; view < bounds.views; view++) {
      for (const { committed, prepared } of allReports(index, offersOf(protocol, bounds, view, replica)))
        steps.push({ kind: 'ask', replica: index, view, knows: { committed, prepared } });
    }
  }
  return steps;
}

/** All different things that a view can start from now, each with reports that lead to it. */
export function allStarts(protocol: Protocol, bounds: Bounds, view: number): Map<string, readonly Report[]> {
  const from = senders(protocol, view);
  const reports = new Map(
    from.map((sender) => [sender, allReports(sender, shownBy(protocol, bounds, view, sender))]),
  );
  const starts = new Map<string, readonly Report[]>();
  for (const quorum of subsets(from, protocol.quorum)) {
    for (const chosen of product(quorum.map((sender) => reports.get(sender) ?? []))) {
      const start = startOf(protocol, chosen);
      const key = `${start.base}|${start.blocks.join()}`;
      if (!starts.has(key)) starts.set(key, chosen);
    }
  }
  return starts;
}

const startOf = (protocol: Protocol, reports: readonly Report[]): Start =>
  derive(reports, (id) => protocol.block(id), genesis, protocol.configuration.window, protocol.flaws);

function allReports(sender: number, { committed, prepared }: Offers): Report[] {
  const seen = new Map<string, Report>();
  for (const final of committed) {
    for (const shown of product(prepared)) {
      const report = reportOf(sender, final, shown);
      seen.set(JSON.stringify(report), report);
    }
  }
  return [...seen.values()];
}

function* product<T>(lists: readonly (readonly T[])[]): Generator<readonly T[]> {
  const [first, ...rest] = lists;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const item of first) for (const others of product(rest)) yield [item, ...others];
}

export function* subsets<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (const [index, item] of items.entries()) {
    for (const others of subsets(items.slice(index + 1), size - 1)) yield [item, ...others];
  }
}

/** What a faulty primary may claim that a view starts from, where nobody checks it. */
export const claims = (protocol: Protocol): readonly (readonly BlockId[])[] =>
  protocol.certificates('prepares').map(({ block }) => [block]);
