import { QuaestorError } from '../../types/index.js';
import { combine } from './combine.js';
import { nothing, type NodeArena, type Ref } from './node-arena.js';
import type { PackedBytes } from './packed-entries.js';

/**
 * The stored form of a node of 16 slots, four levels of the binary tree:
 *
 *     format 0x01 | inner mask u16 | leaf mask u16 | hash of each inner child, 32 each
 *     | path 32 and value hash 32 of each leaf | version of each inner child, as a varint each
 *
 * Masks are big-endian with bit i for slot i; children are in ascending order of slot. A leaf lives in the slot of its
 * parent and has no entry of its own.
 */
const format = 1;
const headerBytes = 5;
const hashBytes = 32;
const leafBytes = 64;
const maxVersionBytes = 7;
const maxNodeBytes = headerBytes + 16 * leafBytes;

/** A node that is missing or damaged in the store: STATE_NODE_MISSING or STATE_NODE_CORRUPT. */
export class StateTreeError extends QuaestorError {}

/** The 16 slots of the node that is being written or read. */
const slots = new Int32Array(16);

/**
 * Writes the stored form of a subtree whose root is at a depth of so many half-bytes. What it has at its fourth level
 * must have been written before.
 */
export function writeNode(arena: NodeArena, ref: Ref, depth: number, to: PackedBytes): void {
  slots.fill(nothing);
  fillSlots(arena, ref, depth, 0, 0);
  const { bytes, start } = to.reserve(maxNodeBytes);
  let innerMask = 0;
  let leafMask = 0;
  let offset = start + headerBytes;
  for (let slot = 0; slot < 16; slot++) {
    const child = slots[slot] ?? nothing;
    if (child <= 0) continue;
    innerMask |= 1 << slot;
    arena.copyHash(child, bytes, offset);
    offset += hashBytes;
  }
  for (let slot = 0; slot < 16; slot++) {
    const child = slots[slot] ?? nothing;
    if (child >= 0) continue;
    leafMask |= 1 << slot;
    arena.copyLeaf(child, bytes, offset);
    offset += leafBytes;
  }
  for (let slot = 0; slot < 16; slot++) {
    const child = slots[slot] ?? nothing;
    if (child > 0) offset = writeVersion(bytes, offset, arena.version(child));
  }
  bytes[start] = format;
  bytes[start + 1] = innerMask >>> 8;
  bytes[start + 2] = innerMask & 255;
  bytes[start + 3] = leafMask >>> 8;
  bytes[start + 4] = leafMask & 255;
  to.add(offset - start);
}

function fillSlots(arena: NodeArena, ref: Ref, depth: number, level: number, slot: number): void {
  if (ref === nothing) return;
  if (ref < 0) {
    const byte = arena.leafByte(ref, depth >>> 1);
    slots[(depth & 1) === 0 ? byte >>> 4 : byte & 15] = ref;
  } else if (level === 4) slots[slot] = ref;
  else {
    fillSlots(arena, arena.left(ref), depth, level + 1, 2 * slot);
    fillSlots(arena, arena.right(ref), depth, level + 1, 2 * slot + 1);
  }
}

/**
 * Reads the stored form of a node into an arena, without what is below its fourth level. Throws a StateTreeError when it
 * is damaged.
 */
export function readNode(arena: NodeArena, version: number, depth: number, bytes: Uint8Array): Ref {
  if (bytes.length < headerBytes || bytes[0] !== format) throw corruptNode(version);
  const innerMask = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
  const leafMask = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
  if ((innerMask & leafMask) !== 0) throw corruptNode(version);
  let hashOffset = headerBytes;
  let leafOffset = headerBytes + hashBytes * ones(innerMask);
  let versionOffset = leafOffset + leafBytes * ones(leafMask);
  checkVersions(bytes, versionOffset, ones(innerMask), version);
  slots.fill(nothing);
  for (let slot = 0; slot < 16; slot++) {
    const bit = 1 << slot;
    if ((innerMask & bit) !== 0) {
      slots[slot] = arena.addStored(versionAt(bytes, versionOffset), bytes, hashOffset);
      hashOffset += hashBytes;
      while ((bytes[versionOffset] ?? 0) >= 128) versionOffset++;
      versionOffset++;
    } else if ((leafMask & bit) !== 0) {
      const byte = bytes[leafOffset + (depth >>> 1)] ?? 0;
      if (((depth & 1) === 0 ? byte >>> 4 : byte & 15) !== slot) throw corruptNode(version);
      slots[slot] = arena.addLeaf(bytes, leafOffset);
      leafOffset += leafBytes;
    }
  }
  const root = joinSlots(arena, 0, 16);
  if (root > 0) arena.markStored(root, version, 0);
  return root;
}

function joinSlots(arena: NodeArena, from: number, count: number): Ref {
  if (count === 1) return slots[from] ?? nothing;
  const half = count / 2;
  return combine(arena, joinSlots(arena, from, half), joinSlots(arena, from + half, half));
}

/** Checks that a node ends in so many versions that are not above its own. */
function checkVersions(bytes: Uint8Array, start: number, count: number, version: number): void {
  let offset = start;
  for (let index = 0; index < count; index++) {
    const from = offset;
    while ((bytes[offset] ?? 0) >= 128) offset++;
    offset++;
    if (offset - from > maxVersionBytes || versionAt(bytes, from) > version) throw corruptNode(version);
  }
  if (offset !== bytes.length) throw corruptNode(version);
}

/** Error for a node of a version that does not hold what it should. */
export const corruptNode = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_CORRUPT',
    `A node of the state tree, of version ${version}, is damaged in the store. Restore the store from a backup, or ` +
      `remove it and let the node catch up from its peers.`,
    { version: String(version) },
  );

/** Error for a node of a version that is not there. */
export const missingNode = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_MISSING',
    `The store has no node of the state tree of version ${version}: that version was pruned, or the store is ` +
      `incomplete. Ask for a later height; if it is needed for the latest one, restore the store from a backup.`,
    { version: String(version) },
  );

function versionAt(bytes: Uint8Array, start: number): number {
  let value = 0;
  let scale = 1;
  for (let offset = start; ; offset++) {
    const byte = bytes[offset] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}

function writeVersion(bytes: Uint8Array, start: number, version: number): number {
  let offset = start;
  let rest = version;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[offset++] = (rest % 128) | 128;
  bytes[offset++] = rest;
  return offset;
}

/** Number of bits that are set in a mask of 16. */
function ones(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
