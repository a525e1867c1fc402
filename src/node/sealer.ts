import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSegmentManifest, type SegmentEntry, type SegmentManifest } from '../codec/index.js';
import type { ObjectStore } from '../objects/index.js';
import {
  checkContentHash,
  readManifest,
  SegmentBuilder,
  SegmentError,
  segmentKey,
  writeManifest,
  type SegmentParent,
} from '../segments/index.js';
import type { Store } from '../storage/types.js';
import { readSetChanges } from '../sync/index.js';
import { asHeight, equalBytes, invariant, limits } from '../types/index.js';
import type { Height } from '../types/index.js';

/** A segment is closed before its number of blocks when it has so many bytes. */
const maxBytes = 64 * 1024 * 1024;

export interface SealerOptions {
  readonly store: Store;
  readonly objects: ObjectStore;
  /** Id of this node: whose manifest it is. */
  readonly writer: string;
  readonly blocksPerSegment: number;
  /** Where a segment is put together; what is left there from before is removed. */
  readonly spoolDir: string;
  /** Called between blocks: resolves when there is time for more. Rejects to end it. */
  readonly pause: () => Promise<void>;
  /** A segment is in place, read back, and in the manifest. */
  readonly sealed: (entry: SegmentEntry) => void;
}

/**
 * Moves blocks of a store into segments. What it says is sealed was read back from object storage. Promises reject with a
 * SegmentError, an ObjectStoreError or an error of the file system; then nothing is lost and it can be tried again.
 */
export class Sealer {
  readonly #options: SealerOptions;
  #manifest: SegmentManifest | undefined;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** The manifest as it was last read or written; undefined before `load`. */
  get manifest(): SegmentManifest | undefined {
    return this.#manifest;
  }

  /** Up to which height blocks are sealed; undefined while that is not known, or none is. */
  get sealedTo(): Height | undefined {
    return this.#manifest?.segments.at(-1)?.lastHeight;
  }

  /** Reads the manifest, if that was not done yet, and checks that it is this node's and of its chain. */
  async load(): Promise<SegmentManifest> {
    if (this.#manifest !== undefined) return this.#manifest;
    const { objects, store, writer } = this.#options;
    const found = await readManifest(objects, store.chainId);
    if (found !== undefined && found.writer !== writer) {
      throw new SegmentError(
        'WRONG_WRITER',
        `The segments in ${objects.location} are written by "${found.writer}". Give each node a place of its own ` +
          '(storage.segments.location).',
        { writer: found.writer },
      );
    }
    const manifest: SegmentManifest = found ?? {
      version: 1,
      chainId: store.chainId,
      writer,
      segments: [],
      setChanges: [],
    };
    const last = manifest.segments.at(-1);
    const own = last === undefined ? undefined : await store.header(last.lastHeight);
    if (last !== undefined && own !== undefined && !equalBytes(own.digest, last.lastDigest)) {
      throw new SegmentError(
        'BROKEN_LINK',
        `Block ${last.lastHeight} of the segments in ${objects.location} is not the one of this node.`,
      );
    }
    this.#manifest = manifest;
    return manifest;
  }

  /** Whether there is a full segment up to a height, as far as is known. */
  isDue(height: Height): boolean {
    const from = this.sealedTo ?? this.#options.store.base;
    return this.#manifest === undefined || height - from >= this.#options.blocksPerSegment;
  }

  /** Seals all full segments up to a height. */
  async sealUpTo(height: Height): Promise<void> {
    const { blocksPerSegment } = this.#options;
    await this.load();
    for (;;) {
      const parent = await this.#parent();
      const last = await this.#sealOne(parent, Math.min(height, parent.height + blocksPerSegment));
      if (!last) return;
    }
  }

  /** The block that the next segment goes on from. */
  async #parent(): Promise<SegmentParent> {
    const { store, objects } = this.#options;
    const last = this.#manifest?.segments.at(-1);
    if (last !== undefined && last.lastHeight >= store.base)
      return { height: last.lastHeight, digest: last.lastDigest };
    if (last !== undefined) {
      throw new SegmentError(
        'MISSING',
        `The segments in ${objects.location} end at block ${last.lastHeight}, and this node has blocks above ` +
          `${store.base} only. Give it another place (storage.segments.location) for what follows.`,
      );
    }
    const header = await store.header(store.base);
    invariant(header !== undefined, 'the header that a store starts at is there');
    return { height: header.height, digest: header.digest };
  }

  /** Seals one segment that ends at `end` at the latest; false when there are not enough blocks for one. */
  async #sealOne(parent: SegmentParent, end: number): Promise<boolean> {
    const { store, objects, blocksPerSegment, spoolDir, pause, sealed } = this.#options;
    await rm(spoolDir, { recursive: true, force: true });
    if (end - parent.height < blocksPerSegment) return false;
    await mkdir(spoolDir, { recursive: true, mode: 0o700 });
    const spool = join(spoolDir, 'segment');
    const file = await open(spool, 'wx', 0o600);
    let entry: SegmentEntry | undefined;
    try {
      const builder = new SegmentBuilder(store.chainId, parent, async (bytes) => {
        await file.writeFile(bytes);
      });
      for (let height = parent.height + 1; height <= end && builder.bytes < maxBytes; height++) {
        const block = await store.block(asHeight(height));
        invariant(block?.certificate !== undefined, 'blocks that are not sealed are kept');
        const { headerBytes, certificate, envelopes, results } = block;
        await builder.add({ header: headerBytes, certificate, envelopes, results });
        await pause();
      }
      const isFull = builder.blocks === blocksPerSegment || builder.bytes >= maxBytes;
      if (isFull) entry = await builder.finish();
    } finally {
      await file.close();
    }
    if (entry === undefined) {
      await rm(spoolDir, { recursive: true, force: true });
      return false;
    }
    await objects.put(segmentKey(entry.contentHash), createReadStream(spool));
    await checkContentHash(objects, entry);
    await this.#addToManifest(entry);
    await rm(spoolDir, { recursive: true, force: true });
    sealed(entry);
    return true;
  }

  async #addToManifest(entry: SegmentEntry): Promise<void> {
    const { store, objects } = this.#options;
    const before = this.#manifest;
    const head = store.head();
    invariant(before !== undefined && head !== undefined, 'a segment is added to a manifest that was read');
    const manifest: SegmentManifest = {
      ...before,
      segments: [...before.segments, entry],
      setChanges: await readSetChanges(store, head.height, 0, limits.maxValidatorSetChanges),
    };
    await writeManifest(objects, manifest);
    const back = await readManifest(objects, store.chainId);
    if (back === undefined || !equalBytes(encodeSegmentManifest(back), encodeSegmentManifest(manifest))) {
      // Somebody else writes here as well, or the storage gives what was there before.
      this.#manifest = undefined;
      throw new SegmentError(
        'WRONG_WRITER',
        `The manifest in ${objects.location} is not the one that was just written. Is there another writer?`,
      );
    }
    this.#manifest = manifest;
  }
}
