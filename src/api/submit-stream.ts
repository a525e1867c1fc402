/**
 * SubmitStream: batches in, outcomes out, grouped by block. The hot path of the api: no object, promise or timer per
 * transaction. Memory is bounded by what may be in flight: while that, the checks of earlier batches, the member's
 * budget or rate, or a client that does not read are at their limit, nothing further is read from the client, not even
 * into gRPC's buffers.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { certificateToWire } from '../codec/wire-convert.js';
import type { FinalizedTransaction } from '../codec/wire/quaestor/ledger/v1/FinalizedTransaction.js';
import type { SubmitStreamRequest__Output } from '../codec/wire/quaestor/ledger/v1/SubmitStreamRequest.js';
import type { SubmitStreamResponse } from '../codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import { gateReads } from '../network/read-gate.js';
import { limits } from '../types/index.js';
import { undecoded, type Charging, type StreamLife } from './calls.js';
import { invalidField, reasons } from './errors.js';
import type { FinalBlock, FinalEntries, Refusal, Submission } from './ports.js';
import { compareSender, senderPrefix } from './sender.js';
import { mutable } from './mutable.js';
import { checkReady, countRefusal, senderRefusal, type SubmitContext } from './submit.js';
import { chargeStream, type Payers } from './traffic.js';

type Call = ServerDuplexStream<SubmitStreamRequest__Output, SubmitStreamResponse>;

const methodName = 'LedgerService/SubmitStream';
/** Batches of one stream that may wait for their checks at a time. */
const maxUncheckedBatches = 4;
/** Most transactions in one message of the answer: keeps it far below gRPC's usual limit of 4 MiB. */
const maxAnswersPerMessage = 1000;

export interface SubmitStreamContext extends SubmitContext {
  /** Most transactions of one stream that wait for an outcome. */
  readonly maxInFlightPerStream: number;
  readonly charging: Charging;
}

/** Counts a stream in; one that is refused was shed. Throws TOO_MANY_STREAMS. */
export function openStream(
  { budgets, metrics }: Pick<SubmitContext, 'budgets' | 'metrics'>,
  method: string,
  identity: string,
): () => void {
  try {
    return budgets.openStream(identity);
  } catch (error) {
    metrics.shed(method, 'streams', 1);
    throw error;
  }
}

/** Handles one SubmitStream call. */
export function submitStream(context: SubmitStreamContext, call: Call, life: StreamLife): void {
  checkReady(context.health);
  const closeStream = openStream(context, methodName, `member ${life.info.caller.name}`);
  new SubmitSession(context, call, life, closeStream).start();
}

class SubmitSession {
  readonly #context: SubmitStreamContext;
  readonly #call: Call;
  readonly #life: StreamLife;
  readonly #closeStream: () => void;
  readonly #member: string;
  readonly #prefix: Uint8Array;
  /** Batches whose transactions are not all answered: what a cancelled call has to withdraw. */
  readonly #submissions = new Set<Submission>();
  #gathered:
    { readonly block: FinalBlock; readonly numbers: number[]; readonly indexes: number[] } | undefined;
  readonly #payers: Payers;
  readonly #reopen: () => void;
  /** Runs while nothing is read because the sender is above a rate. */
  #pace: NodeJS.Timeout | undefined;
  #inFlight = 0;
  #inFlightBytes = 0;
  #uncheckedBatches = 0;
  #writeBlocked = false;
  #inputEnded = false;
  #closed = false;
  #withdrawRoomRequest: (() => void) | undefined;

  constructor(context: SubmitStreamContext, call: Call, life: StreamLife, closeStream: () => void) {
    this.#context = context;
    this.#call = call;
    this.#life = life;
    this.#closeStream = closeStream;
    this.#member = life.info.caller.name;
    this.#prefix = senderPrefix(this.#member);
    this.#payers = context.charging.payersOf(call.getPeer());
    this.#reopen = gateReads(call, () => this.#mayReadNow());
  }

