import { Outbox } from './outbox.js';
import type { Link } from './link.js';
import type { DisconnectReason, PeerLimits, PeerState, PeerTimeouts, PeerValidator } from './types.js';

/** Bytes of the newest consensus messages that are kept for a peer that is not connected. */
const offlineConsensusBytes = 64 * 1024;

/** What is kept about a peer from one connection to the next. */
export class Peer {
  /** As it is for the next connection. */
  validator: PeerValidator;
  readonly outbox: Outbox;
  link: Link | undefined;
  /** An attempt to connect is under way, or waits for its time. */
  connecting = false;
  /** No validator any more. */
  removed = false;
  /** When the last link ended, or this began, in milliseconds of the monotonic clock. */
  aloneSinceMs: number;
  lastFailure: DisconnectReason | undefined;
  readonly #timeouts: PeerTimeouts;
  #attempts = 0;
  #penaltyMs = 0;
  #penaltyEndsMs = 0;
  #openedMs = 0;
  #address = 0;

  constructor(validator: PeerValidator, limits: PeerLimits, timeouts: PeerTimeouts, nowMs: number) {
    this.validator = validator;
    this.aloneSinceMs = nowMs;
    this.outbox = new Outbox(limits);
    this.#timeouts = timeouts;
  }

  /** The validator at the address that is to be tried now; undefined when there is none. */
  target(): PeerValidator | undefined {
    const { address, otherAddresses = [] } = this.validator;
    const all = [address, ...otherAddresses].filter((each) => each !== '');
    const chosen = all[this.#address % all.length];
    return chosen === undefined ? undefined : { ...this.validator, address: chosen };
  }

  /** Nothing was to be had at the address: the next one is tried. */
  missed(): void {
    this.#address++;
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
    if (reason === 'unreachable' || reason === 'tls' || reason === 'identity') this.missed();
    if (wasOpen && nowMs - this.#openedMs > maxPenaltyMs) this.#penaltyMs = 0;
    if (reason !== 'garbage') return;
    this.#penaltyMs = Math.min(maxPenaltyMs, this.#penaltyMs === 0 ? minPenaltyMs : this.#penaltyMs * 2);
    this.#penaltyEndsMs = nowMs + this.#penaltyMs;
  }

  /** The stream is gone: what waits was meant for it. */
  closed(nowMs: number): void {
    this.link = undefined;
    this.aloneSinceMs = nowMs;
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
      known: this.validator.publicKey !== undefined,
      connected: this.link !== undefined,
      status: this.link?.status,
      queuedBytes: this.outbox.queuedBytes,
      backlogBytes: this.link?.backlogBytes ?? 0,
      lastFailure: this.lastFailure,
    };
  }
}
