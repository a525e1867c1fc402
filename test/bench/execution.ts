/**
 * Decoding, executing and storing blocks of one replica, without network, signatures and votes: what of a transaction's
 * cost is here. node .ci/run-ts.mjs test/bench/execution.ts [accounts] [transactions a block] [blocks] [engine]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  firstValidatorSet,
  encodeBlockHeader,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
} from '../../src/codec/index.js';
import { headerDigest, StateTree, validatorSetHash } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import {
  assumeVerified,
  CommittedHashes,
  decodeTransaction,
  genesisChainId,
} from '../../src/ledger/index.js';
import { BlockExecutor } from '../../src/node/block-executor.js';
import { ensureGenesis } from '../../src/node/recovery.js';
import { systemClock } from '../../src/node/clock.js';
import { openStore } from '../../src/storage/index.js';
import {
  asAmount,
  asHeight,
  asSignature,
  asValidatorIndex,
  asView,
  invariant,
} from '../../src/types/index.js';
import { makeWorld } from './world.js';

const [accounts = 100_000, perBlock = 500, blocks = 60] = process.argv.slice(2, 5).map(Number);
const engine = (process.argv[5] ?? 'auto') as 'auto' | 'rocksdb' | 'leveldb';
const treeBytes = Number(process.env['TREE_MIB'] ?? 48) * 1024 * 1024;

installNativeSha256();
const dir = await mkdtemp(join(tmpdir(), 'quaestor-execution-'));
const { genesis } = await makeWorld({
  dir: join(dir, 'world'),
  validators: 1,
  accounts,
  members: 4,
  config: [],
});
const chainId = genesisChainId(genesis);
const opened = await openStore({
  dir: join(dir, 'store'),
  engine,
  chainId,
  validator: 'validator-1',
  createIfMissing: true,
  memory: {
    blockCacheBytes: 16 * 1024 * 1024,
    stateCacheBytes: Number(process.env['STATE_CACHE'] ?? 16) * 1024 * 1024,
  },
});
if (!opened.ok) throw opened.error;
const store = opened.value;
const tree = new StateTree({ maxBytes: treeBytes });
await ensureGenesis(store, tree, genesis);
const executor = new BlockExecutor({
  store,
  tree,
  committedHashes: new CommittedHashes(),
  validityWindowBlocks: genesis.parameters.validityWindowBlocks,
  clock: systemClock,
  executed: () => undefined,
});
const setHash = validatorSetHash(firstValidatorSet(genesis.validators));
let counter = 0;
const envelope = (height: number): Uint8Array => {
  const number = counter++;
  const from = genesis.accounts[Math.floor(Math.random() * accounts)];
  const to = genesis.accounts[Math.floor(Math.random() * accounts)];
  const member = genesis.members.find(({ member }) => member === from?.owner);
  invariant(from !== undefined && to !== undefined && member !== undefined, 'accounts have owners');
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, number);
  const payload = encodeTransactionPayload({
    sender: member.member,
    idempotencyKey,
    validUntilHeight: asHeight(height + 500),
    operations: [
      {
        kind: 'transfer',
        fromAccount: from.account,
        toAccount: to.account,
        asset: 'CHF',
        amount: asAmount(BigInt(1 + (number % 1000))),
        endToEndId: `E2E-${String(number).padStart(12, '0')}`,
        memo: '',
      },
    ],
  });
  const [key] = member.policy.keys;
  invariant(key !== undefined, 'members have keys');
  return encodeTransactionEnvelope({
    payload,
    signatures: [{ publicKey: key.publicKey, signature: asSignature(new Uint8Array(64).fill(number)) }],
  });
};

const used = { decode: 0, execute: 0, commit: 0 };
let nodeBytes = 0;
let lap = process.cpuUsage();
const account = (part: keyof typeof used | undefined): void => {
  const spent = process.cpuUsage(lap);
  lap = process.cpuUsage();
  if (part !== undefined) used[part] += spent.user + spent.system;
};
let parent = store.head();
invariant(parent !== undefined, 'the genesis is committed');
const warm = Math.floor(blocks / 3);
for (let block = 0; block < blocks; block++) {
  if (block === warm) used.decode = used.execute = used.commit = 0;
  const height = asHeight(parent.height + 1);
  const envelopes = Array.from({ length: perBlock }, () => envelope(height));
  account(undefined);
  const transactions = envelopes.map((bytes) => {
    const decoded = decodeTransaction(bytes, chainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    return assumeVerified(decoded.value);
  });
  account('decode');
  const execution = await executor.run(parent.digest, height, 1000 + height, transactions);
  account('execute');
  invariant(execution !== undefined && execution.output.inadmissible.length === 0, 'the block executes');
  const headerBytes = encodeBlockHeader({
    version: 1,
    chainId,
    height,
    view: asView(0),
    prevHash: parent.digest,
    transactionsRoot: execution.transactionsRoot,
    resultsRoot: execution.resultsRoot,
    stateRoot: execution.tree.root,
    validatorSetHash: setHash,
    nextValidatorSetHash: setHash,
    timeMs: 1000 + height,
    proposer: asValidatorIndex(0),
    transactionCount: perBlock,
  });
  const digest = headerDigest(headerBytes);
  executor.keep(digest, execution);
  for (const { value } of execution.tree.nodes) nodeBytes += value.length;
  await store.commitBlock({
    block: {
      height,
      digest,
      headerBytes,
      certificate: {
        view: asView(0),
        height,
        digest,
        signatures: [{ validator: asValidatorIndex(0), signature: asSignature(new Uint8Array(64)) }],
      },
      envelopes,
      results: execution.resultBytes,
    },
    txIds: transactions.map(({ txId }) => txId),
    stateWrites: execution.output.writes,
    treeNodes: execution.tree.nodes,
    touchedAccounts: execution.output.touchedAccounts,
  });
  executor.committed(digest);
  parent = { height, digest, stateRoot: execution.tree.root };
  await new Promise((resolve) => setImmediate(resolve));
  account('commit');
}
const each = (us: number): string => (us / (perBlock * (blocks - warm))).toFixed(1);
process.stdout.write(
  `${store.engine}, ${accounts} accounts, ${perBlock} a block; CPU us a transaction: decode ${each(used.decode)}, ` +
    `execute ${each(used.execute)}, commit ${each(used.commit)}; ` +
    `tree nodes ${(nodeBytes / (perBlock * blocks)).toFixed(0)} bytes a transaction; resident ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB\n`,
);
await store.close();
await rm(dir, { recursive: true, force: true });
