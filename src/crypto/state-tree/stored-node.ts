import { combine } from './combine.js';
import { corruptNode } from './errors.js';
import { nothing, type NodeArena, type Ref } from './node-arena.js';
import type { PackedBytes } from './packed-entries.js';

/**
 * The stored forms of a node of 16 slots, four levels of the binary tree:
 *
 *     full:  format 0x01 | inner mask u16 | leaf mask u16 | children
 *     delta: format 0x02 | age u16 | changed mask u16 | inner mask u16 | leaf mask u16 | children
 *     children: hash of each inner child, 32 each | path 32 and value hash 32 of each leaf
 *               | version of each inner child, as a varint each
 *
 * Masks are big-endian with bit i for slot i; children are in ascending order of slot. A leaf lives in the slot of its
 * parent and has no entry of its own. A delta has only the slots that changed since the full form of the same place that
 * is so many versions older.
 */
const fullFormat = 1;
const deltaFormat = 2;
const fullHeaderBytes = 5;
const deltaHeaderBytes = 9;
const hashBytes = 32;
const leafBytes = 64;
const maxVersionBytes = 7;
const maxNodeBytes = deltaHeaderBytes + 16 * leafBytes;
const maxAge = 0xffff;

/** The 16 slots of the node that is being written or read, and of the one that it replaces. */
const slots = new Int32Array(16);
const oldSlots = new Int32Array(16);

/**
 * Writes the stored form of a subtree whose root is at a depth of so many half-bytes, which takes the place of `old` or
 * of no node. What it has at its fourth level was written before. A delta is written if it has at most half of the bytes;
 * returns whether it was.
 */
export function writeNode(
  arena: NodeArena,
  ref: Ref,
  old: Ref,
  version: number,
  depth: number,
  to: PackedBytes,
): boolean {
  slots.fill(nothing);
  fillSlots(arena, ref, depth, 0, 0, slots);
  let innerMask = 0;
  let leafMask = 0;
  for (let slot = 0; slot < 16; slot++) {
    const child = slots[slot] ?? nothing;
    if (child > 0) innerMask |= 1 << slot;
    else if (child < 0) leafMask |= 1 << slot;
  }
  let age = 0;
  let changed = 0;
  if (ref > 0 && old > 0 && version - arena.fullVersion(old) <= maxAge) {
    changed = arena.changedSlots(old) | slotsThatDiffer(arena, old, depth);
    const deltaBytes = deltaHeaderBytes + childBytes(innerMask & changed, leafMask & changed);
    if (2 * deltaBytes <= fullHeaderBytes + childBytes(innerMask, leafMask))
      age = version - arena.fullVersion(old);
  }
  const { bytes, start } = to.reserve(maxNodeBytes);
  let offset = start;
  if (age === 0) {
    changed = 0;
    bytes[offset++] = fullFormat;
  } else {
    innerMask &= changed;
    leafMask &= changed;
    bytes[offset++] = deltaFormat;
    offset = writeU16(bytes, offset, age);
    offset = writeU16(bytes, offset, changed);
  }
  offset = writeU16(bytes, offset, innerMask);
  offset = writeU16(bytes, offset, leafMask);
  to.add(writeChildren(arena, innerMask, leafMask, bytes, offset) - start);
  if (ref > 0) arena.markStored(ref, version, age, changed);
  return age > 0;
}

function writeChildren(
  arena: NodeArena,
  innerMask: number,
  leafMask: number,
  bytes: Uint8Array,
  start: number,
): number {
  let offset = start;
  for (let slot = 0; slot < 16; slot++) {
    if ((innerMask & (1 << slot)) === 0) continue;
    arena.copyHash(slots[slot] ?? nothing, bytes, offset);
    offset += hashBytes;
  }
  for (let slot = 0; slot < 16; slot++) {
    if ((leafMask & (1 << slot)) === 0) continue;
    arena.copyLeaf(slots[slot] ?? nothing, bytes, offset);
    offset += leafBytes;
  }
  for (let slot = 0; slot < 16; slot++) {
    if ((innerMask & (1 << slot)) === 0) continue;
    offset = writeVersion(bytes, offset, arena.version(slots[slot] ?? nothing));
  }
  return offset;
}

/** Mask of the slots of the node that is being written that are not those of the node that it replaces. */
function slotsThatDiffer(arena: NodeArena, old: Ref, depth: number): number {
  oldSlots.fill(nothing);
  fillSlots(arena, old, depth, 0, 0, oldSlots);
  let mask = 0;
  for (let slot = 0; slot < 16; slot++) if (slots[slot] !== oldSlots[slot]) mask |= 1 << slot;
  return mask;
}

