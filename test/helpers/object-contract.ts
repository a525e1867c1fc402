/** What every object store has to do. */
import { expect, it } from '@jest/globals';
import { readObject, type ObjectStore } from '../../src/objects/index.js';

const text = (value: string) => new TextEncoder().encode(value);

/** Defines the tests; `open` gives an empty store. */
export function itKeepsObjects(open: () => Promise<ObjectStore>): void {
  const read = async (objects: ObjectStore, key: string, range?: { start: number; end: number }) =>
    new TextDecoder().decode(await readObject(objects, key, 1000, range));

  it('reads objects as they were written, whole or in part', async () => {
    const objects = await open();
    await objects.put('a/b/one', text('0123456789'));
    await objects.put(
      'two',
      // eslint-disable-next-line @typescript-eslint/require-await -- a stream
      (async function* () {
        yield text('abc');
        yield text('def');
      })(),
    );
    expect(await read(objects, 'a/b/one')).toBe('0123456789');
    expect(await read(objects, 'a/b/one', { start: 3, end: 6 })).toBe('345');
    expect(await read(objects, 'a/b/one', { start: 3, end: 3 })).toBe('');
    expect(await read(objects, 'two')).toBe('abcdef');
    await objects.put('two', text('new'));
    expect(await read(objects, 'two')).toBe('new');
    await objects.put('two', text(''));
    expect(await read(objects, 'two')).toBe('');
    expect(await objects.head('a/b/one')).toEqual({ key: 'a/b/one', bytes: 10 });
    expect(await objects.head('a/b')).toBeUndefined();
    await objects.delete('two');
    await objects.delete('two');
    expect(await objects.head('two')).toBeUndefined();
  });

  it('lists objects by prefix, in the order of their keys', async () => {
    const objects = await open();
    for (const key of ['b', 'a/2', 'a/1', 'a1']) await objects.put(key, text(key));
    const listed = async (prefix: string) => {
      const keys: string[] = [];
      for await (const { key } of objects.list(prefix)) keys.push(key);
      return keys;
    };
    expect(await listed('')).toEqual(['a/1', 'a/2', 'a1', 'b']);
    expect(await listed('a/')).toEqual(['a/1', 'a/2']);
  });

  it('leaves what was there when the new content fails', async () => {
    const objects = await open();
    await objects.put('one', text('old'));
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream
    const failing = (async function* () {
      yield text('new');
      throw new Error('the source failed');
    })();
    await expect(objects.put('one', failing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await read(objects, 'one')).toBe('old');
  });

  it('says what is wrong: no object, too large, cut off, a key that leads elsewhere', async () => {
    const objects = await open();
    await objects.put('one', text('0123456789'));
    await expect(read(objects, 'none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(readObject(objects, 'one', 5)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(read(objects, 'one', { start: 5, end: 11 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const key of ['../x', '/x', 'a//b', '.x', 'a/../b', '', 'a/', 'x'.repeat(600), 'a\0b']) {
      await expect(objects.put(key, text('x'))).rejects.toMatchObject({ code: 'BAD_KEY' });
    }
  });
}
