/** Opens stores of every engine in folders of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMemoryStore,
  MemoryDisk,
  openStore,
  type StorageEngine,
  type StorageError,
  type Store,
} from '../../src/storage/index.js';
import { asChainId, type Result } from '../../src/types/index.js';
import { hash32 } from './commits.js';

export const testChain = asChainId(hash32('chain'));

export interface Place {
  /** Opens the store that is there, or makes it. */
  open(): Promise<Result<Store, StorageError>>;
  dispose(): Promise<void>;
}

/** A place for one store that outlives the store. */
export async function placeFor(engine: StorageEngine | 'memory'): Promise<Place> {
  if (engine === 'memory') {
    const disk = new MemoryDisk();
    return {
      open: () => createMemoryStore({ disk, chainId: testChain, validator: 'alpha' }),
      dispose: () => Promise.resolve(),
    };
  }
  const dir = await temporaryFolder();
  return {
    open: () =>
      openStore({
        dir: join(dir, 'store'),
        engine,
        chainId: testChain,
        validator: 'alpha',
        createIfMissing: true,
      }),
    dispose: () => rm(dir, { recursive: true, force: true }),
  };
}

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'quaestor-store-'));

/** The value of a result that has to be one. */
export function opened<T>(result: Result<T, Error>): T {
  if (!result.ok) throw result.error;
  return result.value;
}
