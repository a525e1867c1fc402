/** A small chain whose headers are certified with real Ed25519 keys, for tests of what clients check. */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import {
  firstValidatorSet,
  encodeBlockHeader,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  encodeTransactionResult,
  type BlockHeader,
  type CommitCertificate,
  type Genesis,
  type Receipt,
  type StateProof,
  type ValidatorSet,
  type VoteStatement,
} from '../../src/codec/index.js';
import {
  chainIdOf,
  headerDigest,
  merkleLeafHash,
  merklePath,
  merkleRoot,
  StateTree,
  transactionId,
  validatorSetHash,
  voteSigningBytes,
} from '../../src/crypto/index.js';
import { encodeGenesis } from '../../src/codec/index.js';
import {
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asStateKey,
  asValidatorIndex,
  asView,
  concatBytes,
  quorumOf,
  type ChainId,
  type Digest,
  type TxId,
} from '../../src/types/index.js';
import { TreeStore } from './tree-store.js';

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** An Ed25519 key from a seed of 32 equal bytes. */
export interface TestKey {
  readonly publicKey: ReturnType<typeof asPublicKey>;
  sign(message: Uint8Array): ReturnType<typeof asSignature>;
}

export function testKey(seedByte: number): TestKey {
  const key: KeyObject = createPrivateKey({
    key: concatBytes(pkcs8Prefix, new Uint8Array(32).fill(seedByte)) as Buffer,
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: asPublicKey(new Uint8Array(spki.subarray(spkiPrefix.length))),
    sign: (message) => asSignature(new Uint8Array(sign(null, message, key))),
  };
}

/** OpenSSL's check: for honest keys it decides as ZIP-215 does, and faster than the portable one. */
export function checkByOpenSsl(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({
    key: concatBytes(spkiPrefix, publicKey) as Buffer,
    format: 'der',
    type: 'spki',
  });
  return verify(null, message, key, signature);
}

export interface TestBlock {
  readonly header: BlockHeader;
  readonly headerBytes: Uint8Array;
  readonly digest: Digest;
  readonly certificate: CommitCertificate;
  readonly envelopes: readonly Uint8Array[];
  readonly results: readonly Uint8Array[];
  readonly txIds: readonly TxId[];
}

export interface BlockOptions {
  readonly transactions?: number;
  /** View of the commits. */
  readonly view?: number;
  /** Indexes of those who sign; by default a quorum from the first on. */
  readonly signers?: readonly number[];
  readonly nextSet?: ValidatorSet;
  /** Replaces fields of the header before it is signed. */
  readonly header?: Partial<BlockHeader>;
}

/** Builds blocks one on the other. */
export class SignedChain {
  readonly keys: readonly TestKey[];
  readonly genesis: Genesis;
  readonly chainId: ChainId;
  readonly genesisHeader: Uint8Array;
  readonly genesisDigest: Digest;
  set: ValidatorSet;
  readonly #setKeys = new Map<ValidatorSet, readonly TestKey[]>();
  readonly #tree = new StateTree({ maxBytes: 1024 * 1024 });
  readonly #store = new TreeStore();
  readonly #values = new Map<string, Uint8Array>();
  #previous: { readonly header: BlockHeader; readonly digest: Digest };

  private constructor(keys: readonly TestKey[], genesis: Genesis, header: BlockHeader, store: TreeStore) {
    this.keys = keys;
    this.genesis = genesis;
    this.chainId = header.chainId;
    this.set = firstValidatorSet(genesis.validators);
    this.#setKeys.set(this.set, keys);
    this.genesisHeader = encodeBlockHeader(header);
    this.genesisDigest = headerDigest(this.genesisHeader);
    this.#previous = { header, digest: this.genesisDigest };
    this.#store = store;
  }

  /** A chain of `validators`; `name` makes it another one. */
  static async create(validators: number, name = 'test'): Promise<SignedChain> {
    const keys = Array.from({ length: validators }, (_, index) => testKey(index + 1));
    const genesis: Genesis = {
      network: name,
      timeMs: 1_767_225_600_000,
      validators: keys.map(({ publicKey }, index) => ({
        id: `validator-${index}`,
        member: 'bank-alpha',
        publicKey,
      })),
      members: [],
      assets: [],
      accounts: [],
      balances: [],
      parameters: {
        validityWindowBlocks: 100,
        maxBlockTransactions: 100,
        maxBlockBytes: 1_000_000,
        maxClockSkewMs: 1000,
        checkpointIntervalBlocks: 10,
        pipelineWindowBlocks: 4,
      },
    };
    const setHash = validatorSetHash(firstValidatorSet(genesis.validators));
    const store = new TreeStore();
    const root = new StateTree({ maxBytes: 0 });
    const empty = await root.update(store, undefined, asHeight(0), new Map());
    store.add(empty);
    return new SignedChain(
      keys,
      genesis,
      {
        version: 1,
        chainId: chainIdOf(encodeGenesis(genesis)),
        height: asHeight(0),
        view: asView(0),
        prevHash: asDigest(new Uint8Array(32)),
        transactionsRoot: merkleRoot([]),
        resultsRoot: merkleRoot([]),
        stateRoot: asHash(empty.root),
        validatorSetHash: setHash,
        nextValidatorSetHash: setHash,
        timeMs: genesis.timeMs,
        proposer: asValidatorIndex(0),
        transactionCount: 0,
      },
      store,
    );
  }

  /** A set of other validators that the next block may hand over to. */
  addSet(seedBytes: readonly number[]): ValidatorSet {
    const keys = seedBytes.map(testKey);
    const set = {
      epoch: this.set.epoch + 1,
      activationHeight: asHeight(this.#previous.header.height + 2),
      validators: keys.map(({ publicKey }, index) => ({
        id: `new-validator-${index}`,
        member: 'bank-alpha',
        publicKey,
      })),
    };
    this.#setKeys.set(set, keys);
    return set;
  }

  /** Appends a block with transfers; each transaction i writes the state key "balance/account-i/EUR". */
  async append(options: BlockOptions = {}): Promise<TestBlock> {
    const height = asHeight(this.#previous.header.height + 1);
    const count = options.transactions ?? 3;
    const envelopes: Uint8Array[] = [];
    const results: Uint8Array[] = [];
    const txIds: TxId[] = [];
    const writes = new Map<ReturnType<typeof asStateKey>, Uint8Array>();
    for (let index = 0; index < count; index++) {
      const payload = encodeTransactionPayload({
        sender: 'bank-alpha',
        idempotencyKey: new Uint8Array(16).fill(index).fill(height, 0, 1),
        validUntilHeight: asHeight(100),
        operations: [{ kind: 'createAccount', account: `account-${index}` }],
      });
      const txId = transactionId(this.chainId, payload);
      txIds.push(txId);
      envelopes.push(
        encodeTransactionEnvelope({
          payload,
          signatures: [{ publicKey: this.keys[0]!.publicKey, signature: this.keys[0]!.sign(payload) }],
        }),
      );
      results.push(
        encodeTransactionResult(
          index % 3 === 2
            ? { txId, code: 'ACCOUNT_EXISTS', failedOperation: 1 }
            : { txId, code: 'OK', failedOperation: 0 },
        ),
      );
      writes.set(asStateKey(`balance/account-${index}/EUR`), utf8(`value ${index} at ${height}`));
    }
    const update = await this.#tree.update(this.#store, this.#previous.header.height, height, writes);
    this.#store.add(update);
    this.#tree.committed(update);
    for (const [key, value] of writes) this.#values.set(key, value);
    const setHash = validatorSetHash(this.set);
    const nextSet = options.nextSet ?? this.set;
    const header: BlockHeader = {
      version: 1,
      chainId: this.chainId,
      height,
      view: asView(0),
      prevHash: this.#previous.digest,
      transactionsRoot: merkleRoot(envelopes.map(merkleLeafHash)),
      resultsRoot: merkleRoot(results.map(merkleLeafHash)),
      stateRoot: update.root,
      validatorSetHash: setHash,
      nextValidatorSetHash: validatorSetHash(nextSet),
      timeMs: this.#previous.header.timeMs + 1000,
      proposer: asValidatorIndex(0),
      transactionCount: count,
      ...options.header,
    };
    const headerBytes = encodeBlockHeader(header);
    const digest = headerDigest(headerBytes);
    const certificate = this.certify(
      { height, digest, view: asView(options.view ?? 0) },
      options.signers ?? Array.from({ length: quorumOf(this.set.validators.length) }, (_, index) => index),
    );
    this.#previous = { header, digest };
    this.set = nextSet;
    return { header, headerBytes, digest, certificate, envelopes, results, txIds };
  }

  /** A certificate with the signatures of these validators; `statement` replaces what they sign. */
  certify(
    block: Pick<CommitCertificate, 'height' | 'digest' | 'view'>,
    signers: readonly number[],
    statement: Partial<VoteStatement> = {},
  ): CommitCertificate {
    const keys = this.#setKeys.get(this.set) ?? this.keys;
    const message = voteSigningBytes({
      chainId: this.chainId,
      validatorSetHash: validatorSetHash(this.set),
      phase: 'commit',
      ...block,
      ...statement,
    });
    return {
      ...block,
      signatures: signers.map((index) => ({
        validator: asValidatorIndex(index),
        signature: keys[index]!.sign(message),
      })),
    };
  }

  receipt(block: TestBlock, index: number): Receipt {
    return {
      header: block.headerBytes,
      certificate: block.certificate,
      result: block.results[index]!,
      index,
      path: merklePath(block.results.map(merkleLeafHash), index),
    };
  }

  /** Proof of what a key has, or that it has nothing, after a block. */
  async stateProof(block: TestBlock, key: string): Promise<StateProof> {
    const value = this.#values.get(key);
    return {
      header: block.headerBytes,
      certificate: block.certificate,
      key,
      ...(value !== undefined && { value }),
      ...(await this.#tree.prove(this.#store, block.header.height, asStateKey(key))),
    };
  }
}
