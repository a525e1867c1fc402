/**
 * Leaving a view and entering the next: asking for a view, joining one that f + 1 others ask for, starting it as its
 * primary, and taking over what it is derived to start from.
 */
import type { SignedNewView, ViewChange } from '../codec/model.js';
import {
  asView,
  equalBytes,
  limits,
  toHex,
  type Height,
  type ValidatorIndex,
  type View,
} from '../types/index.js';
import { abstain, noteOwnProposal, noteOwnVote } from './abstention.js';
import { reportEquivocation } from './evidence.js';
import { discardBlocks, learnCertificate } from './finality.js';
import { deriveNewView, type DerivedBlock, type DerivedView } from './new-view.js';
import type { Outbox } from './outbox.js';
import {
  halt,
  isVoter,
  keptPastViews,
  learnBlock,
  maxOverduePatience,
  primaryOf,
  roundOf,
  slotAt,
  type KnownBlock,
  type ReplicaState,
} from './state.js';
import type { VerifiedMessage, VerifiedViewChange } from './types.js';

/** Why a replica asks for another view: a small closed set, for logs and metrics. */
export type ViewChangeCause =
  | 'timeout'
  | 'primarySilent'
  | 'invalidProposal'
  | 'equivocation'
  | 'invalidNewView'
  | 'overdue'
  | 'handedOver'
  | 'joined'
  | 'restored';

/**
 * Asks for a view above the current one. From here on this replica votes in no lower view.
 * A network of one validator has nobody else to be primary and never changes its view.
 */
export function startViewChange(
  state: ReplicaState,
  out: Outbox,
  target: number,
  cause: ViewChangeCause,
): void {
  if (!isVoter(state) || state.n === 1 || target <= state.view || target > limits.maxView) return;
  state.view = asView(target);
  state.changing = true;
  // Who gives a view up of its own accord has left nobody waiting for it: no reason to wait longer for the next one.
  if (cause !== 'handedOver') state.attempts += 1;
  leaveView(state);
  out.persist({ kind: 'view', epoch: epochOf(state), view: state.view, changing: true });
  out.emit({ kind: 'cast', statement: { kind: 'viewChange', body: viewChangeBody(state) } });
  out.notice({ kind: 'viewChangeStarted', view: state.view, cause });
}

/** Gives the view up if this replica is its primary; the others follow at once. */
export function handOver(state: ReplicaState, out: Outbox): void {
  if (state.changing || primaryOf(state, state.view) !== state.config.self) return;
  startViewChange(state, out, state.view + 1, 'handedOver');
}

/** Own view-change for the current view: the last final block, and every prepared certificate above it. */
export function viewChangeBody(state: ReplicaState): ViewChange {
  const { chainId, validatorSetHash, self } = state.config;
  if (self === undefined) throw new TypeError('an observer asks for no view');
  const prepared = [...state.slots.values()]
    .filter((slot) => slot.height > state.decided.height)
    .sort((left, right) => left.height - right.height)
    .flatMap((slot) => slot.prepared?.certificate ?? []);
  const { certificate } = state.decided;
  return {
    chainId,
    validatorSetHash,
    view: state.view,
    validator: self,
    ...(certificate !== undefined && { committed: certificate }),
    prepared,
  };
}

const epochOf = ({ config }: ReplicaState): number => config.validatorSet.epoch;

function leaveView(state: ReplicaState): void {
  state.timers.restartView = true;
  state.timers.restartSilence = true;
  state.silencePeriods = 0;
  state.helped.clear();
  state.progressed = true;
  for (const slot of state.slots.values()) {
    slot.own = {};
    for (const view of slot.rounds.keys()) if (view < state.view - keptPastViews) slot.rounds.delete(view);
  }
}

/** Takes a verified view-change. */
export function receiveViewChange(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  viewChange: VerifiedViewChange,
): void {
  const { validator, view, committed } = viewChange.body;
  if (committed !== undefined) {
    learnCertificate(state, out, committed);
    if (committed.height > (state.claimedHeights.get(validator) ?? 0)) {
      state.claimedHeights.set(validator, committed.height);
    }
  }
  noteOwnViewChange(state, out, viewChange);
  if (state.halted) return;
  const known = state.viewChanges.get(validator);
  // A correct validator's views only grow. One entry each, so an enormous view costs its sender only its own say.
  if (known !== undefined && known.body.view >= view) return;
  state.viewChanges.set(validator, viewChange);
  if (view < state.view || (view === state.view && !state.changing)) {
    helpWithView(state, out, validator);
    if (view < state.view) out.ignored('viewChange', 'staleView', from);
    return;
  }
  // The primary itself gives the view up: nothing more is to come in it, so there is nothing to wait for. A faulty one
  // can make the others leave its own views only, as it can by proposing nonsense.
  if (!state.changing && view === state.view + 1 && validator === primaryOf(state, state.view)) {
    startViewChange(state, out, view, 'handedOver');
    return;
  }
  joinOthers(state, out);
}

