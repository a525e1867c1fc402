/** Checks a backup against what a genesis makes a verifier believe: the storage that it was in is trusted in nothing. */
import { createHash } from 'node:crypto';
import { bounds, decodeStatePart, type BackupManifest, type BackupPart } from '../codec/index.js';
import {
  DividedTree,
  maxPartDepth,
  pathsOfPart,
  verifyStateRange,
  type RangeProof,
} from '../crypto/index.js';
import { ObjectStoreError, readObject, type ObjectStore } from '../objects/index.js';
import { verifySegment } from '../segments/index.js';
import type { InstallChunk } from '../storage/types.js';
import { equalBytes, toHex } from '../types/index.js';
import { followSetChanges, verifyCertificate } from '../verify/index.js';
import type { CertifiedHeader, ChainTrust, VerifyError } from '../verify/index.js';
import { BackupError } from './errors.js';
import { statePartKey, unpack } from './format.js';

/** A manifest whose block is final and whose parts add up to its state. What the objects hold is to be checked yet. */
export interface TrustedBackup {
  readonly manifest: BackupManifest;
  /** The block whose state it is. */
  readonly certified: CertifiedHeader;
  /** Knows all validator sets up to that block. */
  readonly trust: ChainTrust;
  /** In order of the paths. */
  readonly parts: readonly ProvablePart[];
}

/** A part of the state with its place and what proves it. */
export interface ProvablePart {
  readonly part: BackupPart;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly proof: () => RangeProof;
}

/** Checks a manifest by itself: certificate through all validator sets, state root, last block. Throws NOT_PROVEN. */
export function trustBackup(first: ChainTrust, manifest: BackupManifest): TrustedBackup {
  const followed = followSetChanges(first, manifest.setChanges);
  if (!followed.ok) throw notProven('The changes of the validator set in the manifest', followed.error);
  const trust = followed.value;
  const certified = verifyCertificate(trust, manifest.header, manifest.certificate);
  if (!certified.ok) throw notProven('The block in the manifest', certified.error);
  const { header, digest } = certified.value;
  const tree = DividedTree.of(manifest.parts);
  if (tree === undefined || !equalBytes(tree.root, header.stateRoot)) {
    throw new BackupError(
      'NOT_PROVEN',
      `The parts of the state do not add up to the state of block ${header.height} that the validators have signed.`,
    );
  }
  const last = manifest.segments.at(-1);
  const leadsToBlock = last === undefined || equalBytes(last.lastDigest, digest);
  if (!leadsToBlock || (last !== undefined && last.lastHeight !== header.height)) {
    throw new BackupError(
      'NOT_PROVEN',
      `The blocks in the manifest do not lead up to block ${header.height}.`,
    );
  }
  let start = 0;
  const parts = manifest.parts.map((part): ProvablePart => {
    const { from, to } = pathsOfPart(start, part.depth);
    start += 2 ** (maxPartDepth - part.depth);
    return { part, from, to, proof: () => tree.proof(from, part.depth) };
  });
  return { manifest, certified: certified.value, trust, parts };
}

/** Reads a part of the state and checks it against the certified state root. Rejects with a BackupError or an
 * ObjectStoreError. */
export async function readPart(
  objects: ObjectStore,
  { certified }: TrustedBackup,
  { part, from, to, proof }: ProvablePart,
): Promise<InstallChunk> {
  const entries = part.contentHash === undefined ? [] : await readEntries(objects, part, part.contentHash);
  const proven = verifyStateRange(certified.header.stateRoot, { from, to }, entries, proof());
  if (proven === undefined) {
    throw new BackupError(
      'NOT_PROVEN',
      `The part of the state at ${toHex(from.subarray(0, 4))} is not what the validators have signed.`,
    );
  }
  return { entries, proven, to };
}

async function readEntries(
  objects: ObjectStore,
  { bytes, entries }: BackupPart,
  contentHash: NonNullable<BackupPart['contentHash']>,
): Promise<InstallChunk['entries']> {
  const key = statePartKey(contentHash);
  let packed: Uint8Array;
  try {
    // What can not be compressed becomes a little longer.
    packed = await readObject(objects, key, bounds.maxStatePartBytes + 64 * 1024);
  } catch (error) {
    if (!(error instanceof ObjectStoreError) || error.code !== 'NOT_FOUND') throw error;
    throw new BackupError(
      'MISSING',
      `The object "${key}" is missing in ${objects.location}. Bring it back from a copy, or use another backup.`,
      { key },
      error,
    );
  }
  const content = await unpack(packed, bytes);
  if (content === undefined || !equalBytes(sha256Of(content), contentHash)) {
    throw new BackupError(
      'HASH_MISMATCH',
      `The object "${key}" in ${objects.location} is not what was written. Bring it back from a copy, or use another backup.`,
      { key },
    );
  }
  const decoded = decodeStatePart(content);
  if (!decoded.ok || decoded.value.entries.length !== entries) {
    throw new BackupError(
      'MALFORMED',
      `The object "${key}" in ${objects.location} is no part of a state.`,
      { key },
      decoded.ok ? undefined : decoded.error,
    );
  }
  return decoded.value.entries;
}

/** How far the check of a backup is. */
export interface BackupProgress {
  readonly stage: 'state' | 'blocks';
  /** Parts of the state, or heights. */
  readonly done: number;
  readonly total: number;
}

/** Checks all blocks of a backup: that they follow each other, and are final with what is in them. */
export async function verifyBlocks(
  objects: ObjectStore,
  { manifest, trust, certified }: TrustedBackup,
  progressed: (progress: BackupProgress) => void,
  signal?: AbortSignal,
): Promise<number> {
  let transactions = 0;
  for (const entry of manifest.segments) {
    await verifySegment(objects, trust, entry, ({ certified: { header }, results }) => {
      signal?.throwIfAborted();
      transactions += results.length;
      progressed({ stage: 'blocks', done: header.height, total: certified.header.height });
    });
  }
  return transactions;
}

/** Checks everything that a backup has. */
export async function verifyBackup(
  objects: ObjectStore,
  backup: TrustedBackup,
  progressed: (progress: BackupProgress) => void,
  signal?: AbortSignal,
): Promise<{ readonly entries: number; readonly transactions: number }> {
  let entries = 0;
  for (const [index, part] of backup.parts.entries()) {
    signal?.throwIfAborted();
    entries += (await readPart(objects, backup, part)).entries.length;
    progressed({ stage: 'state', done: index + 1, total: backup.parts.length });
  }
  return { entries, transactions: await verifyBlocks(objects, backup, progressed, signal) };
}

/** By the native library: what is hashed is large. */
export function sha256Of(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

const notProven = (what: string, error: VerifyError): BackupError =>
  new BackupError('NOT_PROVEN', `${what} proves nothing: ${error.message}`, error.details, error);
