import { QuaestorError } from '../../types/index.js';
import {
  computeLevels,
  isSnapshotWorthwhile,
  readHash,
  takeSnapshot,
  type HashedNode,
} from './level-hashes.js';
import { ones, slotsBelow, type SubtreeKind } from './masks.js';
import type { SnapshotArena, SnapshotPlace } from './snapshot-arena.js';

/**
 * A node of 16 slots: four levels of the binary tree. Its stored form, which is also how it is held in memory:
 *
 *     format 0x01 | inner mask u16 | leaf mask u16 | hash of each inner child, 32 each
 *     | path 32 and value hash 32 of each leaf | version of each inner child, as a varint each
 *
 * Masks are big-endian with bit i for slot i; children are in ascending order of slot. A leaf lives in the slot of its
 * parent and has no entry of its own.
 */
const format = 1;
const headerBytes = 5;
export const hashBytes = 32;
export const leafBytes = 64;
const maxVersionBytes = 7;

/** A node that is missing or damaged in the store: STATE_NODE_MISSING or STATE_NODE_CORRUPT. */
export class StateTreeError extends QuaestorError {}

/** A leaf: 64 bytes at an offset, path and value hash. */
export interface Leaf {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** What a slot gets: a subtree of many leaves, one leaf, or nothing. */
export type Slot = StateNode | Leaf | undefined;

export class StateNode implements HashedNode {
  readonly version: number;
  /** See prefixId. */
  readonly id: number;
  /** Stored form. */
  readonly bytes: Uint8Array;
  readonly innerMask: number;
  readonly leafMask: number;
  /** Hashes of the levels, to derive those of the next version from. */
  snapshot: SnapshotPlace | undefined;
  #hash: Uint8Array | undefined;

  private constructor(version: number, id: number, bytes: Uint8Array) {
    this.version = version;
    this.id = id;
    this.bytes = bytes;
    this.innerMask = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
    this.leafMask = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
  }

  /** Reads the stored form; throws a StateTreeError when it is damaged. */
  static decode(version: number, id: number, bytes: Uint8Array): StateNode {
    if (bytes.length < headerBytes || bytes[0] !== format) throw corrupt(version);
    const innerMask = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
    const leafMask = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
    if ((innerMask & leafMask) !== 0) throw corrupt(version);
    let offset = tailOffset(innerMask, leafMask);
    for (let count = ones(innerMask); count > 0; count--) {
      const start = offset;
      while ((bytes[offset] ?? 0) >= 128) offset++;
      offset++;
      if (offset - start > maxVersionBytes || readVersion(bytes, start) > version) throw corrupt(version);
    }
    if (offset !== bytes.length) throw corrupt(version);
    return new StateNode(version, id, bytes);
  }

  /**
   * A node that has the slots of `old`, if there is one, except for those in `slots`, whose numbers are the bits of
   * `changed`. New inner children have the version of the node.
   * A snapshot of its hashes goes to `snapshots` if that is worthwhile.
   */
  static create(
    version: number,
    id: number,
    old: StateNode | undefined,
    changed: number,
    slots: readonly Slot[],
    snapshots: SnapshotArena,
  ): StateNode {
    let innerMask = (old?.innerMask ?? 0) & ~changed;
    let leafMask = (old?.leafMask ?? 0) & ~changed;
    for (let slot = 0; slot < 16; slot++) {
      const child = slots[slot];
      if ((changed & (1 << slot)) === 0 || child === undefined) continue;
      if (child instanceof StateNode) innerMask |= 1 << slot;
      else leafMask |= 1 << slot;
    }
    const childVersions: number[] = [];
    let tailLength = 0;
    for (let slot = 0; slot < 16; slot++) {
      if ((innerMask & (1 << slot)) === 0) continue;
      const childVersion = (changed & (1 << slot)) === 0 && old ? old.childVersion(slot) : version;
      childVersions.push(childVersion);
      tailLength += versionLength(childVersion);
    }
    const tail = tailOffset(innerMask, leafMask);
    const bytes = new Uint8Array(tail + tailLength);
    if (old?.innerMask === innerMask && old.leafMask === leafMask) {
      bytes.set(tail === old.bytes.length ? old.bytes : old.bytes.subarray(0, tail));
    } else {
      bytes[0] = format;
      bytes[1] = innerMask >>> 8;
      bytes[2] = innerMask & 255;
      bytes[3] = leafMask >>> 8;
      bytes[4] = leafMask & 255;
      if (old !== undefined) copyUnchanged(old, bytes, innerMask, leafMask, changed);
    }
    writeVersions(bytes, tail, childVersions);
    const node = new StateNode(version, id, bytes);
    for (let slot = 0; slot < 16; slot++) {
      const child = slots[slot];
      if ((changed & (1 << slot)) === 0 || child === undefined) continue;
      if (child instanceof StateNode) copyBytes(child.hash(), 0, bytes, node.innerOffset(slot), hashBytes);
      else copyBytes(child.bytes, child.offset, bytes, node.leafOffset(slot), leafBytes);
    }
    computeLevels(node, old?.snapshot, changed);
    node.#hash = readHash(1);
    if (isSnapshotWorthwhile(node)) {
      node.snapshot = snapshots.take();
      takeSnapshot(node.snapshot);
    }
    return node;
  }

