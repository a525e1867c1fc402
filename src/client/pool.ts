/** Which validator to ask next. Keeps to one that works, and rests those that fail. */
import { setTimeout as delay } from 'node:timers/promises';
import { ClientClosedError } from './errors.js';
import { Endpoint, type ValidatorAddress } from './endpoint.js';
import type { ClientTls } from './tls.js';

export class EndpointPool {
  readonly endpoints: readonly Endpoint[];
  #preferred = 0;
  #closed = false;

  /** `preferred` is the index of the one to ask first. */
  constructor(validators: readonly ValidatorAddress[], tls: ClientTls, network: string, preferred: number) {
    this.endpoints = validators.map((validator) => new Endpoint(validator, tls, network));
    this.#preferred = preferred % validators.length;
  }

  /** Throws what a validator sent that was false, when no validator is left that did not. */
  throwIfAllDistrusted(): void {
    const nowMs = Date.now();
    const lies = this.endpoints.map((endpoint) => endpoint.lie(nowMs));
    const [lie] = lies;
    if (lie !== undefined && lies.every((other) => other !== undefined)) throw lie;
  }

  /**
   * The endpoint to ask now: the preferred one if it does not rest, else the next in turn that does not; undefined when
   * all others rest or are excluded.
   */
  next(excluded: ReadonlySet<Endpoint> = new Set()): Endpoint | undefined {
    if (this.#closed) throw new ClientClosedError();
    const nowMs = Date.now();
    let broken: Endpoint | undefined;
    for (let offset = 0; offset < this.endpoints.length; offset++) {
      const endpoint = this.endpoints[(this.#preferred + offset) % this.endpoints.length];
      if (endpoint === undefined || excluded.has(endpoint) || endpoint.restUntilMs > nowMs) continue;
      if (!endpoint.disconnected) return endpoint;
      broken ??= endpoint;
    }
    return broken;
  }

  /** Moves the preference away from an endpoint that did not answer. */
  leave(endpoint: Endpoint): void {
    if (this.endpoints[this.#preferred] === endpoint) {
      this.#preferred = (this.#preferred + 1) % this.endpoints.length;
    }
  }

  /** Waits until an endpoint may be asked again, at most until the deadline. */
  async rest(deadlineMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = Date.now();
    const soonest = Math.min(...this.endpoints.map(({ restUntilMs }) => restUntilMs));
    const untilMs = Math.min(deadlineMs, Math.max(soonest, nowMs + 20));
    try {
      await delay(untilMs - nowMs, undefined, { signal });
    } catch {
      throw signal.reason as Error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.endpoints) endpoint.close();
  }
}
