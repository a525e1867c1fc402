/** The observers of a validator: who is connected, who is shut out, what they are told. They have no part in consensus. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Duplex } from 'node:stream';
import type { PeerStatus } from '../codec/model.js';
import type { ObserverConnection } from './acceptor.js';
import { ObserverLink } from './observer-link.js';
import type { DisconnectReason, PeerLimits, PeerNetworkOptions, PeerTimeouts } from './types.js';
import { encodeObserveResponse } from './wire/observe.js';

/** Most processes that share one observer's identity, as replicas behind one address do. */
const maxLinksPerObserver = 8;
/** Most observers whose penalty is remembered. */
const maxPenalties = 1024;

export class Observers {
  readonly #options: Pick<PeerNetworkOptions, 'handlers' | 'logger' | 'metrics'>;
  readonly #limits: PeerLimits;
  readonly #timeouts: PeerTimeouts;
  /** By the observer's id, the oldest first. */
  readonly #links = new Map<string, readonly ObserverLink[]>();
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

  /** Takes a stream. One more than an observer may have ends its oldest, which may be one that died unnoticed. */
  accept(call: ServerDuplexStream<Buffer, Buffer>, connection: ObserverConnection): void {
    const { observer } = connection;
    const { handlers, logger, metrics } = this.#options;
    const open = this.#links.get(observer) ?? [];
    if (open.length >= maxLinksPerObserver) open[0]?.end();
    const link = new ObserverLink({
      stream: call as unknown as Duplex,
      limits: this.#limits,
      onTransactions: (envelopes) => handlers.onObserverTransactions(observer, envelopes),
      onEnd: (ended, garbage) => {
        const left = (this.#links.get(observer) ?? []).filter((other) => other !== ended);
        if (left.length > 0) this.#links.set(observer, left);
        else this.#links.delete(observer);
        metrics.observers(this.#count());
        if (garbage === undefined) call.end();
        else {
          this.#shutOut(observer);
          connection.destroy();
        }
        const level = garbage === undefined ? 'info' : 'warn';
        logger[level]({ observer, garbage }, 'Disconnected from an observer.');
      },
    });
    this.#links.set(observer, [...(this.#links.get(observer) ?? []), link]);
    metrics.observers(this.#count());
    logger.info({ observer }, 'Connected to an observer.');
    if (this.#status !== undefined) link.send(this.#status);
  }

  /** Tells all where this validator stands. */
  tell(status: PeerStatus): void {
    const message = encodeObserveResponse(status);
    this.#status = message;
    for (const link of [...this.#links.values()].flat()) link.send(message);
  }

  stop(): void {
    for (const link of [...this.#links.values()].flat()) link.end();
  }

  #count(): number {
    return [...this.#links.values()].flat().length;
  }

  #shutOut(observer: string): void {
    if (this.#shutOutUntilMs.size >= maxPenalties) this.#shutOutUntilMs.clear();
    this.#shutOutUntilMs.set(observer, performance.now() + this.#timeouts.minPenaltyMs);
  }
}
