/** Comparing the own state with the certified one, with peers of which some give nothing. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValidatorSet } from '../../../src/codec/index.js';
import { StateTree } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { systemClock } from '../../../src/node/clock.js';
import { compareWithCertified, type Comparison } from '../../../src/node/divergence.js';
import { electorateOf } from '../../../src/node/electorate.js';
import { serveBlocks, serveState } from '../../../src/node/serve-peers.js';
import { createMemoryStore, MemoryDisk, type Store } from '../../../src/storage/index.js';
import { asHeight, asValidatorIndex, QuaestorError } from '../../../src/types/index.js';
import { directVerifier } from '../../helpers/certified-chain.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened } from '../../helpers/stores.js';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Peer = 'honest' | 'givesNothing' | 'fails';

/** A node with block 1 asks these peers for block 2. */
async function compare(...peers: readonly Peer[]): Promise<Comparison | undefined> {
  const { genesis, validatorKeys: keys } = testGenesis(4);
  const chainId = genesisChainId(genesis);
  const chainOn = async (): Promise<{ readonly store: Store; readonly chain: ExecutedChain }> => {
    const store = opened(await createMemoryStore({ disk: new MemoryDisk(), chainId, validator: 'v0' }));
    closers.push(() => store.close());
    return { store, chain: await ExecutedChain.create({ store, genesis, keys, transactionsPerBlock: 2 }) };
  };
  const full = await chainOn();
  await full.chain.append(2);
  const own = await chainOn();
  await own.chain.replay((await full.store.block(asHeight(1)))!);
  const tree = new StateTree({ maxBytes: 1024 * 1024 });
  return compareWithCertified({
    store: own.store,
    chainId,
    validityWindowBlocks: genesis.parameters.validityWindowBlocks,
    electorate: electorateOf(firstValidatorSet(genesis.validators)),
    source: {
      async *fetchBlocks(peer, { fromHeight, maxBlocks }) {
        if (peers[peer] === 'fails') throw new QuaestorError('FETCH_FAILED', 'The peer is gone.');
        if (peers[peer] === 'honest') yield* serveBlocks(full.store, fromHeight, maxBlocks);
      },
      async *fetchState(peer, { height, from, until }) {
        if (peers[peer] === 'honest') yield* serveState(full.store, tree, height, { from, until });
      },
    },
    peers: peers.map((_, index) => asValidatorIndex(index)),
    verifier: directVerifier(),
    clock: systemClock,
    signal: new AbortController().signal,
  });
}

describe('comparing with what is certified', () => {
  it('asks further when one peer has nothing to give', async () => {
    expect(await compare('givesNothing', 'honest')).toMatchObject({ height: 2, roots: [], differing: 0 });
  });

  it('says that there is no further block only when all say so', async () => {
    expect(await compare('givesNothing', 'givesNothing')).toBeUndefined();
    await expect(compare('givesNothing', 'fails')).rejects.toThrow('No validator gave block 2');
  });
});
