/** Follows changes of the validator set when a validator sends something that a later set signed. */
import { decodeValidatorSetChanges, type ValidatorSetChange } from '../codec/index.js';
import type { GetValidatorsRequest } from '../codec/wire/quaestor/ledger/v1/GetValidatorsRequest.js';
import type { GetValidatorsResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetValidatorsResponse.js';
import { VerifyError } from '../verify/index.js';
import type { Endpoint, UnaryMethod } from './endpoint.js';
import { VerificationError } from './errors.js';
import type { Verifier } from './verifier.js';

export const getValidatorsMethod: UnaryMethod<GetValidatorsRequest, GetValidatorsResponse__Output> = (
  client,
  ...rest
) => client.getValidators(...rest);

/** How long an answer is waited for. */
const timeoutMs = 5_000;

/** Whether what was sent is perhaps only signed by a validator set that is not known here yet. */
export const isOfUnknownSet = (error: unknown): boolean =>
  error instanceof VerificationError &&
  error.cause instanceof VerifyError &&
  error.cause.code === 'UNKNOWN_VALIDATOR_SET';

/** The changes in an answer. Throws VerificationError. */
export function changesIn(
  response: GetValidatorsResponse__Output,
  from: string,
): readonly ValidatorSetChange[] {
  const decoded = decodeValidatorSetChanges(new Uint8Array(response.changes));
  if (decoded.ok) return decoded.value.changes;
  throw new VerificationError(from, 'The changes of the validator set are malformed.', decoded.error);
}

/**
 * Asks a validator for the changes that are not known yet, and follows them. True when they led further. Throws
 * VerificationError when they prove nothing.
 */
export async function followValidators(
  endpoint: Endpoint,
  verifier: Verifier,
  signal: AbortSignal,
): Promise<boolean> {
  let further = false;
  for (;;) {
    const request = { knownEpoch: verifier.validatorSet.epoch };
    const answer = await endpoint.call(getValidatorsMethod, request, Date.now() + timeoutMs, signal);
    if ('failure' in answer) return further;
    if (!verifier.follow(changesIn(answer.response, endpoint.address), endpoint.address)) return further;
    further = true;
  }
}

/**
 * Judges what a validator sent; when it is of a validator set that is not known, follows the changes and judges again.
 */
export async function judgeFollowing<T>(
  endpoint: Endpoint,
  verifier: Verifier,
  signal: AbortSignal,
  judge: () => T | Promise<T>,
): Promise<T> {
  try {
    return await judge();
  } catch (error) {
    if (!isOfUnknownSet(error)) throw error;
    if (!(await followValidators(endpoint, verifier, signal))) throw error;
    return judge();
  }
}
