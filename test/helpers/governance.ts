/** Decides changes of the validator set on networks of tests, with real signatures. */
import {
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Genesis,
  type Operation,
  type ProposeValidatorSet,
  type Validator,
  type ValidatorSet,
} from '../../src/codec/index.js';
import {
  transactionId,
  transactionSigningBytes,
  validatorSetHash,
  validatorSetProposalHash,
} from '../../src/crypto/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { asHeight, compareBytes } from '../../src/types/index.js';
import { memberKeys, type TestKey } from './fake-ledger.js';

let nextKey = 0;

/** An envelope of the member "alpha", signed by it and by others. */
export function signedByAlpha(
  genesis: Genesis,
  operations: readonly Operation[],
  validUntilHeight: number,
  signers: readonly TestKey[] = [],
): Uint8Array {
  const idempotencyKey = new Uint8Array(16).fill(0x77);
  new DataView(idempotencyKey.buffer).setUint32(0, nextKey++);
  const payload = encodeTransactionPayload({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(validUntilHeight),
    operations,
  });
  const message = transactionSigningBytes(transactionId(genesisChainId(genesis), payload));
  const signatures = [memberKeys.alpha, ...signers]
    .map((key) => ({ publicKey: key.publicKey, signature: key.signNow(message) }))
    .sort((left, right) => compareBytes(left.publicKey, right.publicKey));
  return encodeTransactionEnvelope({ payload, signatures });
}

/** The proposal of a set by the first validator of the set in force, and the approvals of `approvers` others. */
export function changeOperations(
  set: ValidatorSet,
  next: readonly Validator[],
  expiresHeight: number,
): { readonly propose: ProposeValidatorSet; readonly approve: (validator: string) => Operation } {
  const propose: ProposeValidatorSet = {
    kind: 'proposeValidatorSet',
    validator: set.validators[0]!.id,
    baseValidatorSetHash: validatorSetHash(set),
    validators: next,
    notBeforeHeight: asHeight(0),
    expiresHeight: asHeight(expiresHeight),
  };
  return {
    propose,
    approve: (validator) => ({
      kind: 'approveValidatorSet',
      validator,
      proposer: propose.validator,
      proposalHash: validatorSetProposalHash(propose),
    }),
  };
}
