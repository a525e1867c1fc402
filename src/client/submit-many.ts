import type { SubmitManyOptions, SubmitOutcome } from './submit-outcome.js';
import { SubmitManySession, type SubmitManyContext } from './submit-session.js';
import type { SignedTransaction } from './transactions.js';

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
