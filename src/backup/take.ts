/** Takes a backup of a store, which may be in use: the state of its last block, and the blocks up to it. */
import { createReadStream } from 'node:fs';
import {
  decodeBlockHeader,
  type BackupManifest,
  type BackupPart,
  type SegmentEntry,
} from '../codec/index.js';
import { DividedTree } from '../crypto/index.js';
import type { ObjectStore } from '../objects/index.js';
import { manifestKey, segmentKey, type SegmentParent } from '../segments/index.js';
import type { Store, StoredBlock } from '../storage/types.js';
import { readSetChanges } from '../sync/index.js';
import { asHash, equalBytes, invariant, limits, type Height } from '../types/index.js';
import { divideState } from './divide.js';
import { BackupError } from './errors.js';
import { backupIdOf, genesisKey, pack, segmentPrefix, statePartKey, statePrefix } from './format.js';
import { listBackups, readBackup, writeBackup } from './manifests.js';
import { spoolSegment } from './spool-segment.js';
import { sha256Of } from './verify.js';

/** How far a backup is. */
export interface TakeProgress {
  readonly stage: 'blocks' | 'state';
  /** Heights; or of all paths of the state, in thousandths. */
  readonly done: number;
  readonly total: number;
}

export interface TakeOptions {
  readonly store: Store;
  readonly objects: ObjectStore;
  /** File of the genesis, which is put beside the backups. Whoever restores has one from a source that is trusted. */
  readonly genesisFile: string;
  /** Id of the node. */
  readonly writer: string;
  readonly software: string;
  readonly nowMs: number;
  /** A folder of its own on the node's disk, for a segment that is put together. */
  readonly spoolDir: string;
  /** Blocks that the store does not keep any more, from elsewhere. */
  readonly olderBlock?: (height: Height) => Promise<StoredBlock | undefined>;
  /** Writes every object, also what seems to be there. */
  readonly full?: boolean;
  /** Called between pieces of work: resolves when there is time for more. Rejects to end it. */
  readonly pause?: () => Promise<void>;
  readonly progressed?: (progress: TakeProgress) => void;
}

/** A backup that was taken. */
export interface TakenBackup {
  readonly id: string;
  readonly height: Height;
  readonly createdMs: number;
  /** Lowest block in it. */
  readonly firstBlock: Height;
  readonly parts: number;
  /** Objects and bytes that were not there before. */
  readonly writtenObjects: number;
  readonly writtenBytes: number;
  /** Bytes of the blocks and (before compression) of the state that it names. */
  readonly bytes: number;
}

/**
 * Backs up. The manifest is written last: until then there is no backup, and what was written is used by the next
 * attempt. Rejects with a BackupError, SegmentError, ObjectStoreError or StorageError.
 */
