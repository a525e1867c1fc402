import { LRUCache } from 'lru-cache';
import type { SegmentManifest } from '../codec/index.js';
import type { ObjectStore } from '../objects/index.js';
import {
  segmentOf,
  SegmentReader,
  trustManifest,
  verifySealedBlock,
  type PlacedBlock,
} from '../segments/index.js';
import type { StoredBlock } from '../storage/types.js';
import { toHex, type Height } from '../types/index.js';
import type { ChainTrust } from '../verify/index.js';

/** Indexes of so many segments are kept, and decompressed frames of so many bytes. */
const keptReaders = 16;
const keptFrameBytes = 16 * 1024 * 1024;

export interface BlockArchiveOptions {
  readonly objects: ObjectStore;
  /** What the genesis makes a verifier believe. */
  readonly trust: ChainTrust;
  /** The segments that there are; undefined while that is not known. */
  readonly manifest: () => SegmentManifest | undefined;
}

/** Blocks that are in sealed segments, read one by one and proven like those of a stranger. Bounded memory. */
export class BlockArchive {
  readonly #options: BlockArchiveOptions;
  readonly #readers = new LRUCache<string, SegmentReader>({ max: keptReaders });
  readonly #frames = new LRUCache<number, readonly PlacedBlock[]>({
    maxSize: keptFrameBytes,
    maxEntrySize: keptFrameBytes,
    sizeCalculation: sizeOf,
  });
  #trusted: { readonly manifest: SegmentManifest; readonly trust: ChainTrust } | undefined;

  constructor(options: BlockArchiveOptions) {
    this.#options = options;
  }

  /** Heights of the first and the last block that can be read; undefined when there is none. */
  get range(): { readonly first: Height; readonly last: Height } | undefined {
    const segments = this.#options.manifest()?.segments ?? [];
    const first = segments[0]?.firstHeight;
    const last = segments.at(-1)?.lastHeight;
    return first === undefined || last === undefined ? undefined : { first, last };
  }

  /** The block of a height; undefined when no segment has it. Rejects with a SegmentError or an ObjectStoreError. */
  async block(height: Height): Promise<StoredBlock | undefined> {
    const manifest = this.#options.manifest();
    const entry = manifest && segmentOf(manifest, height);
    if (manifest === undefined || entry === undefined) return undefined;
    if (this.#trusted?.manifest !== manifest) {
      this.#trusted = { manifest, trust: trustManifest(this.#options.trust, manifest) };
    }
    const { trust } = this.#trusted;
    const frame = this.#frameWith(height) ?? (await this.#readFrame(manifest, height));
    const found = frame?.find((placed) => placed.height === height);
    if (found === undefined) return undefined;
    const { certified, block } = verifySealedBlock(trust, height, found.block);
    return {
      height,
      digest: certified.digest,
      headerBytes: block.header,
      certificate: block.certificate,
      envelopes: block.envelopes,
      results: block.results,
    };
  }

  #frameWith(height: Height): readonly PlacedBlock[] | undefined {
    for (const [first, frame] of this.#frames.entries()) {
      if (first <= height && height < first + frame.length) return this.#frames.get(first);
    }
    return undefined;
  }

  async #readFrame(manifest: SegmentManifest, height: Height): Promise<readonly PlacedBlock[] | undefined> {
    const entry = segmentOf(manifest, height);
    if (entry === undefined) return undefined;
    const key = toHex(entry.contentHash);
    const reader = this.#readers.get(key) ?? (await SegmentReader.open(this.#options.objects, entry));
    this.#readers.set(key, reader);
    const frame = await reader.frameOf(height);
    const first = frame[0];
    if (first !== undefined) this.#frames.set(first.height, frame);
    return frame;
  }
}

function sizeOf(frame: readonly PlacedBlock[]): number {
  let bytes = 1;
  for (const { block } of frame) {
    bytes += block.header.length + 8192;
    for (const envelope of block.envelopes) bytes += envelope.length + 64;
    for (const result of block.results) bytes += result.length + 64;
  }
  return bytes;
}
