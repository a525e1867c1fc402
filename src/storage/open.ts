import { access, constants } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { err, ok, QuaestorError, type ChainId, type Result } from '../types/index.js';
import { checkContents, recordIdentity, storedIdentity } from './check-on-open.js';
import type { KeyValueEngine, KeyValuePair } from './engine.js';
import { corrupt, StorageError, translate } from './errors.js';
import { syncFolder } from './folder.js';
import { HighWater, type WriteWitness } from './high-water.js';
import { checkIdentity, readMarker, writeMarker, type Identity, type Marker } from './identity.js';
import type { KeySpace } from './key-spaces.js';
import { LevelDbEngine, type EngineMemory } from './leveldb-engine.js';
import { MemoryEngine, type MemoryDisk } from './memory-engine.js';
import { currentLayout, migrate, tooOld, type Layout, type MigrationStep } from './migrations.js';
import { RocksDbEngine } from './rocksdb-engine.js';
import { OutsideWitness } from './outside-witness.js';
import { pages } from './scan.js';
import { StateInstall } from './state-install.js';
import { chooseEngine, prepareFolder } from './store-folder.js';
import { KeyValueStore } from './store.js';
import type { StorageEngine, Store } from './types.js';
import { lastSequence, UnitWriter } from './unit-writer.js';

/** Sizes in bytes of what a store keeps in memory. */
export interface StoreMemory extends EngineMemory {
  /** Latest values of the state. */
  readonly stateCacheBytes: number;
}

/** Small enough for a validator of 250 MB, large enough for the state of some 100,000 active accounts. The caches take
 * memory as they fill. */
export const defaultStoreMemory: StoreMemory = {
  blockCacheBytes: 8 * 1024 * 1024,
  writeBufferBytes: 8 * 1024 * 1024,
  stateCacheBytes: 20 * 1024 * 1024,
};

/** Records that an audit reads at a time. */
const auditPage = 1000;

/** The engine of new stores when the config says "auto". docs/storage.md has the measurements that decided it. */
export const defaultEngine: StorageEngine = 'leveldb';

export interface StoreOptions {
  /** Folder of the store; it belongs to the store alone. */
  readonly dir: string;
  /** "auto": what the folder was made with; for a new folder, `defaultEngine`. */
  readonly engine: StorageEngine | 'auto';
  readonly chainId: ChainId;
  /** Id of the validator or observer that the store belongs to. */
  readonly validator: string;
  /** Whether to make a store where there is none. */
  readonly createIfMissing: boolean;
  readonly memory?: Partial<StoreMemory>;
  /** File outside of `dir`, on another disk at best, that remembers how far the store was written: it shows that the
   * folder is an older copy. */
  readonly witnessFile?: string;
  /** Whether a store of an older format is brought to the one of this software (default), or refused. */
  readonly migrate?: boolean;
  /** Version of this software: noted when it gives a store its format. */
  readonly software?: string;
  /** Called before each step of a migration. */
  readonly migrating?: (step: MigrationStep) => void;
}

/** A store and all that is in it. */
export interface AuditedStore {
  readonly store: Store;
  /** All records of a key space in the order of their keys, as they are stored. Rejects with a StorageError. */
  pages(space: KeySpace): AsyncIterable<readonly KeyValuePair[]>;
}

/** Whose store a folder has. */
export type StoreOwner = Pick<Marker, 'chainId' | 'validator' | 'engine'>;

export interface MemoryStoreOptions {
  readonly disk: MemoryDisk;
  readonly chainId: ChainId;
  readonly validator: string;
  readonly memory?: Partial<StoreMemory>;
  /** Seed of the caches' hash tables, 32 bits; default 0, since a store in memory is for what must repeat. */
  readonly hashSeed?: number;
  readonly witness?: WriteWitness;
}

/**
 * Opens the store of a folder, or makes one, and checks what it holds. The folder stays locked against other processes
 * until `close`.
 */
export function openStore(
  options: StoreOptions,
  layout = currentLayout,
): Promise<Result<Store, StorageError>> {
  return openAs(options, layout, (store) => store);
}

/** As `openStore`, with a look at every record, for an audit. */
export function openForAudit(options: StoreOptions): Promise<Result<AuditedStore, StorageError>> {
  return openAs(options, currentLayout, (store, db) => ({
    store,
    pages: (space) => pages(db, space, auditPage),
  }));
}

