/** What must hold in every state that the protocol can reach. Each says what is broken, or nothing. */
import { genesis, type BlockId, type Certificate, type Protocol, type Replica } from './protocol.js';
import type { Start } from './derivation.js';

/** The ancestor of a block at a height, itself at its own; undefined above it. */
export function ancestor(protocol: Protocol, block: BlockId, height: number): BlockId | undefined {
  let at = block;
  for (let own = protocol.block(at).height; own >= height; own = protocol.block(at).height) {
    if (own === height) return at;
    at = protocol.block(at).parent;
  }
  return undefined;
}

/** Whether one of the blocks is the other's ancestor, or they are the same. */
function compatible(protocol: Protocol, left: BlockId, right: BlockId): boolean {
  const height = Math.min(protocol.block(left).height, protocol.block(right).height);
  return ancestor(protocol, left, height) === ancestor(protocol, right, height);
}

const show = ({ view, block }: Certificate): string => `${block || 'genesis'} in view ${view}`;

type Property = (protocol: Protocol, locked: readonly Certificate[]) => string | undefined;

/** Blocks that can have commit certificates are on one chain. */
const agreement: Property = (protocol, locked) => {
  for (const [index, one] of locked.entries()) {
    for (const other of locked.slice(index + 1))
      if (!compatible(protocol, one.block, other.block))
        return `${show(one)} and ${show(other)} are both final`;
  }
  return undefined;
};

/** One view and height has prepared certificates for one block at most. */
const oneCertificate: Property = (protocol) => {
  const seen = new Map<string, BlockId>();
  for (const { view, block } of protocol.certificates('prepares')) {
    const key = `${view}/${protocol.block(block).height}`;
    const other = seen.get(key) ?? block;
    if (other !== block) return `both ${other} and ${block} are prepared in view ${view}`;
    seen.set(key, block);
  }
  return undefined;
};

/** A correct replica votes once a view, height and phase. */
const voteOnce: Property = (protocol) => {
  for (const [index, replica] of protocol.replicas.entries()) {
    if (replica === undefined) continue;
    const seen = new Map<string, BlockId>();
    for (const [key, block] of protocol.cast(replica, 'prepares')) {
      const other = seen.get(key) ?? block;
      if (other !== block) return `replica ${index} prepares both ${other} and ${block} in ${key}`;
      seen.set(key, block);
    }
  }
  return undefined;
};

/** The three clauses of the theorem in docs/consensus.md for one lock and one view that was entered. */
function survives(protocol: Protocol, lock: Certificate, start: Start): string | undefined {
  const { height } = protocol.block(lock.block);
  const { base, baseHeight, blocks } = start;
  const expected = ancestor(protocol, lock.block, Math.min(baseHeight, height));
  if (ancestor(protocol, base, Math.min(baseHeight, height)) !== expected) return 'the base does not fit';
  for (let at = baseHeight + 1; at <= height; at++) {
    if (!blocks.includes(ancestor(protocol, lock.block, at) ?? genesis))
      return `height ${at} is not taken over`;
  }
  for (const block of blocks) {
    if (protocol.block(block).height > height && ancestor(protocol, block, height) !== lock.block)
      return `${block} is taken over and does not stand on it`;
  }
  return undefined;
}

/** A locked block survives every view change. */
const lockedSurvives: Property = (protocol, locked) => {
  for (const lock of locked) {
    for (const { view, start } of protocol.entered) {
      if (view <= lock.view) continue;
      const problem = survives(protocol, lock, start);
      if (problem !== undefined) return `${show(lock)} is locked, but in view ${view} ${problem}`;
    }
  }
  return undefined;
};

/** Whatever a correct replica votes for in a higher view fits what is locked. */
const votesFit: Property = (protocol, locked) => {
  for (const [index, replica] of protocol.replicas.entries()) {
    if (replica === undefined) continue;
    for (const [key, block] of protocol.cast(replica, 'prepares')) {
      const view = Number.parseInt(key);
      const rival = locked.find((lock) => view > lock.view && !compatible(protocol, lock.block, block));
      if (rival !== undefined)
        return `replica ${index} votes for ${block} in view ${view} against ${show(rival)}`;
    }
  }
  return undefined;
};

/** Who has committed to a locked block holds, for every height up to it, the final block or a prepared certificate. */
const commitsKeepTheirPromise: Property = (protocol, locked) => {
  for (const [index, replica] of protocol.replicas.entries()) {
    if (replica === undefined) continue;
    const lock = locked.find((candidate) => !keepsPromise(protocol, replica, candidate));
    if (lock !== undefined)
      return `replica ${index} has committed to ${show(lock)} and lacks a certificate below`;
  }
  return undefined;
};

function keepsPromise(protocol: Protocol, replica: Replica, { view, block }: Certificate): boolean {
  const { height } = protocol.block(block);
  if (replica.commits.get(`${view}/${height}`) !== block) return true;
  for (let at = replica.finalHeight + 1; at <= height; at++) {
    if ((replica.prepared.get(at)?.view ?? -1) < view) return false;
  }
  return true;
}

/**
 * In a view of a correct primary every ancestor of the base can get a certificate from correct replicas alone: one of
 * them has it final, a quorum of them has committed to it, or the view votes on it again. Otherwise a faulty validator
 * that shows the base's certificate and keeps those of its ancestors to itself stops the network. Holds as far as the
 * window reaches.
 */
const ancestorsCanBeFinal: Property = (protocol) => {
  for (const { view, start, settled } of protocol.entered) {
    const lowest = Math.max(settled, start.baseHeight - protocol.configuration.window) + 1;
    for (let height = lowest; height < start.baseHeight; height++) {
      const block = ancestor(protocol, start.base, height) ?? genesis;
      if (!start.blocks.includes(block) && !isAvailable(protocol, block))
        return `nobody can get a certificate of ${block} in view ${view}`;
    }
  }
  return undefined;
};

function isAvailable(protocol: Protocol, block: BlockId): boolean {
  const { height } = protocol.block(block);
  const correct = protocol.replicas.filter((replica) => replica !== undefined);
  if (correct.some(({ final }) => ancestor(protocol, final, height) === block)) return true;
  for (let view = 0; view <= protocol.highestView; view++) {
    const voters = correct.filter(({ commits }) => commits.get(`${view}/${height}`) === block);
    if (voters.length >= protocol.quorum) return true;
  }
  return false;
}

const properties = {
  agreement,
  oneCertificate,
  voteOnce,
  lockedSurvives,
  votesFit,
  commitsKeepTheirPromise,
  ancestorsCanBeFinal,
} as const satisfies Record<string, Property>;

export type PropertyName = keyof typeof properties;

/** The first property that does not hold, with what is broken. */
export function firstBroken(
  protocol: Protocol,
): { readonly property: PropertyName; readonly problem: string } | undefined {
  const locked = protocol.certificates('commits');
  for (const [property, broken] of Object.entries(properties) as [PropertyName, Property][]) {
    const problem = broken(protocol, locked);
    if (problem !== undefined) return { property, problem };
  }
  return undefined;
}
