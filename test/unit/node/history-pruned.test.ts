/** A replica whose missing blocks nobody keeps any more copies the state instead of asking for ever. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { createVerifierPool } from '../../../src/crypto/native/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { systemClock } from '../../../src/node/clock.js';
import { createReplicaOn } from '../../../src/node/replica.js';
import { serveBlocks } from '../../../src/node/serve-peers.js';
import { createMemoryStore, MemoryDisk, type Store } from '../../../src/storage/index.js';
import { asHeight, asValidatorIndex, asView, QuaestorError } from '../../../src/types/index.js';
import { patientSettings, silentObserver } from '../../helpers/driver-net.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened } from '../../helpers/stores.js';
import { until } from '../../helpers/until.js';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** How a replica at the genesis fares whose peers have pruned, or do not answer. */
async function behind(
  peers: readonly ('pruned' | 'dead' | 'whole')[],
): Promise<{ ends: string[]; wanted: number; store: Store }> {
  const { genesis, validatorKeys } = testGenesis(4);
  const make = async (): Promise<Store> => {
    const store = opened(
      await createMemoryStore({ disk: new MemoryDisk(), chainId: genesisChainId(genesis), validator: 'v3' }),
    );
    closers.push(() => store.close());
    return store;
  };
  const [whole, pruned, store] = [await make(), await make(), await make()];
  for (const full of [whole, pruned]) {
    const chain = await ExecutedChain.create({
      store: full,
      genesis,
      keys: validatorKeys,
      transactionsPerBlock: 1,
    });
    await chain.append(30);
  }
  await pruned.retain({ blocks: asHeight(20), states: asHeight(20) });
  const verifier = createVerifierPool({ threads: 0 });
  closers.push(() => verifier.close());
  const ends: string[] = [];
  let wanted = 0;
  const ignore = (): void => undefined;
  const { driver } = await createReplicaOn({
    genesis,
    self: asValidatorIndex(3),
    settings: { ...patientSettings, heartbeatMs: 10 },
    ports: {
      clock: systemClock,
      store,
      peers: {
        sendConsensus: ignore,
        sendStatus: ignore,
        relayTransactions: ignore,
        requestBodies: ignore,
        sendBodies: ignore,
        sendEvidence: ignore,
        connected: () => [0, 1, 2].map(asValidatorIndex),
      },
      verifier,
      signer: validatorKeys[3],
    },
    blocks: {
      async *fetchBlocks(peer, { fromHeight, maxBlocks }) {
        const kind = peers[peer];
        await Promise.resolve();
        if (kind === 'dead') throw new QuaestorError('FETCH_FAILED', 'The connection was refused.');
        yield* serveBlocks(kind === 'whole' ? whole : pruned, fromHeight, maxBlocks);
      },
    },
    observer: {
      ...silentObserver([]),
      syncEnded: (end) => void ends.push(end),
      historyPruned: () => {
        wanted++;
      },
    },
  });
  closers.push(() => driver.stop());
  driver.start();
  for (const from of [0, 1, 2].map(asValidatorIndex)) {
    driver.receiveStatus(from, {
      view: asView(0),
      viewChangeInProgress: false,
      committedHeight: asHeight(30),
      stableCheckpointHeight: asHeight(0),
    });
  }
  await until(() => ends.length > 0);
  return { ends, wanted, store };
}

describe('a replica whose missing blocks are pruned', () => {
  it('gets them from one that has them', async () => {
    const { ends, wanted, store } = await behind(['pruned', 'pruned', 'whole']);
    expect([ends[0], wanted, store.head()?.height]).toEqual(['complete', 0, 30]);
  });

  it('wants a copy of the state when more than f say that they do not keep them, and nobody has them', async () => {
    const { ends, wanted } = await behind(['pruned', 'pruned', 'pruned']);
    expect(ends[0]).toBe('stuck');
    expect(wanted).toBeGreaterThan(0);
  });
});
