/**
 * High-volume submission over one SubmitStream: batches out, outcomes in, grouped by block. When the stream is lost, or
 * nothing comes back for a while, what is not final is submitted again to another validator; it is executed at most once
 * either way. What one validator refuses for good is asked of others before it is believed: a faulty one may refuse
 * what it nevertheless hands on. No promise or timer per transaction that goes well.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { certificateFromWire } from '../codec/wire-convert.js';
import type { FinalizedBatch__Output } from '../codec/wire/quaestor/ledger/v1/FinalizedBatch.js';
import type { SubmitStreamRequest } from '../codec/wire/quaestor/ledger/v1/SubmitStreamRequest.js';
import type { SubmitStreamResponse__Output } from '../codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import { limits } from '../types/index.js';
import { withJitter, type Endpoint } from './endpoint.js';
import { NoQuorumError, OutcomeUnknownError, RequestError, VerificationError } from './errors.js';
import { Gate } from './gate.js';
import { isQuorumMissing } from './missing-quorum.js';
import type { EndpointPool } from './pool.js';
import { reasons } from './reasons.js';
import { isFinalRefusal, RefusalChecks, type Pending } from './refusal-checks.js';
import type { SubmitManyOptions, SubmitOutcome } from './submit-outcome.js';
import type { FinalTransaction, SignedTransaction } from './transactions.js';
import { followValidators, isOfUnknownSet } from './follow-validators.js';
import { receiptReader, type Verifier } from './verifier.js';

/** What a session works with. */
export interface SubmitManyContext {
  readonly pool: EndpointPool;
  /** Undefined when receipts are to be believed. */
  readonly verifier: Verifier | undefined;
  readonly closing: AbortSignal;
  /** How many validators must refuse a transaction before it counts as refused. */
  readonly refusalsNeeded: number;
  /** Submits one transaction by itself; throws as QuaestorClient.submit does. */
  readonly submitAlone: (
    transaction: SignedTransaction,
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<FinalTransaction>;
  readonly sawHeight: (height: number) => void;
}

type Stream = ClientDuplexStream<SubmitStreamRequest, SubmitStreamResponse__Output>;

const maxBatchBytes = limits.maxClientMessageBytes / 2;
/** Pause before something is sent again that the validator had no room for, if it does not say how long; and the longest
 * that is kept to. */
const retryLaterMs = 100;
const maxRetryLaterMs = 10_000;

/** One call of `submitMany`. */
export class SubmitManySession {
  readonly #context: SubmitManyContext;
  readonly #pool: EndpointPool;
  readonly #verifier: Verifier | undefined;
  readonly #maxInFlight: number;
  readonly #maxBatch: number;
  readonly #stallTimeoutMs: number;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #stopping = new AbortController();
  /** What is not final, by number; in order of submission. */
  readonly #pending = new Map<number, Pending>();
  /** What is not yet handed to the present stream. */
  #unsent: Pending[] = [];
  readonly #checks: RefusalChecks;
  #outcomes: SubmitOutcome[] = [];
  /** Outcomes that the caller has not taken. */
  #untaken = 0;
  #nextPosition = 0;
  #inputEnded = false;
  #failure: { readonly error: unknown } | undefined;
  /** What the input threw: reported after the outcomes of all that came before. */
  #inputFailure: { readonly error: unknown } | undefined;
  #lastProgressMs = Date.now();
  readonly #room = new Gate();
  readonly #outcomeOrEnd = new Gate();
  #flush: (() => void) | undefined;
  #leaveStream: () => void = () => undefined;