function fillSlots(
  arena: NodeArena,
  ref: Ref,
  depth: number,
  level: number,
  slot: number,
  into: Int32Array,
): void {
  if (ref === nothing) return;
  if (ref < 0) {
    const byte = arena.leafByte(ref, depth >>> 1);
    into[(depth & 1) === 0 ? byte >>> 4 : byte & 15] = ref;
  } else if (level === 4) into[slot] = ref;
  else {
    fillSlots(arena, arena.left(ref), depth, level + 1, 2 * slot, into);
    fillSlots(arena, arena.right(ref), depth, level + 1, 2 * slot + 1, into);
  }
}

/** Version of the full form that a stored form builds on; undefined for a full one. Throws a StateTreeError. */
export function versionBelow(version: number, bytes: Uint8Array): number | undefined {
  if (bytes[0] !== deltaFormat) return undefined;
  const age = readU16(bytes, 1);
  if (bytes.length < deltaHeaderBytes || age === 0 || age > version) throw corruptNode(version);
  return version - age;
}

/**
 * Reads the stored form of a node, with the full form that it builds on if it is a delta, into an arena, without what is
 * below its fourth level. Throws a StateTreeError when it is damaged.
 */
export function readNode(
  arena: NodeArena,
  version: number,
  depth: number,
  bytes: Uint8Array,
  full: Uint8Array | undefined,
): Ref {
  slots.fill(nothing);
  let age = 0;
  let changed = 0;
  if (full !== undefined) {
    age = readU16(bytes, 1);
    changed = readU16(bytes, 3);
    readSlots(arena, version, depth, bytes, deltaHeaderBytes, 0);
    if ((~changed & (readU16(bytes, 5) | readU16(bytes, 7))) !== 0) throw corruptNode(version);
  }
  const whole = full ?? bytes;
  if (whole[0] !== fullFormat) throw corruptNode(version - age);
  readSlots(arena, version - age, depth, whole, fullHeaderBytes, changed);
  const root = joinSlots(arena, 0, 16);
  if (root > 0) arena.markStored(root, version, age, changed);
  return root;
}

/** Reads the children of a form, but for the slots of a mask. The masks are the last four bytes of the header. */
function readSlots(
  arena: NodeArena,
  version: number,
  depth: number,
  bytes: Uint8Array,
  headerBytes: number,
  except: number,
): void {
  const innerMask = readU16(bytes, headerBytes - 4);
  const leafMask = readU16(bytes, headerBytes - 2);
  if (bytes.length < headerBytes || (innerMask & leafMask) !== 0) throw corruptNode(version);
  let hashOffset = headerBytes;
  let leafOffset = headerBytes + hashBytes * ones(innerMask);
  let versionOffset = headerBytes + childBytes(innerMask, leafMask);
  checkVersions(bytes, versionOffset, ones(innerMask), version);
  for (let slot = 0; slot < 16; slot++) {
    const bit = 1 << slot;
    if ((innerMask & bit) !== 0) {
      if ((except & bit) === 0)
        slots[slot] = arena.addStored(versionAt(bytes, versionOffset), bytes, hashOffset);
      hashOffset += hashBytes;
      while ((bytes[versionOffset] ?? 0) >= 128) versionOffset++;
      versionOffset++;
    } else if ((leafMask & bit) !== 0) {
      const byte = bytes[leafOffset + (depth >>> 1)] ?? 0;
      if (((depth & 1) === 0 ? byte >>> 4 : byte & 15) !== slot) throw corruptNode(version);
      if ((except & bit) === 0) slots[slot] = arena.addLeaf(bytes, leafOffset);
      leafOffset += leafBytes;
    }
  }
}

function joinSlots(arena: NodeArena, from: number, count: number): Ref {
  if (count === 1) return slots[from] ?? nothing;
  const half = count / 2;
  return combine(arena, joinSlots(arena, from, half), joinSlots(arena, from + half, half));
}

/** Checks that a form ends in so many versions that are not above its own. */
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

/** Bytes of children without their versions. */
const childBytes = (innerMask: number, leafMask: number): number =>
  hashBytes * ones(innerMask) + leafBytes * ones(leafMask);

function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

function writeU16(bytes: Uint8Array, offset: number, value: number): number {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value & 255;
  return offset + 2;
}

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
