import type { StateKey } from '../../types/index.js';
import { compareBytes } from '../../types/index.js';
import { sha256 } from '../sha256.js';
import { nibbleAt, stateKeyPath } from './hashing.js';
import { hashBytes, leafBytes } from './node.js';

/** A write, by the key's place in the tree. */
export interface Change {
  /** Path of the key, and hash of its new value unless it is removed: the bytes of a leaf. */
  readonly leaf: Uint8Array;
  readonly removed: boolean;
  /** First 48 bits of the path, for sorting. */
  readonly rank: number;
}

/** A run of changes, from `start` up to `end`, that are below the same slot. */
export interface ChangeGroup {
  readonly slot: number;
  readonly start: number;
  readonly end: number;
}

/** The writes in the order of their paths. */
export function changesOf(writes: ReadonlyMap<StateKey, Uint8Array | undefined>): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, value] of writes) {
    const leaf = new Uint8Array(leafBytes);
    leaf.set(stateKeyPath(key));
    if (value !== undefined) leaf.set(sha256(value), hashBytes);
    let rank = 0;
    for (let index = 0; index < 6; index++) rank = rank * 256 + (leaf[index] ?? 0);
    changes.push({ leaf, removed: value === undefined, rank });
  }
  return changes.sort((a, b) => (a.rank !== b.rank ? a.rank - b.rank : compareBytes(a.leaf, b.leaf)));
}

/** Splits a run of sorted changes by their half-byte at a depth. */
export function groupsOf(
  changes: readonly Change[],
  start: number,
  end: number,
  depth: number,
): readonly ChangeGroup[] {
  const groups: ChangeGroup[] = [];
  let from = start;
  while (from < end) {
    const slot = slotOf(changes, from, depth);
    let to = from + 1;
    while (to < end && slotOf(changes, to, depth) === slot) to++;
    groups.push({ slot, start: from, end: to });
    from = to;
  }
  return groups;
}

function slotOf(changes: readonly Change[], index: number, depth: number): number {
  const change = changes[index];
  return change === undefined ? 0 : nibbleAt(change.leaf, depth);
}
