/** The systems that are explored, and what must be noticed in them when the protocol is wrong. */
import type { Bounds } from './choices.js';
import type { PropertyName } from './properties.js';
import type { Configuration, Flaws } from './protocol.js';

export interface System {
  readonly configuration: Configuration;
  readonly bounds: Bounds;
}

function system(
  n: number,
  faulty: readonly number[],
  heights: number,
  views: number,
  extras = false,
): System {
  return { configuration: { n, faulty, window: 8 }, bounds: { heights, views, extras } };
}

export function nameOf({ configuration, bounds }: System): string {
  const { n, faulty } = configuration;
  const who = faulty.length === 0 ? 'none faulty' : `faulty ${faulty.join(', ')}`;
  const { heights, views, extras } = bounds;
  return `n = ${n}, ${who}, ${heights} heights, ${views} views${extras ? ', what is not logged is shown' : ''}`;
}

/** Explored at random. A replica is faulty as a primary of the first view, of a later one, and of none. */
export const randomSystems: readonly System[] = [
  system(4, [0], 2, 3),
  system(4, [1], 3, 4, true),
  system(4, [2], 2, 4, true),
  system(4, [3], 3, 3, true),
  system(1, [], 3, 3),
  system(2, [], 2, 4, true),
  system(3, [], 2, 4, true),
  system(5, [0], 2, 4, true),
  system(6, [1], 2, 4, true),
  system(7, [0, 1], 2, 4, true),
  system(7, [1, 4], 3, 3),
];

/** Seen whole in `npm test`. */
export const smallSystems: readonly System[] = [
  system(1, [], 3, 1),
  system(2, [], 2, 2),
  system(4, [0], 1, 2),
];

/** Seen whole, as far as time allows, by `npm run specification`. */
export const largerSystems: readonly System[] = [
  system(3, [], 1, 2),
  system(4, [], 1, 2),
  system(4, [1], 1, 2, true),
  system(4, [3], 1, 2, true),
  system(2, [], 2, 3),
  system(3, [], 1, 3),
  system(4, [0], 1, 3),
  system(4, [0], 2, 2),
  system(4, [1], 2, 2),
];

/** Each flaw, a system that shows it, and the properties of which one must be seen broken. */
export const flaws: readonly {
  readonly flaw: keyof Flaws;
  readonly system: System;
  readonly breaks: readonly PropertyName[];
}[] = [
  {
    flaw: 'lowestCertificate',
    system: system(4, [0], 2, 4),
    breaks: ['lockedSurvives', 'votesFit', 'agreement'],
  },
  { flaw: 'noLinkCheck', system: system(4, [1], 2, 4), breaks: ['lockedSurvives', 'votesFit', 'agreement'] },
  { flaw: 'noWalkDown', system: system(4, [0], 2, 3), breaks: ['ancestorsCanBeFinal'] },
  {
    flaw: 'commitOutOfOrder',
    system: system(4, [0], 2, 3),
    breaks: ['commitsKeepTheirPromise', 'lockedSurvives', 'votesFit', 'agreement'],
  },
  {
    flaw: 'votesAfterAsking',
    system: system(4, [0], 1, 3),
    breaks: ['commitsKeepTheirPromise', 'lockedSurvives', 'votesFit', 'agreement'],
  },
  {
    flaw: 'hidesCertificates',
    system: system(4, [1], 1, 3),
    breaks: ['lockedSurvives', 'votesFit', 'agreement'],
  },
  {
    flaw: 'forgetsCertificates',
    system: system(4, [1], 1, 3),
    breaks: ['commitsKeepTheirPromise', 'lockedSurvives', 'votesFit', 'agreement'],
  },
  { flaw: 'forgetsVotes', system: system(4, [0], 1, 2), breaks: ['voteOnce', 'oneCertificate', 'agreement'] },
  {
    flaw: 'smallQuorum',
    system: system(4, [0], 1, 2),
    breaks: ['oneCertificate', 'lockedSurvives', 'votesFit', 'agreement'],
  },
  {
    flaw: 'acceptsAnyParent',
    system: system(4, [0], 2, 3),
    breaks: ['votesFit', 'lockedSurvives', 'agreement'],
  },
  { flaw: 'replacesInherited', system: system(4, [1], 2, 4), breaks: ['votesFit', 'agreement'] },
  {
    flaw: 'trustsNewView',
    system: system(4, [1], 2, 4),
    breaks: ['lockedSurvives', 'votesFit', 'agreement'],
  },
];

/** The system of a flaw, flawed. */
export function flawed({ flaw, system: { configuration, bounds } }: (typeof flaws)[number]): System {
  return { configuration: { ...configuration, flaws: { [flaw]: true } }, bounds };
}
