import type { LedgerPort, Refusal, Submission, SubmissionSink } from '../api/ports.js';
import { finalBlock } from '../api/final-block.js';
import type { RefusalReason } from '../client/reasons.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { Mempool } from '../mempool/index.js';
import { FlowRate, invariant } from '../types/index.js';
import type { Height, TxId } from '../types/index.js';
import type { DriverObserver } from './driver-options.js';
import { FairDoor } from './fair-door.js';
import type { Admission, Intake } from './intake.js';
import type { DriverPorts } from './ports.js';
import { Submissions, type FinalizedBlock, type Waiter } from './submissions.js';

/** Some 0.1 s of checks of one thread: what is inside is not in fair turns any more, and waits behind nothing else. */
const maxChecking = 1024;
/** Of four validators, three send what is relayed. */
const relayWeight = 3;
/** A member comes back when this share of what it has in the pool may have become final. */
const freedShare = 1 / 8;
const retryDelayMs = { min: 50, max: 10_000 };

/** Bounds of one relay message. */
const relayBatch = { maxTransactions: 1000, maxBytes: 512 * 1024 };

export interface TransactionDeskOptions {
  readonly ports: DriverPorts;
  readonly intake: Intake;
  readonly mempool: Mempool;
  readonly observer: DriverObserver;
  readonly validityWindowBlocks: number;
  /** Transactions were admitted to the mempool. */
  readonly admitted: (transactions: readonly CheckedTransaction[]) => void;
  /** Signatures could not be checked or the store could not be read; nobody is answered. */
  readonly failed: (error: unknown) => void;
}

/**
 * Where transactions arrive, from clients and from other validators, and from where clients get their answers. What a
 * client submits is relayed to all validators, so that any of them can propose it and all notice when it is passed over.
 */
export class TransactionDesk implements LedgerPort {
  readonly #options: TransactionDeskOptions;
  readonly #submissions = new Submissions();
  readonly #door = new FairDoor({ maxInside: maxChecking, relayWeight });
  readonly #commits: FlowRate;
  #relayScheduled = false;

  constructor(options: TransactionDeskOptions) {
    this.#options = options;
    this.#commits = new FlowRate(options.ports.clock.monotonicMs());
  }

  /** Batches that wait for their turn to be checked. */
  get waitingBatches(): number {
    return this.#door.waiting;
  }

  /** Number of transactions that clients of this node wait for. */
  get waiting(): number {
    return this.#submissions.size;
  }

  submit(
    envelopes: readonly Uint8Array[],
    firstNumber: number,
    { member }: { readonly member: string },
    sink: SubmissionSink,
  ): Submission {
    const sinceMs = this.#options.ports.clock.monotonicMs();
    const waiter: Waiter = { sink, sinceMs, cancelled: false, pending: new Set() };
    const checked = this.#take(envelopes, firstNumber, member, waiter).catch(this.#options.failed);
    return {
      checked,
      cancel: () => this.#submissions.cancel(waiter),
    };
  }