  start(): void {
    this.#life.info.signal.addEventListener('abort', () => this.#close(), { once: true });
    this.#call.on('drain', () => {
      this.#writeBlocked = false;
      this.#resumeIfPossible();
    });
    this.#call.on('end', () => {
      this.#inputEnded = true;
      this.#endIfDone();
    });
    this.#call.on('data', (request: SubmitStreamRequest__Output) => {
      if (this.#closed) return;
      try {
        const arrived = undecoded(request);
        const decoded = arrived.decode();
        this.#charge(arrived.bytes.length, decoded.envelopes.length);
        this.#take(decoded);
      } catch (error) {
        this.#life.end(error);
        return;
      }
      this.#resumeIfPossible();
    });
  }

  /** A stream that is above its rate is slowed down, so that nothing of it is lost. */
  #charge(bytes: number, transactions: number): void {
    const { charging, metrics } = this.#context;
    const waitMs = chargeStream(this.#payers, bytes, transactions, charging.now());
    if (waitMs === 0 || this.#pace !== undefined) return;
    metrics.held();
    this.#pace = setTimeout(() => {
      this.#pace = undefined;
      this.#resumeIfPossible();
    }, waitMs);
  }

  #take({ envelopes, firstNumber }: SubmitStreamRequest__Output): void {
    if (envelopes.length === 0) return;
    if (envelopes.length > limits.maxStreamBatch) {
      throw invalidField('envelopes', `at most ${limits.maxStreamBatch} are allowed in one message.`);
    }
    if (!Number.isSafeInteger(firstNumber) || !Number.isSafeInteger(firstNumber + envelopes.length)) {
      throw invalidField('first_number', 'numbers up to 2^53 - 1 are supported.');
    }
    const bytes = envelopes.reduce((sum, envelope) => sum + envelope.length, 0);
    this.#inFlight += envelopes.length;
    this.#inFlightBytes += bytes;
    this.#context.budgets.take(this.#member, envelopes.length, bytes);
    this.#context.metrics.submissionsInFlight(envelopes.length);

    // Usually all are the caller's own and go on as one batch; others are refused, and cut the batch into runs.
    let runStart = 0;
    const strangers: Refusal[] = [];
    for (let index = 0; index < envelopes.length; index++) {
      const comparison = compareSender(envelopes[index] ?? new Uint8Array(0), this.#prefix);
      if (comparison === 'same') continue;
      strangers.push({ number: firstNumber + index, ...senderRefusal(comparison, this.#member) });
      if (index > runStart) this.#submit(envelopes.slice(runStart, index), firstNumber + runStart);
      runStart = index + 1;
    }
    if (runStart === 0) this.#submit(envelopes, firstNumber);
    else if (runStart < envelopes.length) this.#submit(envelopes.slice(runStart), firstNumber + runStart);
    if (strangers.length > 0) this.#refused(strangers);
  }

  #submit(envelopes: readonly Uint8Array[], firstNumber: number): void {
    // Counted down by the answers: the submission is kept only while some of it can still be cancelled.
    let unanswered = envelopes.length;
    const answered = (count: number): void => {
      unanswered -= count;
      if (unanswered === 0) this.#submissions.delete(submission);
    };
    const submission = this.#context.ledger.submit(
      envelopes,
      firstNumber,
      { member: this.#member },
      {
        finalized: (block, entries) => {
          answered(entries.numbers.length);
          this.#finalized(block, entries);
        },
        refused: (refusals) => {
          answered(refusals.length);
          this.#refused(refusals);
        },
      },
    );
    this.#submissions.add(submission);
    this.#uncheckedBatches += 1;
    void submission.checked.then(() => {
      this.#uncheckedBatches -= 1;
      this.#resumeIfPossible();
    });
  }

  /** Gathers what the batches of this stream have in one block, so that its header is sent once. */
  #finalized(block: FinalBlock, { numbers, indexes }: FinalEntries): void {
    if (this.#closed) return;
    const gathered = this.#gathered;
    if (gathered?.block === block) {
      gathered.numbers.push(...numbers);
      gathered.indexes.push(...indexes);
      return;
    }
    this.#sendGathered();
    this.#gathered = { block, numbers: [...numbers], indexes: [...indexes] };
    queueMicrotask(() => this.#sendGathered());
  }

  #sendGathered(): void {
    const gathered = this.#gathered;
    this.#gathered = undefined;
    if (gathered === undefined || this.#closed) return;
    const { block, numbers, indexes } = gathered;
    for (let start = 0; start < numbers.length; start += maxAnswersPerMessage) {
      const transactions: FinalizedTransaction[] = [];
      const stop = Math.min(numbers.length, start + maxAnswersPerMessage);
      for (let at = start; at < stop; at++) {
        const index = indexes[at] ?? 0;
        const result = block.results[index] ?? new Uint8Array(0);
        transactions.push({ number: numbers[at] ?? 0, result, index, path: mutable(block.path(index)) });
      }
      const certificate = certificateToWire(block.certificate);
      this.#write({ finalized: [{ header: block.headerBytes, certificate, transactions }] });
    }
    this.#answered(numbers.length);
  }

  #refused(refusals: readonly Refusal[]): void {
    if (this.#closed) return;
    for (const { reason } of refusals) countRefusal(this.#context.metrics, methodName, reason, 1);
    this.#write({
      refused: refusals.map(({ number, reason, message, retryDelayMs }) => ({
        number,
        statusCode: reasons[reason].code,
        reason,
        message,
        retryDelayMs: retryDelayMs ?? 0,
      })),
    });
    this.#answered(refusals.length);
  }

  #write(response: SubmitStreamResponse): void {
    if (!this.#call.write(response)) this.#writeBlocked = true;
  }

  #answered(count: number): void {
    // Who answered does not say how large they were: a share by number, so that the sum is right in the end.
    const bytes = Math.round((this.#inFlightBytes * count) / this.#inFlight);
    this.#inFlight -= count;
    this.#inFlightBytes -= bytes;
    this.#context.budgets.give(this.#member, count, bytes);
    this.#context.metrics.submissionsInFlight(-count);
    this.#resumeIfPossible();
    this.#endIfDone();
  }

  #mayRead(): boolean {
    return (
      !this.#writeBlocked &&
      this.#pace === undefined &&
      this.#uncheckedBatches < maxUncheckedBatches &&
      this.#inFlight < this.#context.maxInFlightPerStream &&
      this.#context.budgets.hasRoom(this.#member)
    );
  }

  /** Called whenever something that held reading back may have changed. */
  #resumeIfPossible(): void {
    if (!this.#closed) this.#reopen();
  }

  /** Whether the next message is read now; if not, it is tried again when that may have changed. */
  #mayReadNow(): boolean {
    if (this.#mayRead()) return true;
    // Room may be given back by another stream of the member, which calls nothing here.
    const { budgets } = this.#context;
    if (!this.#closed && this.#withdrawRoomRequest === undefined && !budgets.hasRoom(this.#member)) {
      this.#withdrawRoomRequest = budgets.whenRoom(this.#member, () => {
        this.#withdrawRoomRequest = undefined;
        this.#resumeIfPossible();
      });
    }
    return false;
  }

  #endIfDone(): void {
    if (this.#inputEnded && this.#inFlight === 0) this.#life.end();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const submission of this.#submissions) submission.cancel();
    this.#submissions.clear();
    this.#withdrawRoomRequest?.();
    clearTimeout(this.#pace);
    this.#closeStream();
    this.#context.budgets.give(this.#member, this.#inFlight, this.#inFlightBytes);
    this.#context.metrics.submissionsInFlight(-this.#inFlight);
    this.#inFlight = 0;
    this.#inFlightBytes = 0;
  }
}
