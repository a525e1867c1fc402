import { afterEach, describe, expect, it } from '@jest/globals';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore, type Store } from '../../../src/storage/index.js';
import { asHeight } from '../../../src/types/index.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';

let base = '';
afterEach(() => rm(base, { recursive: true, force: true }));

const at = (name: string): string => join(base, name);

async function open(name = 'store', witness = 'witness'): Promise<Store> {
  return opened(
    await openStore({
      dir: at(name),
      engine: 'leveldb',
      chainId: testChain,
      validator: 'alpha',
      createIfMissing: true,
      witnessFile: at(witness),
    }),
  );
}

const write = (store: Store): Promise<void> =>
  store.appendLog([{ name: 'view', height: asHeight(0), value: Uint8Array.of(1) }]);

describe('a witness of writes outside of the store', () => {
  it('finds nothing wrong with the folder that was written last', async () => {
    base = await temporaryFolder();
    for (let times = 0; times < 3; times++) {
      const store = await open();
      expect(store.outdated).toBe(false);
      await write(store);
      await store.close();
    }
  });

  it('is not made in a folder that is not there: its disk may not be mounted', async () => {
    base = await temporaryFolder();
    await expect(open('store', 'disk/witness')).rejects.toThrow(/disk\/witness".*mount its disk/);
  });

  it('that is damaged is refused, with what to do; one torn slot of two is none', async () => {
    base = await temporaryFolder();
    const store = await open();
    for (let times = 0; times < 4; times++) await write(store);
    await store.close();
    const bytes = await readFile(at('witness'));
    for (const damaged of [Buffer.alloc(32, 0xa5), bytes.subarray(0, 3), Buffer.from('what is this?')]) {
      await writeFile(at('witness'), damaged);
      await expect(open()).rejects.toThrow(/witness".*is damaged.*remove the file and start again/);
      // It is left as it is.
      expect((await readFile(at('witness'))).subarray(0, damaged.length)).toEqual(damaged);
    }
    bytes.fill(0xa5, 0, 8);
    await writeFile(at('witness'), bytes);
    await (await open()).close();
    await rm(at('witness'));
    const again = await open();
    expect(again.outdated).toBe(false);
    await again.close();
  });

  it.each(['an earlier copy', 'an empty folder'] as const)(
    'tells %s, as often as it is opened, until what follows from it is on disk',
    async (what) => {
      base = await temporaryFolder();
      let store = await open();
      await write(store);
      await store.close();
      await cp(at('store'), at('copy'), { recursive: true });
      store = await open();
      for (let times = 0; times < 4; times++) await write(store);
      await store.close();
      const name = what === 'an earlier copy' ? 'copy' : 'new';
      store = await open(name);
      expect(store.outdated).toBe(true);
      // Writes of the older store do not make it the newer one.
      await write(store);
      await store.close();
      store = await open(name);
      expect(store.outdated).toBe(true);
      store.acceptOutdated();
      await write(store);
      await store.close();
      store = await open(name);
      expect(store.outdated).toBe(false);
      await store.close();
    },
  );
});
