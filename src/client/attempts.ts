/** Asks one validator after the other until one gives the answer, or the time is up. */
import type { Endpoint } from './endpoint.js';
import type { EndpointPool } from './pool.js';

/** How one attempt ended. `failed`: the validator could not answer; it rests for a while. `other`: another one may know
 * better, this one is as good as before. */
export type Attempt<T> = { readonly done: T } | 'failed' | 'other';

export interface AttemptLimits {
  readonly deadlineMs: number;
  /** Longest that one validator is waited for. */
  readonly attemptTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The result of the first attempt that is done; undefined at the deadline. Rejects with the signal's reason. */
export async function attemptUntil<T>(
  pool: EndpointPool,
  { deadlineMs, attemptTimeoutMs, signal }: AttemptLimits,
  attempt: (endpoint: Endpoint, deadlineMs: number) => Promise<Attempt<T>>,
): Promise<{ readonly done: T } | undefined> {
  const asked = new Set<Endpoint>();
  for (;;) {
    signal.throwIfAborted();
    pool.throwIfAllDistrusted();
    const nowMs = Date.now();
    if (nowMs >= deadlineMs) return undefined;
    const endpoint = pool.next(asked);
    if (endpoint === undefined) {
      asked.clear();
      await pool.rest(deadlineMs, signal);
      continue;
    }
    asked.add(endpoint);
    const outcome = await attempt(endpoint, Math.min(deadlineMs, nowMs + attemptTimeoutMs));
    if (typeof outcome === 'object') {
      endpoint.succeeded();
      return outcome;
    }
    if (outcome === 'failed') endpoint.failed(Date.now());
    pool.leave(endpoint);
  }
}
