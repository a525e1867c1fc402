import type { Endpoint } from './endpoint.js';
import { NoQuorumError, OutcomeUnknownError, RefusedError, TransactionFailedError } from './errors.js';
import { isRefusalReason, reasons, type RefusalReason } from './reasons.js';
import type { SubmitOutcome } from './submit-outcome.js';
import type { FinalTransaction, SignedTransaction } from './transactions.js';

/** A transaction and its place in the input. */
export interface Pending {
  readonly position: number;
  readonly transaction: SignedTransaction;
}

export interface RefusalChecksOptions {
  /** Submits one transaction by itself, to one validator after the other; throws as QuaestorClient.submit does. */
  readonly submitAlone: (transaction: SignedTransaction) => Promise<FinalTransaction>;
  /** What became of it. `overturned`: the validator that refused it was wrong, if perhaps in good faith. */
  readonly settled: (outcome: SubmitOutcome, overturned: Endpoint | undefined) => void;
  /** Nobody could say; it is pending again. */
  readonly open: (pending: Pending) => void;
  readonly failed: (error: unknown) => void;
}

/** Most refusals that are looked into at the same time. */
const maxChecks = 8;

/** Whether a transaction that is refused for this reason will never be executed. */
export function isFinalRefusal(reason: string): reason is RefusalReason {
  return isRefusalReason(reason) && reasons[reason].retry === 'never';
}

/**
 * A single validator's refusal is not believed: a faulty one may refuse what it nevertheless hands on to be executed, and
 * the caller would pay twice. Others are asked, by submitting the same envelope to them.
 */
export class RefusalChecks {
  readonly #options: RefusalChecksOptions;
  readonly #doubted = new Set<number>();
  readonly #waiting: { readonly pending: Pending; readonly refusing: Endpoint }[] = [];
  #running = 0;

  constructor(options: RefusalChecksOptions) {
    this.#options = options;
  }

  /** Whether the transaction at this position is being looked into. */
  has(position: number): boolean {
    return this.#doubted.has(position);
  }

  add(pending: Pending, refusing: Endpoint): void {
    this.#doubted.add(pending.position);
    this.#waiting.push({ pending, refusing });
    this.#next();
  }

  #next(): void {
    if (this.#running >= maxChecks) return;
    const item = this.#waiting.shift();
    if (item === undefined) return;
    this.#running += 1;
    void this.#check(item.pending, item.refusing).then((report) => {
      this.#running -= 1;
      this.#doubted.delete(item.pending.position);
      report();
      this.#next();
    });
  }

  async #check(pending: Pending, refusing: Endpoint): Promise<() => void> {
    const { settled, open, failed } = this.#options;
    const { position, transaction } = pending;
    const { txId } = transaction;
    try {
      const done = await this.#finalAlone(transaction);
      return () => settled({ kind: 'final', position, txId, transaction: done }, refusing);
    } catch (error) {
      if (error instanceof RefusedError && isFinalRefusal(error.reason)) {
        const { reason, message, validator } = error;
        return () => settled({ kind: 'refused', position, txId, reason, message, validator }, undefined);
      }
      const isOpen =
        error instanceof RefusedError ||
        error instanceof NoQuorumError ||
        error instanceof OutcomeUnknownError;
      return isOpen ? () => open(pending) : () => failed(error);
    }
  }

  async #finalAlone(transaction: SignedTransaction): Promise<FinalTransaction> {
    try {
      return await this.#options.submitAlone(transaction);
    } catch (error) {
      if (error instanceof TransactionFailedError) return error.transaction;
      throw error;
    }
  }
}
