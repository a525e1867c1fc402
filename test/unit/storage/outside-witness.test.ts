import { afterEach, describe, expect, it } from '@jest/globals';
import { cp, rm } from 'node:fs/promises';
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
