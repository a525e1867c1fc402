import {
  encodeCheckpointStatement,
  encodeProposeChange,
  encodeProposeValidatorSet,
  encodeValidatorSet,
  encodeVoteStatement,
  tags,
  type CheckpointStatement,
  type ProposeChange,
  type ProposeValidatorSet,
  type ValidatorSet,
  type VoteStatement,
} from '../codec/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asTxId,
  concatBytes,
  type ChainId,
  type Digest,
  type Hash,
  type TxId,
} from '../types/index.js';
import { sha256 } from './sha256.js';
import { utf8 } from './utf8.js';

const separator = new Uint8Array(1);

/** Digest of a block: SHA-256("quaestor/header/v1" ‖ canonical BlockHeader). */
export function headerDigest(headerBytes: Uint8Array): Digest {
  return asDigest(sha256(tags.header, headerBytes));
}

/** Id of a transaction: SHA-256("quaestor/tx/v1" ‖ chain id ‖ payload as it was received). */
export function transactionId(chainId: ChainId, payload: Uint8Array): TxId {
  return asTxId(sha256(tags.tx, chainId, payload));
}

/** What the signers of a transaction sign: "quaestor/tx-signature/v1" ‖ transaction id. */
export function transactionSigningBytes(txId: TxId): Uint8Array {
  return concatBytes(tags.txSignature, txId);
}

/** Id of a chain: SHA-256("quaestor/genesis/v1" ‖ canonical Genesis). */
export function chainIdOf(genesisBytes: Uint8Array): ChainId {
  return asChainId(sha256(tags.genesis, genesisBytes));
}

/** What a validator signs to say that it takes part in a genesis: "quaestor/genesis-signature/v1" ‖ chain id. */
export function genesisSigningBytes(chainId: ChainId): Uint8Array {
  return concatBytes(tags.genesisSignature, chainId);
}

/** Hash of a validator set: SHA-256("quaestor/validator-set/v1" ‖ canonical ValidatorSet). */
export function validatorSetHash(set: ValidatorSet): Hash {
  return asHash(sha256(tags.validatorSet, encodeValidatorSet(set)));
}

/** Hash of a proposed validator set: SHA-256("quaestor/validator-set-proposal/v1" ‖ canonical ProposeValidatorSet). */
export function validatorSetProposalHash(proposal: ProposeValidatorSet): Hash {
  return asHash(sha256(tags.validatorSetProposal, encodeProposeValidatorSet(proposal)));
}

/** Id of a proposal: SHA-256("quaestor/proposal/v1" ‖ canonical ProposeChange). */
export function proposalId(proposal: ProposeChange): Hash {
  return asHash(sha256(tags.proposal, encodeProposeChange(proposal)));
}

/** What a validator signs to vote: "quaestor/vote/v1" ‖ canonical VoteStatement. */
export function voteSigningBytes(statement: VoteStatement): Uint8Array {
  return concatBytes(tags.vote, encodeVoteStatement(statement));
}

/** What a validator signs at a checkpoint: "quaestor/checkpoint/v1" ‖ canonical CheckpointStatement. */
export function checkpointSigningBytes(statement: CheckpointStatement): Uint8Array {
  return concatBytes(tags.checkpoint, encodeCheckpointStatement(statement));
}

/** What a validator signs to change the view: "quaestor/view-change/v1" ‖ canonical ViewChange. */
export function viewChangeSigningBytes(viewChangeBytes: Uint8Array): Uint8Array {
  return concatBytes(tags.viewChange, viewChangeBytes);
}

/** What a primary signs to start a view: "quaestor/new-view/v1" ‖ canonical NewView. */
export function newViewSigningBytes(newViewBytes: Uint8Array): Uint8Array {
  return concatBytes(tags.newView, newViewBytes);
}

/** De-duplication hash: SHA-256("quaestor/idempotency/v1" ‖ sender ‖ 0x00 ‖ idempotency key). */
export function idempotencyHash(sender: string, key: Uint8Array): Hash {
  return asHash(sha256(tags.idempotency, utf8(sender), separator, key));
}
