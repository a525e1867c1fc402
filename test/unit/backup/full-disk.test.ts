/** Disks that are full under a backup and under a restore. Needs the right to mount. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  listBackups,
  readBackup,
  restoreBackup,
  takeBackup,
  trustBackup,
  verifyBackup,
} from '../../../src/backup/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { openObjects } from '../../../src/objects/index.js';
import { createMemoryStore, MemoryDisk } from '../../../src/storage/index.js';
import { trustGenesis } from '../../../src/verify/index.js';
import { canMount, SmallDisk } from '../../e2e/small-disk.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { checkByOpenSsl } from '../../helpers/signed-chain.js';
import { opened, temporaryFolder } from '../../helpers/stores.js';

const cleanups: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function smallDisk(): Promise<{ readonly dir: string; readonly disk: SmallDisk }> {
  const outer = await temporaryFolder();
  cleanups.push(() => rm(outer, { recursive: true, force: true }));
  const dir = join(outer, 'disk');
  await mkdir(dir);
  const disk = await SmallDisk.under(dir);
  cleanups.push(() => disk.unmount());
  return { dir, disk };
}

const { genesis, validatorKeys } = testGenesis(4, 4000);
const chainId = genesisChainId(genesis);

describe('a full disk', () => {
  (canMount() ? it : it.skip)(
    'leaves no backup and no store behind, and both go on once there is room',
    async () => {
      const memory = new MemoryDisk();
      const store = opened(await createMemoryStore({ disk: memory, chainId, validator: 'v1' }));
      cleanups.push(() => store.close());
      const chain = await ExecutedChain.create({
        store,
        genesis,
        keys: validatorKeys,
        transactionsPerBlock: 2,
      });
      await chain.append(5);
      const [target, data] = [await smallDisk(), await smallDisk()];
      const genesisFile = join(await temporaryFolder(), 'genesis.yaml');
      await writeFile(genesisFile, 'network: testnet\n');
      const objects = openObjects(target.dir);
      const take = () =>
        takeBackup({
          store,
          objects,
          genesisFile,
          writer: 'v1',
          software: '1.2.3',
          nowMs: Date.now(),
          spoolDir: join(genesisFile, '..', 'spool'),
        });
      await target.disk.fillTo(16 * 1024);
      await expect(take()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(await listBackups(objects)).toEqual([]);
      await rm(join(target.dir, 'ballast'));
      const { id } = await take();
      const trust = trustGenesis(genesis, { checkSignature: checkByOpenSsl });
      const backup = trustBackup(trust, await readBackup(objects, chainId, id));
      await verifyBackup(objects, backup, () => undefined);

      const restore = () =>
        restoreBackup({
          objects,
          backup,
          dataDir: data.dir,
          engine: 'leveldb',
          validator: 'v1',
          software: '1.2.3',
          signal: new AbortController().signal,
          progressed: () => undefined,
        });
      await data.disk.fillTo(200 * 1024);
      await expect(restore()).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect(await readdir(data.dir)).not.toContain('store');
      await rm(join(data.dir, 'ballast'));
      expect(await restore()).toMatchObject({ height: 5, abstains: true });
      expect(await readdir(data.dir)).toEqual(['store']);
    },
    60_000,
  );
});
