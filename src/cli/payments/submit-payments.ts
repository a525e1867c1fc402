/** Submits payments, each signed by the member that owns the debtor account, and sees each through to its verified
 * receipt. Safe to be run again at any time: what was submitted before is submitted again as it was. */
import {
  NoQuorumError,
  OutcomeUnknownError,
  RefusedError,
  TransactionFailedError,
  type FinalTransaction,
  type SignedTransaction,
} from '../../client/index.js';
import type { Payment } from '../../payments/index.js';
import { QuaestorError } from '../../types/index.js';
import { pause } from '../pause.js';
import type { JournalItem } from './journal.js';
import { paysExactly, type Payer } from './payer.js';
import type { PaymentOutcome, PaymentReport } from './types.js';

export interface SubmitPaymentsOptions {
  /** Members that can sign, by id. */
  readonly payers: ReadonlyMap<string, Payer>;
  /** The member that owns an account; undefined when there is no such account. */
  readonly ownerOf: (account: string) => Promise<string | undefined>;
  /** How long each payment is waited for. */
  readonly timeoutMs: number;
  /** Most payments that wait to be final at once. */
  readonly maxInFlight: number;
  readonly signal: AbortSignal;
}

/** Most payments that are signed, and put to disk, together. */
const maxBatch = 32;

interface Prepared {
  readonly payment: Payment;
  readonly payer: Payer;
  readonly transaction: SignedTransaction;
}

/** Gives the report of each payment as it ends; the order is that of the ends. */
export async function* submitPayments(
  payments: AsyncIterable<Payment>,
  options: SubmitPaymentsOptions,
): AsyncGenerator<PaymentReport, void, undefined> {
  const run = new Run(options);
  const reports: PaymentReport[] = [];
  const running = new Set<Promise<void>>();
  const launch = (work: Promise<PaymentReport>): void => {
    const done = work.then((report) => {
      reports.push(report);
      running.delete(done);
    });
    running.add(done);
    // A rejection is seen by whoever awaits the race below.
    done.catch(() => undefined);
  };
  for await (const batch of batches(payments, maxBatch)) {
    for (const item of await run.prepare(batch)) {
      if ('outcome' in item) {
        reports.push(item);
        continue;
      }
      while (running.size >= options.maxInFlight) await Promise.race(running);
      launch(run.submit(item));
    }
    yield* reports.splice(0);
  }
  while (running.size > 0) {
    await Promise.race(running);
    yield* reports.splice(0);
  }
  yield* reports;
}

class Run {
  readonly #options: SubmitPaymentsOptions;
  readonly #owners = new Map<string, Promise<string | undefined>>();
  readonly #synced = new Map<string, Promise<void>>();
  /** Why nothing more is submitted. */
  #ended: { readonly code: string; readonly message: string } | undefined;

  constructor(options: SubmitPaymentsOptions) {
    this.#options = options;
  }