  constructor(context: SubmitManyContext, options: SubmitManyOptions) {
    this.#context = context;
    this.#pool = context.pool;
    this.#verifier = context.verifier;
    this.#maxInFlight = options.maxInFlight ?? 2000;
    this.#maxBatch = Math.min(options.maxBatch ?? 500, limits.maxStreamBatch);
    this.#stallTimeoutMs = options.stallTimeoutMs ?? 10_000;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    const signals = [
      context.closing,
      this.#stopping.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ];
    this.#signal = AbortSignal.any(signals);
    this.#signal.addEventListener('abort', () => this.#fail(this.#signal.reason), { once: true });
    this.#checks = new RefusalChecks({
      submitAlone: (transaction) => context.submitAlone(transaction, this.#timeoutMs, this.#signal),
      settled: (outcome, overturned) => {
        if (outcome.kind === 'final') context.sawHeight(outcome.transaction.height);
        this.#settle(outcome.position, outcome);
        this.#wake();
        if (overturned === undefined) return;
        overturned.failed(Date.now());
        this.#leaveStream();
      },
      open: (pending) => {
        this.#unsent.push(pending);
        this.#wake();
      },
      failed: (error) => this.#fail(error),
    });
  }

  /** Takes the input in, as fast as there is room. */
  async feed(transactions: AsyncIterable<SignedTransaction> | Iterable<SignedTransaction>): Promise<void> {
    try {
      if (Symbol.asyncIterator in transactions) {
        for await (const transaction of transactions) {
          const room = this.#roomFor();
          if (room !== undefined) await room;
          if (this.#failure !== undefined) return;
          this.#add(transaction);
        }
      } else {
        for (const transaction of transactions) {
          const room = this.#roomFor();
          if (room !== undefined) await room;
          if (this.#failure !== undefined) return;
          this.#add(transaction);
        }
      }
    } catch (error) {
      // What was taken in before is still seen through.
      this.#inputFailure = { error };
    }
    this.#inputEnded = true;
    this.#flush?.();
    if (this.#pending.size === 0) this.#outcomeOrEnd.signal();
  }

  /** Undefined while there is room; else a promise of it, or of a failure. */
  #roomFor(): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined;
    return (async () => {
      while (!this.#hasRoom()) await this.#room.wait();
    })();
  }

  #hasRoom(): boolean {
    return this.#failure !== undefined || this.#pending.size + this.#untaken < this.#maxInFlight;
  }

  #add(transaction: SignedTransaction): void {
    if (this.#pending.size === 0) this.#lastProgressMs = Date.now();
    const pending = { position: this.#nextPosition, transaction };
    this.#pending.set(this.#nextPosition, pending);
    this.#nextPosition += 1;
    this.#unsent.push(pending);
    this.#flush?.();
  }

  /** Keeps a stream open until all is final. */
  async drive(): Promise<void> {
    try {
      while (!this.#done()) {
        this.#signal.throwIfAborted();
        this.#pool.throwIfAllDistrusted();
        await this.#giveUpIfStuck();
        const endpoint = this.#pool.next();
        if (endpoint === undefined) {
          await this.#pool.rest(this.#lastProgressMs + this.#timeoutMs, this.#signal);
          continue;
        }
        await this.#runStream(endpoint);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#outcomeOrEnd.signal();
  }

  /** Outcomes that came since the last call; undefined when there will be none. Throws what ended it. */
  takeOutcomes(): readonly SubmitOutcome[] | undefined {
    const outcomes = this.#outcomes;
    if (outcomes.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#done()) {
        if (this.#inputFailure !== undefined) throw this.#inputFailure.error;
        return undefined;
      }
    }
    this.#outcomes = [];
    return outcomes;
  }

  consumed(): void {
    this.#untaken -= 1;
    this.#room.signal();
  }

  outcomesOrEnd(): Promise<void> {
    return this.#outcomeOrEnd.wait();
  }

  stop(): void {
    this.#stopping.abort(new DOMException('The caller stopped.', 'AbortError'));
  }

  #done(): boolean {
    return this.#inputEnded && this.#pending.size === 0;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#room.signal();
    this.#outcomeOrEnd.signal();
  }

  async #giveUpIfStuck(): Promise<void> {
    if (this.#pending.size === 0 || Date.now() < this.#lastProgressMs + this.#timeoutMs) return;
    const [first] = this.#pending.values();
    const txId = first?.transaction.txId;
    const count = `${this.#pending.size} transactions were not seen final`;
    const advice =
      'They may still commit; submit the same signed transactions again to learn the outcome: they are never executed twice.';
    if (await isQuorumMissing(this.#pool, this.#signal)) {
      throw new NoQuorumError(txId, `${count}: there is no quorum of validators. ${advice}`);
    }
    throw new OutcomeUnknownError(txId, `${count}: no answer came for ${this.#timeoutMs} ms. ${advice}`);
  }

  /** Runs one stream until it ends, breaks, stalls, or all is final. */
  async #runStream(endpoint: Endpoint): Promise<void> {
    this.#unsent = [...this.#pending.values()].filter(({ position }) => !this.#checks.has(position));
    const stream = endpoint.submitStream() as Stream;
    let endStream = (): void => undefined;
    const ended = new Promise<void>((resolve) => (endStream = resolve));
    this.#leaveStream = endStream;
    const seen = { progress: false };
    let writable = true;
    let scheduled = false;
    let unknownSet: unknown;
    const send = (): void => {
      scheduled = false;
      while (writable && this.#unsent.length > 0) writable = stream.write(this.#nextBatch());
      if (this.#done()) stream.end();
    };
    // Small batches are gathered for a turn of the event loop.
    this.#flush = () => {
      if (this.#unsent.length >= this.#maxBatch && writable) send();
      else if (!scheduled) {
        scheduled = true;
        setImmediate(send);
      }
    };
    stream.on('drain', () => {
      writable = true;
      send();
    });
    stream.on('data', (response: SubmitStreamResponse__Output) => {
      try {
        this.#take(endpoint, response);
        seen.progress = true;
        endpoint.succeeded();
        if (this.#done()) stream.end();
      } catch (error) {
        if (isOfUnknownSet(error)) unknownSet = error;
        else if (error instanceof VerificationError) endpoint.lied(error, Date.now());
        else this.#fail(error);
        endStream();
      }
    });
    stream.on('end', () => endStream());
    stream.on('error', (error: ServiceError) => {
      this.#fatal(endpoint, error);
      endStream();
    });
    const streamStarted = Date.now();
    const stallTimer = setInterval(
      () => {
        const quietSince = Math.max(this.#lastProgressMs, streamStarted);
        const stalled = Date.now() - quietSince >= this.#stallTimeoutMs;
        const late = Date.now() - this.#lastProgressMs >= this.#timeoutMs;
        if (this.#pending.size > 0 && (stalled || late)) endStream();
      },
      Math.max(10, Math.min(this.#stallTimeoutMs, this.#timeoutMs) / 4),
    );
    const aborted = (): void => endStream();
    this.#signal.addEventListener('abort', aborted, { once: true });
    send();
    await ended;
    clearInterval(stallTimer);
    this.#signal.removeEventListener('abort', aborted);
    this.#flush = undefined;
    stream.removeAllListeners('data');
    stream.on('error', () => undefined);
    stream.cancel();
    if (this.#done() || this.#failure !== undefined) return;
    if (unknownSet !== undefined && (await this.#follows(endpoint))) return;
    if (!seen.progress) endpoint.failed(Date.now());
    this.#pool.leave(endpoint);
  }

  /** Whether a validator that sent something of an unknown validator set proved that set. One that does not, lied. */
  async #follows(endpoint: Endpoint): Promise<boolean> {
    if (this.#verifier === undefined) return false;
    try {
      return await followValidators(endpoint, this.#verifier, this.#signal);
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      endpoint.lied(error, Date.now());
      return false;
    }
  }

  /** Failures that no other validator would answer otherwise end it all. */
  #fatal(endpoint: Endpoint, error: ServiceError): void {
    const failure = endpoint.noteFailure(error);
    if (failure.reason === undefined || reasons[failure.reason].retry !== 'never') return;
    const { reason, message, statusCode, details } = failure;
    this.#fail(new RequestError(reason, message, { statusCode, details, validator: endpoint.address }));
  }

  #nextBatch(): SubmitStreamRequest {
    const envelopes: Uint8Array[] = [];
    const [first] = this.#unsent;
    const firstNumber = first?.position ?? 0;
    let size = 0;
    // Numbers of a message follow each other; a gap, left by what became final meanwhile, starts another message.
    for (const { position, transaction } of this.#unsent) {
      size += transaction.bytes.length;
      const full = envelopes.length >= this.#maxBatch || (size > maxBatchBytes && envelopes.length > 0);
      if (full || position !== firstNumber + envelopes.length) break;
      envelopes.push(transaction.bytes);
    }
    this.#unsent.splice(0, envelopes.length);
    return { envelopes, firstNumber };
  }

  #take(endpoint: Endpoint, response: SubmitStreamResponse__Output): void {
    for (const batch of response.finalized) this.#takeFinal(endpoint, batch);
    const again: Pending[] = [];
    let pauseMs = 0;
    for (const { number, reason, message, retryDelayMs } of response.refused) {
      const pending = this.#pending.get(number);
      if (pending === undefined) continue;
      if (!isFinalRefusal(reason)) {
        again.push(pending);
        pauseMs = Math.max(pauseMs, retryDelayMs);
        continue;
      }
      if (this.#context.refusalsNeeded > 1) {
        this.#checks.add(pending, endpoint);
        continue;
      }
      const { txId } = pending.transaction;
      const validator = endpoint.address;
      this.#settle(number, { kind: 'refused', position: number, txId, reason, message, validator });
    }
    if (again.length > 0) void this.#sendLater(again, pauseMs === 0 ? retryLaterMs : pauseMs);
    this.#outcomeOrEnd.signal();
    this.#room.signal();
  }

  /** Submits again, after a pause, what the validator had no room for. */
  async #sendLater(again: readonly Pending[], pauseMs: number): Promise<void> {
    const flush = this.#flush;
    const waitMs = withJitter(Math.min(pauseMs, maxRetryLaterMs));
    await delay(waitMs, undefined, { signal: this.#signal }).catch(() => undefined);
    // On another stream everything that is pending was sent anyway.
    if (flush === undefined || this.#flush !== flush) return;
    this.#unsent.push(...again.filter(({ position }) => this.#pending.has(position)));
    flush();
  }

  #takeFinal(endpoint: Endpoint, batch: FinalizedBatch__Output): void {
    const from = endpoint.address;
    const decoded = certificateFromWire(batch.certificate);
    if (!decoded.ok) throw new VerificationError(from, 'A certificate is malformed.', decoded.error);
    const header = new Uint8Array(batch.header);
    const proven = this.#verifier?.block(header, decoded.value, from);
    const certificate = proven?.certificate ?? decoded.value;
    let read: ReturnType<typeof receiptReader> | undefined;
    for (const { number, result, index, path } of batch.transactions) {
      const pending = this.#pending.get(number);
      if (pending === undefined) continue;
      const { txId } = pending.transaction;
      // Copies: a receipt that is kept must not hold on to the whole message.
      const receipt = {
        header,
        certificate,
        result: new Uint8Array(result),
        index,
        path: path.map((hash) => new Uint8Array(hash)),
      };
      const verified =
        this.#verifier === undefined || proven === undefined
          ? (read ??= receiptReader(header, from))(receipt, txId)
          : this.#verifier.inclusion(proven, receipt, txId, from);
      this.#context.sawHeight(verified.height);
      this.#settle(number, {
        kind: 'final',
        position: number,
        txId,
        transaction: { ...verified, receipt },
      });
    }
  }

  #wake(): void {
    this.#flush?.();
    this.#outcomeOrEnd.signal();
    this.#room.signal();
  }

  #settle(number: number, outcome: SubmitOutcome): void {
    this.#pending.delete(number);
    this.#outcomes.push(outcome);
    this.#untaken += 1;
    this.#lastProgressMs = Date.now();
  }
}
