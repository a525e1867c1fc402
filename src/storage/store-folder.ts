/** The folder of a store, before its database is opened: which engine it has, and whether it is free for a new one. */
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { corrupt, StorageError } from './errors.js';
import { syncFolder } from './folder.js';
import { highWaterName } from './high-water.js';
import { markerName } from './identity.js';
import type { StorageEngine } from './types.js';

/** Names of the folder, or undefined when there is no folder. */
async function namesIn(dir: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Engine of the store in a folder, or undefined when there is no store. Throws a StorageError on a mix-up. */
export async function chooseEngine(
  dir: string,
  wanted: StorageEngine | 'auto',
  marked: StorageEngine | undefined,
): Promise<StorageEngine | undefined> {
  const names = (await namesIn(dir)) ?? [];
  const present = (['leveldb', 'rocksdb'] as const).filter((name) => names.includes(name));
  if (present.length > 1)
    throw new StorageError(
      'WRONG_ENGINE',
      `The folder "${dir}" holds databases of both engines. Move away the one that is not in use` +
        (marked === undefined ? '.' : `; the store was made with ${marked}.`),
      { dir },
    );
  const [found] = present;
  if (marked !== undefined && found !== marked)
    throw corrupt(`"${dir}" has a store of ${marked}, but its database "${join(dir, marked)}" is missing`, {
      dir,
    });
  if (found !== undefined && wanted !== 'auto' && found !== wanted)
    throw new StorageError(
      'WRONG_ENGINE',
      `The store in "${dir}" was made with ${found}, but the config says ${wanted}. Set storage.engine to "${found}" ` +
        'or "auto", or let the validator catch up into an empty folder.',
      { dir, found, expected: wanted },
    );
  if (found === undefined && names.includes('CURRENT'))
    throw new StorageError(
      'NOT_A_STORE',
      `The folder "${dir}" is a bare LevelDB or RocksDB database, not a store. Choose another data folder.`,
      { dir },
    );
  return found;
}

/** Makes the folder of a new store, or checks that an existing one is free for it. */
export async function prepareFolder(dir: string): Promise<void> {
  const own = new Set([`${markerName}.new`, highWaterName, 'lost+found']);
  const names = await namesIn(dir);
  if (names === undefined) {
    const first = await mkdir(dir, { recursive: true, mode: 0o700 });
    for (let made = dir; first !== undefined && made.length >= first.length; made = dirname(made))
      await syncFolder(dirname(made));
    return;
  }
  const foreign = names.filter((name) => !own.has(name) && !name.startsWith('.'));
  if (foreign.length > 0)
    throw new StorageError(
      'NOT_A_STORE',
      `The folder "${dir}" holds other files (${foreign.slice(0, 3).join(', ')}). Give the store an empty folder.`,
      { dir },
    );
}
