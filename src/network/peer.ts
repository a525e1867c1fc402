import { Outbox } from './outbox.js';
import type { Link } from './link.js';
import type { DisconnectReason, PeerLimits, PeerState, PeerTimeouts, PeerValidator } from './types.js';

/** Bytes of the newest consensus messages that are kept for a peer that is not connected. */
const offlineConsensusBytes = 64 * 1024;

/** What is kept about a peer from one connection to the next. */
export class Peer {
  readonly validator: PeerValidator;
  readonly outbox: Outbox;
  link: Link | undefined;
  lastFailure: DisconnectReason | undefined;
  readonly #timeouts: PeerTimeouts;
  #attempts = 0;
  #penaltyMs = 0;
  #penaltyEndsMs = 0;
  #openedMs = 0;

  constructor(validator: PeerValidator, limits: PeerLimits, timeouts: PeerTimeouts) {
    this.validator = validator;
    this.outbox = new Outbox(limits);
    this.#timeouts = timeouts;
  }

  /** Whether it is shut out for what it sent earlier. */
  isPenalised(nowMs: number): boolean {
    return nowMs < this.#penaltyEndsMs;
  }

  opened(link: Link, nowMs: number): void {
    this.link = link;
    this.reached(nowMs);
  }

  /** Notes that a connection works. */
  reached(nowMs: number): void {
    this.lastFailure = undefined;
    this.#attempts = 0;
    this.#openedMs = nowMs;
  }

  /** Notes why a connection or an attempt ended. */
  failed(reason: DisconnectReason, wasOpen: boolean, nowMs: number): void {
    const { minPenaltyMs, maxPenaltyMs } = this.#timeouts;
    this.lastFailure = reason;
    if (wasOpen && nowMs - this.#openedMs > maxPenaltyMs) this.#penaltyMs = 0;
    if (reason !== 'garbage') return;
    this.#penaltyMs = Math.min(maxPenaltyMs, this.#penaltyMs === 0 ? minPenaltyMs : this.#penaltyMs * 2);
    this.#penaltyEndsMs = nowMs + this.#penaltyMs;
  }

  /** The stream is gone: what waits was meant for it. */
  closed(): void {
    this.link = undefined;
    this.outbox.reset(offlineConsensusBytes);
  }

  /** How long to wait before the next attempt to connect: exponential, between half of it and all of it at random. */
  nextDelayMs(nowMs: number, random: number): number {
    const { minReconnectMs, maxReconnectMs } = this.#timeouts;
    const full = Math.min(maxReconnectMs, minReconnectMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    return Math.max(full * (0.5 + random / 2), this.#penaltyEndsMs - nowMs);
  }

  state(): PeerState {
    const { index, id, address } = this.validator;
    return {
      index,
      id,
      address,
      connected: this.link !== undefined,
      status: this.link?.status,
      queuedBytes: this.outbox.queuedBytes,
      backlogBytes: this.link?.backlogBytes ?? 0,
      lastFailure: this.lastFailure,
    };
  }
}