/** Looks for own signatures in a view-change that the log does not know of. */
function noteOwnViewChange(state: ReplicaState, out: Outbox, { body, prepared }: VerifiedViewChange): void {
  if (body.validator === state.config.self && body.view > state.view) abstain(state, out, 'ownSignature');
  for (const { certificate, header } of prepared) {
    if (certificate.prePrepare.validator === state.config.self)
      noteOwnProposal(state, out, certificate.view, header);
    const slot = state.slots.get(header.height);
    if (slot !== undefined) noteOwnVote(state, out, 'prepare', certificate.view, slot, certificate.prepares);
    else if (
      header.height > state.durable.height &&
      certificate.prepares.some(({ validator }) => validator === state.config.self)
    )
      abstain(state, out, 'ownSignature');
  }
}

/** Joins the highest view that f + 1 others, hence a correct one, ask for or have gone beyond. */
function joinOthers(state: ReplicaState, out: Outbox): void {
  const views: number[] = [];
  for (const [validator, { body }] of state.viewChanges) {
    if (validator !== state.config.self) views.push(body.view);
  }
  const target = views.sort((left, right) => right - left)[state.f];
  if (target !== undefined && target > state.view) startViewChange(state, out, target, 'joined');
}

/** Sends a peer that is behind the proof of the current view, or the own view-change for it; once a period. */
export function helpWithView(state: ReplicaState, out: Outbox, peer: ValidatorIndex): void {
  const { self } = state.config;
  if (peer === self) return;
  const own = self === undefined ? undefined : state.viewChanges.get(self);
  const message = state.changing ? own?.signed : state.newView;
  if (message === undefined || (state.changing && own?.body.view !== state.view)) return;
  const token = `view/${peer}`;
  if (state.helped.has(token)) return;
  state.helped.add(token);
  out.emit({ kind: 'send', to: peer, message });
}

/** Validators known to ask for the current view or a higher one, this replica included. */
export function supportersOfView(state: ReplicaState): number {
  let supporters = 0;
  for (const { body } of state.viewChanges.values()) if (body.view >= state.view) supporters += 1;
  return supporters;
}

/** As primary of the view that is asked for: starts it once a quorum asks for it, this replica among them. */
export function tryNewView(state: ReplicaState, out: Outbox): void {
  const { self } = state.config;
  if (!isVoter(state) || !state.changing || self === undefined) return;
  if (primaryOf(state, state.view) !== self || state.castNewView >= state.view) return;
  const own = state.viewChanges.get(self);
  if (own?.body.view !== state.view) return;
  const others = [...state.viewChanges.values()]
    .filter(({ body }) => body.view === state.view && body.validator !== self)
    .slice(0, state.quorum - 1);
  if (others.length < state.quorum - 1) return;
  const chosen = [own, ...others].sort((left, right) => left.body.validator - right.body.validator);
  const { reproposals } = deriveNewView(chosen, state.config.pipelineWindow);
  const statement = {
    kind: 'newView',
    view: state.view,
    viewChanges: chosen.map(({ signed }) => signed),
    reproposals: reproposals.map(({ height, digest }) => ({ height, digest })),
  } as const;
  state.castNewView = state.view;
  out.persist({ kind: 'newViewDraft', epoch: epochOf(state), statement });
  out.emit({ kind: 'cast', statement });
}

/** Takes a verified new-view, whoever relayed it. */
export function receiveNewView(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  message: Extract<VerifiedMessage, { readonly kind: 'newView' }>,
): void {
  const { newView, viewChanges } = message;
  const { view } = newView;
  if (view < state.view || (view === state.view && !state.changing)) {
    if (view < state.view) out.ignored('newView', 'staleView', from);
    return;
  }
  const derived = deriveNewView(viewChanges, state.config.pipelineWindow);
  if (!matches(derived, newView.reproposals)) {
    out.ignored('newView', 'notDerived', from);
    // Its primary has signed a wrong derivation: no use waiting for it.
    startViewChange(state, out, view + 1, 'invalidNewView');
    return;
  }
  // Signed by this replica, and its log does not know of it.
  if (primaryOf(state, view) === state.config.self && state.castNewView < view)
    abstain(state, out, 'ownSignature');
  for (const viewChange of viewChanges) {
    noteOwnViewChange(state, out, viewChange);
    const { committed, validator } = viewChange.body;
    if (committed === undefined) continue;
    learnCertificate(state, out, committed);
    if (committed.height > (state.claimedHeights.get(validator) ?? 0)) {
      state.claimedHeights.set(validator, committed.height);
    }
  }
  if (contradictsFinality(state, out, derived, view)) return;
  state.view = view;
  state.changing = false;
  leaveView(state);
  if (state.demand) state.overduePatience = Math.min(state.overduePatience * 2, maxOverduePatience);
  const honest = installView(state, out, message, derived);
  const epoch = epochOf(state);
  out.persist(
    { kind: 'view', epoch, view, changing: false },
    { kind: 'newView', epoch, message: message.message },
  );
  out.notice({ kind: 'viewStarted', view, primary: primaryOf(state, view) });
  if (!honest) startViewChange(state, out, view + 1, 'equivocation');
}

