import { sha256Into } from '../sha256.js';

/** A subtree in an arena: 0 is empty, a positive number an inner node, a negative number a leaf. */
export type Ref = number;
export const nothing: Ref = 0;
/** In place of the left child of an inner node whose children are not in memory. */
const notLoaded = -0x80000000;

/** A stored node covers so many levels of the binary tree. */
export const levelsPerNode = 4;

/** Whether inner nodes at a depth are stored by themselves. The root is stored too, but apart: even a leaf or nothing. */
export const isStoredDepth = (depth: number): boolean => depth > 0 && depth % levelsPerNode === 0;

const hashWords = 8;
const hashBytes = 32;
const leafBytes = 64;
/** A leaf has its path, the hash of its value and its own hash. */
const leafWords = 3 * hashWords;
/** Memory of an inner node and of a leaf. */
const innerMemoryBytes = 56;
const leafMemoryBytes = 4 * leafWords;

/** Input of a hash, 65 bytes: at an odd place, so that the 64 behind the first are whole words. */
const inputWords = new Int32Array(1 + 2 * hashWords);
const inputBytes = new Uint8Array(inputWords.buffer, 3);
const outputWords = new Int32Array(hashWords);
const outputBytes = new Uint8Array(outputWords.buffer);
const leafPrefix = 0;
const innerPrefix = 1;

/**
 * The binary tree in flat arrays: no object for a node, so nothing for the garbage collector to visit. Nodes do not
 * change: a new version of a subtree shares with the old one what is the same. Whoever lets go of a node frees it.
 *
 * Inner nodes at depths that are multiples of four are those that are stored. Only they can be without their children.
 */
export class NodeArena {
  #left: Int32Array;
  #right: Int32Array;
  #hashes: Int32Array;
  #hashBytes: Uint8Array;
  /** Of stored nodes: the version that made it, how its stored form is to be read (age and mask, see markStored), and
   * when it was used last. */
  #versions: Float64Array;
  #forms: Uint32Array;
  #used: Uint32Array;
  #leaves: Int32Array;
  #leafBytes: Uint8Array;
  /** Numbers that were never used begin here. 0 means nothing. */
  #innerEnd = 1;
  #leafEnd = 1;
  /** First number of those that were freed; each has the next. */
  #freeInner = 0;
  #freeLeaf = 0;
  #innerCount = 0;
  #leafCount = 0;

  /** Starts with room for so many inner nodes and leaves; it grows when that is too little. */
  constructor(room = initialNodes) {
    this.#left = new Int32Array(room);
    this.#right = new Int32Array(room);
    this.#hashes = new Int32Array(room * hashWords);
    this.#hashBytes = new Uint8Array(this.#hashes.buffer);
    this.#versions = new Float64Array(room);
    this.#forms = new Uint32Array(room);
    this.#used = new Uint32Array(room);
    this.#leaves = new Int32Array(room * leafWords);
    this.#leafBytes = new Uint8Array(this.#leaves.buffer);
  }

  /** Memory of the nodes in use, in bytes. */
  get usedBytes(): number {
    return this.#innerCount * innerMemoryBytes + this.#leafCount * leafMemoryBytes;
  }

  /** A new inner node over two subtrees that are in memory; computes its hash. */
  addInner(left: Ref, right: Ref): Ref {
    const node = this.#takeInner();
    this.#left[node] = left;
    this.#right[node] = right;
    this.#readHash(left, 1);
    this.#readHash(right, 1 + hashWords);
    inputBytes[0] = innerPrefix;
    sha256Into(inputBytes, outputBytes);
    this.#hashes.set(outputWords, node * hashWords);
    return node;
  }

  /** An inner node over two subtrees with the hash of a node of another arena, which is over the same leaves. */
  addCopy(left: Ref, right: Ref, from: NodeArena, ref: Ref): Ref {
    const node = this.#takeInner();
    this.#left[node] = left;
    this.#right[node] = right;
    for (let index = 0; index < hashWords; index++)
      this.#hashes[node * hashWords + index] = from.#hashes[ref * hashWords + index] ?? 0;
    return node;
  }

  /** A leaf of another arena. */
  addLeafCopy(from: NodeArena, ref: Ref): Ref {
    const leaf = this.#takeLeaf();
    for (let index = 0; index < leafWords; index++)
      this.#leaves[leaf * leafWords + index] = from.#leaves[-ref * leafWords + index] ?? 0;
    return -leaf;
  }

