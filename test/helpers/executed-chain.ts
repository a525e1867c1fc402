/** A chain of real payments, executed and certified by keys at hand, in a store: what a replica that was away is behind. */
import {
  firstValidatorSet,
  decodeBlockHeader,
  encodeBlockHeader,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Genesis,
} from '../../src/codec/index.js';
import {
  headerDigest,
  StateTree,
  transactionId,
  transactionSigningBytes,
  validatorSetHash,
  voteSigningBytes,
} from '../../src/crypto/index.js';
import {
  assumeVerified,
  CommittedHashes,
  decodeTransaction,
  genesisChainId,
  type CheckedTransaction,
} from '../../src/ledger/index.js';
import { BlockExecutor } from '../../src/node/block-executor.js';
import { systemClock } from '../../src/node/clock.js';
import { ensureGenesis } from '../../src/node/recovery.js';
import type { Store, StoredBlock } from '../../src/storage/index.js';
import {
  asAmount,
  asHeight,
  asValidatorIndex,
  asView,
  equalBytes,
  invariant,
  quorumOf,
  type ChainId,
} from '../../src/types/index.js';
import { memberKeys, type TestKey } from './fake-ledger.js';

export interface ChainOptions {
  readonly store: Store;
  readonly genesis: Genesis;
  /** Keys of the validators, in order. */
  readonly keys: readonly TestKey[];
  readonly transactionsPerBlock: number;
  /** Account that the payment of a number goes to; default B1. */
  readonly payee?: (number: number) => string;
}

/** A signed payment of one minor unit from A1. */
export function paymentOf(chainId: ChainId, number: number, height: number, toAccount: string): Uint8Array {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, number);
  const payload = encodeTransactionPayload({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(height + 500),
    operations: [
      {
        kind: 'transfer',
        fromAccount: 'A1',
        toAccount,
        asset: 'CHF',
        amount: asAmount(1n),
        endToEndId: '',
        memo: '',
      },
    ],
  });
  const signature = memberKeys.alpha.signNow(transactionSigningBytes(transactionId(chainId, payload)));
  return encodeTransactionEnvelope({
    payload,
    signatures: [{ publicKey: memberKeys.alpha.publicKey, signature }],
  });
}

/** Appends blocks to a store as a network of these validators would have. */
export class ExecutedChain {
  readonly #options: ChainOptions;
  readonly #executor: BlockExecutor;
  readonly #chainId: ChainId;
  #number = 0;

  private constructor(options: ChainOptions, executor: BlockExecutor) {
    this.#options = options;
    this.#executor = executor;
    this.#chainId = genesisChainId(options.genesis);
  }

  static async create(options: ChainOptions): Promise<ExecutedChain> {
    const { store, genesis } = options;
    const tree = new StateTree({ maxBytes: 1024 * 1024 });
    await ensureGenesis(store, tree, genesis);
    const executor = new BlockExecutor({
      store,
      tree,
      committedHashes: new CommittedHashes(),
      validityWindowBlocks: genesis.parameters.validityWindowBlocks,
      clock: systemClock,
      executed: () => undefined,
    });
    return new ExecutedChain(options, executor);
  }

  async append(blocks: number): Promise<void> {
    for (let count = 0; count < blocks; count++) await this.#appendOne();
  }

  /** Executes and commits a final block of another store. */
  async replay(block: StoredBlock): Promise<void> {
    const { store } = this.#options;
    const parent = store.head();
    const header = decodeBlockHeader(block.headerBytes);
    invariant(parent !== undefined && header.ok, 'a final block follows the head');
    const transactions = block.envelopes.map((bytes) => this.#decode(bytes));
    const { timeMs } = header.value;
    const execution = await this.#executor.run(parent.digest, block.height, timeMs, transactions);
    invariant(execution !== undefined, 'the block executes');
    invariant(equalBytes(execution.tree.root, header.value.stateRoot), 'a replay gives the certified root');
    this.#executor.keep(block.digest, execution);
    await store.commitBlock({
      block,
      txIds: transactions.map(({ txId }) => txId),
      stateWrites: execution.output.writes,
      treeNodes: execution.tree.nodes,
      staleNodes: execution.tree.stale,
      touchedAccounts: execution.output.touchedAccounts,
    });
    this.#executor.committed(block.digest);
  }

  #decode(bytes: Uint8Array): CheckedTransaction {
    const decoded = decodeTransaction(bytes, this.#chainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    return assumeVerified(decoded.value);
  }

  async #appendOne(): Promise<void> {
    const { store, genesis, keys, transactionsPerBlock, payee = () => 'B1' } = this.#options;
    const parent = store.head();
    invariant(parent !== undefined, 'the genesis is committed');
    const height = asHeight(parent.height + 1);
    const envelopes = Array.from({ length: transactionsPerBlock }, () => {
      const number = this.#number++;
      return paymentOf(this.#chainId, number, height, payee(number));
    });
    const transactions = envelopes.map((bytes) => this.#decode(bytes));
    const timeMs = genesis.timeMs + Number(height);
    const execution = await this.#executor.run(parent.digest, height, timeMs, transactions);
    invariant(execution !== undefined && execution.output.inadmissible.length === 0, 'the block executes');
    const setHash = validatorSetHash(firstValidatorSet(genesis.validators));
    const headerBytes = encodeBlockHeader({
      version: 1,
      chainId: this.#chainId,
      height,
      view: asView(0),
      prevHash: parent.digest,
      transactionsRoot: execution.transactionsRoot,
      resultsRoot: execution.resultsRoot,
      stateRoot: execution.tree.root,
      validatorSetHash: setHash,
      nextValidatorSetHash: setHash,
      timeMs,
      proposer: asValidatorIndex(0),
      transactionCount: transactions.length,
    });
    const digest = headerDigest(headerBytes);
    const vote = { view: asView(0), height, digest };
    const message = voteSigningBytes({
      chainId: this.#chainId,
      validatorSetHash: setHash,
      phase: 'commit',
      ...vote,
    });
    const signatures = keys
      .slice(0, quorumOf(keys.length))
      .map((key, index) => ({ validator: asValidatorIndex(index), signature: key.signNow(message) }));
    this.#executor.keep(digest, execution);
    await store.commitBlock({
      block: {
        height,
        digest,
        headerBytes,
        certificate: { ...vote, signatures },
        envelopes,
        results: execution.resultBytes,
      },
      txIds: transactions.map(({ txId }) => txId),
      stateWrites: execution.output.writes,
      treeNodes: execution.tree.nodes,
      staleNodes: execution.tree.stale,
      touchedAccounts: execution.output.touchedAccounts,
    });
    this.#executor.committed(digest);
  }
}
