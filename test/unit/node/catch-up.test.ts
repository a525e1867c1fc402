import { afterEach, describe, expect, it } from '@jest/globals';
import type { ConsensusEvent } from '../../../src/consensus/types.js';
import { createVerifierPool } from '../../../src/crypto/native/index.js';
import { createReplicaOn } from '../../../src/node/replica.js';
import { systemClock } from '../../../src/node/clock.js';
import { createMemoryStore, MemoryDisk, type Store } from '../../../src/storage/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import type { Genesis } from '../../../src/codec/index.js';
import { asHeight, asValidatorIndex, asView } from '../../../src/types/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { patientSettings, silentObserver } from '../../helpers/driver-net.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

async function memoryStore(genesis: Genesis): Promise<Store> {
  const opened = await createMemoryStore({
    disk: new MemoryDisk(),
    chainId: genesisChainId(genesis),
    validator: 'v3',
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  closers.push(() => store.close());
  return store;
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('a replica that is behind', () => {
  it('fetches every block once, however slow its disk is', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const full = await memoryStore(genesis);
    const chain = await ExecutedChain.create({
      store: full,
      genesis,
      keys: validatorKeys,
      transactionsPerBlock: 2,
    });
    await chain.append(60);
    const store = await memoryStore(genesis);
    const commit = store.commitBlock.bind(store);
    store.commitBlock = async (block) => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      return commit(block);
    };
    const fetched: number[] = [];
    const halts: string[] = [];
    const verifier = createVerifierPool({ threads: 0 });
    closers.push(() => verifier.close());
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
        async *fetchBlocks(_peer, { fromHeight, maxBlocks }) {
          for (let height: number = fromHeight; height < fromHeight + maxBlocks; height++) {
            const block = await full.block(asHeight(height));
            if (block?.certificate === undefined) return;
            fetched.push(height);
            yield { ...block, certificate: block.certificate };
          }
        },
      },
      observer: silentObserver(halts),
    });
    closers.push(() => driver.stop());
    driver.start();
    const status = (height: number): ConsensusEvent => ({
      kind: 'status',
      from: asValidatorIndex(0),
      status: {
        view: asView(0),
        viewChangeInProgress: false,
        committedHeight: asHeight(height),
        stableCheckpointHeight: asHeight(0),
      },
    });
    // Statuses go on coming, with ever higher heights, as from a network that works.
    for (let height = 40; height <= 60; height += 10) {
      for (const peer of [0, 1, 2].map(asValidatorIndex)) {
        driver.dispatch({ ...status(height), from: peer } as ConsensusEvent);
      }
      await until(() => store.head()!.height === height);
    }
    expect(halts).toEqual([]);
    expect(fetched.length).toBe(new Set(fetched).size);
    expect(new Set(fetched).size).toBe(60);
  });
});
