import { decodeValidatorSet, type ValidatorSet } from '../codec/index.js';
import type { ConsensusConfig, Electorate, NextEpoch } from '../consensus/types.js';
import { validatorSetHash, type Signer } from '../crypto/index.js';
import { stateKeys } from '../ledger/index.js';
import type { Store } from '../storage/types.js';
import { asValidatorIndex, equalBytes, QuaestorError, type StateKey } from '../types/index.js';

/** The validator sets that matter at a committed height. */
export interface Electorates {
  /** Decides the next height. */
  readonly current: ValidatorSet;
  /** Decided the heights before those of `current`; undefined for the set of the genesis. */
  readonly previous: ValidatorSet | undefined;
  /** Is decided and takes over at its height. */
  readonly scheduled: ValidatorSet | undefined;
}

/** Who this node is, and the keys that it can sign with: more than one while a key is rotated. */
export interface Identity {
  /** Id of the validator, in whatever set; undefined for an observer. */
  readonly id: string | undefined;
  readonly signers: readonly Signer[];
}

/** Reads the validator sets of the committed state. Rejects with a QuaestorError when one is missing or damaged. */
export async function readElectorates(store: Store): Promise<Electorates> {
  const [currentBytes, scheduledBytes] = await store.stateMany([
    stateKeys.currentValidators,
    stateKeys.scheduledValidators,
  ]);
  const current = decodeSet(currentBytes, stateKeys.currentValidators);
  const scheduled =
    scheduledBytes === undefined ? undefined : decodeSet(scheduledBytes, stateKeys.scheduledValidators);
  if (current.epoch === 0) return { current, previous: undefined, scheduled };
  const previousKey = stateKeys.epochValidators(current.epoch - 1);
  const [previousBytes] = await store.stateMany([previousKey]);
  return { current, previous: decodeSet(previousBytes, previousKey), scheduled };
}

function decodeSet(bytes: Uint8Array | undefined, key: StateKey): ValidatorSet {
  const decoded = bytes === undefined ? undefined : decodeValidatorSet(bytes);
  if (decoded?.ok === true) return decoded.value;
  throw new QuaestorError(
    'STATE_INCOMPLETE',
    `The state's record "${key}", which says who validates, is ${decoded === undefined ? 'missing' : 'damaged'}. Restore ` +
      `this validator's store from a backup, or empty its folder and let it catch up under a new key.`,
  );
}

/** A set with its hash. */
export const electorateOf = (validatorSet: ValidatorSet): Electorate => ({
  validatorSet,
  validatorSetHash: validatorSetHash(validatorSet),
});

/** The key with which this node signs as a validator of a set; undefined when it can't, and only follows. */
export function signerIn({ validators }: ValidatorSet, { id, signers }: Identity): Signer | undefined {
  const own = validators.find((validator) => validator.id === id);
  return own === undefined
    ? undefined
    : signers.find(({ publicKey }) => equalBytes(publicKey, own.publicKey));
}

/** A set as the core takes it: this node votes in it only if it holds the key that the set has for it. */
export function epochOf(set: ValidatorSet, identity: Identity): NextEpoch {
  const self =
    signerIn(set, identity) === undefined ? -1 : set.validators.findIndex(({ id }) => id === identity.id);
  return { ...electorateOf(set), self: self < 0 ? undefined : asValidatorIndex(self) };
}

/** Configuration of the protocol for the set that decides the next height. */
export function configAt(
  base: Pick<ConsensusConfig, 'chainId' | 'pipelineWindow' | 'checkpointInterval' | 'timeouts'>,
  { current, previous }: Electorates,
  identity: Identity,
): ConsensusConfig {
  return {
    ...base,
    ...epochOf(current, identity),
    ...(previous === undefined ? {} : { predecessor: electorateOf(previous) }),
  };
}
