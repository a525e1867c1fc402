/**
 * Silence of a replica whose log may lack what it has signed: its data folder is older than its last word, or it sees
 * its own signature under something that the log does not have. It says nothing until it can contradict nothing any
 * more; docs/consensus.md has the argument.
 */
import type { PeerStatus, VoteSignature } from '../codec/model.js';
import { asView, type Height, type ValidatorIndex, type View } from '../types/index.js';
import type { Outbox } from './outbox.js';
import { halt, offset, type ReplicaState, type Slot } from './state.js';
import { startViewChange } from './view-change.js';

/** What a silent replica waits for. */
export interface Abstention {
  /** What other validators have said since the silence began: the height of their first word, the view of their last. */
  readonly words: Map<ValidatorIndex, { readonly height: Height; readonly view: View }>;
  /** Height that has to be final here; undefined until enough others are heard. */
  until: Height | undefined;
}

/** Falls silent, on disk first. A network of one validator has nobody who knows better: it stops. */
export function abstain(state: ReplicaState, out: Outbox, why: 'outdated' | 'ownSignature'): void {
  if (state.halted || state.abstention !== undefined) return;
  if (state.n === 1 && state.config.self !== undefined) {
    halt(
      state,
      out,
      `This data folder is older than what its validator has signed, and no other validator knows what that was. ` +
        `Put the newest folder back.`,
    );
    return;
  }
  state.abstention = { words: new Map(), until: undefined };
  out.persist({ kind: 'abstention', active: true });
  out.notice({ kind: 'abstaining', why });
}

/** Takes what a peer says of itself. */
export function noteWord(state: ReplicaState, from: ValidatorIndex, status: PeerStatus): void {
  const words = state.abstention?.words;
  if (words === undefined) return;
  // Still with the validator set before: it has asked for no view of this one.
  const isBefore = status.committedHeight + 1 < state.config.validatorSet.activationHeight;
  words.set(from, {
    height: words.get(from)?.height ?? status.committedHeight,
    view: isBefore ? asView(0) : status.view,
  });
}

/**
 * Ends the silence once everything that was ever said is history: the replica asks for a view that it has asked for
 * never before.
 */
export function updateAbstention(state: ReplicaState, out: Outbox): void {
  const { abstention, durable, config, view } = state;
  if (abstention === undefined || state.halted) return;
  const needed = wordsNeeded(state);
  if (abstention.until === undefined) {
    const heights = [...abstention.words.values()]
      .map(({ height }) => height)
      .filter((height) => height <= durable.height)
      .sort((left, right) => left - right);
    const covered = heights[needed - 1];
    if (covered === undefined) return;
    abstention.until = offset(covered, 2 * config.pipelineWindow);
  }
  if (durable.height < abstention.until || durable.last) return;
  const views = [...abstention.words.values()].map((word) => word.view).sort((left, right) => left - right);
  const asked = views[needed - 1] ?? view;
  state.abstention = undefined;
  out.persist({ kind: 'abstention', active: false });
  out.notice({ kind: 'abstentionEnded', height: durable.height });
  if (view <= asked || state.changing) startViewChange(state, out, Math.max(view, asked) + 1, 'restored');
}

/**
 * The next validator set takes over while this replica is silent: free of the past, when all that it can have said is
 * below; otherwise to be heard of from the members of the new set.
 */
export function carryAbstention(before: ReplicaState, fresh: ReplicaState, out: Outbox): void {
  const { abstention } = before;
  if (abstention === undefined) return;
  if (abstention.until !== undefined && fresh.durable.height >= abstention.until) {
    out.persist({ kind: 'abstention', active: false });
    out.notice({ kind: 'abstentionEnded', height: fresh.durable.height });
  } else fresh.abstention = { words: new Map(), until: undefined };
}

/** So many others that one of them is correct and in any quorum's part that is neither faulty nor this replica. */
const wordsNeeded = ({ n, f, quorum }: ReplicaState): number => n - quorum + f + 1;

/** Looks for own signatures among votes of a view and height: one that the log does not know of makes it outdated. */
export function noteOwnVote(
  state: ReplicaState,
  out: Outbox,
  phase: 'prepare' | 'commit',
  view: View,
  slot: Slot,
  signatures: readonly VoteSignature[],
): void {
  const { self } = state.config;
  if (self === undefined || slot.height <= state.durable.height) return;
  const cast = phase === 'prepare' ? slot.castPrepare : slot.castCommit;
  if (cast < view && signatures.some(({ validator }) => validator === self))
    abstain(state, out, 'ownSignature');
}
