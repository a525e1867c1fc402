/**
 * Follows the chain: final blocks in order, each certified and linked to the one before. When a validator fails, falls
 * silent or lies, goes on at the next height with another one: without gap or repeat.
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import type { SubscribeResponse__Output } from '../codec/wire/quaestor/ledger/v1/SubscribeResponse.js';
import { asHeight, type Height } from '../types/index.js';
import { followHeader, type CertifiedHeader } from '../verify/index.js';
import { isUnavailable, type Endpoint } from './endpoint.js';
import { RequestError, VerificationError } from './errors.js';
import type { EndpointPool } from './pool.js';
import { checkedBlock, type Block } from './reads.js';
import { reasons } from './reasons.js';
import { judgeFollowing } from './follow-validators.js';
import { valid, type Verifier } from './verifier.js';

export interface FollowOptions {
  /** First height wanted, at least 1. By default the next block to come. */
  readonly fromHeight?: Height;
  /** Whether transactions and results are wanted. Default false. */
  readonly transactions?: boolean;
  /** A validator that sends neither block nor heartbeat for so long is left. Default 15 s. */
  readonly silenceTimeoutMs?: number;
  /** Ends the iteration by rejecting with its reason. */
  readonly signal?: AbortSignal;
}

/** Longest wait for a validator to be asked again. */
const farAheadMs = 60_000;

/** Blocks from a height on, for ever. */
export async function* followBlocks(
  pool: EndpointPool,
  verifier: Verifier,
  options: FollowOptions,
  closing: AbortSignal,
): AsyncGenerator<Block, void, undefined> {
  const signal = options.signal === undefined ? closing : AbortSignal.any([closing, options.signal]);
  const transactions = options.transactions ?? false;
  const silenceTimeoutMs = options.silenceTimeoutMs ?? 15_000;
  let next = options.fromHeight;
  let previous: CertifiedHeader | undefined;
  for (;;) {
    signal.throwIfAborted();
    pool.throwIfAllDistrusted();
    const endpoint = pool.next();
    if (endpoint === undefined) {
      await pool.rest(Date.now() + farAheadMs, signal);
      continue;
    }
    const stream = endpoint.subscribe({
      includeTransactions: transactions,
      ...(next === undefined ? {} : { fromHeight: next }),
    });
    const watch = new SilenceWatch(stream, silenceTimeoutMs, signal);
    let progressed = false;
    try {
      for await (const message of stream as AsyncIterable<SubscribeResponse__Output>) {
        watch.heard();
        if (message.block !== null && message.block !== undefined) {
          const sent = message.block;
          const block = await judgeFollowing(endpoint, verifier, signal, async () => {
            const checked = await checkedBlock(verifier, sent, transactions, endpoint.address);
            checkPlace(verifier, checked, next, previous, endpoint.address);
            return checked;
          });
          previous = block;
          next = asHeight(block.header.height + 1);
          progressed = true;
          endpoint.succeeded();
          // While the caller works, nothing is read and silence is no fault.
          watch.pause();
          yield block;
          watch.heard();
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      judge(endpoint, error);
    } finally {
      watch.stop();
      stream.on('error', () => undefined);
      stream.cancel();
    }
    if (!progressed) endpoint.failed(Date.now());
    pool.leave(endpoint);
  }
}

/** Checks that a block is the one that comes next. */
function checkPlace(
  verifier: Verifier,
  block: Block,
  expected: Height | undefined,
  previous: CertifiedHeader | undefined,
  from: string,
): void {
  const { header, certificate, headerBytes } = block;
  if (certificate === undefined || (expected !== undefined && header.height !== expected)) {
    throw new VerificationError(
      from,
      `Block ${header.height} was sent instead of ${expected ?? 'a new one'}.`,
    );
  }
  valid(followHeader(verifier.trust, { header: headerBytes, certificate }, previous), from);
}

/** Notes what the end of a stream says about the validator; throws what no other validator would answer otherwise. */
function judge(endpoint: Endpoint, error: unknown): void {
  if (error instanceof VerificationError) {
    endpoint.lied(error, Date.now());
    return;
  }
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') throw error;
  const failure = endpoint.noteFailure(error as ServiceError);
  const retry = failure.reason === undefined ? undefined : reasons[failure.reason].retry;
  if (retry === 'never' || (retry === undefined && !isUnavailable(failure))) {
    throw new RequestError(failure.reason ?? 'MALFORMED_REQUEST', failure.message, {
      statusCode: failure.statusCode,
      validator: endpoint.address,
      details: failure.details,
    });
  }
}

/** Cancels a stream that is silent for too long, or when the caller aborts. */
class SilenceWatch {
  readonly #stream: ClientReadableStream<SubscribeResponse__Output>;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #cancel: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    stream: ClientReadableStream<SubscribeResponse__Output>,
    timeoutMs: number,
    signal: AbortSignal,
  ) {
    this.#stream = stream;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#cancel = () => this.#stream.cancel();
    signal.addEventListener('abort', this.#cancel, { once: true });
    this.heard();
  }

  heard(): void {
    this.pause();
    this.#timer = setTimeout(this.#cancel, this.#timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.pause();
    this.#signal.removeEventListener('abort', this.#cancel);
  }
}
