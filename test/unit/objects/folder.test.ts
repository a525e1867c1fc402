import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderObjectStore, readObject } from '../../../src/objects/index.js';
import { temporaryFolder } from '../../helpers/stores.js';

const text = (value: string) => new TextEncoder().encode(value);
let folder: string;
let objects: FolderObjectStore;

beforeEach(async () => {
  folder = await temporaryFolder();
  objects = new FolderObjectStore(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = async (key: string, range?: { start: number; end: number }) =>
  new TextDecoder().decode(await readObject(objects, key, 1000, range));

describe('objects in a folder', () => {
  it('are read as they were written, whole or in part', async () => {
    await objects.put('a/b/one', text('0123456789'));
    await objects.put(
      'two',
      // eslint-disable-next-line @typescript-eslint/require-await -- a stream
      (async function* () {
        yield text('abc');
        yield text('def');
      })(),
    );
    expect(await read('a/b/one')).toBe('0123456789');
    expect(await read('a/b/one', { start: 3, end: 6 })).toBe('345');
    expect(await read('a/b/one', { start: 3, end: 3 })).toBe('');
    expect(await read('two')).toBe('abcdef');
    await objects.put('two', text('new'));
    expect(await read('two')).toBe('new');
    expect(await objects.head('a/b/one')).toEqual({ key: 'a/b/one', bytes: 10 });
    expect(await objects.head('a/b')).toBeUndefined();
    await objects.delete('two');
    await objects.delete('two');
    expect(await objects.head('two')).toBeUndefined();
  });

  it('are listed by prefix, in the order of their keys, without what is being written', async () => {
    for (const key of ['b', 'a/2', 'a/1', 'a1']) await objects.put(key, text(key));
    await writeFile(join(folder, '.part-1-1'), 'half');
    const listed = async (prefix: string) => {
      const keys: string[] = [];
      for await (const { key } of objects.list(prefix)) keys.push(key);
      return keys;
    };
    expect(await listed('')).toEqual(['a/1', 'a/2', 'a1', 'b']);
    expect(await listed('a/')).toEqual(['a/1', 'a/2']);
  });

  it('leaves what was there when the new content fails, and no rest of it', async () => {
    await objects.put('one', text('old'));
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream
    const failing = (async function* () {
      yield text('new');
      throw new Error('the source failed');
    })();
    await expect(objects.put('one', failing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await read('one')).toBe('old');
    expect(await readdir(folder)).toEqual(['one']);
  });

  it('says what is wrong: no object, too large, cut off, no folder, a key that leads elsewhere', async () => {
    await objects.put('one', text('0123456789'));
    await expect(read('none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(readObject(objects, 'one', 5)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(read('one', { start: 5, end: 11 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const key of ['../x', '/x', 'a//b', '.x', 'a/../b', '', 'a/', 'x'.repeat(600), 'a\0b']) {
      await expect(objects.put(key, text('x'))).rejects.toMatchObject({ code: 'BAD_KEY' });
    }
    const missing = new FolderObjectStore(join(folder, 'not-mounted'));
    await expect(missing.put('one', text('x'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(missing.head('one')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await mkdir(join(folder, 'dir'));
    await expect(read('dir')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
