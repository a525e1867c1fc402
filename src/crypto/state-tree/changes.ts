import type { StateKey } from '../../types/index.js';
import { compareBytes } from '../../types/index.js';
import { sha256 } from '../sha256.js';
import { nibbleAt, stateKeyPath } from './hashing.js';
import { hashBytes, leafBytes, type Leaf } from './node.js';

/** A write, by the key's place in the tree: the leaf that it makes, with any value hash if the key is removed. */
export interface Change extends Leaf {
  readonly offset: 0;
  readonly removed: boolean;
  /** First 48 bits of the path, for sorting. */
  readonly rank: number;
}

/** A run of leaves, from `start` up to `end`, that are below the same slot. */
export interface ChangeGroup {
  readonly slot: number;
  readonly start: number;
  readonly end: number;
}

/** The writes in the order of their paths. */
export function changesOf(writes: ReadonlyMap<StateKey, Uint8Array | undefined>): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, value] of writes) {
    const bytes = new Uint8Array(leafBytes);
    bytes.set(stateKeyPath(key));
    if (value !== undefined) bytes.set(sha256(value), hashBytes);
    let rank = 0;
    for (let index = 0; index < 6; index++) rank = rank * 256 + (bytes[index] ?? 0);
    changes.push({ bytes, offset: 0, removed: value === undefined, rank });
  }
  return changes.sort((a, b) => (a.rank !== b.rank ? a.rank - b.rank : compareBytes(a.bytes, b.bytes)));
}

/** Splits a run of sorted leaves by the half-byte of their paths at a depth. */
export function groupsOf(
  leaves: readonly Leaf[],
  start: number,
  end: number,
  depth: number,
): readonly ChangeGroup[] {
  const groups: ChangeGroup[] = [];
  let from = start;
  while (from < end) {
    const slot = slotOf(leaves, from, depth);
    let to = from + 1;
    while (to < end && slotOf(leaves, to, depth) === slot) to++;
    groups.push({ slot, start: from, end: to });
    from = to;
  }
  return groups;
}

function slotOf(leaves: readonly Leaf[], index: number, depth: number): number {
  const leaf = leaves[index];
  return leaf === undefined ? 0 : nibbleAt(leaf.bytes, depth, leaf.offset);
}
