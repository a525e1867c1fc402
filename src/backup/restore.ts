/**
 * Makes the store of a node from a backup. Everything is proven before it is believed; until the end there is no store,
 * and an attempt that was interrupted goes on where it was.
 *
 * A backup does not have what its validator has signed, nor does it know what was signed since. So the new store carries
 * the mark of a replica that may have forgotten its votes (src/consensus/abstention.ts), written with its head.
 */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBlockHeader, type BackupManifest, type SegmentManifest } from '../codec/index.js';
import { encodeLogRecord } from '../consensus/index.js';
import { headerDigest } from '../crypto/index.js';
import type { ObjectStore } from '../objects/index.js';
import { readManifest, segmentKey, writeManifest } from '../segments/index.js';
import {
  adoptIncoming,
  openInstall,
  settleFolders,
  snapshotFolders,
  type InstallProgress,
  type StateInstall,
  type StorageEngine,
  type StoredHeader,
} from '../storage/index.js';
import { compareBytes, equalBytes, QuaestorError, toHex } from '../types/index.js';
import type { Digest, Height } from '../types/index.js';
import { BackupError } from './errors.js';
import { readPart, verifyBlocks, type BackupProgress, type TrustedBackup } from './verify.js';

/** Says in a data folder that a restore into it was begun, and of which block. */
const markName = 'restore-in-work';

/** Parts of the state that are with the store at a time: the next is read and proven while one is written. */
const partsAhead = 4;

export interface RestoreOptions {
  readonly objects: ObjectStore;
  readonly backup: TrustedBackup;
  readonly dataDir: string;
  readonly engine: StorageEngine | 'auto';
  /** Id of the node whose store it becomes; it need not be the one that was backed up. */
  readonly validator: string;
  readonly software: string;
  /** Where the node's sealed segments are, if it has any: the blocks of the backup are put there. */
  readonly segments?: ObjectStore | undefined;
  /**
   * The last block that counts, by the word of all institutions: the whole consortium begins anew from there, so that
   * nobody is left to know of votes above. Without it (as for any single validator) the node is silent at first.
   */
  readonly agreed?: { readonly height: Height; readonly digest: Digest };
  readonly signal: AbortSignal;
  readonly progressed: (progress: BackupProgress, copied?: InstallProgress) => void;
}

/** A store that was restored. */
export interface RestoredStore {
  readonly height: Height;
  readonly entries: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** Transactions in the blocks that were checked. */
  readonly transactions: number;
  /** Whether the node is silent at first. */
  readonly abstains: boolean;
}

/** Throws when a restore into a data folder was begun and not finished: what is there is no store. */
export async function refuseUnfinishedRestore(dataDir: string): Promise<void> {
  const mark = await readMark(dataDir);
  if (mark === undefined || (await isStoreIn(dataDir))) return;
  throw new QuaestorError(
    'RESTORE_UNFINISHED',
    `A restore into "${dataDir}" was begun and not finished. Run "quaestor restore" again, or remove the file ` +
      `"${join(dataDir, markName)}" to give it up.`,
    { dataDir },
  );
}

/** Restores. Rejects with a BackupError, SegmentError, ObjectStoreError or StorageError; run it again to go on. */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredStore> {
  const { objects, backup, dataDir, agreed, signal, progressed } = options;
  const { header, digest } = backup.certified;
  checkAgreed(backup, agreed);
  const folders = snapshotFolders(dataDir);
  const mark = `${toHex(backup.manifest.chainId)} ${toHex(digest)} ${agreed === undefined ? 'silent' : 'agreed'}\n`;
  const before = await readMark(dataDir);
  if (before === mark) await settleFolders(dataDir);
  else {
    await refuseStore(dataDir);
    await settleFolders(dataDir);
  }
  if (!(await exists(folders.store))) {
    // What another attempt, or a copy from other validators, has left is of another block.
    if (before !== mark && (await exists(folders.incoming))) await removeIncoming(options);
    await writeMark(dataDir, mark);
  }
  const transactions = await verifyBlocks(objects, backup, progressed, signal);
  let copied: InstallProgress = { entries: 0, bytes: 0, fraction: 1 };
  if (!(await exists(folders.store))) {
    const install = await openIncoming(options);
    try {
      if (!install.finished) copied = await copyParts(options, install);
    } finally {
      await install.close();
    }
    await putSegments(options);
    await adoptIncoming(dataDir);
  }
  await rm(join(dataDir, markName), { force: true });
  return {
    height: header.height,
    entries: copied.entries,
    bytes: copied.bytes,
    transactions,
    abstains: agreed === undefined,
  };
}

function checkAgreed({ certified }: TrustedBackup, agreed: RestoreOptions['agreed']): void {
  if (agreed === undefined) return;
  const { header, digest } = certified;
  if (header.height === agreed.height && equalBytes(digest, agreed.digest)) return;
  throw new BackupError(
    'NOT_AGREED',
    `The backup is of block ${header.height} with the digest ${toHex(digest)}, not of the block that was agreed on. ` +
      'All institutions begin from the same block.',
  );
}

