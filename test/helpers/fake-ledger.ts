/**
 * A ledger in memory behind the api's ports, for tests of api and client: no consensus, hardly any rules, but real
 * headers, certificates, Merkle paths and state proofs, signed by real keys. Several nodes share one chain.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import {
  finalBlock,
  type FinalBlock,
  type LedgerPort,
  type Refusal,
  type SubmissionSink,
} from '../../src/api/index.js';
import type { HealthPort, NodeStatus, ReadPort, RefusalReason } from '../../src/api/index.js';
import {
  firstValidatorSet,
  decodeBalance,
  decodeBlockHeader,
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  encodeBalance,
  encodeBlockHeader,
  encodeGenesis,
  encodeTransactionResult,
} from '../../src/codec/index.js';
import type {
  CommitCertificate,
  Genesis,
  ResultCode,
  StateProof,
  TransactionPayload,
  Validator,
} from '../../src/codec/model.js';
import {
  chainIdOf,
  headerDigest,
  merkleLeafHash,
  merkleRoot,
  transactionId,
  transactionSigningBytes,
  validatorSetHash,
  voteSigningBytes,
  type Signer,
} from '../../src/crypto/index.js';
import type { StoredBlock } from '../../src/storage/types.js';
import {
  asAmount,
  asDigest,
  asHeight,
  asPublicKey,
  asSignature,
  asStateKey,
  asValidatorIndex,
  asView,
  equalBytes,
  faultyOf,
  quorumOf,
  toHex,
  type ChainId,
  type Height,
  type Signature,
  type StateKey,
  type TxId,
} from '../../src/types/index.js';
import { FakeState } from './fake-state.js';

export interface TestKey extends Signer {
  /** Signs at once. */
  signNow(message: Uint8Array): Signature;
}

/** DER of a PKCS #8 Ed25519 key (RFC 8410) up to the seed. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A key from a name: the same each time. */
export function testKey(name: string): TestKey {
  const seed = Buffer.alloc(32);
  seed.write(name);
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const signNow = (message: Uint8Array): Signature => asSignature(new Uint8Array(sign(null, message, key)));
  return {
    publicKey: asPublicKey(new Uint8Array(spki.subarray(-32))),
    sign: (message) => Promise.resolve(signNow(message)),
    signNow,
  };
}

const singleKey = (
  key: Signer,
): { threshold: number; keys: { publicKey: Signer['publicKey']; weight: number }[] } => ({
  threshold: 1,
  keys: [{ publicKey: key.publicKey, weight: 1 }],
});

export const memberKeys = { alpha: testKey('member alpha'), beta: testKey('member beta') };

/** Genesis of a network with `n` validators, two members and accounts A1, A2 (alpha) and B1 (beta) that hold CHF. */
export function testGenesis(
  n = 4,
  extraAccounts = 0,
): { genesis: Genesis; validatorKeys: readonly TestKey[] } {
  const validatorKeys = Array.from({ length: n }, (_, index) => testKey(`validator ${index}`));
  const accounts = [
    ...Array.from({ length: extraAccounts }, (_, index) => ({
      account: `X${String(index).padStart(5, '0')}`,
      owner: index % 2 === 0 ? 'alpha' : 'beta',
      openedHeight: asHeight(0),
    })),
    ...['A1', 'A2'].map((account) => ({ account, owner: 'alpha', openedHeight: asHeight(0) })),
    { account: 'B1', owner: 'beta', openedHeight: asHeight(0) },
  ].sort((left, right) => (left.account < right.account ? -1 : 1));
  const genesis: Genesis = {
    network: 'testnet',
    timeMs: 1_700_000_000_000,
    validators: validatorKeys.map(({ publicKey }, index): Validator => ({
      id: `v${index}`,
      member: 'alpha',
      publicKey,
    })),
    members: [
      { member: 'alpha', name: 'Alpha Bank', policy: singleKey(memberKeys.alpha), roles: [] },
      { member: 'beta', name: 'Beta Bank', policy: singleKey(memberKeys.beta), roles: [] },
    ],
    assets: [{ asset: 'CHF', exponent: 2, issuer: 'alpha', name: 'Swiss franc' }],
    accounts,
    balances: [
      { account: 'A1', asset: 'CHF', amount: asAmount(1_000_000n) },
      { account: 'B1', asset: 'CHF', amount: asAmount(500n) },
    ],
    parameters: {
      validityWindowBlocks: 1000,
      maxBlockTransactions: 5000,
      maxBlockBytes: 4 * 1024 * 1024,
      maxClockSkewMs: 1000,
      checkpointIntervalBlocks: 64,
      pipelineWindowBlocks: 4,
    },
  };
  return { genesis, validatorKeys };
}

