import { finalBlock } from '../api/final-block.js';
import type { FinalBlock, Refusal, SubmissionSink } from '../api/ports.js';
import type { RefusalReason } from '../client/reasons.js';
import type { TxId } from '../types/index.js';
import { hashKey } from '../mempool/index.js';

/** One batch of a client, as long as answers to it are owed. */
export interface Waiter {
  readonly sink: SubmissionSink;
  /** When it came, in milliseconds of the monotonic clock. */
  readonly sinceMs: number;
  cancelled: boolean;
  /** Names of the transactions that it still waits for. */
  readonly pending: Set<string>;
}

interface Wait {
  readonly waiter: Waiter;
  readonly number: number;
}

/** A committed block as those who wait need it. */
export type FinalizedBlock = Parameters<typeof finalBlock>[0] & { readonly txIds: readonly TxId[] };

/**
 * Who waits for which transaction. Answers are grouped by block and batch, so that a block costs one call a batch, not
 * one a transaction.
 */
export class Submissions {
  readonly #waits = new Map<string, Wait[]>();

  /** Number of transactions that somebody waits for. */
  get size(): number {
    return this.#waits.size;
  }

  /** Waits for a pending transaction. */
  attach(txId: TxId, waiter: Waiter, number: number): void {
    if (waiter.cancelled) return;
    const name = hashKey(txId);
    waiter.pending.add(name);
    const waits = this.#waits.get(name);
    if (waits === undefined) this.#waits.set(name, [{ waiter, number }]);
    else waits.push({ waiter, number });
  }

  /** Ends the answers to a batch. */
  cancel(waiter: Waiter): void {
    waiter.cancelled = true;
    for (const name of waiter.pending) {
      const rest = this.#waits.get(name)?.filter((wait) => wait.waiter !== waiter) ?? [];
      if (rest.length === 0) this.#waits.delete(name);
      else this.#waits.set(name, rest);
    }
    waiter.pending.clear();
  }

  /** Answers all who wait for transactions of a block that is durable now; `answered` is told since when each waited. */
  finalize(block: FinalizedBlock, answered: (sinceMs: number) => void): void {
    if (this.#waits.size === 0) return;
    const answers = new Map<Waiter, { numbers: number[]; indexes: number[] }>();
    for (const [index, txId] of block.txIds.entries()) {
      for (const { waiter, number } of this.#take(txId)) {
        let entries = answers.get(waiter);
        if (entries === undefined) answers.set(waiter, (entries = { numbers: [], indexes: [] }));
        entries.numbers.push(number);
        entries.indexes.push(index);
      }
    }
    if (answers.size === 0) return;
    const final: FinalBlock = finalBlock(block);
    for (const [waiter, entries] of answers) {
      answered(waiter.sinceMs);
      waiter.sink.finalized(final, entries);
    }
  }

  /** Tells all who wait for a transaction that it will not be executed. */
  refuse(txId: TxId, reason: RefusalReason, message: string): void {
    for (const { waiter, number } of this.#take(txId)) {
      const refusal: Refusal = { number, reason, message };
      waiter.sink.refused([refusal]);
    }
  }

  #take(txId: TxId): readonly Wait[] {
    const name = hashKey(txId);
    const waits = this.#waits.get(name);
    if (waits === undefined) return [];
    this.#waits.delete(name);
    for (const { waiter } of waits) waiter.pending.delete(name);
    return waits;
  }
}
