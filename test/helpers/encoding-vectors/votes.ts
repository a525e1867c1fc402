/** Every message of the consensus protocol about the first block. */
import * as codec from '../../../src/codec/index.js';
import type { CommitCertificate, ViewChange, VotePhase, VoteSignature } from '../../../src/codec/index.js';
import { merkleLeafHash } from '../../../src/crypto/index.js';
import { asHeight, asValidatorIndex, asView } from '../../../src/types/index.js';
import type { VectorChain } from './chain.js';
import type { VectorRecorder } from './recorder.js';
import { ledger, peer } from './types.js';

export interface VectorVotes {
  readonly certificate: CommitCertificate;
  /** A vote for the block. */
  readonly voteBy: (validator: number, phase: VotePhase, view?: number) => VoteSignature;
}

/** Makes the messages, and their vectors. */
export function buildVotes(recorder: VectorRecorder, chain: VectorChain): VectorVotes {
  const { chainId, setHash, headerBytes, digest, envelopes, genesisDigest } = chain;
  const place = { height: asHeight(1), digest };
  const voteBy = (validator: number, phase: VotePhase, view = 3): VoteSignature => {
    const statement = { chainId, validatorSetHash: setHash, phase, view: asView(view), ...place };
    const name = `${phase} in view ${view}`;
    const bytes = codec.encodeVoteStatement(statement);
    recorder.add(`vote statement: ${name}`, ledger('VoteStatement'), statement, bytes);
    const signature = recorder.sign(
      `vote: ${name}`,
      `validator-${validator}`,
      validator + 1,
      codec.tags.vote,
      bytes,
    );
    return { validator: asValidatorIndex(validator), signature };
  };
  const certificate: CommitCertificate = {
    view: asView(3),
    ...place,
    signatures: [0, 1, 3].map((validator) => voteBy(validator, 'commit')),
  };
  recorder.add(
    'commit certificate',
    ledger('CommitCertificate'),
    certificate,
    codec.encodeCommitCertificate(certificate),
  );
  const prePrepare = voteBy(3, 'prePrepare');
  const prepared = {
    view: asView(3),
    header: headerBytes,
    prePrepare,
    prepares: [0, 2].map((validator) => voteBy(validator, 'prepare')),
  };
  recorder.add(
    'prepared certificate',
    peer('PreparedCertificate'),
    prepared,
    codec.encodePreparedCertificate(prepared),
  );
  const checkpoint = { chainId, validatorSetHash: setHash, ...place };
  const checkpointBytes = recorder.add(
    'checkpoint statement',
    peer('CheckpointStatement'),
    checkpoint,
    codec.encodeCheckpointStatement(checkpoint),
  );
  const checkpointSignature = recorder.sign(
    'checkpoint',
    'validator-1',
    2,
    codec.tags.checkpoint,
    checkpointBytes,
  );
  const changes = [0, 1, 2].map((validator) => {
    const change: ViewChange = {
      chainId,
      validatorSetHash: setHash,
      view: asView(4),
      validator: asValidatorIndex(validator),
      ...(validator === 1 && { committed: certificate }),
      prepared: validator === 0 ? [prepared] : [],
    };
    const bytes = recorder.add(
      `view change of validator-${validator}`,
      peer('ViewChange'),
      change,
      codec.encodeViewChange(change),
    );
    const signature = recorder.sign(
      `view change of validator-${validator}`,
      `validator-${validator}`,
      validator + 1,
      codec.tags.viewChange,
      bytes,
    );
    return { kind: 'viewChange' as const, viewChange: bytes, signature };
  });
  const newView = {
    chainId,
    validatorSetHash: setHash,
    view: asView(4),
    validator: asValidatorIndex(0),
    viewChanges: changes,
    reproposals: [{ ...place, signature: voteBy(0, 'prePrepare', 4).signature }],
  };
  const newViewBytes = recorder.add('new view', peer('NewView'), newView, codec.encodeNewView(newView));
  const signedNewView = {
    kind: 'newView' as const,
    newView: newViewBytes,
    signature: recorder.sign('new view', 'validator-0', 1, codec.tags.newView, newViewBytes),
  };
  const message = (name: string, value: codec.ConsensusMessage): Uint8Array =>
    recorder.add(`message: ${name}`, peer('ConsensusMessage'), value, codec.encodeConsensusMessage(value));
  message('pre-prepare', {
    kind: 'prePrepare',
    view: asView(3),
    header: headerBytes,
    transactionHashes: envelopes.map((bytes) => merkleLeafHash(bytes)),
    signature: prePrepare,
  });
  message('prepare', { kind: 'prepare', view: asView(3), ...place, signature: prepared.prepares[0]! });
  message('commit', { kind: 'commit', view: asView(3), ...place, signature: certificate.signatures[2]! });
  message('checkpoint', {
    kind: 'checkpoint',
    ...place,
    signature: { validator: asValidatorIndex(1), signature: checkpointSignature },
  });
  message('view change', changes[0]!);
  message('new view', signedNewView);
  const other = {
    chainId,
    validatorSetHash: setHash,
    phase: 'commit' as const,
    view: asView(3),
    ...place,
    digest: genesisDigest,
  };
  const otherSignature = recorder.sign(
    'vote: commit in view 3 for another block',
    'validator-0',
    1,
    codec.tags.vote,
    recorder.add(
      'vote statement: commit in view 3 for another block',
      ledger('VoteStatement'),
      other,
      codec.encodeVoteStatement(other),
    ),
  );
  const evidence: codec.Evidence = {
    validatorSetHash: setHash,
    phase: 'commit',
    first: { view: asView(3), ...place, signature: certificate.signatures[0]! },
    second: {
      view: asView(3),
      height: place.height,
      digest: genesisDigest,
      signature: { validator: asValidatorIndex(0), signature: otherSignature },
    },
  };
  recorder.add('evidence', peer('Evidence'), evidence, codec.encodeEvidence(evidence));
  const bundle: codec.EvidenceBundle = { chainId: chain.chainId, evidence: [evidence], setChanges: [] };
  recorder.add('evidence bundle', peer('EvidenceBundle'), bundle, codec.encodeEvidenceBundle(bundle));

  return { certificate, voteBy };
}
