/** The end of a copy of the state: what a validator takes along from the store that it had, and when it must not. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { firstValidatorSet } from '../../../src/codec/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { systemClock } from '../../../src/node/clock.js';
import { FollowedSets } from '../../../src/node/followed-sets.js';
import { serveState } from '../../../src/node/serve-peers.js';
import { finishCopy } from '../../../src/node/snapshot.js';
import { StateTree } from '../../../src/crypto/index.js';
import {
  createMemoryStore,
  MemoryDisk,
  openMemoryInstall,
  openStore,
  snapshotFolders,
  targetOf,
} from '../../../src/storage/index.js';
import { copyState } from '../../../src/sync/index.js';
import { asHeight, asValidatorIndex } from '../../../src/types/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened, temporaryFolder } from '../../helpers/stores.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A validator whose own store ends at one height, and its copy of the state of another one, all parts of which are here. */
async function copied(ownHeight: number, height: number) {
  const { genesis, validatorKeys: keys } = testGenesis(4, 20);
  const chainId = genesisChainId(genesis);
  const full = opened(await createMemoryStore({ disk: new MemoryDisk(), chainId, validator: 'v0' }));
  closers.push(() => full.close());
  const options = { genesis, keys, transactionsPerBlock: 1 };
  await (await ExecutedChain.create({ ...options, store: full })).append(Math.max(ownHeight, height));

  const dataDir = await temporaryFolder();
  closers.push(() => rm(dataDir, { recursive: true, force: true }));
  const place = { dir: snapshotFolders(dataDir).store, engine: 'auto' as const, chainId, validator: 'v3' };
  const own = opened(await openStore({ ...place, createIfMissing: true }));
  const ownChain = await ExecutedChain.create({ ...options, store: own });
  for (let next = 1; next <= ownHeight; next++) await ownChain.replay((await full.block(asHeight(next)))!);
  // It has voted for the two blocks above its last one.
  const votes = [1, 2].map((above) => ({
    name: 'vote/commit',
    height: asHeight(ownHeight + above),
    value: Uint8Array.of(above),
  }));
  await own.appendLog(votes);
  await own.close();

  const disk = new MemoryDisk();
  const install = opened(await openMemoryInstall({ disk, chainId, validator: 'v3' }));
  closers.push(() => install.close());
  await install.begin(targetOf((await full.header(asHeight(height)))!));
  const tree = new StateTree({ maxBytes: 1_000_000 });
  const end = await copyState({
    sink: install,
    source: { fetchState: (_peer, request) => serveState(full, tree, request.height, request) },
    peers: [asValidatorIndex(0)],
    clock: systemClock,
  });
  expect(end).toBe('complete');
  const config = { dataDir, validator: 'v3' } as Parameters<typeof finishCopy>[0]['config'];
  const sets = new FollowedSets(chainId, firstValidatorSet(genesis.validators));
  const finished = await finishCopy({ config, chainId, sets }, install);
  return { finished, install, disk, chainId, votes };
}

describe('the end of a copy of the state', () => {
  it('takes the votes above it along, so that none is contradicted', async () => {
    const { finished, install, disk, chainId, votes } = await copied(6, 7);
    expect(finished).toBe(true);
    await install.close();
    const store = opened(await createMemoryStore({ disk, chainId, validator: 'v3' }));
    expect(store.head()!.height).toBe(7);
    // Block 7 is final.
    expect(await store.readLog()).toEqual([votes[1]]);
    await store.close();
  });

  it.each([
    [6, 6],
    [6, 5],
  ])(
    'at or below the own head is refused, since the votes up to there are no longer in the log (own %i, copy %i)',
    async (ownHeight, height) => {
      const { finished, install } = await copied(ownHeight, height);
      expect(finished).toBe(false);
      expect(install.finished).toBe(false);
    },
  );
});