/** Whose store is in a folder, as its text file says; undefined when there is none. */
export async function storeOwner(dir: string): Promise<StoreOwner | undefined> {
  return readMarker(resolve(dir));
}

function openAs<T>(
  options: StoreOptions,
  layout: Layout,
  use: (store: Store, db: KeyValueEngine) => T,
): Promise<Result<T, StorageError>> {
  const dir = resolve(options.dir);
  return asResult(dir, async () => {
    const { db, sequence, highWater } = await openFolder(dir, options, layout);
    return closingOnError({ close: () => closeBoth(db, highWater) }, async () => {
      const { witnessFile } = options;
      const witness = witnessFile === undefined ? undefined : await openWitness(resolve(witnessFile));
      const store = await assemble({
        engine: db,
        chainId: options.chainId,
        memory: { ...defaultStoreMemory, ...options.memory },
        hashSeed: randomSeed(),
        sequence,
        highWater,
        witness,
      });
      return use(store, db);
    });
  });
}

/** Opens the folder of a store that is being made from a snapshot, or makes one. */
export function openInstall(options: StoreOptions): Promise<Result<StateInstall, StorageError>> {
  const dir = resolve(options.dir);
  return asResult(dir, async () => {
    const { db, sequence, highWater } = await openFolder(dir, options, currentLayout);
    return closingOnError({ close: () => closeBoth(db, highWater) }, () =>
      StateInstall.open({
        engine: db,
        writer: new UnitWriter(db, sequence, (number) => highWater.note(number)),
        chainId: options.chainId,
        release: () => highWater.close(),
      }),
    );
  });
}

/** Its folder is not made: one that is missing may be a disk that is not mounted, with the witness on it. */
async function openWitness(file: string): Promise<HighWater> {
  let witness: HighWater;
  try {
    witness = await HighWater.at(file);
  } catch (error) {
    throw new StorageError(
      'NOT_WRITABLE',
      `The witness of the store, "${file}", can not be opened: ${error instanceof Error ? error.message : String(error)}. ` +
        `Make its folder, or mount its disk, and see that this user may write there.`,
      { file },
      error,
    );
  }
  if (!witness.damaged) return witness;
  await witness.close();
  throw new StorageError(
    'CORRUPT',
    `The witness of the store, "${file}", is damaged: nothing in it can be read. So nobody knows whether this data ` +
      `folder is the one that this validator wrote last. If you are sure that it is, remove the file and start again; ` +
      `if not, give the validator a new key and an empty folder.`,
    { file },
  );
}

/** `openInstall` on a disk in memory. */
export function openMemoryInstall(options: MemoryStoreOptions): Promise<Result<StateInstall, StorageError>> {
  return asResult('memory', async () => {
    const { db, sequence } = await openMemory(options, currentLayout);
    return closingOnError(db, () =>
      StateInstall.open({
        engine: db,
        writer: new UnitWriter(db, sequence, () => undefined),
        chainId: options.chainId,
        release: () => Promise.resolve(),
      }),
    );
  });
}

interface OpenedFolder {
  readonly db: KeyValueEngine;
  /** Number of the last write. */
  readonly sequence: number;
  readonly highWater: HighWater;
}

async function closeBoth(db: KeyValueEngine, highWater: HighWater): Promise<void> {
  await db.close().finally(() => highWater.close());
}

