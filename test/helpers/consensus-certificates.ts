/** Certificates and view-changes with the signatures of test/helpers/consensus-net. */
import {
  encodeViewChange,
  type CommitCertificate,
  type PreparedCertificate,
  type VotePhase,
  type VoteSignature,
} from '../../src/codec/index.js';
import {
  beginAuthentication,
  type BlockRef,
  type ConsensusConfig,
  type Statement,
  type VerifiedViewChange,
} from '../../src/consensus/index.js';
import { viewChangeSigningBytes, voteSigningBytes } from '../../src/crypto/index.js';
import { asValidatorIndex, asView, quorumOf, type Digest, type Height } from '../../src/types/index.js';
import { fakeSign, fakeVerify, makeBlock } from './consensus-words.js';

/** A vote's signature. */
export function vote(
  config: ConsensusConfig,
  validator: number,
  phase: VotePhase,
  view: number,
  height: Height,
  digest: Digest,
): VoteSignature {
  const { chainId, validatorSetHash } = config;
  const bytes = voteSigningBytes({ chainId, validatorSetHash, phase, view: asView(view), height, digest });
  return { validator: asValidatorIndex(validator), signature: fakeSign(config, validator, bytes) };
}

const sizeOf = (config: ConsensusConfig): number => config.validatorSet.validators.length;

/** A prepared certificate by the first validators, or by those given. */
export function preparedCertificate(
  config: ConsensusConfig,
  view: number,
  block: BlockRef,
  voters?: readonly number[],
): PreparedCertificate {
  const primary = view % sizeOf(config);
  const others = Array.from({ length: sizeOf(config) }, (_, index) => index).filter(
    (index) => index !== primary,
  );
  const preparers = voters ?? others.slice(0, quorumOf(sizeOf(config)) - 1);
  const { header, headerBytes, digest } = block;
  return {
    view: asView(view),
    header: headerBytes,
    prePrepare: vote(config, primary, 'prePrepare', view, header.height, digest),
    prepares: preparers.map((validator) => vote(config, validator, 'prepare', view, header.height, digest)),
  };
}

/** A commit certificate by the first validators, or by those given. */
export function commitCertificate(
  config: ConsensusConfig,
  view: number,
  block: BlockRef,
  voters: readonly number[] = Array.from({ length: quorumOf(sizeOf(config)) }, (_, index) => index),
): CommitCertificate {
  const { header, digest } = block;
  return {
    view: asView(view),
    height: header.height,
    digest,
    signatures: voters.map((validator) => vote(config, validator, 'commit', view, header.height, digest)),
  };
}

export interface ViewChangeContent {
  readonly committed?: CommitCertificate;
  readonly prepared?: readonly PreparedCertificate[];
}

/** What a validator says to ask for a view. */
export function viewChangeStatement(
  config: ConsensusConfig,
  validator: number,
  view: number,
  content: ViewChangeContent = {},
): Extract<Statement, { readonly kind: 'viewChange' }> {
  const { chainId, validatorSetHash } = config;
  return {
    kind: 'viewChange',
    body: {
      chainId,
      validatorSetHash,
      view: asView(view),
      validator: asValidatorIndex(validator),
      ...(content.committed !== undefined && { committed: content.committed }),
      prepared: content.prepared ?? [],
    },
  };
}

/** A view-change that has passed authentication. */
export function verifiedViewChange(
  config: ConsensusConfig,
  validator: number,
  view: number,
  content: ViewChangeContent = {},
): VerifiedViewChange {
  const bytes = encodeViewChange(viewChangeStatement(config, validator, view, content).body);
  const signature = fakeSign(config, validator, viewChangeSigningBytes(bytes));
  const pending = beginAuthentication({ kind: 'viewChange', viewChange: bytes, signature }, config);
  if (!pending.ok) throw new Error(pending.error);
  const { checks, verified } = pending.value;
  if (!checks.every(fakeVerify) || verified.kind !== 'viewChange') throw new Error('not authentic');
  return verified.viewChange;
}

/** Blocks on top of each other, the first at `height` on `parent`. */
export function chainOf(
  config: ConsensusConfig,
  options: {
    readonly view: number;
    readonly height: number;
    readonly parent: Digest;
    readonly length: number;
    readonly label?: string;
  },
): BlockRef[] {
  const blocks: BlockRef[] = [];
  let { parent } = options;
  for (let index = 0; index < options.length; index++) {
    const block = makeBlock(config, {
      height: options.height + index,
      view: options.view,
      parent,
      timeMs: 1_000_001 + options.height + index,
      label: `${options.label ?? 'block'} ${options.height + index}`,
    });
    blocks.push(block);
    parent = block.digest;
  }
  return blocks;
}
