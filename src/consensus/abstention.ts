/**
 * Silence of a replica whose log may lack what it has signed: its data folder is older than its last word, or it sees
 * its own signature under something that the log does not have. It says nothing until it can contradict nothing any
 * more; docs/consensus.md has the argument.
 */
import type { BlockHeader, PeerStatus, VoteSignature } from '../codec/model.js';
import { asView, type ValidatorIndex, type View } from '../types/index.js';
import type { Outbox } from './outbox.js';
import { halt, type ReplicaState, type Slot } from './state.js';

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
  // Nothing is committed without it, so the others never move past what it may have signed.
  const isNeeded = state.config.self !== undefined && state.n - 1 < state.quorum;
  out.notice({ kind: 'abstaining', why, ...(isNeeded && { endless: true as const }) });
}

/** Takes what a peer says of itself. */
export function noteWord(state: ReplicaState, from: ValidatorIndex, status: PeerStatus): void {
  const words = state.abstention?.words;
  if (words === undefined) return;
  // Still with the validator set before: it has asked for no view of this one.
  const isBefore = status.committedHeight + 1 < state.config.validatorSet.activationHeight;
  const view = isBefore ? asView(0) : status.view;
  const before = words.get(from) ?? { height: status.committedHeight, view };
  // Who is further than this replica may be with the next validator set, where views start over.
  const isOfThisSet = status.committedHeight <= state.durable.height;
  words.set(from, {
    height: before.height,
    view: isOfThisSet ? view : asView(Math.max(before.view, view)),
  });
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

/**
 * An own pre-prepare that comes from elsewhere. One for a block that is new in its view is in the log, with its vote; the
 * log of a view that takes a block over has the new-view instead, so there only a view beyond it tells.
 */
export function noteOwnProposal(
  state: ReplicaState,
  out: Outbox,
  view: View,
  header: Pick<BlockHeader, 'height' | 'view'>,
): void {
  if (header.height <= state.durable.height) return;
  const cast = state.slots.get(header.height)?.castPrePrepare ?? -1;
  if (header.view === view ? cast < view : view > state.view) abstain(state, out, 'ownSignature');
}

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
