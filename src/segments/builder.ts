import { createHash } from 'node:crypto';
import {
  bounds,
  decodeBlockHeader,
  encodeSealedBlock,
  encodeSegmentIndex,
  type SealedBlock,
  type SegmentEntry,
  type SegmentFrame,
} from '../codec/index.js';
import { headerDigest } from '../crypto/index.js';
import { asHash, concatBytes, equalBytes, invariant } from '../types/index.js';
import type { ChainId, Digest, Hash, Height } from '../types/index.js';
import { blockPrefixBytes, compressFrame, endMagic, segmentMagic } from './format.js';

/** A frame is closed when it has so many bytes, before compression. */
const frameBytes = 256 * 1024;

/** Takes the bytes of a segment in order; resolves when it can take more. */
export type SegmentSink = (bytes: Uint8Array) => Promise<void>;

/** The block that a segment goes on from. */
export interface SegmentParent {
  readonly height: Height;
  readonly digest: Digest;
}

/** Makes one segment of consecutive blocks. Keeps one frame in memory. */
export class SegmentBuilder {
  readonly #chainId: ChainId;
  readonly #parent: SegmentParent;
  readonly #sink: SegmentSink;
  readonly #content = createHash('sha256');
  readonly #frames: SegmentFrame[] = [];
  #bytes = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #firstDigest: Digest | undefined;
  #last: SegmentParent;

  constructor(chainId: ChainId, parent: SegmentParent, sink: SegmentSink) {
    this.#chainId = chainId;
    this.#parent = parent;
    this.#last = parent;
    this.#sink = sink;
  }

  /** Bytes that were written; what is not compressed yet is left out. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of blocks that were added. */
  get blocks(): number {
    return this.#last.height - this.#parent.height;
  }

  /** Adds the next block. That it follows the one before is for the caller to see to: everything else is a defect. */
  async add(block: SealedBlock): Promise<void> {
    const header = decodeBlockHeader(block.header);
    invariant(header.ok, 'a block that is sealed has a canonical header');
    const { height, prevHash } = header.value;
    invariant(
      height === this.#last.height + 1 && equalBytes(prevHash, this.#last.digest),
      'blocks are sealed in order, each on the one before',
    );
    invariant(this.blocks < bounds.maxSegmentBlocks, 'a segment is closed before it has too many blocks');
    const encoded = encodeSealedBlock(block);
    invariant(
      encoded.length <= bounds.maxSealedBlockBytes,
      'a committed block is not too large to be sealed',
    );
    const prefix = new Uint8Array(blockPrefixBytes);
    new DataView(prefix.buffer).setUint32(0, encoded.length);
    this.#pending.push(prefix, encoded);
    this.#pendingBytes += prefix.length + encoded.length;
    const digest = headerDigest(block.header);
    this.#firstDigest ??= digest;
    this.#last = { height, digest };
    if (this.#pendingBytes >= frameBytes) await this.#closeFrame();
  }

  /** Writes the rest; gives what a manifest says of the segment. At least one block was added. */
  async finish(): Promise<SegmentEntry> {
    if (this.#pending.length > 0) await this.#closeFrame();
    const firstDigest = this.#firstDigest;
    invariant(firstDigest !== undefined, 'a segment has at least one block');
    const range = {
      firstHeight: (this.#parent.height + 1) as Height,
      lastHeight: this.#last.height,
      previousDigest: this.#parent.digest,
      lastDigest: this.#last.digest,
    };
    const index = encodeSegmentIndex({
      version: 1,
      chainId: this.#chainId,
      ...range,
      frames: this.#frames,
    });
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, index.length);
    await this.#write(concatBytes(index, length, endMagic));
    return {
      ...range,
      firstDigest,
      contentHash: asHash(new Uint8Array(this.#content.digest())),
      bytes: this.#bytes,
      indexBytes: index.length,
      indexHash: hashOf(index),
    };
  }

  async #closeFrame(): Promise<void> {
    const bytes = concatBytes(...this.#pending);
    const blocks = this.#pending.length / 2;
    this.#pending = [];
    this.#pendingBytes = 0;
    const compressed = await compressFrame(bytes);
    if (this.#bytes === 0) await this.#write(segmentMagic);
    this.#frames.push({
      blocks,
      compressedBytes: compressed.length,
      bytes: bytes.length,
      hash: hashOf(compressed),
    });
    await this.#write(compressed);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#content.update(bytes);
    this.#bytes += bytes.length;
    await this.#sink(bytes);
  }
}

/** SHA-256 by the native library: what it hashes is large. */
export function hashOf(bytes: Uint8Array): Hash {
  return asHash(new Uint8Array(createHash('sha256').update(bytes).digest()));
}
