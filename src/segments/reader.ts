import { createHash } from 'node:crypto';
import {
  decodeSealedBlock,
  decodeSegmentIndex,
  type SealedBlock,
  type SegmentEntry,
  type SegmentFrame,
  type SegmentIndex,
} from '../codec/index.js';
import { ObjectStoreError, readObject, type ObjectStore } from '../objects/index.js';
import { asHeight, equalBytes, invariant, type Height } from '../types/index.js';
import { hashOf } from './builder.js';
import { SegmentError } from './errors.js';
import {
  blockPrefixBytes,
  decompressFrame,
  endMagic,
  segmentKey,
  segmentMagic,
  trailerBytes,
} from './format.js';

/** A block of a segment and where it stands in it. */
export interface PlacedBlock {
  readonly height: Height;
  readonly block: SealedBlock;
}

interface PlacedFrame extends SegmentFrame {
  readonly firstHeight: number;
  readonly offset: number;
}

/**
 * One segment in object storage. What it reads is what was sealed: index and frames have the hashes that the manifest
 * vouches for. Whether the blocks are final is for `verify.ts`. Holds one frame in memory at a time. Promises reject
 * with a SegmentError, or an ObjectStoreError.
 */
export class SegmentReader {
  readonly entry: SegmentEntry;
  readonly #objects: ObjectStore;
  readonly #frames: readonly PlacedFrame[];

  private constructor(objects: ObjectStore, entry: SegmentEntry, frames: readonly PlacedFrame[]) {
    this.#objects = objects;
    this.entry = entry;
    this.#frames = frames;
  }

