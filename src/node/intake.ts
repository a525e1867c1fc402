import type { CheckUrgency, SignatureVerifier } from '../crypto/types.js';
import {
  authorizationReads,
  authorize,
  decodeTransaction,
  isSettledByUse,
  markVerified,
  type Authorization,
  type CheckedTransaction,
  type DecodedTransaction,
  type EnvelopeError,
  type StateView,
  type UnverifiedTransaction,
} from '../ledger/index.js';
import type { AdmitRefusal, Mempool } from '../mempool/index.js';
import type { ReplayWindow } from '../ledger/index.js';
import type { Store } from '../storage/types.js';
import { DefectError } from '../types/index.js';
import type { ChainId, Height, Result, StateKey, TxId } from '../types/index.js';
import { err, ok } from '../types/index.js';
import type { Clock } from './ports.js';

export interface IntakeOptions {
  readonly chainId: ChainId;
  readonly clock: Clock;
  readonly store: Store;
  readonly verifier: SignatureVerifier;
  readonly mempool: Mempool;
  readonly window: ReplayWindow;
  readonly validityWindowBlocks: number;
}

/** What became of an envelope at the door; `index` is its place in the batch. */
export type Admission =
  | {
      readonly kind: 'pending';
      /** Undefined when it was here already. */
      readonly transaction: CheckedTransaction | undefined;
      readonly index: number;
    }
  | { readonly kind: 'malformed'; readonly error: EnvelopeError; readonly index: number }
  | {
      readonly kind: 'refused';
      readonly refusal: Exclude<AdmitRefusal, { code: 'ALREADY_KNOWN' }>;
      readonly txId: TxId;
      readonly validUntilHeight: Height;
      readonly index: number;
    };