export async function takeBackup(options: TakeOptions): Promise<TakenBackup> {
  const { store, objects, writer, nowMs } = options;
  const pause = options.pause ?? ((): Promise<void> => Promise.resolve());
  const head = store.head();
  const header = head && (await store.header(head.height));
  if (head === undefined || header?.certificate === undefined) {
    throw new BackupError('NOTHING_YET', 'The chain has no block above the genesis block yet.');
  }
  const { height } = head;
  const before = await latestOf(options);
  const written = { objects: 0, bytes: 0 };
  const put = async (key: string, bytes: Uint8Array): Promise<void> => {
    await objects.put(key, bytes);
    written.objects++;
    written.bytes += bytes.length;
  };
  const genesis = genesisKey(store.chainId);
  if (options.full === true || (await objects.head(genesis)) === undefined) {
    await objects.put(genesis, createReadStream(options.genesisFile));
    written.objects++;
  }
  const segments = await backUpBlocks(options, before, height, written, pause);
  const parts = await backUpState(options, height, put, pause);
  const setChanges = await readSetChanges(store, height, 0, limits.maxValidatorSetChanges);
  const manifest: BackupManifest = {
    version: 1,
    chainId: store.chainId,
    writer,
    software: options.software,
    createdMs: nowMs,
    header: header.headerBytes,
    certificate: header.certificate,
    setChanges,
    parts,
    segments,
  };
  checkRoot(manifest);
  const id = backupIdOf(height, nowMs);
  written.bytes += await writeBackup(objects, id, manifest);
  written.objects++;
  return {
    id,
    height,
    createdMs: nowMs,
    firstBlock: segments[0]?.firstHeight ?? height,
    parts: parts.length,
    writtenObjects: written.objects,
    writtenBytes: written.bytes,
    bytes: [...parts, ...segments].reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The last backup of this node, whose segments this one goes on from. */
async function latestOf({ objects, store, writer, full }: TakeOptions): Promise<BackupManifest | undefined> {
  if ((await objects.head(manifestKey)) !== undefined) {
    throw new BackupError(
      'WRONG_WRITER',
      `There are sealed segments of a node in ${objects.location}, and old backups could not be removed without them. ` +
        'Give the backups a place of their own (backup.target).',
    );
  }
  const id = (await listBackups(objects)).at(-1);
  if (id === undefined) return undefined;
  const manifest = await readBackup(objects, store.chainId, id);
  if (manifest.writer !== writer) {
    throw new BackupError(
      'WRONG_WRITER',
      `The backups in ${objects.location} are written by "${manifest.writer}". Give each node a place of its own ` +
        '(backup.target).',
      { writer: manifest.writer },
    );
  }
  return full === true ? undefined : manifest;
}

async function backUpBlocks(
  options: TakeOptions,
  before: BackupManifest | undefined,
  end: Height,
  written: { objects: number; bytes: number },
  pause: () => Promise<void>,
): Promise<readonly SegmentEntry[]> {
  const { store, objects, olderBlock, spoolDir, progressed } = options;
  const there = await keysOf(objects, segmentPrefix);
  // Up to the first that is gone, or lies above: a store that was restored may be behind.
  const segments: SegmentEntry[] = [];
  for (const entry of before?.segments ?? []) {
    if (!there.has(segmentKey(entry.contentHash)) || entry.lastHeight > end) break;
    segments.push(entry);
  }
  const block = async (height: Height): Promise<StoredBlock | undefined> =>
    (await store.block(height)) ?? (await olderBlock?.(height));
  let parent = await parentOf(store, segments, block);
  while (parent.height < end) {
    const entry = await spoolSegment(
      {
        objects,
        chainId: store.chainId,
        block,
        spoolDir,
        pause: async (height) => {
          progressed?.({ stage: 'blocks', done: height, total: end });
          await pause();
        },
      },
      parent,
      end,
    );
    written.objects++;
    written.bytes += entry.bytes;
    segments.push(entry);
    parent = { height: entry.lastHeight, digest: entry.lastDigest };
  }
  return segments;
}

/** The block that the next segment goes on from. Segments that can not be gone on from are given up. */
async function parentOf(
  store: Store,
  segments: SegmentEntry[],
  block: (height: Height) => Promise<StoredBlock | undefined>,
): Promise<SegmentParent> {
  const last = segments.at(-1);
  if (last !== undefined) {
    const own = await store.header(last.lastHeight);
    if (own !== undefined && !equalBytes(own.digest, last.lastDigest)) {
      throw new BackupError(
        'WRONG_CHAIN',
        `Block ${last.lastHeight} of the backup before is not the one of this store.`,
      );
    }
    const next = (last.lastHeight + 1) as Height;
    const isCovered = last.lastHeight >= store.base || (await block(next)) !== undefined;
    if (isCovered) return { height: last.lastHeight, digest: last.lastDigest };
    segments.length = 0;
  }
  const from = store.base > 0 && (await block(1 as Height)) !== undefined ? (0 as Height) : store.base;
  const header = (await store.header(from)) ?? undefined;
  if (header !== undefined) return { height: from, digest: header.digest };
  const first = await block((from + 1) as Height);
  const decoded = first && decodeBlockHeader(first.headerBytes);
  invariant(decoded?.ok === true, 'the first block of a store can be read');
  return { height: from, digest: decoded.value.prevHash };
}

async function backUpState(
  { store, objects, full, progressed }: TakeOptions,
  height: Height,
  put: (key: string, bytes: Uint8Array) => Promise<void>,
  pause: () => Promise<void>,
): Promise<readonly BackupPart[]> {
  const there = full === true ? new Set<string>() : await keysOf(objects, statePrefix);
  const parts: BackupPart[] = [];
  let covered = 0;
  for await (const { depth, entries, bytes, subtree } of divideState(store, height)) {
    const contentHash = entries.length === 0 ? undefined : asHash(sha256Of(bytes));
    if (contentHash !== undefined) {
      const key = statePartKey(contentHash);
      if (!there.has(key)) await put(key, await pack(bytes));
    }
    parts.push({ depth, entries: entries.length, bytes: bytes.length, contentHash, subtree });
    covered += 2 ** -depth;
    progressed?.({ stage: 'state', done: Math.floor(covered * 1000), total: 1000 });
    await pause();
  }
  return parts;
}

/** A store whose state is not the certified one has no backup: better to know it now. */
function checkRoot({ header, parts }: BackupManifest): void {
  const decoded = decodeBlockHeader(header);
  const tree = DividedTree.of(parts);
  if (decoded.ok && tree !== undefined && equalBytes(tree.root, decoded.value.stateRoot)) return;
  throw new BackupError(
    'NOT_PROVEN',
    'The state in the store does not have the root that the validators have signed: the store is damaged. Nothing was ' +
      'backed up; run "quaestor verify chain" on a copy.',
  );
}

async function keysOf(objects: ObjectStore, prefix: string): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for await (const { key } of objects.list(prefix)) keys.add(key);
  return keys;
}
