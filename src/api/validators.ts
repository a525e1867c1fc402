/** GetValidators. */
import { decodeValidatorSet, encodeValidatorSetChanges } from '../codec/index.js';
import type { GetValidatorsRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetValidatorsRequest.js';
import type { GetValidatorsResponse } from '../codec/wire/quaestor/ledger/v1/GetValidatorsResponse.js';
import { stateKeys } from '../ledger/index.js';
import { readSetChanges } from '../sync/index.js';
import { invariant } from '../types/index.js';
import type { ReadPort } from './ports.js';
import { heightField, stored } from './reads.js';

/** Most changes in one answer. */
const maxChanges = 256;

export async function getValidators(
  reads: ReadPort,
  request: GetValidatorsRequest__Output,
): Promise<GetValidatorsResponse> {
  const knownEpoch = heightField('known_epoch', request.knownEpoch);
  const { height } = reads.head();
  const [current, scheduled] = await Promise.all([
    reads.stateAt(stateKeys.currentValidators, height),
    reads.stateAt(stateKeys.scheduledValidators, height),
  ]);
  invariant(current !== undefined, 'the state has the validator set in force');
  const set = stored(decodeValidatorSet(current));
  const proposals = await Promise.all(
    set.validators.map(({ id }) => reads.stateAt(stateKeys.validatorSetProposal(id), height)),
  );
  const changes = await readSetChanges(reads, height, knownEpoch, maxChanges);
  return {
    height,
    current,
    scheduled: scheduled ?? new Uint8Array(0),
    proposals: proposals.filter((proposal) => proposal !== undefined),
    changes: encodeValidatorSetChanges({ changes }),
  };
}
