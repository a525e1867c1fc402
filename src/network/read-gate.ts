import type { Duplex, Readable } from 'node:stream';
import { TokenBucket } from './token-bucket.js';
import type { PeerLimits } from './types.js';

/**
 * Makes a gRPC stream read the next message only while `allowed` says so. Pausing such a stream is not enough: it would
 * still read ahead 16 messages of any size. Returns a function to call when reading is allowed again.
 */
export function gateReads(stream: Readable, allowed: () => boolean): () => void {
  const read = stream._read.bind(stream);
  let held: number | undefined;
  stream._read = (size) => {
    if (allowed()) read(size);
    else held = size;
  };
  return () => {
    if (held === undefined || !allowed() || stream.destroyed) return;
    const size = held;
    held = undefined;
    read(size);
  };
}

/**
 * Decides when the next message of a peer is read: not above its rate, and not while too much of what it sent is still
 * being worked on. What is not read stays in the peer's queue, by the flow control of HTTP/2.
 */
export class ReadGate {
  readonly #limits: PeerLimits;
  readonly #bytes: TokenBucket;
  readonly #frames: TokenBucket;
  readonly #reopen: () => void;
  readonly #onPaused: (cause: 'rate' | 'backlog') => void;
  #backlogBytes = 0;
  #backlogFull = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, limits: PeerLimits, onPaused: (cause: 'rate' | 'backlog') => void) {
    const nowMs = performance.now();
    this.#limits = limits;
    this.#bytes = new TokenBucket(limits.maxBytesPerSecond, nowMs);
    this.#frames = new TokenBucket(limits.maxFramesPerSecond, nowMs);
    this.#onPaused = onPaused;
    this.#reopen = gateReads(stream, () => this.#timer === undefined && !this.#backlogFull);
  }

  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** Counts a message that was read against the rates. */
  charge(bytes: number, frames: number): void {
    const nowMs = performance.now();
    const waitMs = Math.max(this.#bytes.take(bytes, nowMs), this.#frames.take(frames, nowMs));
    if (waitMs === 0 || this.#timer !== undefined) return;
    this.#onPaused('rate');
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#reopen();
    }, waitMs);
  }

  /** Counts bytes as being worked on until `work` settles. */
  hold(bytes: number, work: Promise<void>): void {
    this.#backlogBytes += bytes;
    if (!this.#backlogFull && this.#backlogBytes >= this.#limits.maxBacklogBytes) {
      this.#backlogFull = true;
      this.#onPaused('backlog');
    }
    void work.finally(() => {
      this.#backlogBytes -= bytes;
      if (this.#backlogFull && this.#backlogBytes <= this.#limits.maxBacklogBytes / 2) {
        this.#backlogFull = false;
        this.#reopen();
      }
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
