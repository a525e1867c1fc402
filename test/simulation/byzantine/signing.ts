/** Statements that a faulty validator signs with its own key. */
import { encodeNewView, encodeViewChange } from '../../../src/codec/index.js';
import type {
  Commit,
  Prepare,
  PrePrepare,
  SignedNewView,
  SignedViewChange,
  ViewChange,
  VotePhase,
  VoteSignature,
} from '../../../src/codec/model.js';
import { beginAuthentication, deriveNewView } from '../../../src/consensus/index.js';
import type { VerifiedViewChange } from '../../../src/consensus/types.js';
import { newViewSigningBytes, viewChangeSigningBytes, voteSigningBytes } from '../../../src/crypto/index.js';
import { asDigest, asHeight, asValidatorIndex, asView } from '../../../src/types/index.js';
import type { Hash } from '../../../src/types/index.js';
import type { Villain } from './strategy.js';

export function voteSignature(
  villain: Villain,
  phase: VotePhase,
  view: number,
  height: number,
  digest: Uint8Array,
): VoteSignature {
  const { chainId, validatorSetHash } = villain.config;
  const message = voteSigningBytes({
    chainId,
    validatorSetHash,
    phase,
    view: asView(view),
    height: asHeight(height),
    digest: asDigest(digest),
  });
  return { validator: asValidatorIndex(villain.self), signature: villain.key.sign(message) };
}

export function vote(
  villain: Villain,
  kind: 'prepare' | 'commit',
  view: number,
  height: number,
  digest: Uint8Array,
): Prepare | Commit {
  return {
    kind,
    view: asView(view),
    height: asHeight(height),
    digest: asDigest(digest),
    signature: voteSignature(villain, kind, view, height, digest),
  };
}

export function proposal(
  villain: Villain,
  view: number,
  block: { readonly height: number; readonly header: Uint8Array; readonly digest: Uint8Array },
  transactionHashes: readonly Hash[],
): PrePrepare {
  return {
    kind: 'prePrepare',
    view: asView(view),
    header: block.header,
    transactionHashes,
    signature: voteSignature(villain, 'prePrepare', view, block.height, block.digest),
  };
}

export function viewChange(
  villain: Villain,
  body: Omit<ViewChange, 'chainId' | 'validatorSetHash' | 'validator'>,
): SignedViewChange {
  const { chainId, validatorSetHash } = villain.config;
  const bytes = encodeViewChange({
    ...body,
    chainId,
    validatorSetHash,
    validator: asValidatorIndex(villain.self),
  });
  return {
    kind: 'viewChange',
    viewChange: bytes,
    signature: villain.key.sign(viewChangeSigningBytes(bytes)),
  };
}

/** A view-change as the core takes it; undefined when it does not even have the right structure. */
export function opened(villain: Villain, signed: SignedViewChange): VerifiedViewChange | undefined {
  const parsed = beginAuthentication(signed, villain.config);
  return parsed.ok && parsed.value.verified.kind === 'viewChange'
    ? parsed.value.verified.viewChange
    : undefined;
}

/** A new-view that follows properly from these view-changes, a quorum in ascending order of sender. */
export function newViewFrom(
  villain: Villain,
  view: number,
  viewChanges: readonly VerifiedViewChange[],
): SignedNewView {
  const { reproposals } = deriveNewView(viewChanges, villain.config.pipelineWindow);
  return newView(
    villain,
    view,
    viewChanges.map(({ signed }) => signed),
    reproposals,
  );
}

export function newView(
  villain: Villain,
  view: number,
  viewChanges: readonly SignedViewChange[],
  reproposals: readonly { readonly height: number; readonly digest: Uint8Array }[],
): SignedNewView {
  const { chainId, validatorSetHash } = villain.config;
  const bytes = encodeNewView({
    chainId,
    validatorSetHash,
    view: asView(view),
    validator: asValidatorIndex(villain.self),
    viewChanges,
    reproposals: reproposals.map(({ height, digest }) => ({
      height: asHeight(height),
      digest: asDigest(digest),
      signature: voteSignature(villain, 'prePrepare', view, height, digest).signature,
    })),
  });
  return { kind: 'newView', newView: bytes, signature: villain.key.sign(newViewSigningBytes(bytes)) };
}
