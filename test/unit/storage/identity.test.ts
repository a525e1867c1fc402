import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore, type StorageEngine, type StoreOptions } from '../../../src/storage/index.js';
import { translate } from '../../../src/storage/errors.js';
import { asChainId, toHex } from '../../../src/types/index.js';
import { commitOn, hash32 } from '../../helpers/commits.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';

describe('a data folder', () => {
  let parent: string;
  let dir: string;
  const open = (changes: Partial<StoreOptions> = {}) =>
    openStore({
      dir,
      engine: 'leveldb',
      chainId: testChain,
      validator: 'alpha',
      createIfMissing: true,
      ...changes,
    });
  const refusal = async (changes: Partial<StoreOptions> = {}) => {
    const result = await open(changes);
    if (result.ok) {
      await result.value.close();
      throw new Error('it was opened');
    }
    return result.error;
  };
  const make = async (engine: StorageEngine | 'auto' = 'leveldb') => {
    const store = opened(await open({ engine }));
    await store.commitBlock(commitOn(undefined, testChain));
    await store.close();
  };

  beforeEach(async () => {
    parent = await temporaryFolder();
    dir = join(parent, 'deep', 'store');
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it('that does not exist is made only when that is wanted', async () => {
    expect(await refusal({ createIfMissing: false })).toMatchObject({ code: 'NOT_FOUND' });
    await make();
    await opened(await open({ createIfMissing: false })).close();
  });

  it('says in a text file whose it is', async () => {
    await make();
    const text = await readFile(join(dir, 'QUAESTOR-STORE'), 'utf8');
    expect(text).toContain(`chain: ${toHex(testChain)}`);
    expect(text).toContain('validator: alpha');
    expect(text).toContain('engine: leveldb');
  });

  it.each(['with', 'without'])(
    'of another chain is refused, naming both, %s its text file',
    async (marker) => {
      await make();
      if (marker === 'without') await rm(join(dir, 'QUAESTOR-STORE'));
      const other = asChainId(hash32('other chain'));
      const error = await refusal({ chainId: other });
      expect(error.code).toBe('WRONG_CHAIN');
      expect(error.message).toContain(toHex(other));
      expect(error.message).toContain(toHex(testChain));
    },
  );

  it.each(['with', 'without'])(
    'of another validator is refused, naming both, %s its text file',
    async (marker) => {
      await make();
      if (marker === 'without') await rm(join(dir, 'QUAESTOR-STORE'));
      const error = await refusal({ validator: 'beta' });
      expect(error.code).toBe('WRONG_VALIDATOR');
      expect(error.message).toMatch(/"alpha".*"beta"/);
    },
  );

  it.each([
    ['leveldb', 'rocksdb'],
    ['rocksdb', 'leveldb'],
  ] as const)('of %s is refused by %s and left as it was', async (made, wanted) => {
    await make(made);
    const error = await refusal({ engine: wanted });
    expect(error).toMatchObject({ code: 'WRONG_ENGINE', details: { found: made, expected: wanted } });
    const store = opened(await open({ engine: made }));
    expect(store.head()?.height).toBe(0);
    await store.close();
  });

  it('opens with the engine it was made with when the config says "auto"', async () => {
    await make('rocksdb');
    const store = opened(await open({ engine: 'auto' }));
    expect(store.engine).toBe('rocksdb');
    await store.close();
  });

  it('whose text file was spoilt is refused', async () => {
    await make();
    await writeFile(join(dir, 'QUAESTOR-STORE'), 'engine: leveldb\n');
    expect(await refusal()).toMatchObject({ code: 'CORRUPT' });
  });

  it('with other files in it, or a bare database, is left alone', async () => {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'payroll.xls'), '');
    expect(await refusal()).toMatchObject({ code: 'NOT_A_STORE' });
    await rm(dir, { recursive: true });
    const bare = new ClassicLevel(dir);
    await bare.open();
    await bare.close();
    expect(await refusal()).toMatchObject({ code: 'NOT_A_STORE' });
    await rm(dir, { recursive: true });
    await mkdir(join(dir, 'lost+found'), { recursive: true });
    await make();
  });

  it('whose making was cut off is made again', async () => {
    await mkdir(join(dir, 'leveldb'), { recursive: true });
    await writeFile(join(dir, 'QUAESTOR-STORE.new'), 'format');
    await make();
  });

  it('that is a file, or lies in one, is refused', async () => {
    await writeFile(join(parent, 'file'), '');
    expect(await refusal({ dir: join(parent, 'file') })).toMatchObject({ code: 'NOT_A_STORE' });
    expect(await refusal({ dir: join(parent, 'file', 'store') })).toMatchObject({ code: 'NOT_A_STORE' });
  });
});

describe('an error of the system or of an engine', () => {
  it.each([
    [{ code: 'EACCES', message: 'EACCES: permission denied' }, 'NOT_WRITABLE'],
    [{ code: 'EROFS', message: 'EROFS: read-only file system' }, 'NOT_WRITABLE'],
    [{ code: 'ENOSPC', message: 'ENOSPC' }, 'DISK_FULL'],
    [{ code: 'LEVEL_IO_ERROR', message: 'IO error: 000003.log: No space left on device' }, 'DISK_FULL'],
    [{ code: 'LEVEL_IO_ERROR', message: 'IO error: 000003.log: Input/output error' }, 'IO'],
    [
      { code: 'LEVEL_DATABASE_NOT_OPEN', message: 'x', cause: { code: 'LEVEL_LOCKED', message: 'y' } },
      'LOCKED',
    ],
    [{ code: 'LEVEL_CORRUPTION', message: 'block checksum mismatch' }, 'CORRUPT'],
  ])('%o becomes %s and names the folder', (cause, code) => {
    const error = translate(cause, '/data/alpha', 'writing');
    expect(error.code).toBe(code);
    expect(error.message).toContain('/data/alpha');
  });
});
