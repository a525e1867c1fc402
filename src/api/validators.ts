/** GetValidators. */
import {
  decodeBlockHeader,
  decodeValidatorSet,
  encodeValidatorSetChanges,
  type ValidatorSetChange,
} from '../codec/index.js';
import type { GetValidatorsRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetValidatorsRequest.js';
import type { GetValidatorsResponse } from '../codec/wire/quaestor/ledger/v1/GetValidatorsResponse.js';
import { stateKeys } from '../ledger/index.js';
import { asHeight, invariant, type Height } from '../types/index.js';
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
  const changes: ValidatorSetChange[] = [];
  const last = Math.min(set.epoch, knownEpoch + maxChanges);
  for (let epoch = knownEpoch + 1; epoch <= last; epoch++) changes.push(await changeTo(reads, epoch, height));
  return {
    height,
    current,
    scheduled: scheduled ?? new Uint8Array(0),
    proposals: proposals.filter((proposal) => proposal !== undefined),
    changes: encodeValidatorSetChanges({ changes }),
  };
}

/** What proves the set of an epoch: the last block of the set before. */
async function changeTo(reads: ReadPort, epoch: number, height: Height): Promise<ValidatorSetChange> {
  const validatorSet = await reads.stateAt(stateKeys.epochValidators(epoch), height);
  invariant(validatorSet !== undefined, 'the state has every validator set of the chain');
  const { activationHeight } = stored(decodeValidatorSet(validatorSet));
  const header = await reads.header(asHeight(activationHeight - 1));
  invariant(header?.certificate !== undefined, 'blocks up to the head are in the store');
  stored(decodeBlockHeader(header.headerBytes));
  return { header: header.headerBytes, certificate: header.certificate, validatorSet };
}