  /** Takes transactions that another validator relays. */
  async receive(envelopes: readonly Uint8Array[]): Promise<void> {
    const { intake, failed } = this.#options;
    try {
      const admissions = await this.#door.pass(undefined, envelopes.length, () =>
        intake.admit(envelopes, 'peer'),
      );
      this.#count(admissions, 'peer');
    } catch (error) {
      failed(error);
    }
  }

  /** Relays what is due: new transactions of clients, and those that have waited for too long. */
  relay(): void {
    const { ports, mempool } = this.#options;
    for (;;) {
      const batch = mempool.toRelay(ports.clock.monotonicMs(), relayBatch);
      if (batch.length === 0) return;
      ports.peers.relayTransactions(batch.map((transaction) => transaction.envelopeBytes));
    }
  }

  /** Relays all that clients of this node wait for: a validator has come that may know none of it. */
  relayAll(): void {
    const envelopes: Uint8Array[] = [];
    for (const transaction of this.#options.mempool.clientTransactions())
      envelopes.push(transaction.envelopeBytes);
    const { peers } = this.#options.ports;
    for (let start = 0; start < envelopes.length; start += relayBatch.maxTransactions) {
      peers.relayTransactions(envelopes.slice(start, start + relayBatch.maxTransactions));
    }
  }

  /** A transaction can't be in any block: it is forgotten and whoever waits for it is told. */
  drop(transaction: CheckedTransaction, code: string): void {
    this.#options.mempool.evict(transaction.txId);
    const reason = reasonOf(code);
    this.#submissions.refuse(transaction.txId, reason, messageOf(reason));
  }

  /** Answers who waits for transactions of a durable block. */
  finalize(block: FinalizedBlock): void {
    const { ports, observer } = this.#options;
    const nowMs = ports.clock.monotonicMs();
    this.#commits.add(block.txIds.length, nowMs);
    this.#submissions.finalize(block, (sinceMs) => observer.answered?.(nowMs - sinceMs));
  }

  /** These were never executed and never will be. */
  expire(transactions: readonly CheckedTransaction[]): void {
    for (const { txId } of transactions) this.#submissions.refuse(txId, 'EXPIRED', messageOf('EXPIRED'));
  }

  async #take(
    envelopes: readonly Uint8Array[],
    firstNumber: number,
    member: string,
    waiter: Waiter,
  ): Promise<void> {
    const admissions = await this.#door.pass(member, envelopes.length, async () => {
      // Nobody waits for it any more, and nothing was done for it yet.
      if (waiter.cancelled) return [];
      return this.#options.intake.admit(envelopes, 'client', (txId, index) =>
        this.#submissions.attach(txId, waiter, firstNumber + index),
      );
    });
    this.#count(admissions, 'client');
    const refusals: Refusal[] = [];
    const settled: Settled[] = [];
    for (const admission of admissions) {
      const number = firstNumber + admission.index;
      if (admission.kind === 'pending') continue;
      if (admission.kind === 'malformed') {
        const { code, message } = admission.error;
        refusals.push({ number, reason: envelopeReasons[code], message });
        continue;
      }
      const { txId, validUntilHeight } = admission;
      const { code } = admission.refusal;
      // What can't be executed any more may have been, long ago: then its receipt is the answer.
      if (code === 'KEY_USED' || code === 'EXPIRED') settled.push({ txId, validUntilHeight, number, code });
      else if (code === 'QUOTA_EXCEEDED' || code === 'POOL_FULL')
        refusals.push({ ...refusal(number, reasonOf(code)), retryDelayMs: this.#retryDelayMs(member) });
      else refusals.push(refusal(number, reasonOf(code)));
    }
    if (settled.length > 0) refusals.push(...(await this.#answerFromStore(settled, waiter)));
    if (refusals.length > 0 && !waiter.cancelled) waiter.sink.refused(refusals);
  }

  /** Answers with receipts what is on the chain, one call a block, and gives refusals for the rest. */
  async #answerFromStore(settled: readonly Settled[], waiter: Waiter): Promise<Refusal[]> {
    const { store } = this.#options.ports;
    const places = await Promise.all(settled.map(({ txId }) => store.locate(txId)));
    const refusals: Refusal[] = [];
    const byHeight = new Map<Height, { numbers: number[]; indexes: number[] }>();
    const { validityWindowBlocks } = this.#options;
    for (const [position, { number, code, validUntilHeight }] of settled.entries()) {
      const place = places[position];
      if (place === undefined) {
        // It may have been executed in a block that is not here: then nothing is known of it.
        const kept = store.base === 0 || store.base < validUntilHeight - validityWindowBlocks;
        refusals.push(refusal(number, kept ? reasonOf(code) : 'OUTCOME_NOT_RETAINED'));
        continue;
      }
      const entries = byHeight.get(place.height) ?? { numbers: [], indexes: [] };
      entries.numbers.push(number);
      entries.indexes.push(place.index);
      byHeight.set(place.height, entries);
    }
    for (const [height, entries] of byHeight) {
      const block = await store.block(height);
      if (waiter.cancelled) return [];
      if (block === undefined) {
        // It was given up since it was found.
        refusals.push(...entries.numbers.map((number) => refusal(number, 'OUTCOME_NOT_RETAINED')));
        continue;
      }
      invariant(
        block.certificate !== undefined,
        'a block that the index names is stored with its certificate',
      );
      waiter.sink.finalized(finalBlock({ ...block, certificate: block.certificate }), entries);
    }
    return refusals;
  }

  /** When a member whose share of the pool is used up may hope for room: by its part of what becomes final lately. */
  #retryDelayMs(member: string): number {
    const { mempool, ports } = this.#options;
    const { transactions, members } = mempool.shareOf(member);
    const perSecond = this.#commits.perSecond(ports.clock.monotonicMs()) / Math.max(1, members);
    const delayMs = (Math.max(1, transactions * freedShare) * 1000) / perSecond;
    return Math.round(Math.min(retryDelayMs.max, Math.max(retryDelayMs.min, delayMs)));
  }

  #count(admissions: readonly Admission[], source: 'client' | 'peer'): void {
    const { observer } = this.#options;
    const admitted: CheckedTransaction[] = [];
    for (const admission of admissions) {
      if (admission.kind === 'malformed') observer.refused(source, admission.error.code);
      else if (admission.kind === 'refused') observer.refused(source, admission.refusal.code);
      else if (admission.transaction !== undefined) admitted.push(admission.transaction);
    }
    if (admitted.length === 0) return;
    observer.admitted(source, admitted.length);
    if (source === 'client') this.#scheduleRelay();
    this.#options.admitted(admitted);
  }

  /** What clients submit in one turn of the event loop goes out together. */
  #scheduleRelay(): void {
    if (this.#relayScheduled) return;
    this.#relayScheduled = true;
    this.#options.ports.clock.defer(() => {
      this.#relayScheduled = false;
      this.relay();
    });
  }
}