async function refuseStore(dataDir: string): Promise<void> {
  if (!(await isStoreIn(dataDir))) return;
  throw new BackupError(
    'HAS_STORE',
    `There is a store in "${dataDir}" already. Stop its node and move the folder away first; what it has may be newer ` +
      'than any backup.',
    { dataDir },
  );
}

async function isStoreIn(dataDir: string): Promise<boolean> {
  const { store, ready } = snapshotFolders(dataDir);
  return (await exists(store)) || (await exists(ready));
}

async function openIncoming({
  backup,
  dataDir,
  engine,
  validator,
  software,
}: RestoreOptions): Promise<StateInstall> {
  const opened = await openInstall({
    dir: snapshotFolders(dataDir).incoming,
    engine,
    chainId: backup.manifest.chainId,
    validator,
    createIfMissing: true,
    software,
  });
  if (!opened.ok) throw opened.error;
  return opened.value;
}

/** Removes what a copy has left, unless a node is at it. */
async function removeIncoming(options: RestoreOptions): Promise<void> {
  const { incoming } = snapshotFolders(options.dataDir);
  const opened = await openInstall({
    dir: incoming,
    engine: 'auto',
    chainId: options.backup.manifest.chainId,
    validator: options.validator,
    createIfMissing: false,
  });
  if (opened.ok) await opened.value.close();
  else if (opened.error.code === 'LOCKED') throw opened.error;
  await rm(incoming, { recursive: true, force: true });
}

/** Copies what is missing, and makes it a store. */
async function copyParts(options: RestoreOptions, install: StateInstall): Promise<InstallProgress> {
  const { objects, backup, agreed, signal, progressed } = options;
  const { header, digest } = backup.certified;
  const { manifest, parts } = backup;
  if (install.target === undefined) {
    await install.begin({
      height: header.height,
      digest,
      headerBytes: manifest.header,
      certificate: manifest.certificate,
      stateRoot: header.stateRoot,
    });
  }
  const writing = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  for (const [index, part] of parts.entries()) {
    signal.throwIfAborted();
    const strand = (part.from[0] ?? 0) >>> 4;
    const next = install.segments[strand]?.next;
    if (next === undefined || compareBytes(next, part.to) > 0) continue;
    const chunk = await readPart(objects, backup, part);
    const put = install.put(strand, chunk).then(
      () => progressed({ stage: 'state', done: index + 1, total: parts.length }, install.progress()),
      (error: unknown) => {
        failure ??= { error };
      },
    );
    writing.add(put);
    void put.then(() => writing.delete(put));
    // The place in the strand moves on as soon as the chunk is with the writer.
    while (writing.size >= partsAhead) await Promise.race(writing);
    if (failure !== undefined) break;
  }
  await Promise.all(writing);
  if (failure !== undefined) throw failure.error;
  const log = agreed === undefined ? [encodeLogRecord({ kind: 'abstention', active: true })] : [];
  await install.finish({ log, evidence: [], headers: handovers(manifest) });
  return install.progress();
}

/** Headers that prove changes of the validator set: a store keeps them for good. */
function handovers({ setChanges, header }: BackupManifest): readonly StoredHeader[] {
  const own = headerDigest(header);
  return setChanges.flatMap((change) => {
    const decoded = decodeBlockHeader(change.header);
    const digest = headerDigest(change.header);
    if (!decoded.ok || equalBytes(digest, own)) return [];
    const { height } = decoded.value;
    return [{ height, digest, headerBytes: change.header, certificate: change.certificate }];
  });
}

/** Gives a node that seals its blocks those of the backup, unless it has them. */
async function putSegments({ objects, backup, validator, segments, signal }: RestoreOptions): Promise<void> {
  const { manifest, certified } = backup;
  if (segments === undefined || manifest.segments.length === 0) return;
  const found = await readManifest(segments, manifest.chainId);
  const last = found?.segments.at(-1)?.lastHeight ?? 0;
  if (last >= certified.header.height) return;
  for (const entry of manifest.segments) {
    signal.throwIfAborted();
    const key = segmentKey(entry.contentHash);
    if ((await segments.head(key))?.bytes === entry.bytes) continue;
    await segments.put(key, await objects.get(key));
  }
  const moved: SegmentManifest = {
    version: 1,
    chainId: manifest.chainId,
    writer: validator,
    segments: manifest.segments,
    setChanges: manifest.setChanges,
  };
  await writeManifest(segments, moved);
}

async function readMark(dataDir: string): Promise<string | undefined> {
  try {
    return await readFile(join(dataDir, markName), 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeMark(dataDir: string, text: string): Promise<void> {
  const path = join(dataDir, markName);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const folder = await open(dataDir, 'r');
  await folder.sync().finally(() => folder.close());
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