  /** A stored node without its children, from its hash: 32 bytes at an offset. */
  addStored(version: number, bytes: Uint8Array, offset: number): Ref {
    const node = this.#takeInner();
    this.#left[node] = notLoaded;
    this.#versions[node] = version;
    this.#used[node] = 0;
    copy(bytes, offset, this.#hashBytes, node * hashBytes, hashBytes);
    return node;
  }

  /** A new leaf, from 64 bytes at an offset: path and hash of the value. */
  addLeaf(bytes: Uint8Array, offset: number): Ref {
    const leaf = this.#takeLeaf();
    copy(bytes, offset, this.#leafBytes, 4 * leaf * leafWords, leafBytes);
    const start = leaf * leafWords;
    for (let index = 0; index < 2 * hashWords; index++)
      inputWords[1 + index] = this.#leaves[start + index] ?? 0;
    inputBytes[0] = leafPrefix;
    sha256Into(inputBytes, outputBytes);
    this.#leaves.set(outputWords, start + 2 * hashWords);
    return -leaf;
  }

  isLoaded(node: Ref): boolean {
    return this.#left[node] !== notLoaded;
  }

  left(node: Ref): Ref {
    return this.#left[node] ?? nothing;
  }

  right(node: Ref): Ref {
    return this.#right[node] ?? nothing;
  }

  version(node: Ref): number {
    return this.#versions[node] ?? 0;
  }

  /**
   * Says which version stored a node and how: `age` versions after its last full form, from which it differs in the
   * slots of a mask.
   */
  markStored(node: Ref, version: number, age: number, mask: number): void {
    this.#versions[node] = version;
    this.#forms[node] = age * 0x10000 + mask;
  }

  /** Version of the last full form of a stored node. */
  fullVersion(node: Ref): number {
    return this.version(node) - ((this.#forms[node] ?? 0) >>> 16);
  }

  /** Slots in which a stored node differs from its last full form. */
  changedSlots(node: Ref): number {
    return (this.#forms[node] ?? 0) & 0xffff;
  }

  markUsed(node: Ref, time: number): void {
    this.#used[node] = time;
  }

  lastUsed(node: Ref): number {
    return this.#used[node] ?? 0;
  }

  /** Makes a node that is not loaded what another is, and frees that one. False if their hashes differ. */
  become(node: Ref, from: Ref): boolean {
    for (let index = 0; index < hashWords; index++) {
      if (this.#hashes[node * hashWords + index] !== this.#hashes[from * hashWords + index]) return false;
    }
    this.#left[node] = this.left(from);
    this.#right[node] = this.right(from);
    this.#forms[node] = this.#forms[from] ?? 0;
    this.free(from);
    return true;
  }

  /** Frees all below a stored node, which can be loaded again. */
  unload(node: Ref): void {
    this.#freeAll(this.left(node));
    this.#freeAll(this.right(node));
    this.#left[node] = notLoaded;
  }

  /** Frees one node or leaf; nobody may use it any more. */
  free(ref: Ref): void {
    if (ref > 0) {
      this.#left[ref] = this.#freeInner;
      this.#freeInner = ref;
      this.#innerCount--;
    } else if (ref < 0) {
      this.#leaves[-ref * leafWords] = this.#freeLeaf;
      this.#freeLeaf = -ref;
      this.#leafCount--;
    }
  }

  /** A byte of a leaf's 64: path and hash of the value. */
  leafByte(leaf: Ref, index: number): number {
    return this.#leafBytes[-leaf * leafWords * 4 + index] ?? 0;
  }

  /** Copies a leaf's 64 bytes. */
  copyLeaf(leaf: Ref, to: Uint8Array, offset: number): void {
    copy(this.#leafBytes, -leaf * leafWords * 4, to, offset, leafBytes);
  }

  /** Copies the hash of a subtree, 32 bytes; zeros for nothing. */
  copyHash(ref: Ref, to: Uint8Array, offset: number): void {
    if (ref > 0) copy(this.#hashBytes, ref * hashBytes, to, offset, hashBytes);
    else if (ref < 0) copy(this.#leafBytes, -ref * leafWords * 4 + leafBytes, to, offset, hashBytes);
    else to.fill(0, offset, offset + hashBytes);
  }

  /** Reads the hash of a subtree into the input. */
  #readHash(ref: Ref, at: number): void {
    const hashes = ref < 0 ? this.#leaves : this.#hashes;
    const start = ref < 0 ? -ref * leafWords + 2 * hashWords : ref * hashWords;
    // Number 0, which stands for nothing, has a hash of zeros.
    for (let index = 0; index < hashWords; index++) inputWords[at + index] = hashes[start + index] ?? 0;
  }

  #freeAll(ref: Ref): void {
    if (ref > 0 && this.isLoaded(ref)) {
      this.#freeAll(this.left(ref));
      this.#freeAll(this.right(ref));
    }
    this.free(ref);
  }

  #takeInner(): number {
    this.#innerCount++;
    const free = this.#freeInner;
    if (free !== 0) {
      this.#freeInner = this.#left[free] ?? 0;
      return free;
    }
    if (this.#innerEnd === this.#left.length) {
      const count = grownCount(this.#innerEnd);
      this.#left = grown(this.#left, new Int32Array(count));
      this.#right = grown(this.#right, new Int32Array(count));
      this.#hashes = grown(this.#hashes, new Int32Array(count * hashWords));
      this.#hashBytes = new Uint8Array(this.#hashes.buffer);
      this.#versions = grown(this.#versions, new Float64Array(count));
      this.#forms = grown(this.#forms, new Uint32Array(count));
      this.#used = grown(this.#used, new Uint32Array(count));
    }
    return this.#innerEnd++;
  }

  #takeLeaf(): number {
    this.#leafCount++;
    const free = this.#freeLeaf;
    if (free !== 0) {
      this.#freeLeaf = this.#leaves[free * leafWords] ?? 0;
      return free;
    }
    if (this.#leafEnd * leafWords === this.#leaves.length) {
      this.#leaves = grown(this.#leaves, new Int32Array(grownCount(this.#leafEnd) * leafWords));
      this.#leafBytes = new Uint8Array(this.#leaves.buffer);
    }
    return this.#leafEnd++;
  }
}

const initialNodes = 64;

const grownCount = (count: number): number => Math.ceil(count * 1.5);

function grown<T extends Int32Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** A loop: for few bytes it is faster than a view and `set`. */
function copy(from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number, length: number): void {
  for (let index = 0; index < length; index++) to[toOffset + index] = from[fromOffset + index] ?? 0;
}
