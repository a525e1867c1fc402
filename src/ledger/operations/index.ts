/**
 * The operations. This table is the only list of them: a new operation is a message in transaction.proto, a file here
 * and a line below.
 */
import type { Operation } from '../../codec/index.js';
import type { OperationHandler } from '../types.js';
import { approveValidatorSet } from './approve-validator-set.js';
import { burn } from './burn.js';
import { captureHold } from './capture-hold.js';
import { createAccount } from './create-account.js';
import { createAsset } from './create-asset.js';
import { exchange } from './exchange.js';
import { mint } from './mint.js';
import { placeHold } from './place-hold.js';
import { proposeChange } from './propose-change.js';
import { proposeValidatorSet } from './propose-validator-set.js';
import { registerMember } from './register-member.js';
import { releaseHold } from './release-hold.js';
import { transfer } from './transfer.js';
import { updateAccount } from './update-account.js';
import { updateMember } from './update-member.js';
import { voteOnChange } from './vote-on-change.js';
import { withdrawChange } from './withdraw-change.js';
import { withdrawValidatorSet } from './withdraw-validator-set.js';

const handlers: { readonly [Kind in Operation['kind']]: OperationHandler<Kind> } = {
  registerMember,
  createAccount,
  createAsset,
  mint,
  burn,
  transfer,
  proposeValidatorSet,
  approveValidatorSet,
  withdrawValidatorSet,
  proposeChange,
  voteOnChange,
  withdrawChange,
  placeHold,
  captureHold,
  releaseHold,
  exchange,
  updateMember,
  updateAccount,
};

/** The rules of an operation. To be used with that operation only: the table pairs each kind with its own handler. */
export function handlerOf(operation: Operation): OperationHandler<Operation['kind']> {
  return handlers[operation.kind] as unknown as OperationHandler<Operation['kind']>;
}

/** The first version of the rules that has all of these operations. */
export function rulesNeeded(operations: readonly Operation[]): number {
  let needed = 1;
  for (const operation of operations) {
    needed = Math.max(needed, handlerOf(operation).rules?.(operation) ?? 1);
  }
  return needed;
}
