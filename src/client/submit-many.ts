/** High-volume submission: what a caller gives and gets. src/client/submit-session.ts does the work. */
import type { TxId } from '../types/index.js';
import type { RefusalReason } from './reasons.js';
import { SubmitManySession, type SubmitManyContext } from './submit-session.js';
import type { FinalTransaction, SignedTransaction } from './transactions.js';

/** What became of one transaction of `submitMany`. */
export type SubmitOutcome =
  | {
      readonly kind: 'final';
      /** Position in the input, from 0. */
      readonly position: number;
      readonly txId: TxId;
      readonly transaction: FinalTransaction;
    }
  /** Not executed by this submission, as f + 1 validators say (all, if the client knows fewer); one of them is at
   * `validator`. */
  | {
      readonly kind: 'refused';
      readonly position: number;
      readonly txId: TxId;
      readonly reason: RefusalReason;
      readonly message: string;
      readonly validator: string;
    };

export interface SubmitManyOptions {
  /** Most transactions that wait for an outcome, or whose outcome waits to be taken. Default 2,000. */
  readonly maxInFlight?: number;
  /** Most transactions in one message. Default 500. */
  readonly maxBatch?: number;
  /** Without any outcome for so long another validator is tried. Default 10 s. */
  readonly stallTimeoutMs?: number;
  /** Without any outcome for so long it is given up, with NoQuorumError or OutcomeUnknownError. Default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Submits a stream of transactions; gives each outcome once, in the order in which they come. */
export async function* submitMany(
  context: SubmitManyContext,
  transactions: AsyncIterable<SignedTransaction> | Iterable<SignedTransaction>,
  options: SubmitManyOptions,
): AsyncGenerator<SubmitOutcome, void, undefined> {
  const session = new SubmitManySession(context, options);
  const feeding = session.feed(transactions);
  const driving = session.drive();
  try {
    for (;;) {
      const outcomes = session.takeOutcomes();
      if (outcomes === undefined) return;
      for (const outcome of outcomes) {
        yield outcome;
        session.consumed();
      }
      if (outcomes.length === 0) await session.outcomesOrEnd();
    }
  } finally {
    session.stop();
    await Promise.allSettled([feeding, driving]);
  }
}