/** A transaction that can't be executed any more. */
interface Settled {
  readonly txId: TxId;
  readonly validUntilHeight: Height;
  readonly number: number;
  readonly code: 'KEY_USED' | 'EXPIRED';
}

const refusal = (number: number, reason: RefusalReason): Refusal => ({
  number,
  reason,
  message: messageOf(reason),
});

const envelopeReasons = {
  MALFORMED: 'ENVELOPE_MALFORMED',
  TOO_LARGE: 'ENVELOPE_TOO_LARGE',
  UNSIGNED: 'ENVELOPE_MALFORMED',
  SIGNATURE_INVALID: 'SIGNATURE_INVALID',
} as const satisfies Record<string, RefusalReason>;

/** The api's name for a refusal of mempool or ledger. */
function reasonOf(code: string): RefusalReason {
  switch (code) {
    case 'UNKNOWN_SENDER':
    case 'SENDER_NOT_AUTHORIZED':
    case 'ACCOUNT_NOT_AUTHORIZED':
    case 'PARTY_NOT_AUTHORIZED':
    case 'NEW_POLICY_NOT_SATISFIED':
    case 'VALIDATOR_NOT_AUTHORIZED':
    case 'EXPIRED':
    case 'VALIDITY_TOO_LONG':
    case 'RULES_NOT_ACTIVE':
    case 'QUOTA_EXCEEDED':
      return code;
    case 'KEY_PENDING':
      return 'IDEMPOTENCY_KEY_PENDING';
    case 'DUPLICATE':
    case 'KEY_USED':
      return 'IDEMPOTENCY_KEY_REUSED';
    default:
      return 'OVERLOADED';
  }
}

/** Sentences of refusals that concern no particular byte of the envelope. */
function messageOf(reason: RefusalReason): string {
  switch (reason) {
    case 'UNKNOWN_SENDER':
      return 'The sender is not a member of this network. Check the member id, or register the member first.';
    case 'SENDER_NOT_AUTHORIZED':
      return "The signatures do not satisfy the sender's key policy. Sign with the member's registered keys.";
    case 'ACCOUNT_NOT_AUTHORIZED':
      return 'The signatures do not satisfy the key policy of an account that pays. Sign with the keys of that account too.';
    case 'PARTY_NOT_AUTHORIZED':
      return 'The signatures do not satisfy the key policy of a party of an exchange. Every party signs the same bytes.';
    case 'NEW_POLICY_NOT_SATISFIED':
      return 'The signatures do not satisfy the key policy that is to be installed. Sign with the new keys besides the present ones.';
    case 'VALIDATOR_NOT_AUTHORIZED':
      return "The validator's key in force has not signed. Sign with the validator's key file besides the member's keys.";
    case 'EXPIRED':
      return 'The chain is past valid_until_height, and the transaction was not executed before. Build a new one.';
    case 'VALIDITY_TOO_LONG':
      return 'valid_until_height is further ahead than this network allows. Choose a lower height, or wait.';
    case 'RULES_NOT_ACTIVE':
      return "An operation is of a later version of the ledger's rules than the one in force. Submit it once the validators have decided that version and its height is reached.";
    case 'QUOTA_EXCEEDED':
      return 'This member has as many transactions pending as it may. Wait until some of them are final.';
    case 'IDEMPOTENCY_KEY_REUSED':
      return 'Another transaction of this sender used the same idempotency key. Look that transaction up, or choose a new key.';
    case 'IDEMPOTENCY_KEY_PENDING':
      return 'Another transaction of this sender with the same idempotency key is pending. Wait until it is final, or choose a new key.';
    case 'OUTCOME_NOT_RETAINED':
      return 'The transaction can not be executed any more, and this node lacks the blocks in which it may have been. Ask a validator with older blocks, and do not build a new one before.';
    default:
      return 'The node has no room for more transactions. Try again after a pause.';
  }
}
