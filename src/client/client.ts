import { setMaxListeners } from 'node:events';
import type { Genesis, Operation, ValidatorSetChange } from '../codec/index.js';
import type { GetAccountRequest } from '../codec/wire/quaestor/ledger/v1/GetAccountRequest.js';
import type { GetAccountResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetAccountResponse.js';
import type { GetStateRequest } from '../codec/wire/quaestor/ledger/v1/GetStateRequest.js';
import type { GetStateResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetStateResponse.js';
import type { GetBlockRequest } from '../codec/wire/quaestor/ledger/v1/GetBlockRequest.js';
import type { GetBlockResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetBlockResponse.js';
import type { GetStatusRequest } from '../codec/wire/quaestor/ledger/v1/GetStatusRequest.js';
import type { GetStatusResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetStatusResponse.js';
import type { GetTransactionRequest } from '../codec/wire/quaestor/ledger/v1/GetTransactionRequest.js';
import type { GetTransactionResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetTransactionResponse.js';
import type { ListAccountHistoryRequest } from '../codec/wire/quaestor/ledger/v1/ListAccountHistoryRequest.js';
import type { ListAccountHistoryResponse__Output } from '../codec/wire/quaestor/ledger/v1/ListAccountHistoryResponse.js';
import type { ListAccountsRequest } from '../codec/wire/quaestor/ledger/v1/ListAccountsRequest.js';
import type { ListAccountsResponse__Output } from '../codec/wire/quaestor/ledger/v1/ListAccountsResponse.js';
import type { Signer } from '../crypto/index.js';
import { installNativeSha256 } from '../crypto/native/sha256.js';
import { asAmount, asHeight, faultyOf } from '../types/index.js';
import type { ChainId, Height, StateKey, TxId } from '../types/index.js';
import type { ChainTrust } from '../verify/index.js';
import type { AttemptLimits } from './attempts.js';
import { followBlocks, type FollowOptions } from './blocks.js';
import type { UnaryMethod, ValidatorAddress } from './endpoint.js';
import { ClientClosedError, ClientError, UnavailableError, VerificationError } from './errors.js';
import { EndpointPool } from './pool.js';
import {
  accountsPage,
  checkedBlock,
  checkedTransaction,
  historyItem,
  provenAccount,
  statusOf,
  unprovenAccount,
  type AccountState,
  type Block,
  type HistoryItem,
  type KnownTransaction,
  type ValidatorStatus,
} from './reads.js';
import { readVerified, type Accept } from './read-verified.js';
import { submitMany } from './submit-many.js';
import type { SubmitManyOptions, SubmitOutcome } from './submit-outcome.js';
import { submit } from './submit.js';
import type { ClientTls } from './tls.js';
import {
  buildTransaction,
  signTransaction,
  type FinalTransaction,
  type SignedTransaction,
} from './transactions.js';
import { getValidatorsMethod } from './follow-validators.js';
import { checkedValidators, type ValidatorsState } from './validators.js';
import { provenRecords, type GetStateOptions, type StateRecords } from './records.js';
import type { CallOptions } from './call-options.js';
import { Verifier } from './verifier.js';

export interface ClientOptions {
  /** Validators to talk to: several, so that one may fail or lie. */
  readonly validators: readonly ValidatorAddress[];
  readonly tls: ClientTls;
  /** The genesis of the network, from a source that is trusted: everything is checked against it. */
  readonly genesis: Genesis;
  /** Whether receipts are checked; only a caller that checks them elsewhere sets false. Default true. */
  readonly verifyReceipts?: boolean;
  /** How long a call takes at most, unless it says otherwise. Default 30 s. */
  readonly timeoutMs?: number;
  /** How long one validator is waited for before another one is asked. Default 5 s. */
  readonly attemptTimeoutMs?: number;
  /** Index of the validator to ask first. By default any, so that clients spread. */
  readonly preferredValidator?: number;
}

export interface TransferOptions extends CallOptions {
  /** Id of the member that owns the paying account. */
  readonly sender: string;
  readonly signers: readonly Signer[];
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  /** Minor units. */
  readonly amount: bigint;
  readonly endToEndId?: string;
  readonly memo?: string;
  readonly idempotencyKey?: Uint8Array;
  /** Blocks from now within which it may be executed. Default 100, at most the network's window. */
  readonly validForBlocks?: number;
}

export interface GetAccountOptions extends CallOptions {
  readonly height?: Height;
  /** Assets whose balances are wanted; by default all that it holds. */
  readonly assets?: readonly string[];
  /** Whether proofs are asked for and checked. Default true. */
  readonly proof?: boolean;
  /** Lowest height that will do, when no height is given. By default the highest that this client has seen proven, so
   * that it reads what it wrote. */
  readonly minHeight?: Height;
}

const defaultTimeoutMs = 30_000;
const defaultAttemptTimeoutMs = 5_000;
const defaultValidForBlocks = 100;

/** A connection to a network through several of its validators. Safe to share; close it in the end. */
export class QuaestorClient {
  readonly #pool: EndpointPool;
  readonly #verifier: Verifier;
  readonly #verifyReceipts: boolean;
  readonly #timeoutMs: number;
  readonly #attemptTimeoutMs: number;
  readonly #closing = new AbortController();
  #seenHeight = 0;

  /** Prepares a client; connections are made when they are needed. */
  static connect(options: ClientOptions): QuaestorClient {
    return new QuaestorClient(options);
  }

  private constructor(options: ClientOptions) {
    const { validators, tls, genesis } = options;
    if (validators.length === 0) {
      throw new ClientError('NO_VALIDATORS', 'A client needs the address of at least one validator.');
    }
    installNativeSha256();
    // Each call that runs listens to it: as many as the application likes.
    setMaxListeners(0, this.#closing.signal);
    this.#verifier = new Verifier(genesis);
    this.#verifyReceipts = options.verifyReceipts ?? true;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#attemptTimeoutMs = options.attemptTimeoutMs ?? defaultAttemptTimeoutMs;
    const preferred = options.preferredValidator ?? Math.floor(Math.random() * validators.length);
    this.#pool = new EndpointPool(validators, tls, genesis.network, preferred);
  }

  get chainId(): ChainId {
    return this.#verifier.chainId;
  }

  /** What the genesis makes this client believe; for checks with src/verify. */
  get trust(): ChainTrust {
    return this.#verifier.trust;
  }

  /** The changes of the validator set that this client has followed so far: what later receipts stand on. */
  get validatorSetChanges(): readonly ValidatorSetChange[] {
    return this.#verifier.setChanges;
  }

  /**
   * Submits a signed transaction and waits until it is final, asking other validators when one fails.
   *
   * @throws TransactionFailedError when it is final without effect; it carries the receipt.
   * @throws RefusedError when it was not and will not be executed, as f + 1 validators say (or all, if fewer are known).
   * @throws NoQuorumError or OutcomeUnknownError when it was not seen final in time.
   * @throws VerificationError when all validators sent false receipts.
   */
  async submit(transaction: SignedTransaction, options: CallOptions = {}): Promise<FinalTransaction> {
    const final = await submit(
      this.#pool,
      this.#verifier,
      this.#verifyReceipts,
      transaction,
      this.#limits(options),
    );
    this.#saw(final.height);
    return final;
  }

  /** Submits many transactions over one stream; gives each outcome once, as it comes. See SubmitManyOptions. */
  submitMany(
    transactions: AsyncIterable<SignedTransaction> | Iterable<SignedTransaction>,
    options: SubmitManyOptions = {},
  ): AsyncGenerator<SubmitOutcome, void, undefined> {
    const validators = this.#pool.endpoints.length;
    const context = {
      pool: this.#pool,
      verifier: this.#verifyReceipts ? this.#verifier : undefined,
      closing: this.#closing.signal,
      refusalsNeeded: Math.min(validators, faultyOf(this.#verifier.validatorSet.validators.length) + 1),
      submitAlone: (transaction: SignedTransaction, timeoutMs: number, signal: AbortSignal) =>
        this.submit(transaction, { timeoutMs, signal }),
      sawHeight: (height: number) => this.#saw(height),
    };
    return submitMany(context, transactions, options);
  }

  /** Builds, signs and submits operations as one transaction. Throws as `submit` does. */
  async execute(
    sender: string,
    operations: readonly Operation[],
    signers: readonly Signer[],
    options: CallOptions & { readonly idempotencyKey?: Uint8Array; readonly validForBlocks?: number } = {},
  ): Promise<FinalTransaction> {
    const window = this.#verifier.genesis.parameters.validityWindowBlocks;
    const validFor = Math.min(options.validForBlocks ?? defaultValidForBlocks, window);
    const height = await this.currentHeight(options);
    const payload = buildTransaction({
      sender,
      operations,
      validUntilHeight: asHeight(height + validFor),
      ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
    });
    return this.submit(await signTransaction(payload, signers, this.chainId), options);
  }

  /** Moves units from one account to another. Throws as `submit` does. */
  transfer(options: TransferOptions): Promise<FinalTransaction> {
    const { sender, signers, fromAccount, toAccount, asset, amount, endToEndId, memo } = options;
    const operation: Operation = {
      kind: 'transfer',
      fromAccount,
      toAccount,
      asset,
      amount: asAmount(amount),
      endToEndId: endToEndId ?? '',
      memo: memo ?? '',
    };
    return this.execute(sender, [operation], signers, options);
  }

  /** A height near the tip: what a validator says, or higher if a higher one was seen proven. For validity only. */
  async currentHeight(options: CallOptions = {}): Promise<Height> {
    const { height } = await this.getStatus(options);
    return asHeight(Math.max(height, this.#seenHeight));
  }

  /** Where one validator says that it stands. */
  getStatus(options: CallOptions = {}): Promise<ValidatorStatus> {
    const method: UnaryMethod<GetStatusRequest, GetStatusResponse__Output> = (client, ...rest) =>
      client.getStatus(...rest);
    return this.#read(method, {}, options, statusOf);
  }

  /**
   * Who validates, and the proof of it; what is decided and proposed, as one validator says. Follows all changes since the
   * genesis.
   */
  async getValidators(options: CallOptions = {}): Promise<ValidatorsState> {
    for (;;) {
      const request = { knownEpoch: this.#verifier.validatorSet.epoch };
      const state = await this.#read(getValidatorsMethod, request, options, (response, from) =>
        checkedValidators(this.#verifier, response, from),
      );
      if (state !== 'further') return state;
    }
  }

  /** Where each validator says that it stands, in the order of the options; or why it does not answer. */
  getStatusOfAll(
    options: CallOptions = {},
  ): Promise<
    readonly ({ readonly address: string } & (
      { readonly status: ValidatorStatus } | { readonly error: ClientError }
    ))[]
  > {
    const { deadlineMs, signal } = this.#limits(options);
    const method: UnaryMethod<GetStatusRequest, GetStatusResponse__Output> = (client, ...rest) =>
      client.getStatus(...rest);
    return Promise.all(
      this.#pool.endpoints.map(async (endpoint) => {
        const { address } = endpoint;
        const answer = await endpoint.call(method, {}, deadlineMs, signal);
        if ('response' in answer) return { address, status: statusOf(answer.response) };
        return { address, error: new UnavailableError(answer.failure.message, answer.failure.error) };
      }),
    );
  }

  /** An account with its balances, proven unless `proof` is false. `account` is undefined when there is none. */
  getAccount(account: string, options: GetAccountOptions = {}): Promise<AccountState> {
    const assets = options.assets ?? [];
    const proof = options.proof ?? true;
    const { height } = options;
    const minHeight = options.minHeight ?? this.#seenHeight;
    const request: GetAccountRequest = {
      account,
      assets: [...assets],
      includeProof: proof,
      ...(height === undefined ? {} : { height }),
    };
    const method: UnaryMethod<GetAccountRequest, GetAccountResponse__Output> = (client, ...rest) =>
      client.getAccount(...rest);
    return this.#read(method, request, options, async (response, from) => {
      const asked = { account, assets, ...(height === undefined ? {} : { height }) };
      const state = proof
        ? await provenAccount(this.#verifier, response, asked, from)
        : unprovenAccount(response, from);
      if (height === undefined && state.height < minHeight) return 'behind';
      if (state.proven) this.#saw(state.height);
      return state;
    });
  }

  /** Records of the state by their keys (1 to 64), proven; `readGovernance`, `readHold` and others read one kind. */
  getState(keys: readonly StateKey[], options: GetStateOptions = {}): Promise<StateRecords> {
    const { height } = options;
    const request = { keys: [...keys], ...(height === undefined ? {} : { height }) };
    const method: UnaryMethod<GetStateRequest, GetStateResponse__Output> = (client, ...rest) =>
      client.getState(...rest);
    return this.#read(method, request, options, async (response, from) => {
      const records = await provenRecords(this.#verifier, response, { keys, height }, from);
      if (height === undefined && records.height < this.#seenHeight) return 'behind';
      this.#saw(records.height);
      return records;
    });
  }

  /** A final block, certified; the latest without a height. */
  getBlock(height?: Height, options: CallOptions & { readonly transactions?: boolean } = {}): Promise<Block> {
    const transactions = options.transactions ?? false;
    const request: GetBlockRequest = {
      includeTransactions: transactions,
      ...(height === undefined ? {} : { height }),
    };
    const method: UnaryMethod<GetBlockRequest, GetBlockResponse__Output> = (client, ...rest) =>
      client.getBlock(...rest);
    return this.#read(method, request, options, async (response, from) => {
      const block = await checkedBlock(this.#verifier, response, transactions, from);
      if (height !== undefined && block.header.height !== height) {
        throw new VerificationError(from, `Block ${block.header.height} was sent instead of ${height}.`);
      }
      this.#saw(block.header.height);
      return block;
    });
  }

  /** A final transaction with its checked receipt. Rejects with TRANSACTION_NOT_FOUND when none is known. */
  getTransaction(txId: TxId, options: CallOptions = {}): Promise<KnownTransaction> {
    const method: UnaryMethod<GetTransactionRequest, GetTransactionResponse__Output> = (client, ...rest) =>
      client.getTransaction(...rest);
    return this.#read(method, { txId }, options, (response, from) =>
      checkedTransaction(this.#verifier, response, txId, from),
    );
  }

  /** All accounts, or those of an owner, in ascending order of id at one height. Not proven. */
  async *listAccounts(
    options: CallOptions & { readonly owner?: string; readonly pageSize?: number } = {},
  ): AsyncGenerator<AccountState, void, undefined> {
    const method: UnaryMethod<ListAccountsRequest, ListAccountsResponse__Output> = (client, ...rest) =>
      client.listAccounts(...rest);
    const base = { owner: options.owner ?? '', pageSize: options.pageSize ?? 0 };
    let pageToken = '';
    do {
      const page = await this.#read(method, { ...base, pageToken }, options, accountsPage);
      yield* page.accounts;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** The transactions of an account, newest first. Not proven: `getTransaction` proves each. */
  async *history(
    account: string,
    options: CallOptions & { readonly pageSize?: number } = {},
  ): AsyncGenerator<HistoryItem, void, undefined> {
    const method: UnaryMethod<ListAccountHistoryRequest, ListAccountHistoryResponse__Output> = (
      client,
      ...rest
    ) => client.listAccountHistory(...rest);
    let pageToken = '';
    do {
      const request = { account, pageSize: options.pageSize ?? 0, pageToken };
      const page = await this.#read(method, request, options, (response, from) => ({
        entries: response.entries.map((entry) => historyItem(entry, from)),
        nextPageToken: response.nextPageToken,
      }));
      yield* page.entries;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** Final blocks from a height on, for ever: certified, linked, without gap or repeat across validators. */
  async *blocks(options: FollowOptions = {}): AsyncGenerator<Block, void, undefined> {
    for await (const block of followBlocks(this.#pool, this.#verifier, options, this.#closing.signal)) {
      this.#saw(block.header.height);
      yield block;
    }
  }

  /** Uses other certificates for calls from now on, before the present ones expire. Calls that run are not disturbed. */
  reloadTls(tls: ClientTls): void {
    for (const endpoint of this.#pool.endpoints) endpoint.reloadTls(tls);
  }

  /** Ends all calls and closes the connections. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new ClientClosedError());
    this.#pool.close();
  }

  #saw(height: number): void {
    if (height > this.#seenHeight) this.#seenHeight = height;
  }

  #limits(options: CallOptions): AttemptLimits {
    const { signal, timeoutMs } = options;
    return {
      deadlineMs: Date.now() + (timeoutMs ?? this.#timeoutMs),
      attemptTimeoutMs: this.#attemptTimeoutMs,
      signal: signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]),
    };
  }

  #read<Request, Response, T>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions,
    accept: Accept<Response, T>,
  ): Promise<T> {
    return readVerified({ pool: this.#pool, verifier: this.#verifier }, this.#limits(options), {
      method,
      request,
      accept,
    });
  }
}
