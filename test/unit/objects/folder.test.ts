import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderObjectStore, readObject } from '../../../src/objects/index.js';
import { itKeepsObjects } from '../../helpers/object-contract.js';
import { temporaryFolder } from '../../helpers/stores.js';

const text = (value: string) => new TextEncoder().encode(value);
let folder: string;
let objects: FolderObjectStore;

beforeEach(async () => {
  folder = await temporaryFolder();
  objects = new FolderObjectStore(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a folder', () => {
  itKeepsObjects(() => Promise.resolve(objects));

  it('does not list what is being written', async () => {
    await objects.put('one', text('1'));
    await writeFile(join(folder, '.part-1-1'), 'half');
    const keys: string[] = [];
    for await (const { key } of objects.list('')) keys.push(key);
    expect(keys).toEqual(['one']);
  });

  it('keeps no rest of a content that failed', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream
    const failing = (async function* () {
      yield text('new');
      throw new Error('the source failed');
    })();
    await expect(objects.put('one', failing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('says that it is not there, and that a folder is no object', async () => {
    const missing = new FolderObjectStore(join(folder, 'not-mounted'));
    await expect(missing.put('one', text('x'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(missing.head('one')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await mkdir(join(folder, 'dir'));
    await expect(readObject(objects, 'dir', 1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
