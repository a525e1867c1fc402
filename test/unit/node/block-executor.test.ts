/** Executions while blocks below them become durable: where they begin must not depend on when that is told. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeBlockHeader } from '../../../src/codec/index.js';
import { StateTree } from '../../../src/crypto/index.js';
import {
  assumeVerified,
  CommittedHashes,
  decodeTransaction,
  genesisChainId,
} from '../../../src/ledger/index.js';
import { BlockExecutor, type Execution } from '../../../src/node/block-executor.js';
import { systemClock } from '../../../src/node/clock.js';
import { ensureGenesis } from '../../../src/node/recovery.js';
import type { Store, StoredBlock } from '../../../src/storage/index.js';
import { asHeight } from '../../../src/types/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened } from '../../helpers/stores.js';
import { createMemoryStore, MemoryDisk } from '../../../src/storage/index.js';

const { genesis, validatorKeys } = testGenesis(4);
const chainId = genesisChainId(genesis);
const open = async (): Promise<Store> =>
  opened(await createMemoryStore({ disk: new MemoryDisk(), chainId, validator: 'v0' }));

const blocks: StoredBlock[] = [];
let store: Store;
let executor: BlockExecutor;

beforeEach(async () => {
  if (blocks.length === 0) {
    const source = await open();
    const chain = await ExecutedChain.create({
      store: source,
      genesis,
      keys: validatorKeys,
      transactionsPerBlock: 3,
    });
    await chain.append(6);
    for (let height = 1; height <= 6; height++) {
      const block = await source.block(asHeight(height));
      if (block?.certificate === undefined) throw new Error('a block is missing');
      blocks.push(block);
    }
    await source.close();
  }
  store = await open();
  const tree = new StateTree({ maxBytes: 1024 * 1024 });
  await ensureGenesis(store, tree, genesis);
  executor = new BlockExecutor({
    store,
    tree,
    committedHashes: new CommittedHashes(),
    validityWindowBlocks: genesis.parameters.validityWindowBlocks,
    clock: systemClock,
    executed: () => undefined,
  });
});
afterEach(() => store.close());

const checked = (block: StoredBlock) =>
  block.envelopes.map((bytes) => {
    const decoded = decodeTransaction(bytes, chainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    return assumeVerified(decoded.value);
  });
const headerOf = (block: StoredBlock) => {
  const decoded = decodeBlockHeader(block.headerBytes);
  if (!decoded.ok) throw new Error(decoded.error.message);
  return decoded.value;
};
const run = (block: StoredBlock): Promise<Execution | undefined> =>
  executor.run(headerOf(block).prevHash, block.height, headerOf(block).timeMs, checked(block));
const execute = async (block: StoredBlock): Promise<Execution> => {
  const execution = await run(block);
  if (execution === undefined) throw new Error(`block ${block.height} was not executed`);
  executor.keep(block.digest, execution);
  return execution;
};
const commit = (block: StoredBlock, execution: Execution) =>
  store.commitBlock({
    block,
    txIds: checked(block).map(({ txId }) => txId),
    stateWrites: execution.output.writes,
    treeNodes: execution.tree.nodes,
    touchedAccounts: execution.output.touchedAccounts,
  });

describe('an execution', () => {
  it('ends quietly when the blocks below it are given up meanwhile (simulation seeds 10832, 500211)', async () => {
    const [first, second, third] = blocks as [StoredBlock, StoredBlock, StoredBlock];
    for (const block of [first, second]) await execute(block);
    const asked = run(third);
    // It has begun to read.
    await Promise.resolve();
    for (const block of [second, first]) executor.discard(block.digest);
    expect(await asked).toBeUndefined();
    // What comes next is not based on them.
    expect(await run(third)).toBeUndefined();
    expect((await execute(first)).tree.root).toEqual(headerOf(first).stateRoot);
  });

  it.each([0, 1, 2, 3])(
    'gives the certified root when %i of the durable blocks below it were told of',
    async (told) => {
      const [first, second, third, fourth] = blocks as [StoredBlock, StoredBlock, StoredBlock, StoredBlock];
      const below = [first, second, third];
      const executions: Execution[] = [];
      for (const block of below) executions.push(await execute(block));
      for (const [index, block] of below.entries()) await commit(block, executions[index]!);
      // Asked for before the others are told of; what they leave behind is settled after it.
      const asked = run(fourth);
      for (const block of below.slice(0, told)) executor.committed(block.digest);
      const execution = await asked;
      expect(execution?.tree.root).toEqual(headerOf(fourth).stateRoot);
      for (const block of below.slice(told)) executor.committed(block.digest);
      expect((await run(fourth))?.tree.root).toEqual(headerOf(fourth).stateRoot);
    },
  );

  it.each([0, 1, 2, 3])(
    'knows a transaction again when %i of the durable blocks below it were told of',
    async (told) => {
      const below = blocks.slice(0, 3);
      const executions: Execution[] = [];
      for (const block of below) executions.push(await execute(block));
      for (const [index, block] of below.entries()) await commit(block, executions[index]!);
      const again = checked(below[2]!).slice(0, 1);
      const asked = executor.run(below[2]!.digest, asHeight(4), headerOf(blocks[3]!).timeMs, again);
      for (const block of below.slice(0, told)) executor.committed(block.digest);
      expect((await asked)?.output.inadmissible).toHaveLength(1);
    },
  );

  it('that waits for state while the blocks below it become durable gives the certified root', async () => {
    const [first, second, third] = blocks as [StoredBlock, StoredBlock, StoredBlock];
    const one = await execute(first);
    const two = await execute(second);
    const asked = run(third);
    await Promise.resolve();
    await commit(first, one);
    executor.committed(first.digest);
    await commit(second, two);
    executor.committed(second.digest);
    expect((await asked)?.tree.root).toEqual(headerOf(third).stateRoot);
  });
});