  /** Version of the inner child in a slot. */
  childVersion(slot: number): number {
    let offset = tailOffset(this.innerMask, this.leafMask);
    for (let before = ones(this.innerMask & ((1 << slot) - 1)); before > 0; before--) {
      while ((this.bytes[offset] ?? 0) >= 128) offset++;
      offset++;
    }
    return readVersion(this.bytes, offset);
  }

  /** The leaf in a slot that has one. */
  leaf(slot: number): Leaf {
    return { bytes: this.bytes, offset: this.leafOffset(slot) };
  }

  /** Hash of the subtree that the node stands for. */
  hash(): Uint8Array {
    if (this.#hash === undefined) {
      computeLevels(this, this.snapshot, 0xffff);
      this.#hash = readHash(1);
    }
    return this.#hash;
  }

  /** Lets go of the node's own hash, which is needed only until its parent has it. */
  forgetHash(): void {
    this.#hash = undefined;
  }

  /** Makes `readHash` give the hashes on the way from a slot to the top, and those next to it. */
  loadWay(slot: number): void {
    computeLevels(this, this.snapshot, 1 << slot);
  }

  /** What the subtree at a position of the heap holds. */
  kindAt(position: number): SubtreeKind {
    const range = slotsBelow(position);
    const leaves = this.leafMask & range;
    if ((this.innerMask & range) !== 0 || (leaves & (leaves - 1)) !== 0) return 'many';
    return leaves === 0 ? 'empty' : 'leaf';
  }

  innerOffset(slot: number): number {
    return headerBytes + hashBytes * ones(this.innerMask & ((1 << slot) - 1));
  }

  leafOffset(slot: number): number {
    const leavesBefore = ones(this.leafMask & ((1 << slot) - 1));
    return headerBytes + hashBytes * ones(this.innerMask) + leafBytes * leavesBefore;
  }
}

const corrupt = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_CORRUPT',
    `A node of the state tree, of version ${version}, is damaged in the store. Restore the store from a backup, or ` +
      `remove it and let the node catch up from its peers.`,
    { version: String(version) },
  );

/** A loop: for few bytes it is faster than a view and `set`, which also would move small arrays off V8's heap. */
function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  for (let index = 0; index < length; index++) to[toOffset + index] = from[fromOffset + index] ?? 0;
}

function tailOffset(innerMask: number, leafMask: number): number {
  return headerBytes + hashBytes * ones(innerMask) + leafBytes * ones(leafMask);
}

function readVersion(bytes: Uint8Array, start: number): number {
  let value = 0;
  let scale = 1;
  for (let offset = start; ; offset++) {
    const byte = bytes[offset] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}

function versionLength(version: number): number {
  let length = 1;
  for (let rest = version; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVersions(bytes: Uint8Array, start: number, versions: readonly number[]): void {
  let offset = start;
  for (const version of versions) {
    let rest = version;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[offset++] = (rest % 128) | 128;
    bytes[offset++] = rest;
  }
}

/** Copies the children that stay from a node to one with other masks. */
function copyUnchanged(
  old: StateNode,
  bytes: Uint8Array,
  innerMask: number,
  leafMask: number,
  changed: number,
): void {
  let from = headerBytes;
  let to = headerBytes;
  for (const [oldMask, mask, size] of [
    [old.innerMask, innerMask, hashBytes],
    [old.leafMask, leafMask, leafBytes],
  ] as const) {
    for (let slot = 0; slot < 16; slot++) {
      const bit = 1 << slot;
      if ((oldMask & mask & ~changed & bit) !== 0) bytes.set(old.bytes.subarray(from, from + size), to);
      if ((oldMask & bit) !== 0) from += size;
      if ((mask & bit) !== 0) to += size;
    }
  }
}
