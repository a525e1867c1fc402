/**
 * Subscribe: final blocks in order from a height on. Each subscriber reads the store at its own pace and holds one
 * block at a time, so that a slow one costs nothing and misses nothing.
 */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { SubscribeRequest__Output } from '../codec/wire/quaestor/ledger/v1/SubscribeRequest.js';
import type { SubscribeResponse } from '../codec/wire/quaestor/ledger/v1/SubscribeResponse.js';
import { asHeight, type Height } from '../types/index.js';
import type { Budgets } from './budget.js';
import type { CallInfo } from './calls.js';
import type { ApiMetrics, ReadPort } from './ports.js';
import { blockNotRetained, checkBlockRetained, heightField, readBlock } from './reads.js';
import { openStream } from './submit-stream.js';

export interface SubscribeContext {
  readonly reads: ReadPort;
  readonly budgets: Budgets;
  readonly metrics: ApiMetrics;
  /** Pause on an idle chain after which a heartbeat is sent. */
  readonly heartbeatMs: number;
}

/** Handles one Subscribe call; resolves when the client is gone. */
export async function subscribe(
  { reads, budgets, metrics, heartbeatMs }: SubscribeContext,
  request: SubscribeRequest__Output,
  call: ServerWritableStream<SubscribeRequest__Output, SubscribeResponse>,
  { caller, signal }: CallInfo,
): Promise<void> {
  const identity = `${caller.role} ${caller.name}`;
  const closeStream = openStream({ budgets, metrics }, 'LedgerService/Subscribe', identity);
  const commits = new CommitSignal(reads);
  try {
    let next: Height =
      request.fromHeight === undefined
        ? asHeight(reads.head().height + 1)
        : heightField('from_height', request.fromHeight, 1);
    while (!signal.aborted) {
      if (next <= reads.head().height) {
        checkBlockRetained(reads, next);
        const block = await readBlock(reads, next, request.includeTransactions);
        if (block === undefined) throw blockNotRetained(reads, next);
        await write(call, { block }, signal);
        next = asHeight(next + 1);
      } else if (!(await commits.reached(next, heartbeatMs, signal))) {
        await write(call, { heartbeat: { height: reads.head().height } }, signal);
      }
    }
  } finally {
    commits.close();
    closeStream();
  }
}

/** Writes a message and waits until it has left, or the client is gone: nothing gathers in memory. */
function write(
  call: ServerWritableStream<SubscribeRequest__Output, SubscribeResponse>,
  response: SubscribeResponse,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    call.write(response, done);
  });
}

/** Waits for heights to be committed. */
class CommitSignal {
  readonly #reads: ReadPort;
  readonly #unsubscribe: () => void;
  #wake: (() => void) | undefined;

  constructor(reads: ReadPort) {
    this.#reads = reads;
    this.#unsubscribe = reads.onCommitted(() => this.#wake?.());
  }

  /** Resolves when the height is committed or the client is gone, with true, or after the time, with false. */
  reached(height: Height, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (outcome: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', gone);
        this.#wake = undefined;
        resolve(outcome);
      };
      const gone = (): void => done(true);
      const timer = setTimeout(() => done(false), timeoutMs);
      signal.addEventListener('abort', gone, { once: true });
      this.#wake = () => {
        if (signal.aborted || this.#reads.head().height >= height) done(true);
      };
      this.#wake();
    });
  }

  close(): void {
    this.#unsubscribe();
  }
}
