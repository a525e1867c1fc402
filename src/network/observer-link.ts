/** The stream of one observer at a validator: transactions in, slowly enough; where the validator stands out. */
import type { Duplex } from 'node:stream';
import { ReadGate } from './read-gate.js';
import type { PeerLimits } from './types.js';
import { decodeObserveRequest } from './wire/observe.js';

export interface ObserverLinkOptions {
  readonly stream: Duplex;
  readonly limits: PeerLimits;
  /** Takes envelopes, not decoded; a promise marks them as being worked on. */
  onTransactions(envelopes: readonly Uint8Array[]): void | Promise<void>;
  /** Called once. `garbage` says what was wrong with what it sent. */
  onEnd(link: ObserverLink, garbage: string | undefined): void;
}

export class ObserverLink {
  readonly #options: ObserverLinkOptions;
  readonly #gate: ReadGate;
  /** The newest status that waits while an older one is on its way. */
  #waiting: Buffer | undefined;
  #writing = false;
  #ended = false;

  constructor(options: ObserverLinkOptions) {
    this.#options = options;
    const { stream, limits } = options;
    const own = { ...limits, maxBytesPerSecond: limits.maxObserverBytesPerSecond };
    this.#gate = new ReadGate(stream, own, () => undefined);
    stream.on('data', (message: Buffer) => this.#onMessage(message));
    for (const event of ['error', 'end', 'close', 'cancelled']) stream.on(event, () => this.end());
  }

  /** Sends a message, or keeps it until the one before has left: what it replaces is old news. */
  send(message: Buffer): void {
    if (this.#ended) return;
    if (this.#writing) {
      this.#waiting = message;
      return;
    }
    this.#writing = true;
    this.#options.stream.write(message, () => {
      this.#writing = false;
      const next = this.#waiting;
      this.#waiting = undefined;
      if (next !== undefined) this.send(next);
    });
  }

  end(garbage?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gate.close();
    this.#options.onEnd(this, garbage);
  }

  #onMessage(bytes: Buffer): void {
    if (this.#ended) return;
    const envelopes = decodeObserveRequest(bytes);
    if (!envelopes.ok) {
      this.end(envelopes.error);
      return;
    }
    this.#gate.charge(bytes.length, envelopes.value.length);
    const work = this.#options.onTransactions(envelopes.value);
    if (work !== undefined) this.#gate.hold(bytes.length, work);
  }
}
