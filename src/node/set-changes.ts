import { decodeValidatorSet, type ValidatorSetChange } from '../codec/index.js';
import { stateKeys } from '../ledger/index.js';
import type { Store } from '../storage/types.js';
import { asHeight, invariant } from '../types/index.js';
import { readElectorates } from './electorate.js';

/** What leads from the genesis to the validator set in force: the last block of each set before, and the set after it. */
export async function readSetChanges(store: Store): Promise<readonly ValidatorSetChange[]> {
  const { current } = await readElectorates(store);
  const epochs = Array.from({ length: current.epoch }, (_, index) => index + 1);
  const sets = await store.stateMany(epochs.map(stateKeys.epochValidators));
  return Promise.all(
    sets.map(async (validatorSet) => {
      const set = validatorSet === undefined ? undefined : decodeValidatorSet(validatorSet);
      invariant(
        validatorSet !== undefined && set?.ok === true,
        'the state has every validator set of the chain',
      );
      const header = await store.header(asHeight(set.value.activationHeight - 1));
      invariant(header?.certificate !== undefined, 'blocks up to the head are in the store');
      return { header: header.headerBytes, certificate: header.certificate, validatorSet };
    }),
  );
}
