/** What a view starts from: docs/consensus.md, "What a view starts from", written once more from its text. */
import type { Block, BlockId, Certificate, Flaws } from './model.js';

/** What a validator shows when it asks for a view. */
export interface Report {
  readonly sender: number;
  /** Last final block, with its commit certificate; absent at genesis. */
  readonly committed: Certificate | undefined;
  /** Prepared certificates above it, at most one a height. */
  readonly prepared: readonly Certificate[];
}

/** What a view starts from. */
export interface Start {
  readonly base: BlockId;
  readonly baseHeight: number;
  /** Blocks to propose again, in order of height, without gaps. */
  readonly blocks: readonly BlockId[];
  /** The highest height that is taken over; fresh proposals start above. */
  readonly top: number;
}

/** Derives what a view starts from; `room` is the most that is followed downwards. */
export function derive(
  reports: readonly Report[],
  blockOf: (id: BlockId) => Block,
  genesis: BlockId,
  room: number,
  flaws: Flaws,
): Start {
  let base = genesis;
  for (const { committed } of reports) {
    if (committed !== undefined && blockOf(committed.block).height > blockOf(base).height)
      base = committed.block;
  }
  const baseHeight = blockOf(base).height;
  const shown = reports.flatMap(({ prepared }) => prepared);

  const above: BlockId[] = [];
  let parent = base;
  for (let height = baseHeight + 1; ; height++) {
    let chosen: Certificate | undefined;
    for (const certificate of shown) {
      if (blockOf(certificate.block).height !== height) continue;
      const better =
        chosen === undefined ||
        (flaws.lowestCertificate ? certificate.view < chosen.view : certificate.view > chosen.view);
      if (better) chosen = certificate;
    }
    if (chosen === undefined) break;
    if (blockOf(chosen.block).parent !== parent && !flaws.noLinkCheck) break;
    above.push(chosen.block);
    parent = chosen.block;
  }

  const below: BlockId[] = [];
  let wanted = base;
  while (!flaws.noWalkDown && wanted !== genesis && below.length < room) {
    if (!shown.some(({ block }) => block === wanted)) break;
    below.unshift(wanted);
    wanted = blockOf(wanted).parent;
  }
  return { base, baseHeight, blocks: [...below, ...above], top: baseHeight + above.length };
}
