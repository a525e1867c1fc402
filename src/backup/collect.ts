/** Removes old backups, and what no backup that stays needs. */
import type { ObjectStore } from '../objects/index.js';
import { segmentKey } from '../segments/index.js';
import type { ChainId } from '../types/index.js';
import { backupKey, segmentPrefix, statePartKey, statePrefix } from './format.js';
import { listBackups, readBackup } from './manifests.js';

/** What was removed. */
export interface Collected {
  readonly backups: number;
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Keeps the newest backups and what they name. Nothing is removed unless all that stay can be read. A crash on the way
 * leaves objects too many, which the next run removes. Nobody may take a backup into this place meanwhile.
 */
export async function collectBackups(
  objects: ObjectStore,
  chainId: ChainId,
  keep: number,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<Collected> {
  const ids = await listBackups(objects);
  const dropped = ids.slice(0, Math.max(0, ids.length - Math.max(1, keep)));
  const named = new Set<string>();
  for (const id of ids.slice(dropped.length)) {
    const { parts, segments } = await readBackup(objects, chainId, id);
    for (const { contentHash } of parts) if (contentHash !== undefined) named.add(statePartKey(contentHash));
    for (const { contentHash } of segments) named.add(segmentKey(contentHash));
    await pause();
  }
  // First the manifests: none may name what is gone.
  for (const id of dropped) await objects.delete(backupKey(id));
  const unnamed: { readonly key: string; readonly bytes: number }[] = [];
  for (const prefix of [statePrefix, segmentPrefix]) {
    for await (const found of objects.list(prefix)) if (!named.has(found.key)) unnamed.push(found);
  }
  let bytes = 0;
  for (const found of unnamed) {
    await objects.delete(found.key);
    bytes += found.bytes;
    await pause();
  }
  return { backups: dropped.length, objects: unnamed.length, bytes };
}