  /** Finds or signs the transaction of each payment. Those to be submitted are on disk when this resolves. */
  async prepare(payments: readonly Payment[]): Promise<readonly (Prepared | PaymentReport)[]> {
    const heights = new Map<Payer, number>();
    const fresh = new Map<Payer, JournalItem[]>();
    const prepared: (Prepared | PaymentReport)[] = [];
    for (const payment of payments) {
      this.#options.signal.throwIfAborted();
      const item = await this.#payerOf(payment);
      if ('outcome' in item || this.#ended !== undefined) {
        prepared.push('outcome' in item ? item : this.#notSubmitted(payment, item.member));
        continue;
      }
      const payer = item;
      await this.#syncOnce(payer, payment.debtorAccount);
      const before = payer.find(payment);
      if (before !== undefined) {
        prepared.push(
          paysExactly(before, payment)
            ? { payment, payer, transaction: before }
            : { payment, member: payer.member, outcome: otherContent },
        );
        continue;
      }
      const height =
        heights.get(payer) ?? (await payer.client.currentHeight({ signal: this.#options.signal }));
      heights.set(payer, height);
      const signed = await payer.sign(payment, height);
      const items = fresh.get(payer) ?? [];
      items.push(signed);
      fresh.set(payer, items);
      prepared.push({ payment, payer, transaction: signed.transaction });
    }
    await Promise.all([...fresh].map(([payer, items]) => payer.keep(items)));
    return prepared;
  }

  /** Submits and waits. Never rejects for what can happen to one payment. */
  async submit({ payment, payer, transaction }: Prepared): Promise<PaymentReport> {
    const member = payer.member;
    if (this.#ended !== undefined) return this.#notSubmitted(payment, member);
    const deadlineMs = Date.now() + this.#options.timeoutMs;
    let current = transaction;
    let renewed = false;
    for (;;) {
      const outcome = await this.#attempt(payer, current, deadlineMs);
      if (outcome.kind === 'refused' && outcome.code === 'EXPIRED' && !renewed) {
        // f + 1 validators say that it was not executed and never can be: another one may take its place.
        renewed = true;
        const height = await payer.client.currentHeight({ signal: this.#options.signal });
        const item = await payer.sign(payment, height);
        await payer.keep([item]);
        current = item.transaction;
        continue;
      }
      if (!isKeyUsed(outcome)) return { payment, member, outcome, submitted: current };
      const other = await this.#otherTransaction(payer, payment, current, deadlineMs);
      if (other === undefined) return { payment, member, outcome: keyUsedElsewhere };
      if (!paysExactly(other, payment)) return { payment, member, outcome: otherContent };
      current = other;
    }
  }

  async #payerOf(payment: Payment): Promise<Payer | PaymentReport> {
    const { debtorAccount } = payment;
    const known = this.#owners.get(debtorAccount) ?? this.#options.ownerOf(debtorAccount);
    this.#owners.set(debtorAccount, known);
    const owner = await known;
    if (owner === undefined) {
      const message = `There is no account ${debtorAccount} on the ledger.`;
      return { payment, member: '', outcome: { kind: 'refused', code: 'UNKNOWN_ACCOUNT', message } };
    }
    const payer = this.#options.payers.get(owner);
    if (payer !== undefined) return payer;
    const message = `The account ${debtorAccount} belongs to ${owner}, whose profile was not given.`;
    return { payment, member: owner, outcome: { kind: 'refused', code: 'NOT_ACCOUNT_OWNER', message } };
  }

  /** Once a run, what others paid from an account is taken over. */
  #syncOnce(payer: Payer, account: string): Promise<void> {
    const synced =
      this.#synced.get(account) ?? (payer.startHeight === 0 ? Promise.resolve() : payer.sync(account));
    this.#synced.set(account, synced);
    return synced;
  }

  async #attempt(payer: Payer, transaction: SignedTransaction, deadlineMs: number): Promise<PaymentOutcome> {
    const { signal } = this.#options;
    const startedMs = performance.now();
    const earlier = (final: FinalTransaction): boolean => final.height <= payer.startHeight;
    try {
      const timeoutMs = Math.max(1, deadlineMs - Date.now());
      const final = await payer.client.submit(transaction, { timeoutMs, signal });
      return {
        kind: 'final',
        earlier: earlier(final),
        transaction: final,
        elapsedMs: performance.now() - startedMs,
      };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TransactionFailedError) {
        return { kind: 'failed', earlier: earlier(error.transaction), transaction: error.transaction };
      }
      if (error instanceof RefusedError) return { kind: 'refused', code: error.code, message: error.message };
      if (error instanceof NoQuorumError || error instanceof OutcomeUnknownError) {
        // The others would only wait as long, for nothing.
        this.#ended ??= { code: error.code, message: error.message };
        return { kind: 'unknown', code: error.code, message: error.message };
      }
      if (!(error instanceof QuaestorError)) throw error;
      this.#ended ??= { code: error.code, message: error.message };
      return { kind: 'unknown', code: error.code, message: error.message };
    }
  }

  /** The transaction that used a payment's key, once it is final; undefined when none is seen in time. */
  async #otherTransaction(
    payer: Payer,
    payment: Payment,
    current: SignedTransaction,
    deadlineMs: number,
  ): Promise<SignedTransaction | undefined> {
    do {
      await payer.sync(payment.debtorAccount);
      const other = payer.find(payment);
      if (other !== undefined && Buffer.compare(other.txId, current.txId) !== 0) return other;
      await pause(200, this.#options.signal);
    } while (Date.now() < deadlineMs);
    return undefined;
  }

  #notSubmitted(payment: Payment, member: string): PaymentReport {
    const { code, message } = this.#ended ?? { code: 'NOT_SUBMITTED', message: '' };
    return { payment, member, outcome: { kind: 'notSubmitted', code, message } };
  }
}

const otherContent: PaymentOutcome = {
  kind: 'refused',
  code: 'IDEMPOTENCY_KEY_REUSED',
  message:
    'A payment with the same message id, block id and end-to-end id but other content was submitted before. Nothing was paid now; give a new payment new ids.',
};

const keyUsedElsewhere: PaymentOutcome = {
  kind: 'unknown',
  code: 'IDEMPOTENCY_KEY_REUSED',
  message:
    'Another transaction with the ids of this payment is pending, or was final without effect. Run the same command again to learn more.',
};

function isKeyUsed(outcome: PaymentOutcome): boolean {
  return (
    (outcome.kind === 'refused' && outcome.code === 'IDEMPOTENCY_KEY_REUSED') ||
    (outcome.kind === 'failed' && outcome.transaction.code === 'DUPLICATE')
  );
}

async function* batches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
