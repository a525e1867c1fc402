import { sha256Into } from '../sha256.js';
import { ones, slotsBelow } from './masks.js';
import { snapshotBytes, type SnapshotPlace } from './snapshot-arena.js';

/** What of a node is hashed; see StateNode. */
export interface HashedNode {
  readonly bytes: Uint8Array;
  readonly innerMask: number;
  readonly leafMask: number;
  /** Where in `bytes` the hash of the inner child of a slot is. */
  innerOffset(slot: number): number;
  /** Where in `bytes` the path and value hash of the leaf of a slot are. */
  leafOffset(slot: number): number;
}

/**
 * The hashes of a node's binary levels are worked out in one buffer that is reused. It has, for each position p from 1
 * to 15, the 65 bytes that are hashed for it: 0x01 and the hashes of 2p and 2p + 1. So each hash is written where the
 * next one needs it, and nothing is copied. The node's own hash comes last.
 */
const messageBytes = 65;
const hashBytes = 32;
const levels = new Uint8Array(16 * messageBytes + hashBytes);
for (let position = 1; position < 16; position++) levels[position * messageBytes] = 1;

const offsetOf = (position: number): number =>
  position === 1 ? 16 * messageBytes : (position >>> 1) * messageBytes + 1 + (position & 1) * hashBytes;

/** What is hashed for each position, and where each hash goes. */
const messages = Array.from({ length: 16 }, (_, position) =>
  levels.subarray(position * messageBytes, (position + 1) * messageBytes),
);
const outputs = Array.from({ length: 32 }, (_, position) =>
  levels.subarray(offsetOf(position), offsetOf(position) + hashBytes),
);
const leafMessage = new Uint8Array(messageBytes);
const noView = new Uint8Array(0);

/** The messages of positions 1 … 7, which hold the hashes of 2 … 15: what a snapshot keeps, 455 bytes. */
const snapshotView = levels.subarray(messageBytes, 8 * messageBytes);

/**
 * Works out the hashes of a node: all of them, or from a snapshot of a node that differs only in the slots of `changed`
 * those that depend on these slots. Afterwards `readHash` and `takeSnapshot` give results, until the next call.
 */
export function computeLevels(node: HashedNode, snapshot: SnapshotPlace | undefined, changed: number): void {
  const outdated = snapshot === undefined ? 0xffff : changed;
  if (snapshot !== undefined) {
    const { chunk, offset } = snapshot;
    snapshotView.set(chunk.subarray(offset, offset + snapshotBytes));
  }
  for (let position = 15; position > 0; position--) {
    const range = slotsBelow(position);
    if ((outdated & range) === 0) continue;
    if (position >= 8) {
      loadSlot(node, 2 * position - 16);
      loadSlot(node, 2 * position - 15);
    }
    const leaves = node.leafMask & range;
    const inner = node.innerMask & range;
    if (inner !== 0 || (leaves & (leaves - 1)) !== 0) {
      sha256Into(messages[position] ?? noView, outputs[position] ?? noView);
    } else if (leaves === 0) {
      outputs[position]?.fill(0);
    } else {
      // The hash of a subtree with one leaf is that leaf's, however far below it is.
      const half = (leaves & slotsBelow(2 * position)) !== 0 ? 2 * position : 2 * position + 1;
      const from = offsetOf(half);
      levels.copyWithin(offsetOf(position), from, from + hashBytes);
    }
  }
}

/** Hash at a position, 1 … 31: a fresh array. With a snapshot, only of positions that depend on the changed slots or
 * are next to one that does. */
export function readHash(position: number): Uint8Array {
  const offset = offsetOf(position);
  return levels.slice(offset, offset + hashBytes);
}

/** Keeps the hashes above the slots for a later `computeLevels`. */
export function takeSnapshot({ chunk, offset }: SnapshotPlace): void {
  chunk.set(snapshotView, offset);
}

function loadSlot(node: HashedNode, slot: number): void {
  const bit = 1 << slot;
  const { bytes } = node;
  if ((node.innerMask & bit) !== 0) {
    const from = node.innerOffset(slot);
    const to = offsetOf(16 + slot);
    for (let index = 0; index < hashBytes; index++) levels[to + index] = bytes[from + index] ?? 0;
  } else if ((node.leafMask & bit) !== 0) {
    const from = node.leafOffset(slot);
    for (let index = 0; index < 2 * hashBytes; index++) leafMessage[1 + index] = bytes[from + index] ?? 0;
    sha256Into(leafMessage, outputs[16 + slot] ?? noView);
  } else outputs[16 + slot]?.fill(0);
}

/** Whether a snapshot of a node is worth its memory: with few children, its hashes are quickly made again. */
export function isSnapshotWorthwhile(node: HashedNode): boolean {
  return ones(node.innerMask | node.leafMask) > 4;
}