/** Opens the database of a folder, or makes one, and checks whose it is and that no write is missing. */
async function openFolder(dir: string, options: StoreOptions, layout: Layout): Promise<OpenedFolder> {
  const identity = identityOf(options, layout);
  const marker = await readMarker(dir);
  if (marker !== undefined) checkIdentity(marker, identity, dir, marker.software);
  const engineName = await chooseEngine(dir, options.engine, marker?.engine);
  if (engineName === undefined) {
    if (!options.createIfMissing)
      throw new StorageError(
        'NOT_FOUND',
        `There is no store in "${dir}". Check the path of the data folder.`,
        { dir },
      );
    await prepareFolder(dir);
  }
  const engine = engineName ?? (options.engine === 'auto' ? defaultEngine : options.engine);
  await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  const memory = { ...defaultStoreMemory, ...options.memory };
  // Never create where a store should be: an engine that finds no catalogue of its files deletes them as stale.
  const db = await openEngine(engine, join(dir, engine), memory, marker === undefined);
  return closingOnError(db, async () => {
    const stored = await storedIdentity(db, identity, dir);
    if (stored === undefined) {
      if (marker !== undefined)
        throw corrupt(`the database in "${join(dir, engine)}" is empty although "${dir}" has a store`, {
          dir,
        });
      await recordIdentity(db, identity);
    }
    await syncFolder(dir);
    const { software } = options;
    const found = stored ?? identity;
    if (marker === undefined) await writeMarker(dir, { ...found, engine, software });
    const highWater = await HighWater.open(dir);
    try {
      const sequence = await lastSequence(db);
      if (sequence < highWater.found)
        throw corrupt(
          `the last write in "${dir}" is number ${sequence}, but number ${highWater.found} was acknowledged, so the ` +
            `end of the engine's log was lost`,
          { dir, found: String(sequence), acknowledged: String(highWater.found) },
        );
      if (found.format < layout.format) {
        if (options.migrate === false) throw tooOld(dir, found.format, layout.format);
        // First, so that no older software takes up what is half done.
        await writeMarker(dir, { ...identity, engine, software });
        await migrate(db, found, layout, options.migrating);
      }
      return { db, sequence, highWater };
    } catch (error) {
      await highWater.close();
      throw error;
    }
  });
}

function identityOf({ chainId, validator }: Pick<StoreOptions, 'chainId' | 'validator'>, layout: Layout) {
  const { format, compatibleSince } = layout;
  return { format, compatibleSince, chainId, validator } satisfies Identity;
}

/** Opens a store on a disk in memory. The disk keeps what was synced when the store is closed or crashes. */
export function createMemoryStore(
  options: MemoryStoreOptions,
  layout = currentLayout,
): Promise<Result<Store, StorageError>> {
  return asResult('memory', async () => {
    const { db, sequence } = await openMemory(options, layout);
    const memory = { ...defaultStoreMemory, ...options.memory };
    return closingOnError(db, () =>
      assemble({
        engine: db,
        chainId: options.chainId,
        memory,
        hashSeed: options.hashSeed ?? 0,
        sequence,
        highWater: undefined,
        witness: options.witness,
      }),
    );
  });
}

async function openMemory(
  options: MemoryStoreOptions,
  layout: Layout,
): Promise<Omit<OpenedFolder, 'highWater'>> {
  const identity = identityOf(options, layout);
  const db = new MemoryEngine(options.disk);
  return closingOnError(db, async () => {
    const stored = await storedIdentity(db, identity, 'memory');
    if (stored === undefined) await recordIdentity(db, identity);
    else if (stored.format < layout.format) await migrate(db, stored, layout, undefined);
    return { db, sequence: await lastSequence(db) };
  });
}

interface Opened {
  readonly engine: KeyValueEngine;
  readonly chainId: ChainId;
  readonly memory: StoreMemory;
  readonly hashSeed: number;
  readonly sequence: number;
  readonly highWater: HighWater | undefined;
  readonly witness: WriteWitness | undefined;
}

async function assemble(opened: Opened): Promise<Store> {
  const { engine, chainId, memory, hashSeed, sequence, highWater, witness } = opened;
  const contents = await checkContents(engine, chainId);
  const outside = new OutsideWitness(witness, sequence);
  return new KeyValueStore({
    engine,
    writer: new UnitWriter(engine, sequence, (number) => {
      highWater?.note(number);
      outside.acknowledged(number);
    }),
    witness: outside,
    chainId,
    ...contents,
    stateCacheBytes: memory.stateCacheBytes,
    hashSeed,
    release: async () => {
      await highWater?.close();
      await outside.close();
    },
  });
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

async function asResult<T>(dir: string, work: () => Promise<T>): Promise<Result<T, StorageError>> {
  try {
    return ok(await work());
  } catch (error) {
    if (error instanceof QuaestorError && !(error instanceof StorageError)) throw error;
    return err(translate(error, dir, 'opening the store'));
  }
}

async function closingOnError<T>(db: Pick<KeyValueEngine, 'close'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await db.close().catch(() => undefined);
    throw error;
  }
}

function openEngine(
  engine: StorageEngine,
  location: string,
  memory: EngineMemory,
  create: boolean,
): Promise<KeyValueEngine> {
  return engine === 'rocksdb'
    ? RocksDbEngine.open(location, memory, create)
    : LevelDbEngine.open(location, memory, create);
}
