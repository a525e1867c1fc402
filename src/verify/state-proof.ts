import type { StateProof } from '../codec/index.js';
import { verifyStatePath } from '../crypto/index.js';
import { ok, type Digest, type Hash, type Height, type Result } from '../types/index.js';
import { refuse, verifyHeader } from './certificate.js';
import type { CertifiedHeader } from './certified-header.js';
import type { VerifyError } from './errors.js';
import type { ChainTrust } from './trust.js';

/** What a state proof proves: what a key has after a block. */
export interface VerifiedState {
  readonly key: string;
  /** Canonical record, or undefined: the key is proven to have none. */
  readonly value: Uint8Array | undefined;
  readonly height: Height;
  /** Ledger time of the block in milliseconds since 1970-01-01 UTC. */
  readonly timeMs: number;
  readonly digest: Digest;
  readonly stateRoot: Hash;
}

export interface StateExpectation {
  /** Key that the proof is asked for. Without it a proof of any key is accepted: give it wherever the proof comes from
   * somebody else. */
  readonly expectedKey?: string;
}

/**
 * Checks a state proof, as `decodeStateProof` or `stateProofFromWire` gave it, against the genesis. Says what the key
 * had at the proof's height, not that it still has it.
 */
export function verifyStateProof(
  trust: ChainTrust,
  proof: StateProof,
  expectation: StateExpectation = {},
): Result<VerifiedState, VerifyError> {
  const certified = verifyHeader(trust, proof.header, proof.certificate);
  return certified.ok ? verifyStateUnder(certified.value, proof, expectation) : certified;
}

/** Checks a state path under a header that is certified already: for several proofs at one height. */
export function verifyStateUnder(
  { header, digest }: CertifiedHeader,
  proof: Pick<StateProof, 'key' | 'value' | 'siblings' | 'otherLeafPath' | 'otherLeafValueHash'>,
  { expectedKey }: StateExpectation = {},
): Result<VerifiedState, VerifyError> {
  const { key, value } = proof;
  if (expectedKey !== undefined && expectedKey !== key) {
    return refuse('WRONG_KEY', `The proof is of the state key "${key}", not of "${expectedKey}".`);
  }
  if (!verifyStatePath(header.stateRoot, key, value, proof)) {
    return refuse(
      'STATE_PATH_MISMATCH',
      `The path does not prove that "${key}" has ${value === undefined ? 'no value' : 'that value'} under the state ` +
        `root of block ${header.height}.`,
    );
  }
  const { height, timeMs, stateRoot } = header;
  return ok({ key, value, height, timeMs, digest, stateRoot });
}
