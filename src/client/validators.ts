/** Who validates: proven from the genesis as far as it is in force, said by one validator as far as it is to come. */
import {
  decodeValidatorSet,
  decodeValidatorSetProposal,
  type ValidatorSet,
  type ValidatorSetChange,
  type ValidatorSetProposal,
} from '../codec/index.js';
import type { GetValidatorsResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetValidatorsResponse.js';
import { validatorSetHash } from '../crypto/index.js';
import { asHeight, equalBytes, type Height, type Result } from '../types/index.js';
import { VerificationError } from './errors.js';
import { changesIn } from './follow-validators.js';
import type { Verifier } from './verifier.js';

/** Who validates, at a height. */
export interface ValidatorsState {
  readonly height: Height;
  /** Decides the next height; proven from the genesis. */
  readonly current: ValidatorSet;
  /** Is decided and takes over at its height. Not proven. */
  readonly scheduled: ValidatorSet | undefined;
  /** What waits for approvals. Not proven; what is approved is named by its hash. */
  readonly proposals: readonly ValidatorSetProposal[];
  /** What proves the set in force to somebody who has nothing but the genesis. */
  readonly changes: readonly ValidatorSetChange[];
}

/**
 * Checks an answer of GetValidators, and follows the changes in it. `further`: there may be more changes; ask again.
 * `behind`: the validator does not know the set that is proven to this client. Throws VerificationError.
 */
export function checkedValidators(
  verifier: Verifier,
  response: GetValidatorsResponse__Output,
  from: string,
): ValidatorsState | 'further' | 'behind' {
  const further = verifier.follow(changesIn(response, from), from);
  const current = read(decodeValidatorSet(new Uint8Array(response.current)), from);
  const proven = verifier.validatorSet;
  if (current.epoch < proven.epoch) return 'behind';
  if (!equalBytes(validatorSetHash(current), validatorSetHash(proven))) {
    if (further) return 'further';
    throw new VerificationError(from, 'What it says of the validator set in force is not what it proves.');
  }
  const scheduled = new Uint8Array(response.scheduled);
  return {
    height: asHeight(response.height),
    current,
    scheduled: scheduled.length === 0 ? undefined : read(decodeValidatorSet(scheduled), from),
    proposals: response.proposals.map((bytes) =>
      read(decodeValidatorSetProposal(new Uint8Array(bytes)), from),
    ),
    changes: verifier.setChanges,
  };
}

function read<T>(result: Result<T, { readonly message: string }>, from: string): T {
  if (result.ok) return result.value;
  throw new VerificationError(from, `What it says of validators is malformed: ${result.error.message}`);
}