  /** Reads and checks the index of a segment. */
  static async open(objects: ObjectStore, entry: SegmentEntry): Promise<SegmentReader> {
    const { bytes, indexBytes } = entry;
    const start = bytes - trailerBytes - indexBytes;
    if (start <= segmentMagic.length) throw malformed(entry, 'is too short for what the manifest says');
    const end = await readSegment(objects, entry, start, bytes);
    const index = end.subarray(0, indexBytes);
    if (!equalBytes(hashOf(index), entry.indexHash)) {
      throw new SegmentError(
        'HASH_MISMATCH',
        `The index of ${nameOf(entry)} is not the one that was sealed.`,
      );
    }
    const trailer = end.subarray(indexBytes);
    const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0);
    if (length !== indexBytes || !equalBytes(trailer.subarray(4), endMagic)) {
      throw malformed(entry, 'does not end as a segment does');
    }
    const decoded = decodeSegmentIndex(index);
    if (!decoded.ok) throw malformed(entry, `has a malformed index: ${decoded.error.message}`, decoded.error);
    return new SegmentReader(objects, entry, placed(entry, decoded.value, start));
  }

  /** The block of a height, which is in the segment. */
  async block(height: Height): Promise<SealedBlock> {
    const frame = this.#frames.findLast(({ firstHeight }) => firstHeight <= height);
    invariant(frame !== undefined && height <= this.entry.lastHeight, 'a block is read of its segment');
    const found = (await this.#read(frame)).find((block) => block.height === height);
    invariant(found !== undefined, 'a frame has the blocks of its heights');
    return found.block;
  }

  /** Blocks of a frame that holds a height, in order. */
  async frameOf(height: Height): Promise<readonly PlacedBlock[]> {
    const frame = this.#frames.findLast(({ firstHeight }) => firstHeight <= height);
    invariant(frame !== undefined && height <= this.entry.lastHeight, 'a frame is read of its segment');
    return this.#read(frame);
  }

  /** Blocks from a height on, in order. */
  async *blocks(from: Height = this.entry.firstHeight): AsyncGenerator<PlacedBlock> {
    for (const frame of this.#frames) {
      if (frame.firstHeight + frame.blocks <= from) continue;
      for (const placedBlock of await this.#read(frame)) if (placedBlock.height >= from) yield placedBlock;
    }
  }

  async #read(frame: PlacedFrame): Promise<readonly PlacedBlock[]> {
    const { offset, compressedBytes, bytes, hash, firstHeight, blocks } = frame;
    const compressed = await readSegment(this.#objects, this.entry, offset, offset + compressedBytes);
    if (!equalBytes(hashOf(compressed), hash)) {
      throw new SegmentError(
        'HASH_MISMATCH',
        `The blocks from ${firstHeight} on in ${nameOf(this.entry)} are not the ones that were sealed.`,
      );
    }
    const content = await decompressFrame(compressed, bytes);
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const found: PlacedBlock[] = [];
    let at = 0;
    for (let height = firstHeight; height < firstHeight + blocks; height++) {
      const length = at + blockPrefixBytes <= content.length ? view.getUint32(at) : Infinity;
      at += blockPrefixBytes;
      if (at + length > content.length) throw malformed(this.entry, 'has a frame that ends within a block');
      const decoded = decodeSealedBlock(content.subarray(at, at + length));
      if (!decoded.ok) {
        throw malformed(
          this.entry,
          `has a malformed block ${height}: ${decoded.error.message}`,
          decoded.error,
        );
      }
      found.push({ height: asHeight(height), block: decoded.value });
      at += length;
    }
    if (at !== content.length) throw malformed(this.entry, 'has a frame with bytes behind its last block');
    return found;
  }
}

/** Places of the frames; the index must be of this segment and fill the file up to where it stands. */
function placed(entry: SegmentEntry, index: SegmentIndex, end: number): readonly PlacedFrame[] {
  const isOwn =
    index.firstHeight === entry.firstHeight &&
    index.lastHeight === entry.lastHeight &&
    equalBytes(index.previousDigest, entry.previousDigest) &&
    equalBytes(index.lastDigest, entry.lastDigest);
  if (!isOwn) throw malformed(entry, 'has the index of other blocks than the manifest says');
  let offset = segmentMagic.length;
  let firstHeight: number = entry.firstHeight;
  const frames = index.frames.map((frame) => {
    const here = { ...frame, offset, firstHeight };
    offset += frame.compressedBytes;
    firstHeight += frame.blocks;
    return here;
  });
  if (offset !== end) throw malformed(entry, 'has frames of another length than its file');
  return frames;
}

/** Checks the content hash of a whole segment, and its first bytes. Rejects with HASH_MISMATCH or MISSING. */
export async function checkContentHash(objects: ObjectStore, entry: SegmentEntry): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  let magic = new Uint8Array(0);
  try {
    for await (const chunk of await objects.get(segmentKey(entry.contentHash))) {
      bytes += chunk.length;
      if (bytes > entry.bytes) break;
      hash.update(chunk);
      if (magic.length < segmentMagic.length) {
        magic = Uint8Array.from([...magic, ...chunk.subarray(0, segmentMagic.length - magic.length)]);
      }
    }
  } catch (error) {
    throw missing(entry, error);
  }
  if (bytes !== entry.bytes || !equalBytes(new Uint8Array(hash.digest()), entry.contentHash)) {
    throw new SegmentError(
      'HASH_MISMATCH',
      `The file of ${nameOf(entry)} in ${objects.location} is not the one that was sealed.`,
    );
  }
  if (!equalBytes(magic, segmentMagic)) throw malformed(entry, 'does not begin as a segment does');
}

async function readSegment(
  objects: ObjectStore,
  entry: SegmentEntry,
  start: number,
  end: number,
): Promise<Uint8Array> {
  try {
    return await readObject(objects, segmentKey(entry.contentHash), end - start, { start, end });
  } catch (error) {
    throw missing(entry, error);
  }
}

/** The error for an object that is not there; any other as it is. */
function missing(entry: SegmentEntry, error: unknown): unknown {
  if (!(error instanceof ObjectStoreError) || error.code !== 'NOT_FOUND') return error;
  return new SegmentError(
    'MISSING',
    `The file of ${nameOf(entry)} is missing or cut off: ${error.message} Bring it back from a copy.`,
    {},
    error,
  );
}

const nameOf = (entry: SegmentEntry): string =>
  `the segment of blocks ${entry.firstHeight} to ${entry.lastHeight}`;

const malformed = (entry: SegmentEntry, what: string, cause?: unknown): SegmentError =>
  new SegmentError('MALFORMED', `The file of ${nameOf(entry)} ${what}.`, {}, cause);
