import { QuaestorError } from '../../types/index.js';
import { innerHashAt, leafHashAt } from './hashing.js';

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
/** Nodes with more children keep the hashes of their inner levels: 1 KB that saves up to 25 hashes an update. */
const keepHashesAbove = 4;

/** A node that is missing or damaged in the store: STATE_NODE_MISSING or STATE_NODE_CORRUPT. */
export class StateTreeError extends QuaestorError {}

/** A leaf: 64 bytes at an offset, path and value hash. */
export interface Leaf {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** What a slot gets: a subtree of many leaves, one leaf, or nothing. */
export type Slot = StateNode | Leaf | undefined;

/** What a subtree holds. */
export type SubtreeKind = 'empty' | 'leaf' | 'many';

export class StateNode {
  readonly version: number;
  /** See prefixId. */
  readonly id: number;
  /** Stored form. */
  readonly bytes: Uint8Array;
  readonly innerMask: number;
  readonly leafMask: number;
  /** Versions of the inner children in order of slot. */
  readonly #childVersions: readonly number[];
  /** Hashes of the five levels as a heap: 1 is the whole node, 2i and 2i + 1 are below i, slot s is 16 + s. Made when
   * first asked for. */
  #hashes: Uint8Array | undefined;

  private constructor(version: number, id: number, bytes: Uint8Array, childVersions: readonly number[]) {
    this.version = version;
    this.id = id;
    this.bytes = bytes;
    this.innerMask = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
    this.leafMask = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
    this.#childVersions = childVersions;
  }

  /** Reads the stored form; throws a StateTreeError when it is damaged. */
  static decode(version: number, id: number, bytes: Uint8Array): StateNode {
    if (bytes.length < headerBytes || bytes[0] !== format) throw corrupt(version);
    const innerMask = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
    const leafMask = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
    if ((innerMask & leafMask) !== 0) throw corrupt(version);
    const childVersions: number[] = [];
    let offset = tailOffset(innerMask, leafMask);
    for (let count = ones(innerMask); count > 0; count--) {
      let value = 0;
      let scale = 1;
      for (let length = 1; ; length++) {
        const byte = bytes[offset++];
        if (byte === undefined || length > maxVersionBytes) throw corrupt(version);
        value += (byte & 127) * scale;
        scale *= 128;
        if (byte < 128) break;
      }
      if (value > version) throw corrupt(version);
      childVersions.push(value);
    }
    if (offset !== bytes.length) throw corrupt(version);
    return new StateNode(version, id, bytes, childVersions);
  }

  /**
   * A node that has the slots of `old`, if there is one, except for those in `slots`, whose numbers are the bits of
   * `changed`. New inner children have the version of the node.
   */
  static create(
    version: number,
    id: number,
    old: StateNode | undefined,
    changed: number,
    slots: readonly Slot[],
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
    const node = new StateNode(version, id, bytes, childVersions);
    for (let slot = 0; slot < 16; slot++) {
      const child = slots[slot];
      if ((changed & (1 << slot)) === 0 || child === undefined) continue;
      if (child instanceof StateNode) bytes.set(child.hash(), node.#innerOffset(slot));
      else bytes.set(child.bytes.subarray(child.offset, child.offset + leafBytes), node.#leafOffset(slot));
    }
    const before = old === undefined ? undefined : old.#hashes;
    if (before !== undefined) node.#hashFrom(before, changed);
    return node;
  }

  /** Version of the inner child in a slot. */
  childVersion(slot: number): number {
    return this.#childVersions[ones(this.innerMask & ((1 << slot) - 1))] ?? 0;
  }

  /** The leaf in a slot that has one. */
  leaf(slot: number): Leaf {
    return { bytes: this.bytes, offset: this.#leafOffset(slot) };
  }

  /** Hash of the subtree that the node stands for: a fresh array. */
  hash(): Uint8Array {
    return this.hashAt(1);
  }

  /** Hash of the subtree at a position of the heap: a fresh array. */
  hashAt(position: number): Uint8Array {
    return this.#allHashes().slice(position * hashBytes, (position + 1) * hashBytes);
  }

  /** What the subtree at a position of the heap holds. */
  kindAt(position: number): SubtreeKind {
    const range = slotsBelow(position);
    const leaves = this.leafMask & range;
    if ((this.innerMask & range) !== 0 || (leaves & (leaves - 1)) !== 0) return 'many';
    return leaves === 0 ? 'empty' : 'leaf';
  }

  /** Lets go of the hashes of a node that has few children: they are quickly made again. */
  trim(): void {
    if (ones(this.innerMask | this.leafMask) <= keepHashesAbove) this.#hashes = undefined;
  }

  #innerOffset(slot: number): number {
    return headerBytes + hashBytes * ones(this.innerMask & ((1 << slot) - 1));
  }

  #leafOffset(slot: number): number {
    const leavesBefore = ones(this.leafMask & ((1 << slot) - 1));
    return headerBytes + hashBytes * ones(this.innerMask) + leafBytes * leavesBefore;
  }

  #allHashes(): Uint8Array {
    return this.#hashes ?? this.#hashFrom(undefined, 0xffff);
  }

