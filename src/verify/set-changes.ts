import { decodeValidatorSet, type ValidatorSetChange } from '../codec/index.js';
import { equalBytes, ok, type Result } from '../types/index.js';
import { refuse, verifyCertificate } from './certificate.js';
import type { VerifyError } from './errors.js';
import type { ChainTrust } from './trust.js';

/**
 * Follows changes of the validator set, in order of height: each by a final block of the set before that hands over to
 * the next. Needs no header in between, since a quorum of the set in force vouches for its successor. Changes that the
 * trust knows already are passed over. Gives the trust that knows all of them.
 */
export function followSetChanges(
  trust: ChainTrust,
  changes: Iterable<ValidatorSetChange>,
): Result<ChainTrust, VerifyError> {
  let current = trust;
  for (const change of changes) {
    const followed = followSetChange(current, change);
    if (!followed.ok) return followed;
    current = followed.value;
  }
  return ok(current);
}

function followSetChange(trust: ChainTrust, change: ValidatorSetChange): Result<ChainTrust, VerifyError> {
  const certified = verifyCertificate(trust, change.header, change.certificate);
  if (!certified.ok) return certified;
  const { header } = certified.value;
  const height = header.height.toString();
  const next = decodeValidatorSet(change.validatorSet);
  if (!next.ok) {
    return refuse(
      'UNKNOWN_VALIDATOR_SET',
      `The validator set that follows block ${height} is malformed: ${next.error.message}`,
      next.error.details,
      next.error,
    );
  }
  const known = trust.validatorSets.some(
    ({ hash, fromHeight }) =>
      fromHeight === header.height + 1 && equalBytes(hash, header.nextValidatorSetHash),
  );
  if (known) return ok(trust);
  const followed = trust.withNextSet(certified.value, next.value);
  if (followed === undefined || followed === trust) {
    return refuse(
      'UNKNOWN_VALIDATOR_SET',
      `Block ${height} does not hand over to the validator set that is said to follow it.`,
      { height },
    );
  }
  return ok(followed);
}
