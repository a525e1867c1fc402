import { attemptUntil, type AttemptLimits } from './attempts.js';
import { isShed, isUnavailable, type UnaryMethod } from './endpoint.js';
import { RequestError, UnavailableError, VerificationError } from './errors.js';
import { judgeFollowing } from './follow-validators.js';
import type { EndpointPool } from './pool.js';
import { reasons } from './reasons.js';
import type { Verifier } from './verifier.js';

/** Takes an answer of a validator if it holds. `behind`: another one may know more. Throws a VerificationError. */
export type Accept<Response, T> = (response: Response, from: string) => T | 'behind' | Promise<T | 'behind'>;

export interface Read<Request, Response, T> {
  readonly method: UnaryMethod<Request, Response>;
  readonly request: Request;
  readonly accept: Accept<Response, T>;
}

const retriesElsewhere: ReadonlySet<string> = new Set(['elsewhere', 'unknown']);

/** Reads from one validator after the other until an answer holds. */
export async function readVerified<Request, Response, T>(
  { pool, verifier }: { readonly pool: EndpointPool; readonly verifier: Verifier },
  limits: AttemptLimits,
  { method, request, accept }: Read<Request, Response, T>,
): Promise<T> {
  let latest: unknown;
  const outcome = await attemptUntil<T>(pool, limits, async (endpoint, deadlineMs) => {
    const answer = await endpoint.call(method, request, deadlineMs, limits.signal);
    if ('failure' in answer) {
      latest = answer.failure.error;
      const { reason, message, statusCode, details } = answer.failure;
      const elsewhere =
        reason === undefined ? isUnavailable(answer.failure) : retriesElsewhere.has(reasons[reason].retry);
      if (elsewhere || isShed(answer.failure)) return 'failed';
      throw new RequestError(reason ?? 'MALFORMED_REQUEST', message, {
        statusCode,
        details,
        validator: endpoint.address,
      });
    }
    try {
      const accepted = await judgeFollowing(endpoint, verifier, limits.signal, () =>
        accept(answer.response, endpoint.address),
      );
      return accepted === 'behind' ? 'other' : { done: accepted };
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      latest = error;
      endpoint.lied(error, Date.now());
      return 'other';
    }
  });
  if (outcome !== undefined) return outcome.done;
  if (latest instanceof VerificationError) throw latest;
  throw new UnavailableError('No validator gave an answer that would do before the deadline.', latest);
}