  /** Makes the hashes out of those of the node before, in which the slots of `changed` are outdated. */
  #hashFrom(before: Uint8Array | undefined, changed: number): Uint8Array {
    const hashes = before === undefined ? new Uint8Array(hashBytes * 32) : new Uint8Array(before);
    for (let slot = 0; slot < 16; slot++) {
      const bit = 1 << slot;
      if ((changed & bit) === 0) continue;
      const offset = (16 + slot) * hashBytes;
      if ((this.innerMask & bit) !== 0) {
        const start = this.#innerOffset(slot);
        hashes.set(this.bytes.subarray(start, start + hashBytes), offset);
      } else if ((this.leafMask & bit) !== 0) {
        hashes.set(leafHashAt(this.bytes, this.#leafOffset(slot)), offset);
      } else if (before !== undefined) {
        hashes.fill(0, offset, offset + hashBytes);
      }
    }
    for (let position = 15; position > 0; position--) {
      const range = slotsBelow(position);
      if ((changed & range) === 0) continue;
      const offset = position * hashBytes;
      const leaves = this.leafMask & range;
      if ((this.innerMask & range) !== 0 || (leaves & (leaves - 1)) !== 0) {
        hashes.set(innerHashAt(hashes, 2 * offset), offset);
      } else if (leaves !== 0) {
        // The hash of a subtree with one leaf is that leaf's, however far below it is.
        const slot = (16 + 31 - Math.clz32(leaves)) * hashBytes;
        hashes.copyWithin(offset, slot, slot + hashBytes);
      } else if (before !== undefined) {
        hashes.fill(0, offset, offset + hashBytes);
      }
    }
    this.#hashes = hashes;
    return hashes;
  }
}

const corrupt = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_CORRUPT',
    `A node of the state tree, of version ${version}, is damaged in the store. Restore the store from a backup, or ` +
      `remove it and let the node catch up from its peers.`,
    { version: String(version) },
  );

/** Number of bits that are set. */
function ones(mask: number): number {
  let bits = mask - ((mask >>> 1) & 0x5555);
  bits = (bits & 0x3333) + ((bits >>> 2) & 0x3333);
  bits = (bits + (bits >>> 4)) & 0x0f0f;
  return (bits + (bits >>> 8)) & 31;
}

/** Mask of the slots below a position of the heap. */
function slotsBelow(position: number): number {
  return slotRanges[position] ?? 0;
}

const slotRanges: readonly number[] = Array.from({ length: 32 }, (_, position) => {
  if (position === 0) return 0;
  const level = 31 - Math.clz32(position);
  const width = 16 >>> level;
  return (((1 << width) - 1) << ((position - (1 << level)) * width)) & 0xffff;
});

function tailOffset(innerMask: number, leafMask: number): number {
  return headerBytes + hashBytes * ones(innerMask) + leafBytes * ones(leafMask);
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
