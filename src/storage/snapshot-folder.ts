/**
 * Where the store of a node is while it is replaced by one that was made from a snapshot. Names in the data folder:
 * `store` is the store; `store.incoming` is being made; `store.ready` is finished and takes the place of `store`;
 * `store.replaced` is what was there before. Each step is one rename, so that a crash leaves one of these states.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from './folder.js';

export interface SnapshotFolders {
  readonly store: string;
  readonly incoming: string;
  readonly ready: string;
  readonly replaced: string;
}

export function snapshotFolders(dataDir: string): SnapshotFolders {
  const at = (name: string): string => join(dataDir, name);
  return {
    store: at('store'),
    incoming: at('store.incoming'),
    ready: at('store.ready'),
    replaced: at('store.replaced'),
  };
}

/** Makes the finished, closed copy the store; the store before it must be closed. */
export async function adoptIncoming(dataDir: string): Promise<void> {
  const { incoming, ready } = snapshotFolders(dataDir);
  await rename(incoming, ready);
  await syncFolder(dataDir);
  await settleFolders(dataDir);
}

/** Finishes a replacement that a crash interrupted. To be called before the store is opened. */
export async function settleFolders(dataDir: string): Promise<void> {
  const { store, ready, replaced } = snapshotFolders(dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if (await exists(ready)) {
    if (await exists(store)) {
      await rm(replaced, { recursive: true, force: true });
      await rename(store, replaced);
      await syncFolder(dataDir);
    }
    await rename(ready, store);
    await syncFolder(dataDir);
  }
  if (await exists(store)) await rm(replaced, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