/**
 * The door: bytes are decoded and bounded, looked up, their signatures checked in the pool, the signers' right checked
 * against the latest committed state, and what passes is admitted to the mempool. A whole batch costs one look-up of the
 * state and one call of the pool.
 */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Takes a batch in. Outcomes come in order of the envelopes; a promise a batch, not one a transaction. `onPending` is
   * called in the very moment in which a transaction is found to be pending: nothing can settle it before.
   */
  async admit(
    envelopes: readonly Uint8Array[],
    source: 'client' | 'peer',
    onPending: (txId: TxId, index: number) => void = () => undefined,
  ): Promise<readonly Admission[]> {
    const { chainId, mempool, window } = this.#options;
    const outcomes = new Array<Admission>(envelopes.length);
    const unverified: { readonly index: number; readonly unverified: UnverifiedTransaction }[] = [];
    const asked = new Map<string, { transactions: number; bytes: number }>();
    for (const [index, envelope] of envelopes.entries()) {
      const decoded = decodeTransaction(envelope, chainId);
      if (!decoded.ok) {
        outcomes[index] = { kind: 'malformed', error: decoded.error, index };
        continue;
      }
      const { txId, idempotencyHash, leafHash, payload } = decoded.value.transaction;
      const known = mempool.getByLeafHash(leafHash);
      const used = window.lastUse(idempotencyHash);
      if (
        used !== undefined &&
        isSettledByUse(payload.validUntilHeight, used, this.#options.validityWindowBlocks)
      ) {
        const { validUntilHeight } = payload;
        const refusal = { code: 'KEY_USED', height: used } as const;
        outcomes[index] = { kind: 'refused', refusal, txId, validUntilHeight, index };
      } else if (known !== undefined) {
        // Its signatures were checked before; the pool is told, since a client now relies on this node for it.
        outcomes[index] = this.#admitOne(known, source, 'OK', index, onPending);
      } else {
        // Nothing is spent on signatures of what the pool has no room for.
        const ahead = asked.get(payload.sender) ?? { transactions: 0, bytes: 0 };
        const transactions = ahead.transactions + 1;
        const bytes = ahead.bytes + envelope.length;
        const refusal = mempool.refuseEarly(payload.sender, transactions, bytes);
        if (refusal === undefined) {
          asked.set(payload.sender, { transactions, bytes });
          unverified.push({ index, unverified: decoded.value });
        } else {
          const { validUntilHeight } = payload;
          outcomes[index] = { kind: 'refused', refusal, txId, validUntilHeight, index };
        }
      }
    }
    if (unverified.length > 0) await this.#admitUnverified(unverified, source, outcomes, onPending);
    return outcomes;
  }

  /** Decodes and checks envelopes without admitting them: bodies of a proposed block. */
  async check(envelopes: readonly Uint8Array[]): Promise<readonly (CheckedTransaction | undefined)[]> {
    const decoded = envelopes.map((envelope) => decodeTransaction(envelope, this.#options.chainId));
    const unverified = decoded.flatMap((item) => (item.ok ? [item.value] : []));
    const verified = await this.#verify(unverified, 'consensus');
    let next = 0;
    return decoded.map((item) => {
      if (!item.ok) return undefined;
      const checked = verified[next++];
      return checked?.ok === true ? checked.value : undefined;
    });
  }

  /** Judges waiting transactions again, by the latest committed state. */
  async authorizations(transactions: readonly CheckedTransaction[]): Promise<readonly Authorization[]> {
    if (transactions.length === 0) return [];
    const state = await this.#stateFor(transactions);
    return transactions.map((transaction) => authorize(transaction, state));
  }

  async #admitUnverified(
    batch: readonly { readonly index: number; readonly unverified: UnverifiedTransaction }[],
    source: 'client' | 'peer',
    outcomes: Admission[],
    onPending: (txId: TxId, index: number) => void,
  ): Promise<void> {
    const transactions = batch.map((item) => item.unverified);
    const [verified, state] = await Promise.all([
      this.#verify(transactions, 'transactions'),
      this.#stateFor(transactions.map(({ transaction }) => transaction)),
    ]);
    for (const [position, { index, unverified }] of batch.entries()) {
      const checked = verified[position];
      if (checked === undefined) continue;
      outcomes[index] = checked.ok
        ? this.#admitOne(checked.value, source, authorize(unverified.transaction, state), index, onPending)
        : { kind: 'malformed', error: checked.error, index };
    }
  }

  #admitOne(
    transaction: CheckedTransaction,
    source: 'client' | 'peer',
    authorization: ReturnType<typeof authorize>,
    index: number,
    onPending: (txId: TxId, index: number) => void,
  ): Admission {
    const { mempool, clock } = this.#options;
    const admitted = mempool.admit(transaction, { nowMs: clock.monotonicMs(), source, authorization });
    const { txId, payload } = transaction;
    if (admitted.ok) {
      onPending(txId, index);
      return { kind: 'pending', transaction, index };
    }
    const { error } = admitted;
    if (error.code === 'ALREADY_KNOWN') {
      onPending(txId, index);
      return { kind: 'pending', transaction: undefined, index };
    }
    return { kind: 'refused', refusal: error, txId, validUntilHeight: payload.validUntilHeight, index };
  }

  async #verify(
    transactions: readonly UnverifiedTransaction[],
    urgency: CheckUrgency,
  ): Promise<readonly Result<CheckedTransaction, EnvelopeError>[]> {
    const checks = transactions.flatMap((item) => item.checks);
    const outcomes = await this.#options.verifier.verify(checks, urgency);
    let offset = 0;
    return transactions.map((item) => {
      const end = offset + item.checks.length;
      const verified = markVerified(item, outcomes.slice(offset, end));
      offset = end;
      return verified.ok ? ok(verified.value) : err(verified.error);
    });
  }

  async #stateFor(transactions: readonly DecodedTransaction[]): Promise<StateView> {
    const keys = new Set<StateKey>();
    for (const transaction of transactions) {
      for (const key of authorizationReads(transaction)) keys.add(key);
    }
    const list = [...keys];
    const values = await this.#options.store.stateMany(list);
    const state = new Map(list.map((key, index) => [key, values[index]]));
    return {
      get(key) {
        const value = state.get(key);
        if (value === undefined && !state.has(key)) {
          throw new DefectError(`The state key "${key}" was read at the door without being declared.`);
        }
        return value;
      },
    };
  }
}
