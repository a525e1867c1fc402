import type { Worker } from 'node:worker_threads';
import type { PendingCheck } from './pending-check.js';
import { batchBytes, batchHeaderBytes, stageOf, writeBatch, type CheckStage } from './verify-batch.js';
import { startVerifyWorker } from './verify-worker.js';

export interface VerifyThreadEvents {
  /** A batch was answered: one outcome a check (see CheckOutcome), in a view that is valid during the call. */
  checked(checks: readonly PendingCheck[], outcomes: Uint8Array): void;
  /** The reference decided the check that the thread was given. */
  decided(check: PendingCheck, valid: boolean): void;
  /** The thread ended without being asked to; it had these checks, and this one to decide. Nothing follows. */
  ended(checks: readonly PendingCheck[], open: PendingCheck | undefined): void;
}

/** Batches that a thread may have: one in work, one that waits, so that it need not idle while an answer travels. */
const maxBatches = 2;
/** Besides, one of what consensus waits for. */
const maxUrgentBatches = 3;
/** Larger buffers are not kept. */
const maxSpareBytes = 1024 * 1024;
/** What a decision of the reference weighs in native checks. */
const decisionLoad = 40;

/**
 * One worker thread, the batches that it has, which it answers in order, and at most one check for the reference, which
 * takes 1 to 2 ms: batches that arrive wait for no more than that one. Keeps the process alive only while it has any.
 */
export class VerifyThread {
  readonly #worker: Worker;
  readonly #events: VerifyThreadEvents;
  readonly #batches: (readonly PendingCheck[])[] = [];
  #open: PendingCheck | undefined;
  /** Buffers of batches, to use again. */
  readonly #spare: ArrayBuffer[] = [];
  #checks = 0;
  #answered = 0;
  #stopped = false;

  constructor(events: VerifyThreadEvents) {
    this.#events = events;
    this.#worker = startVerifyWorker();
    this.#worker.unref();
    this.#worker.on('message', (buffer: ArrayBuffer) => {
      this.#receive(buffer);
    });
    // An error is followed by the exit, which is handled.
    this.#worker.on('error', () => undefined);
    this.#worker.on('exit', () => {
      if (!this.#stopped) this.#events.ended(this.#batches.splice(0).flat(), this.#open);
    });
  }

  get hasRoom(): boolean {
    return this.#batches.length < maxBatches;
  }

  get hasUrgentRoom(): boolean {
    return this.#batches.length < maxUrgentBatches;
  }

  /** Whether it has a check for the reference. */
  get isDeciding(): boolean {
    return this.#open !== undefined;
  }

  /** The work that it has, in native checks. */
  get load(): number {
    return this.#checks + (this.#open === undefined ? 0 : decisionLoad);
  }

  /** Messages that it answered. */
  get answered(): number {
    return this.#answered;
  }

  /** Gives it a batch for the native check; it must have room. */
  check(checks: readonly PendingCheck[]): void {
    this.#batches.push(checks);
    this.#checks += checks.length;
    const size = batchBytes(checks);
    const spare = this.#spare.pop();
    const isLarge = spare !== undefined && spare.byteLength >= size;
    this.#post(0, checks, isLarge ? spare : new ArrayBuffer(Math.ceil(size * 1.25)));
  }

  /** Gives it a check for the reference; it must not be deciding. */
  decide(check: PendingCheck): void {
    this.#open = check;
    this.#post(1, [check], new ArrayBuffer(batchBytes([check])));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker.terminate();
  }

  #post(stage: CheckStage, checks: readonly PendingCheck[], buffer: ArrayBuffer): void {
    this.#worker.ref();
    writeBatch(stage, checks, buffer);
    this.#worker.postMessage(buffer, [buffer]);
  }

  #receive(buffer: ArrayBuffer): void {
    this.#answered++;
    const outcomes = new Uint8Array(buffer, batchHeaderBytes);
    if (stageOf(buffer) === 1) {
      const check = this.#open;
      this.#open = undefined;
      this.#restIfIdle();
      if (check !== undefined) this.#events.decided(check, outcomes[0] === 1);
    } else {
      const checks = this.#batches.shift() ?? [];
      this.#checks -= checks.length;
      this.#restIfIdle();
      this.#events.checked(checks, outcomes);
      if (buffer.byteLength <= maxSpareBytes && this.#spare.length < maxUrgentBatches)
        this.#spare.push(buffer);
    }
  }

  #restIfIdle(): void {
    if (this.#batches.length === 0 && this.#open === undefined) this.#worker.unref();
  }
}
