import { decodeBlockHeader, type ValidatorSet, type ValidatorSetChange } from '../codec/index.js';
import { headerDigest } from '../crypto/index.js';
import { verifyZip215Natively } from '../crypto/native/index.js';
import type { StoredHeader } from '../storage/types.js';
import type { Electorate } from '../sync/index.js';
import { limits, type ChainId, type Height, type Result } from '../types/index.js';
import { followSetChanges, trustFirstSet, type ChainTrust, type VerifyError } from '../verify/index.js';
import type { Electorates } from './electorate.js';

/** The validator sets of a chain as far as they are proven from that of the genesis, without any blocks between. */
export class FollowedSets {
  #trust: ChainTrust;
  #changes: readonly ValidatorSetChange[] = [];

  constructor(chainId: ChainId, genesisSet: ValidatorSet) {
    this.#trust = trustFirstSet(chainId, genesisSet, { checkSignature: verifyZip215Natively });
  }

  /** Number of the latest set. */
  get epoch(): number {
    return this.#changes.length;
  }

  /** Takes the change after the latest one; one that is known is passed over. */
  follow(change: ValidatorSetChange): Result<void, VerifyError> {
    const followed = followSetChanges(this.#trust, [change]);
    if (!followed.ok) return followed;
    if (followed.value.validatorSets.length > this.#trust.validatorSets.length) {
      this.#trust = followed.value;
      this.#changes = [...this.#changes, change];
    }
    return { ok: true, value: undefined };
  }

  /** Whether there may be no more changes. */
  get full(): boolean {
    return this.epoch >= limits.maxValidatorSetChanges;
  }

  /** The latest sets, as the network takes them. */
  electorates(): Electorates {
    const sets = this.#trust.validatorSets.map(({ set }) => set);
    const current = sets.at(-1);
    if (current === undefined) throw new RangeError('a chain has a validator set');
    return { current, previous: sets.at(-2), scheduled: undefined };
  }

  /** The set that decides a height, if no change is missing. */
  electorateAt(height: Height): Electorate {
    const { chainId, validatorSets } = this.#trust;
    const at = validatorSets.findLast(({ fromHeight }) => fromHeight <= height);
    if (at === undefined) throw new RangeError('every height has a validator set');
    return { chainId, validatorSet: at.set, validatorSetHash: at.hash };
  }

  /** Headers of the last blocks of all sets that end below a height. */
  headersBelow(height: Height): readonly StoredHeader[] {
    return this.#changes.flatMap(({ header: headerBytes, certificate }) => {
      const header = decodeBlockHeader(headerBytes);
      if (!header.ok) throw header.error;
      if (header.value.height >= height) return [];
      return [{ height: header.value.height, digest: headerDigest(headerBytes), headerBytes, certificate }];
    });
  }
}
