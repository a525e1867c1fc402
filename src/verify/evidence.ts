import type { Evidence, SignedVote, ValidatorSet, VotePhase } from '../codec/index.js';
import { voteSigningBytes, type SignatureCheck } from '../crypto/index.js';
import {
  compareBytes,
  equalBytes,
  err,
  ok,
  toHex,
  type ChainId,
  type Digest,
  type Hash,
  type Height,
  type PublicKey,
  type Result,
  type ValidatorIndex,
  type View,
} from '../types/index.js';
import { VerifyError } from './errors.js';
import type { ChainTrust } from './trust.js';

/** What evidence proves: that a validator signed two votes of which a correct one signs at most one. */
export interface Equivocation {
  /** Id of the validator in the set that its votes name. */
  readonly validator: string;
  readonly index: ValidatorIndex;
  readonly publicKey: PublicKey;
  readonly validatorSetHash: Hash;
  readonly phase: VotePhase;
  readonly view: View;
  readonly height: Height;
  /** Digests of the two blocks that it voted for, the lower one first. */
  readonly digests: readonly [Digest, Digest];
}

/** Evidence that proves an equivocation if and only if both checks hold. */
export interface PendingEquivocation {
  readonly checks: readonly [SignatureCheck, SignatureCheck];
  readonly equivocation: Equivocation;
}

/**
 * Checks that two statements contradict each other, and lists the signatures that prove who made them. `setOf` gives
 * the validator set of a hash, undefined when it is not known.
 *
 * They contradict each other only if one validator voted in one view, height and phase for two blocks. That a block is
 * proposed and voted for again in a later view, or that a vote has two valid signatures, is nobody's fault. Chain,
 * validator set, phase, view, height and digest are in what is signed, so nothing that was said elsewhere fits here.
 */
export function beginEvidence(
  evidence: Evidence,
  chainId: ChainId,
  setOf: (hash: Hash) => ValidatorSet | undefined,
): Result<PendingEquivocation, VerifyError> {
  const { validatorSetHash, phase, first, second } = evidence;
  const contradiction = whyNoConflict(first, second);
  if (contradiction !== undefined) {
    return err(new VerifyError('NO_CONFLICT', `The two votes are no evidence: ${contradiction}.`));
  }
  if (compareBytes(first.digest, second.digest) > 0) {
    return err(
      new VerifyError(
        'EVIDENCE_MALFORMED',
        'The evidence is not in its one form: the vote for the lower digest has to come first.',
      ),
    );
  }
  const set = setOf(validatorSetHash);
  if (set === undefined) {
    return err(
      new VerifyError(
        'UNKNOWN_VALIDATOR_SET',
        `The evidence is about a member of the validator set ${toHex(validatorSetHash)}, which is not known here. Use ` +
          `the genesis file of the network that the evidence comes from.`,
      ),
    );
  }
  const { view, height } = first;
  const index = first.signature.validator;
  const validator = set.validators[index];
  if (validator === undefined) {
    return err(
      new VerifyError(
        'UNKNOWN_VALIDATOR',
        `The evidence is against validator ${index}; the set has ${set.validators.length} validators.`,
      ),
    );
  }
  const { id, publicKey } = validator;
  const checkOf = ({ digest, signature }: SignedVote): SignatureCheck => ({
    publicKey,
    message: voteSigningBytes({ chainId, validatorSetHash, phase, view, height, digest }),
    signature: signature.signature,
  });
  return ok({
    checks: [checkOf(first), checkOf(second)],
    equivocation: {
      validator: id,
      index,
      publicKey,
      validatorSetHash,
      phase,
      view,
      height,
      digests: [first.digest, second.digest],
    },
  });
}

/**
 * Checks evidence, as `decodeEvidence` or `decodeEvidenceBundle` gave it, against the genesis: needs no node and no
 * network.
 */
export function verifyEvidence(trust: ChainTrust, evidence: Evidence): Result<Equivocation, VerifyError> {
  const pending = beginEvidence(
    evidence,
    trust.chainId,
    (hash) => trust.validatorSets.find((trusted) => equalBytes(trusted.hash, hash))?.set,
  );
  if (!pending.ok) return pending;
  const { checks, equivocation } = pending.value;
  for (const [position, { publicKey, message, signature }] of checks.entries()) {
    if (trust.checkSignature(publicKey, message, signature)) continue;
    const { validator, phase, view, height } = equivocation;
    return err(
      new VerifyError(
        'SIGNATURE_INVALID',
        `The ${position === 0 ? 'first' : 'second'} signature is not one that validator "${validator}" made over such a ` +
          `vote (${phase}, view ${view}, height ${height}) on this chain.`,
        { validator },
      ),
    );
  }
  return ok(equivocation);
}

/** Two votes as evidence in its one form. */
export function asEvidence(
  validatorSetHash: Hash,
  phase: VotePhase,
  one: SignedVote,
  other: SignedVote,
): Evidence {
  const [first, second] = compareBytes(one.digest, other.digest) < 0 ? [one, other] : [other, one];
  return { validatorSetHash, phase, first, second };
}

function whyNoConflict(first: SignedVote, second: SignedVote): string | undefined {
  if (first.signature.validator !== second.signature.validator) return 'they are of different validators';
  if (first.height !== second.height) return 'they are for different heights';
  if (first.view !== second.view) return 'they are of different views, and each view may vote anew';
  if (equalBytes(first.digest, second.digest)) return 'they are for the same block';
  return undefined;
}
