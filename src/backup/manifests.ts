/** Manifests of backups in object storage: which there are, reading and writing them. */
import {
  bounds,
  decodeBackupManifest,
  encodeBackupManifest,
  encodeChecked,
  type BackupManifest,
} from '../codec/index.js';
import { ObjectStoreError, readObject, type ObjectStore } from '../objects/index.js';
import { equalBytes, invariant, toHex, type ChainId } from '../types/index.js';
import { BackupError } from './errors.js';
import { backupKey, backupPrefix, backupTimeOf, isBackupId } from './format.js';

/** Names of the backups in a place, oldest first. Rejects with an ObjectStoreError. */
export async function listBackups(objects: ObjectStore): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { key } of objects.list(backupPrefix)) {
    const id = key.slice(backupPrefix.length);
    if (isBackupId(id)) ids.push(id);
  }
  return ids.sort();
}

/** When the last backup in a place was begun; undefined when there is none. Rejects with an ObjectStoreError. */
export async function lastBackupMs(objects: ObjectStore): Promise<number | undefined> {
  const times = (await listBackups(objects)).map(backupTimeOf).filter((time) => !Number.isNaN(time));
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Reads one manifest. Rejects with a BackupError (MISSING, MALFORMED, WRONG_CHAIN) or an ObjectStoreError. */
export async function readBackup(
  objects: ObjectStore,
  chainId: ChainId,
  id: string,
): Promise<BackupManifest> {
  if (!isBackupId(id)) throw new BackupError('MISSING', `"${id.slice(0, 80)}" is not the name of a backup.`);
  let bytes: Uint8Array;
  try {
    bytes = await readObject(objects, backupKey(id), bounds.maxBackupManifestBytes);
  } catch (error) {
    if (!(error instanceof ObjectStoreError) || error.code !== 'NOT_FOUND') throw error;
    throw new BackupError('MISSING', `There is no backup "${id}" in ${objects.location}.`, { id }, error);
  }
  const decoded = decodeBackupManifest(bytes);
  if (!decoded.ok) {
    throw new BackupError(
      'MALFORMED',
      `The manifest of the backup "${id}" in ${objects.location} is malformed: ${decoded.error.message}`,
      { id },
      decoded.error,
    );
  }
  const manifest = decoded.value;
  if (!equalBytes(manifest.chainId, chainId)) {
    throw new BackupError(
      'WRONG_CHAIN',
      `The backup "${id}" in ${objects.location} is of chain ${toHex(manifest.chainId)}, not of ${toHex(chainId)}.`,
      { id },
    );
  }
  return manifest;
}

/** Writes a manifest: what it names is there. */
export async function writeBackup(
  objects: ObjectStore,
  id: string,
  manifest: BackupManifest,
): Promise<number> {
  const encoded = encodeChecked(encodeBackupManifest, decodeBackupManifest, manifest);
  invariant(encoded.ok, 'a manifest that is written can be read');
  await objects.put(backupKey(id), encoded.value);
  return encoded.value.length;
}