function matches(
  derived: DerivedView,
  reproposals: readonly { readonly height: Height; readonly digest: Uint8Array }[],
): boolean {
  return (
    derived.reproposals.length === reproposals.length &&
    derived.reproposals.every((block, index) => {
      const claimed = reproposals[index];
      return claimed?.height === block.height && equalBytes(claimed.digest, block.digest);
    })
  );
}

/** A properly derived view keeps what is final. One that does not proves that too many validators are faulty. */
function contradictsFinality(state: ReplicaState, out: Outbox, derived: DerivedView, view: View): boolean {
  if (state.halted) return true;
  const { decided, durable } = state;
  // Views start over with each validator set: what the set before decided is final before all of them.
  const before = decided.height < state.config.validatorSet.activationHeight;
  const finalBefore = decided.certificate !== undefined && (before || decided.certificate.view < view);
  const lost = finalBefore && derived.inheritedHeight < decided.height;
  const rival = derived.reproposals.find(({ height, digest }) => {
    if (height === decided.height) return !equalBytes(digest, decided.digest);
    if (height === durable.height) return !equalBytes(digest, durable.digest);
    const certified = state.slots.get(height)?.certificate;
    return certified !== undefined && !equalBytes(digest, certified.digest);
  });
  if (!lost && rival === undefined) return false;
  halt(
    state,
    out,
    `The new view ${view} gives up a final block (${rival === undefined ? `height ${decided.height} is missing` : `height ${rival.height} has ${toHex(rival.digest)}`}). ` +
      `More validators are faulty than the network tolerates. Keep the data folder as evidence and do not restart.`,
  );
  return true;
}

/**
 * Forgets the prepared certificates of lower views, above the base, for blocks that a view does not take over: nothing
 * of the kind can have been committed in a lower view. So a replica that shows a certificate still holds the block.
 * At and below the base they are kept: a view-change without the base's certificate may still have to show them.
 */
export function forgetUninherited(state: ReplicaState, view: View, derived: DerivedView): void {
  const kept = byHeight(derived);
  for (const slot of state.slots.values()) {
    const { prepared } = slot;
    if (prepared === undefined || prepared.certificate.view >= view || slot.height <= derived.baseHeight)
      continue;
    const block = kept.get(slot.height);
    if (block === undefined || !equalBytes(block.digest, prepared.digest)) slot.prepared = undefined;
  }
}

const byHeight = (derived: DerivedView): ReadonlyMap<Height, DerivedBlock> =>
  new Map(derived.reproposals.map((block) => [block.height, block]));

/** Takes over what the current view starts from. False when its primary is seen to have proposed two blocks for a
 * height. */
export function installView(
  state: ReplicaState,
  out: Outbox,
  message: {
    readonly message: SignedNewView;
    readonly newView: Extract<VerifiedMessage, { readonly kind: 'newView' }>['newView'];
  },
  derived: DerivedView,
): boolean {
  let honest = true;
  state.newView = message.message;
  state.inheritedHeight = derived.inheritedHeight;
  for (const slot of state.slots.values()) slot.accepted = undefined;
  forgetUninherited(state, state.view, derived);
  dropUninherited(state, out, byHeight(derived));
  const primary = primaryOf(state, state.view);
  for (const [index, block] of derived.reproposals.entries()) {
    const signature = message.newView.reproposals[index]?.signature;
    if (signature === undefined || block.height <= state.durable.height) continue;
    const slot = slotAt(state, block.height);
    const { header, headerBytes, digest } = block;
    const known = learnBlock(state, { header, headerBytes, digest, transactionHashes: undefined });
    if (slot.logged !== undefined && equalBytes(slot.logged.digest, digest)) learnBlock(state, slot.logged);
    const round = roundOf(slot, state.view);
    const voted = { validator: primary, signature };
    const early = round.proposal;
    if (early !== undefined && !equalBytes(early.block.digest, digest)) {
      honest = false;
      reportEquivocation(state, out, 'prePrepare', state.view, block.height, {
        first: { digest: early.block.digest, signature: early.signature },
        second: { digest, signature: voted },
      });
    }
    // What is derived stands even if its primary has also proposed something else.
    round.proposal = {
      block: known.block,
      signature: voted,
      source: block.reporters.find((reporter) => reporter !== state.config.self) ?? primary,
      reproposed: true,
    };
  }
  return honest;
}

function dropUninherited(state: ReplicaState, out: Outbox, kept: ReadonlyMap<Height, DerivedBlock>): void {
  const dropped: KnownBlock[] = [];
  for (const known of state.blocks.values()) {
    const { height } = known.block.header;
    if (height <= state.decided.height) continue;
    const block = kept.get(height);
    const certified = state.slots.get(height)?.certificate;
    const wanted =
      (block !== undefined && equalBytes(block.digest, known.block.digest)) ||
      (certified !== undefined && equalBytes(certified.digest, known.block.digest));
    if (!wanted) dropped.push(known);
  }
  discardBlocks(state, out, dropped);
}
