/** The observers of a validator: who is connected, who is shut out, what they are told. They have no part in consensus. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Duplex } from 'node:stream';
import type { PeerStatus } from '../codec/model.js';
import type { ObserverConnection } from './acceptor.js';
import { ObserverLink } from './observer-link.js';
import type { DisconnectReason, PeerLimits, PeerNetworkOptions, PeerTimeouts } from './types.js';
import { encodeObserveResponse } from './wire/observe.js';

/** Most observers whose penalty is remembered. */
const maxPenalties = 1024;

export class Observers {
  readonly #options: Pick<PeerNetworkOptions, 'handlers' | 'logger' | 'metrics'>;
  readonly #limits: PeerLimits;
  readonly #timeouts: PeerTimeouts;
  readonly #links = new Map<string, ObserverLink>();
  readonly #shutOutUntilMs = new Map<string, number>();
  #status: Buffer | undefined;

  constructor(
    options: Pick<PeerNetworkOptions, 'handlers' | 'logger' | 'metrics'>,
    limits: PeerLimits,
    timeouts: PeerTimeouts,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#timeouts = timeouts;
  }

  /** A reason not to let an observer in now. */
  refusal(observer: string): DisconnectReason | undefined {
    return (this.#shutOutUntilMs.get(observer) ?? 0) > performance.now() ? 'penalty' : undefined;
  }

  /** Takes a stream; one that the same observer had before ends. */
  accept(call: ServerDuplexStream<Buffer, Buffer>, connection: ObserverConnection): void {
    const { observer } = connection;
    const { handlers, logger, metrics } = this.#options;
    this.#links.get(observer)?.end();
    const link = new ObserverLink({
      stream: call as unknown as Duplex,
      limits: this.#limits,
      onTransactions: (envelopes) => handlers.onObserverTransactions(observer, envelopes),
      onEnd: (ended, garbage) => {
        if (this.#links.get(observer) === ended) this.#links.delete(observer);
        metrics.observers(this.#links.size);
        if (garbage === undefined) call.end();
        else {
          this.#shutOut(observer);
          connection.destroy();
        }
        const level = garbage === undefined ? 'info' : 'warn';
        logger[level]({ observer, garbage }, 'Disconnected from an observer.');
      },
    });
    this.#links.set(observer, link);
    metrics.observers(this.#links.size);
    logger.info({ observer }, 'Connected to an observer.');
    if (this.#status !== undefined) link.send(this.#status);
  }

  /** Tells all where this validator stands. */
  tell(status: PeerStatus): void {
    const message = encodeObserveResponse(status);
    this.#status = message;
    for (const link of this.#links.values()) link.send(message);
  }

  stop(): void {
    for (const link of [...this.#links.values()]) link.end();
  }

  #shutOut(observer: string): void {
    if (this.#shutOutUntilMs.size >= maxPenalties) this.#shutOutUntilMs.clear();
    this.#shutOutUntilMs.set(observer, performance.now() + this.#timeouts.minPenaltyMs);
  }
}