interface Pending {
  readonly txId: TxId;
  readonly bytes: Uint8Array;
  readonly payload: TransactionPayload;
  readonly waiting: {
    readonly sink: SubmissionSink;
    readonly number: number;
    readonly handle: { open: boolean };
  }[];
}

function publicKeyObject(key: Uint8Array): KeyObject {
  const x = Buffer.from(key).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** The chain that all nodes of a test share. */
export class FakeChain {
  readonly genesis: Genesis;
  readonly genesisBytes: Uint8Array;
  readonly chainId: ChainId;
  readonly validatorKeys: readonly TestKey[];
  readonly blocks: StoredBlock[] = [];
  readonly state: FakeState;
  readonly locations = new Map<string, { height: Height; index: number }>();
  readonly history = new Map<string, { height: Height; index: number; txId: TxId }[]>();
  readonly listeners = new Set<(height: Height) => void>();
  /** While true nothing is committed: as if there were no quorum. */
  held = false;
  /** Number of executions by transaction id: to see that none is executed twice. */
  readonly executions = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();
  readonly #finalBlocks = new Map<number, FinalBlock>();
  #commitScheduled = false;
  #committing: Promise<void> = Promise.resolve();

  static async create(options: { validators?: number; extraAccounts?: number } = {}): Promise<FakeChain> {
    const chain = new FakeChain(options);
    await chain.#append([], [], chain.genesis.timeMs);
    return chain;
  }

  private constructor(options: { validators?: number; extraAccounts?: number }) {
    const { genesis, validatorKeys } = testGenesis(options.validators ?? 4, options.extraAccounts ?? 0);
    this.genesis = genesis;
    this.validatorKeys = validatorKeys;
    this.genesisBytes = encodeGenesis(genesis);
    this.chainId = chainIdOf(this.genesisBytes);
    this.state = new FakeState(genesis);
  }

  get head(): StoredBlock {
    return this.blocks[this.blocks.length - 1]!;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  finalBlock(height: number): FinalBlock {
    let block = this.#finalBlocks.get(height);
    if (block === undefined) {
      const storedBlock = this.blocks[height]!;
      block = finalBlock({ ...storedBlock, certificate: storedBlock.certificate! });
      this.#finalBlocks.set(height, block);
    }
    return block;
  }

  /** Admits or refuses one envelope for a sink. */
  admit(
    bytes: Uint8Array,
    number: number,
    sink: SubmissionSink,
    handle: { open: boolean },
  ): Refusal | undefined {
    const refuse = (reason: RefusalReason, message: string): Refusal => ({ number, reason, message });
    const envelope = decodeTransactionEnvelope(bytes);
    if (!envelope.ok) return refuse('ENVELOPE_MALFORMED', envelope.error.message);
    const payload = decodeTransactionPayload(envelope.value.payload);
    if (!payload.ok) return refuse('ENVELOPE_MALFORMED', payload.error.message);
    const txId = transactionId(this.chainId, envelope.value.payload);
    const message = transactionSigningBytes(txId);
    for (const { publicKey, signature } of envelope.value.signatures) {
      if (!verify(null, message, publicKeyObject(publicKey), signature)) {
        return refuse('SIGNATURE_INVALID', 'A signature does not hold.');
      }
    }
    const key = toHex(txId);
    const location = this.locations.get(key);
    if (location !== undefined) {
      setImmediate(() => {
        if (!handle.open) return;
        sink.finalized(this.finalBlock(location.height), { numbers: [number], indexes: [location.index] });
      });
      return undefined;
    }
    if (payload.value.validUntilHeight <= this.head.height) {
      return refuse('EXPIRED', `The chain is at ${this.head.height} already.`);
    }
    const pending = this.#pending.get(key);
    if (pending === undefined) {
      this.#pending.set(key, { txId, bytes, payload: payload.value, waiting: [{ sink, number, handle }] });
    } else {
      pending.waiting.push({ sink, number, handle });
    }
    this.#scheduleCommit();
    return undefined;
  }

  /** Lets commits go on. */
  release(): void {
    this.held = false;
    this.#scheduleCommit();
  }

  #scheduleCommit(): void {
    if (this.held || this.#commitScheduled || this.#pending.size === 0) return;
    this.#commitScheduled = true;
    setImmediate(() => {
      this.#commitScheduled = false;
      if (!this.held) void this.commit();
    });
  }

  /** Commits all that is pending, or an empty block. One after the other. */
  commit(): Promise<void> {
    return (this.#committing = this.#committing.then(() => this.#commit()));
  }

  async #commit(): Promise<void> {
    const batch = [...this.#pending.values()].slice(0, this.genesis.parameters.maxBlockTransactions);
    const height = asHeight(this.head.height + 1);
    const results = batch.map(({ txId, payload }, index) => {
      this.executions.set(toHex(txId), (this.executions.get(toHex(txId)) ?? 0) + 1);
      return encodeTransactionResult({ txId, ...this.#execute(payload, height, index, txId) });
    });
    await this.#append(
      batch.map(({ bytes }) => bytes),
      results,
      this.genesis.timeMs + height,
    );
    for (const [index, { txId }] of batch.entries()) {
      this.#pending.delete(toHex(txId));
      this.locations.set(toHex(txId), { height, index });
    }
    const bySink = new Map<SubmissionSink, { numbers: number[]; indexes: number[] }>();
    for (const [index, { waiting }] of batch.entries()) {
      for (const { sink, number, handle } of waiting) {
        if (!handle.open) continue;
        const entries = bySink.get(sink) ?? { numbers: [], indexes: [] };
        entries.numbers.push(number);
        entries.indexes.push(index);
        bySink.set(sink, entries);
      }
    }
    for (const [sink, entries] of bySink) sink.finalized(this.finalBlock(height), entries);
    for (const listener of this.listeners) listener(height);
    this.#scheduleCommit();
  }

  #execute(
    payload: TransactionPayload,
    height: Height,
    index: number,
    txId: TxId,
  ): { code: ResultCode; failedOperation: number } {
    const writes = new Map<string, bigint>();
    const touched = new Set<string>();
    const balance = (account: string, asset: string): bigint => {
      const key = `balance/${account}/${asset}`;
      const bytes = this.state.get(key);
      const kept = bytes === undefined ? undefined : decodeBalance(bytes);
      return writes.get(key) ?? (kept?.ok === true ? kept.value.amount : 0n);
    };
    for (const [at, operation] of payload.operations.entries()) {
      const refuse = (code: ResultCode): { code: ResultCode; failedOperation: number } => ({
        code,
        failedOperation: at + 1,
      });
      if (operation.kind !== 'transfer') return refuse('ROLE_REQUIRED');
      const { fromAccount, toAccount, asset, amount } = operation;
      for (const account of [fromAccount, toAccount]) {
        if (this.state.get(`account/${account}`) === undefined) return refuse('UNKNOWN_ACCOUNT');
        touched.add(account);
      }
      if (balance(fromAccount, asset) < amount) return refuse('INSUFFICIENT_FUNDS');
      writes.set(`balance/${fromAccount}/${asset}`, balance(fromAccount, asset) - amount);
      writes.set(`balance/${toAccount}/${asset}`, balance(toAccount, asset) + amount);
    }
    for (const [key, amount] of writes) {
      this.state.set(key, amount === 0n ? undefined : encodeBalance({ amount: asAmount(amount) }));
    }
    for (const account of touched) {
      const entries = this.history.get(account) ?? [];
      entries.unshift({ height, index, txId });
      this.history.set(account, entries);
    }
    return { code: 'OK', failedOperation: 0 };
  }

  async #append(
    envelopes: readonly Uint8Array[],
    results: readonly Uint8Array[],
    timeMs: number,
  ): Promise<void> {
    const height = asHeight(this.blocks.length);
    const setHash = validatorSetHash(firstValidatorSet(this.genesis.validators));
    const headerBytes = encodeBlockHeader({
      version: 1,
      chainId: this.chainId,
      height,
      view: asView(0),
      prevHash: height === 0 ? asDigest(new Uint8Array(32)) : this.head.digest,
      transactionsRoot: merkleRoot(envelopes.map(merkleLeafHash)),
      resultsRoot: merkleRoot(results.map(merkleLeafHash)),
      stateRoot: await this.state.commit(height),
      validatorSetHash: setHash,
      nextValidatorSetHash: setHash,
      timeMs,
      proposer: asValidatorIndex(0),
      transactionCount: envelopes.length,
    });
    const digest = headerDigest(headerBytes);
    this.blocks.push({
      height,
      digest,
      headerBytes,
      envelopes,
      results,
      ...(height === 0 ? {} : { certificate: this.certify(headerBytes) }),
    });
  }

  /** A certificate over a header by a quorum, or by the validators given. */
  certify(headerBytes: Uint8Array, signers?: readonly number[]): CommitCertificate {
    const header = decodeBlockHeader(headerBytes);
    if (!header.ok) throw header.error;
    const digest = headerDigest(headerBytes);
    const { chainId, height, view, validatorSetHash: setHash } = header.value;
    const statement = voteSigningBytes({
      chainId,
      validatorSetHash: setHash,
      phase: 'commit',
      view,
      height,
      digest,
    });
    const n = this.validatorKeys.length;
    const indexes =
      signers ?? Array.from({ length: quorumOf(n) }, (_, at) => at + Math.min(faultyOf(n), n - quorumOf(n)));
    return {
      view,
      height,
      digest,
      signatures: indexes.map((index) => ({
        validator: asValidatorIndex(index),
        signature: this.validatorKeys[index]!.signNow(statement),
      })),
    };
  }
}

/** One node's ports on a shared chain, with switches for its faults. */
export class FakeNode implements LedgerPort, ReadPort, HealthPort {
  readonly chain: FakeChain;
  readonly index: number;
  quorum = true;
  isReady = true;
  isLive = true;
  /** Refuses all submissions with this reason. */
  refuseAll: RefusalReason | undefined;
  /** Changes the blocks that receipts and reads are answered from: a lying node. */
  tamper: (block: StoredBlock) => StoredBlock = (block) => block;
  tamperProof: (proof: StateProof) => StateProof = (proof) => proof;
  /** Lets `submit` throw: a defect. */
  defect: Error | undefined;
  submitted = 0;
  /** Blocks that were read. */
  blockReads = 0;
  oldest = 1;
  readonly handles = new Set<{ open: boolean }>();

  constructor(chain: FakeChain, index = 0) {
    this.chain = chain;
    this.index = index;
  }

  submit(
    envelopes: readonly Uint8Array[],
    firstNumber: number,
    _source: { readonly member: string },
    sink: SubmissionSink,
  ): { checked: Promise<void>; cancel: () => void } {
    if (this.defect !== undefined) throw this.defect;
    this.submitted += envelopes.length;
    const handle = { open: true };
    this.handles.add(handle);
    const lying: SubmissionSink = {
      finalized: (block, entries) => {
        const storedBlock = this.chain.blocks[block.height]!;
        const shown = this.tamper(storedBlock);
        sink.finalized(
          shown === storedBlock ? block : finalBlock({ ...shown, certificate: shown.certificate! }),
          entries,
        );
      },
      refused: (refusals) => sink.refused(refusals),
    };
    const checked = new Promise<void>((resolve) => {
      setImmediate(() => {
        const refusals: Refusal[] = [];
        for (const [offset, bytes] of envelopes.entries()) {
          const number = firstNumber + offset;
          const refusal =
            this.refuseAll === undefined
              ? this.chain.admit(bytes, number, lying, handle)
              : { number, reason: this.refuseAll, message: `Refused with ${this.refuseAll}.` };
          if (refusal !== undefined) refusals.push(refusal);
        }
        if (refusals.length > 0 && handle.open) sink.refused(refusals);
        resolve();
      });
    });
    return {
      checked,
      cancel: () => {
        handle.open = false;
        this.handles.delete(handle);
      },
    };
  }

  status(): NodeStatus {
    const { head, genesis, chainId } = this.chain;
    const header = decodeBlockHeader(head.headerBytes);
    if (!header.ok) throw header.error;
    return {
      version: '0.0.0-test',
      network: genesis.network,
      chainId,
      validator: `v${this.index}`,
      height: head.height,
      digest: head.digest,
      stateRoot: header.value.stateRoot,
      view: asView(0),
      primary: 'v0',
      viewChangeInProgress: false,
      connectedValidators: this.quorum ? genesis.validators.length : 2,
      validators: genesis.validators.length,
      quorum: quorumOf(genesis.validators.length),
      synced: true,
      pendingTransactions: this.chain.pendingCount,
      epoch: 0,
      validates: true,
    };
  }

  head(): { height: Height; digest: StoredBlock['digest'] } {
    return this.chain.head;
  }
  oldestBlock(): Height {
    return asHeight(this.oldest);
  }
  oldestTransaction(): Height {
    return this.oldestBlock();
  }

  oldestState(): Height {
    return asHeight(this.oldest === 1 ? 0 : this.oldest);
  }
  block(height: Height): Promise<StoredBlock | undefined> {
    this.blockReads += 1;
    const block = this.chain.blocks[height];
    return Promise.resolve(block === undefined ? undefined : this.tamper(block));
  }
  header(height: Height): Promise<StoredBlock | undefined> {
    return this.block(height);
  }
  locate(txId: TxId): Promise<{ height: Height; index: number } | undefined> {
    return Promise.resolve(this.chain.locations.get(toHex(txId)));
  }
  stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.chain.state.at(key, height));
  }
  stateRange(options: {
    prefix: string;
    after?: string;
    height: Height;
    limit: number;
  }): Promise<readonly { key: StateKey; value: Uint8Array }[]> {
    return Promise.resolve(
      this.chain.state
        .entriesAt(options.height)
        .filter(([key]) => key.startsWith(options.prefix) && key > (options.after ?? ''))
        .slice(0, options.limit)
        .map(([key, value]) => ({ key: asStateKey(key), value })),
    );
  }
  prove(keys: readonly StateKey[], height: Height): Promise<readonly StateProof[]> {
    const block = this.chain.blocks[height]!;
    return Promise.all(
      keys.map(async (key) =>
        this.tamperProof({
          header: block.headerBytes,
          ...(block.certificate === undefined ? {} : { certificate: block.certificate }),
          key,
          ...(await this.chain.state.prove(key, height)),
        }),
      ),
    );
  }
  history(
    account: string,
    limit: number,
    before?: { height: Height; index: number },
  ): ReturnType<ReadPort['history']> {
    const entries = (this.chain.history.get(account) ?? []).filter(
      ({ height, index }) =>
        before === undefined || height < before.height || (height === before.height && index < before.index),
    );
    const page = entries.slice(0, limit);
    const last = page[page.length - 1];
    const next =
      entries.length > limit && last !== undefined ? { height: last.height, index: last.index } : undefined;
    return Promise.resolve({ entries: page, next });
  }
  onCommitted(listener: (height: Height) => void): () => void {
    this.chain.listeners.add(listener);
    return () => this.chain.listeners.delete(listener);
  }

  live(): boolean {
    return this.isLive;
  }
  ready(): { ready: boolean; reasons: string[] } {
    return { ready: this.isReady, reasons: this.isReady ? [] : ['The node is catching up.'] };
  }
  quorumReachable(): boolean {
    return this.quorum;
  }
}

/** Whether two blocks are the same. */
export const sameBlock = (left: StoredBlock, right: StoredBlock): boolean =>
  equalBytes(left.digest, right.digest);
