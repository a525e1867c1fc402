import type { PeerStatus } from '../codec/index.js';
import type { Clock, PeerPort } from './ports.js';

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly peers: PeerPort;
  readonly intervalMs: number;
  readonly status: () => PeerStatus;
  /** Number of the validator set in force. */
  readonly epoch: () => number;
  /** What else is looked at so often. */
  readonly tick: () => void;
}

/** Tells peers where this replica stands: regularly, and at once when its view changes. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #cancel: () => void = () => undefined;
  #told = '';
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    const { clock, peers, intervalMs, status, tick } = this.#options;
    this.#cancel = clock.setTimer(intervalMs, () => {
      peers.sendStatus('all', status());
      tick();
      this.start();
    });
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** A change of view is told at once. */
  announceView(): void {
    if (this.#stopped) return;
    const { peers, status, epoch } = this.#options;
    const now = status();
    const text = `${epoch()}/${now.view}/${now.viewChangeInProgress}`;
    if (text === this.#told) return;
    this.#told = text;
    peers.sendStatus('all', now);
  }
}
