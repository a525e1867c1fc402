import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SegmentEntry } from '../codec/index.js';
import type { ObjectStore } from '../objects/index.js';
import { checkContentHash, SegmentBuilder, segmentKey, type SegmentParent } from '../segments/index.js';
import type { StoredBlock } from '../storage/types.js';
import { asHeight, type ChainId, type Height } from '../types/index.js';
import { BackupError } from './errors.js';

/** A segment is closed when it has so many blocks, or bytes. */
const maxBlocks = 10_000;
const maxBytes = 64 * 1024 * 1024;

export interface SpoolOptions {
  readonly objects: ObjectStore;
  readonly chainId: ChainId;
  readonly block: (height: Height) => Promise<StoredBlock | undefined>;
  /** Where a segment is put together; what is left there from before is removed. */
  readonly spoolDir: string;
  /** Called between blocks. */
  readonly pause: (height: Height) => Promise<void>;
}

/** Writes the blocks above `parent` up to `end`, or fewer if they are many, as one segment, and reads it back. */
export async function spoolSegment(
  { objects, chainId, block, spoolDir, pause }: SpoolOptions,
  parent: SegmentParent,
  end: Height,
): Promise<SegmentEntry> {
  await rm(spoolDir, { recursive: true, force: true });
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  try {
    const spool = join(spoolDir, 'segment');
    const file = await open(spool, 'wx', 0o600);
    let entry: SegmentEntry;
    try {
      const builder = new SegmentBuilder(chainId, parent, async (bytes) => {
        await file.writeFile(bytes);
      });
      const last = Math.min(end, parent.height + maxBlocks);
      for (let height = parent.height + 1; height <= last && builder.bytes < maxBytes; height++) {
        const found = await block(asHeight(height));
        if (found?.certificate === undefined) {
          throw new BackupError(
            'MISSING',
            `Block ${height} was given up by the node while it was backed up. Keep more blocks (storage.retain.blocks).`,
          );
        }
        const { headerBytes, certificate, envelopes, results } = found;
        await builder.add({ header: headerBytes, certificate, envelopes, results });
        await pause(asHeight(height));
      }
      entry = await builder.finish();
    } finally {
      await file.close();
    }
    const key = segmentKey(entry.contentHash);
    await objects.put(key, createReadStream(spool));
    await checkContentHash(objects, entry);
    return entry;
  } finally {
    await rm(spoolDir, { recursive: true, force: true });
  }
}
