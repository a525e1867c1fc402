/** Every message that has bytes of its own, with what the tests need to know of it. */
import type { Arbitrary } from 'fast-check';
import * as codec from '../../../src/codec/index.js';
import type { CodecError } from '../../../src/codec/index.js';
import type { Result } from '../../../src/types/index.js';
import * as arbitraries from '../../helpers/model-arbitraries.js';
import * as backups from '../../helpers/backup-arbitraries.js';
import * as segments from '../../helpers/segment-arbitraries.js';

export interface MessageCase {
  readonly name: string;
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Result<unknown, CodecError>;
  readonly arbitrary: Arbitrary<unknown>;
}

function messageCase<T>(
  name: string,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T, CodecError>,
  arbitrary: Arbitrary<T>,
): MessageCase {
  return { name, encode: encode as (value: unknown) => Uint8Array, decode, arbitrary };
}

const ledger = (name: string): string => `quaestor.ledger.v1.${name}`;
const peer = (name: string): string => `quaestor.peer.v1.${name}`;

export const messages: readonly MessageCase[] = [
  messageCase(
    ledger('TransactionEnvelope'),
    codec.encodeTransactionEnvelope,
    codec.decodeTransactionEnvelope,
    arbitraries.transactionEnvelope,
  ),
  messageCase(
    ledger('TransactionPayload'),
    codec.encodeTransactionPayload,
    codec.decodeTransactionPayload,
    arbitraries.transactionPayload,
  ),
  messageCase(
    ledger('BlockHeader'),
    codec.encodeBlockHeader,
    codec.decodeBlockHeader,
    arbitraries.blockHeader,
  ),
  messageCase(
    ledger('VoteStatement'),
    codec.encodeVoteStatement,
    codec.decodeVoteStatement,
    arbitraries.voteStatement,
  ),
  messageCase(
    ledger('CommitCertificate'),
    codec.encodeCommitCertificate,
    codec.decodeCommitCertificate,
    arbitraries.commitCertificate,
  ),
  messageCase(
    ledger('TransactionResult'),
    codec.encodeTransactionResult,
    codec.decodeTransactionResult,
    arbitraries.transactionResult,
  ),
  messageCase(ledger('Receipt'), codec.encodeReceipt, codec.decodeReceipt, arbitraries.receipt),
  messageCase(ledger('StateProof'), codec.encodeStateProof, codec.decodeStateProof, arbitraries.stateProof),
  messageCase(
    ledger('ValidatorSetChanges'),
    codec.encodeValidatorSetChanges,
    codec.decodeValidatorSetChanges,
    arbitraries.validatorSetChanges,
  ),
  messageCase(ledger('SealedBlock'), codec.encodeSealedBlock, codec.decodeSealedBlock, segments.sealedBlock),
  messageCase(
    ledger('SegmentIndex'),
    codec.encodeSegmentIndex,
    codec.decodeSegmentIndex,
    segments.segmentIndex,
  ),
  messageCase(
    ledger('SegmentManifest'),
    codec.encodeSegmentManifest,
    codec.decodeSegmentManifest,
    segments.segmentManifest,
  ),
  messageCase(ledger('StatePart'), codec.encodeStatePart, codec.decodeStatePart, backups.statePart),
  messageCase(
    ledger('BackupManifest'),
    codec.encodeBackupManifest,
    codec.decodeBackupManifest,
    backups.backupManifest,
  ),
  messageCase(ledger('Member'), codec.encodeMember, codec.decodeMember, arbitraries.member),
  messageCase(ledger('Account'), codec.encodeAccount, codec.decodeAccount, arbitraries.account),
  messageCase(ledger('Asset'), codec.encodeAsset, codec.decodeAsset, arbitraries.asset),
  messageCase(ledger('Supply'), codec.encodeSupply, codec.decodeSupply, arbitraries.supply),
  messageCase(ledger('Balance'), codec.encodeBalance, codec.decodeBalance, arbitraries.balance),
  messageCase(
    ledger('AppliedBlock'),
    codec.encodeAppliedBlock,
    codec.decodeAppliedBlock,
    arbitraries.appliedBlock,
  ),
  messageCase(ledger('Parameters'), codec.encodeParameters, codec.decodeParameters, arbitraries.parameters),
  messageCase(
    ledger('ValidatorSet'),
    codec.encodeValidatorSet,
    codec.decodeValidatorSet,
    arbitraries.validatorSet,
  ),
  messageCase(ledger('Hold'), codec.encodeHold, codec.decodeHold, arbitraries.hold),
  messageCase(
    ledger('ProposeChange'),
    codec.encodeProposeChange,
    codec.decodeProposeChange,
    arbitraries.proposeChange,
  ),
  messageCase(ledger('Governance'), codec.encodeGovernance, codec.decodeGovernance, arbitraries.governance),
  messageCase(
    ledger('ChangeProposal'),
    codec.encodeChangeProposal,
    codec.decodeChangeProposal,
    arbitraries.changeProposal,
  ),
  messageCase(
    ledger('ValidatorSetProposal'),
    codec.encodeValidatorSetProposal,
    codec.decodeValidatorSetProposal,
    arbitraries.validatorSetProposal,
  ),
  messageCase(ledger('Genesis'), codec.encodeGenesis, codec.decodeGenesis, arbitraries.genesis),
  messageCase(
    peer('ConsensusMessage'),
    codec.encodeConsensusMessage,
    codec.decodeConsensusMessage,
    arbitraries.consensusMessage,
  ),
  messageCase(
    peer('CheckpointStatement'),
    codec.encodeCheckpointStatement,
    codec.decodeCheckpointStatement,
    arbitraries.checkpointStatement,
  ),
  messageCase(
    peer('PreparedCertificate'),
    codec.encodePreparedCertificate,
    codec.decodePreparedCertificate,
    arbitraries.preparedCertificate,
  ),
  messageCase(peer('ViewChange'), codec.encodeViewChange, codec.decodeViewChange, arbitraries.viewChange),
  messageCase(
    peer('SignedViewChange'),
    codec.encodeSignedViewChange,
    codec.decodeSignedViewChange,
    arbitraries.signedViewChange,
  ),
  messageCase(peer('NewView'), codec.encodeNewView, codec.decodeNewView, arbitraries.newView),
  messageCase(
    peer('SignedNewView'),
    codec.encodeSignedNewView,
    codec.decodeSignedNewView,
    arbitraries.signedNewView,
  ),
  messageCase(peer('Evidence'), codec.encodeEvidence, codec.decodeEvidence, arbitraries.evidence),
  messageCase(
    peer('EvidenceBundle'),
    codec.encodeEvidenceBundle,
    codec.decodeEvidenceBundle,
    arbitraries.evidenceBundle,
  ),
];
