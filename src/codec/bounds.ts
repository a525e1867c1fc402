import { limits } from '../types/index.js';

/** Sizes that follow from `limits`; a reader refuses more before it looks at the bytes. */
export const bounds = {
  /** A BlockHeader has at most 262 bytes. */
  maxHeaderBytes: 512,
  /** Bytes of each text of a RefusalDetail: a state key is the longest. */
  maxDetailBytes: 128,
  /** A TransactionResult has at most 38 bytes, and a detail of three texts. */
  maxResultBytes: 512,
  /** A certificate of 64 signatures of 70 bytes each. */
  maxCertificateBytes: 8 * 1024,
  /** A PreparedCertificate: a header and 64 signatures. */
  maxPreparedCertificateBytes: 8 * 1024,
  /** A ViewChange: a certificate and `maxPipelineWindow` prepared ones, each below 4,900 bytes. */
  maxViewChangeBytes: 320 * 1024,
  /** A NewView: a quorum of view-changes of 64 validators. */
  maxNewViewBytes: limits.maxPeerMessageBytes - 1024,
  /** A request to a signer: a NewView, or a certificate with some hundred changes of the validator set. */
  maxSignRequestBytes: limits.maxPeerMessageBytes,
  /** A signer's answer: a refusal with its sentence at most. */
  maxSignResponseBytes: 2 * 1024,
  /** Most hashes of an audit path: more leaves than any block has. */
  maxAuditPath: 32,
  /** Most siblings of a state path: bits of a SHA-256. */
  maxStatePath: 256,
  /** A state key: the longest is "balance/<account>/<asset>". */
  maxStateKeyBytes: 128,
  /** A value of the state: the longest is an AppliedBlock of `maxBlockTransactions` hashes of 34 bytes each. */
  maxStateValueBytes: 34 * limits.maxBlockTransactions,
  /** A record of the state other than an AppliedBlock; a Member, the longest, has below 1,100 bytes. */
  maxRecordBytes: 4 * 1024,
  /** Evidence: two votes of at most 129 bytes and a hash. */
  maxEvidenceBytes: 512,
  /** Most pieces of evidence that a node keeps, or a file holds. */
  maxEvidence: 1024,
  /** Characters of a validator's address: a host name of 253 and a port. */
  maxAddressLength: 260,
  /** A ValidatorSet: 64 validators of below 440 bytes each. */
  maxValidatorSetBytes: 32 * 1024,
  /** A ValidatorSetProposal: a set and 64 ids. */
  maxProposalBytes: 40 * 1024,
  /** Largest version of the ledger's rules. */
  maxRulesVersion: 65_535,
  /** Most decided changes that wait at a time. */
  maxScheduledChanges: 16,
  /** A ChangeProposal: a change of below 4 KiB and 64 ids twice. */
  maxChangeProposalBytes: 16 * 1024,
  /** ValidatorSetChanges as a file: far more than any network has. */
  maxValidatorSetChangesBytes: 64 * 1024 * 1024,
  /** A SealedBlock: envelopes of `maxBlockBytes`, results, header and certificate. */
  maxSealedBlockBytes: 10 * 1024 * 1024,
  /** Most blocks of a segment. */
  maxSegmentBlocks: 65_536,
  /** A frame of a segment, compressed or not: a SealedBlock and what was gathered before it. */
  maxFrameBytes: 12 * 1024 * 1024,
  /** A SegmentIndex: `maxSegmentBlocks` frames of at most 55 bytes. */
  maxSegmentIndexBytes: 4 * 1024 * 1024,
  /** A whole segment. */
  maxSegmentBytes: 1024 * 1024 * 1024,
  /** Most segments of a manifest. */
  maxSegments: 250_000,
  /** A SegmentManifest: `maxSegments` entries of below 220 bytes, and the changes of the validator set. */
  maxSegmentManifestBytes: 128 * 1024 * 1024,
  /** A StatePart of a backup: what is gathered, and one entry beyond. */
  maxStatePartBytes: 2 * 1024 * 1024,
  /** Most entries of a StatePart. */
  maxStatePartEntries: 65_536,
  /** Most parts of the state in a backup. */
  maxBackupParts: 262_144,
  /** A BackupManifest: `maxBackupParts` of below 120 bytes, segments and changes of the validator set as in theirs. */
  maxBackupManifestBytes: 160 * 1024 * 1024,
  /** `maxEvidence` pieces, and the changes of the validator set. */
  maxEvidenceBundleBytes: 65 * 1024 * 1024,
  /** A genesis with some hundred thousand accounts. */
  maxGenesisBytes: 64 * 1024 * 1024,
  /** Most items of each list of a genesis. */
  maxGenesisItems: 1_000_000,
  /** Characters (Unicode code points) of the network's name. */
  maxNetworkNameLength: 64,
  /** Largest sum of the weights of a policy's keys: 16 keys of 255. */
  maxPolicyWeight: 255 * limits.maxPolicyKeys,
  maxKeyWeight: 255,
  maxUint32: 2 ** 32 - 1,
} as const;
