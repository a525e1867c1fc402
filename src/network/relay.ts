/** Transactions that are relayed to other validators: gathered, and encoded once for all of them. */
import { messageBytes } from './link.js';
import type { Piece } from './outbox.js';
import { encodeTransactionsFrame } from './wire/frames.js';

/**
 * Under load, relayed transactions leave so often at most: a message costs about 15 µs on either side, however small it
 * is, and a transaction in a full one about 1 µs. The first one after a pause does not wait.
 */
const relayIntervalMs = 8;

export interface RelayOptions {
  /** Asks that `flush` is called soon. */
  schedule(): void;
  /** Takes frames that are due. */
  send(piece: Piece): void;
}

export class Relay {
  readonly #options: RelayOptions;
  #envelopes: Uint8Array[] = [];
  #bytes = 0;
  #flushedMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  add(envelopes: readonly Uint8Array[]): void {
    for (const envelope of envelopes) {
      this.#envelopes.push(envelope);
      this.#bytes += envelope.length;
    }
    if (this.#timer !== undefined && this.#bytes < messageBytes / 2) return;
    this.#options.schedule();
  }

  /** Sends what has gathered, unless it should gather a little longer. */
  flush(): void {
    if (this.#envelopes.length === 0) return;
    const nowMs = performance.now();
    const waitMs = this.#flushedMs + relayIntervalMs - nowMs;
    if (waitMs > 0 && this.#bytes < messageBytes / 2) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#options.schedule();
      }, waitMs);
      return;
    }
    this.stop();
    this.#flushedMs = nowMs;
    this.#encode();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #encode(): void {
    const envelopes = this.#envelopes;
    this.#envelopes = [];
    this.#bytes = 0;
    let start = 0;
    let bytes = 0;
    for (let index = 0; index < envelopes.length; index++) {
      bytes += envelopes[index]?.length ?? 0;
      const last = index + 1 === envelopes.length;
      if (!last && bytes < messageBytes / 2) continue;
      const batch = envelopes.slice(start, index + 1);
      this.#options.send({ bytes: encodeTransactionsFrame(batch), count: batch.length });
      start = index + 1;
      bytes = 0;
    }
  }
}
