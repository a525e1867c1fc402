import { decodeValidatorSet, type ValidatorSetChange } from '../codec/index.js';
import { stateKeys } from '../ledger/index.js';
import { asHeight, QuaestorError, type Height, type StateKey } from '../types/index.js';
import type { StoredHeader } from '../storage/types.js';

/** What changes of the validator set are read from: a store, or a view of one. */
export interface SetChangeSource {
  stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined>;
  header(height: Height): Promise<StoredHeader | undefined>;
}

/**
 * The changes of the validator set after the one of an epoch that are in the state of a height, in order, at most `most`:
 * for each the last block of the set before, and the set after it. Rejects with a QuaestorError when one is missing or
 * damaged; every store has them all, one that began with a copy of a state too.
 */
export async function readSetChanges(
  source: SetChangeSource,
  height: Height,
  knownEpoch: number,
  most: number,
): Promise<readonly ValidatorSetChange[]> {
  const current = await source.stateAt(stateKeys.currentValidators, height);
  const { epoch: latest } = setIn(stateKeys.currentValidators, current).set;
  const last = Math.min(latest, knownEpoch + most);
  const epochs = Array.from({ length: Math.max(0, last - knownEpoch) }, (_, index) => knownEpoch + 1 + index);
  return Promise.all(
    epochs.map(async (epoch) => {
      const key = stateKeys.epochValidators(epoch);
      const { set, bytes } = setIn(key, await source.stateAt(key, height));
      const header = await source.header(asHeight(set.activationHeight - 1));
      if (header?.certificate === undefined) {
        throw incomplete(`The header of the last block before "${key}" is missing.`);
      }
      return { header: header.headerBytes, certificate: header.certificate, validatorSet: bytes };
    }),
  );
}

function setIn(key: StateKey, bytes: Uint8Array | undefined) {
  const set = bytes === undefined ? undefined : decodeValidatorSet(bytes);
  if (bytes !== undefined && set?.ok === true) return { set: set.value, bytes };
  throw incomplete(`The validator set "${key}" is missing or damaged.`);
}

const incomplete = (what: string): QuaestorError =>
  new QuaestorError('STATE_INCOMPLETE', `${what} Restore this node's store from a backup.`);
