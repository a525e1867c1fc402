import type { Worker } from 'node:worker_threads';
import type { PendingCheck } from './pending-check.js';
import { batchBytes, batchHeaderBytes, writeBatch } from './verify-batch.js';
import { startVerifyWorker } from './verify-worker.js';

export interface VerifyThreadEvents {
  /** A batch was answered: one outcome a check (see CheckOutcome), in a view that is valid during the call. */
  decided(checks: readonly PendingCheck[], outcomes: Uint8Array): void;
  /** The thread ended without being asked to; it had these checks. Nothing follows. */
  ended(checks: readonly PendingCheck[]): void;
}

/** Batches that a thread may have: one in work, one that waits, so that it need not idle while an answer travels. */
const maxBatches = 2;
/** Larger buffers are not kept. */
const maxSpareBytes = 1024 * 1024;

/** One worker thread and the batches that it has, which it answers in order. Keeps the process alive only while it has
 * any. */
export class VerifyThread {
  readonly #worker: Worker;
  readonly #events: VerifyThreadEvents;
  readonly #batches: (readonly PendingCheck[])[] = [];
  /** A buffer to use again. */
  #spare: ArrayBuffer | undefined;
  #load = 0;
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
      if (!this.#stopped) this.#events.ended(this.#batches.splice(0).flat());
    });
  }

  get hasRoom(): boolean {
    return this.#batches.length < maxBatches;
  }

  /** Checks that it has. */
  get load(): number {
    return this.#load;
  }

  /** Batches that it answered. */
  get answered(): number {
    return this.#answered;
  }

  send(checks: readonly PendingCheck[]): void {
    if (this.#batches.length === 0) this.#worker.ref();
    this.#batches.push(checks);
    this.#load += checks.length;
    const size = batchBytes(checks);
    let buffer = this.#spare;
    this.#spare = undefined;
    if (buffer === undefined || buffer.byteLength < size) buffer = new ArrayBuffer(Math.ceil(size * 1.25));
    writeBatch(checks, buffer);
    this.#worker.postMessage(buffer, [buffer]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker.terminate();
  }

  #receive(buffer: ArrayBuffer): void {
    const checks = this.#batches.shift() ?? [];
    this.#load -= checks.length;
    this.#answered++;
    if (this.#batches.length === 0) this.#worker.unref();
    this.#events.decided(checks, new Uint8Array(buffer, batchHeaderBytes, checks.length));
    if (buffer.byteLength <= maxSpareBytes) this.#spare = buffer;
  }
}
