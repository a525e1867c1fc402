/** Proposals: receiving and judging the primary's, and making them as primary. */
import { equalBytes, invariant, toHex, type Digest, type ValidatorIndex, type View } from '../types/index.js';
import { noteOwnProposal } from './abstention.js';
import { reportEquivocation } from './evidence.js';
import { requestExecution } from './finality.js';
import type { Outbox } from './outbox.js';
import {
  handsOver,
  haltAsDouble,
  highestKept,
  highestVotable,
  isActivePrimary,
  learnBlock,
  offset,
  primaryOf,
  roundOf,
  slotAt,
  type BuildOrder,
  type ReplicaState,
  type Slot,
} from './state.js';
import { startViewChange } from './view-change.js';
import type { Vote } from './votes.js';
import type { BlockRef, ConsensusEvent, VerifiedMessage } from './types.js';

/** Takes a verified pre-prepare: the first one of a view and height is kept, a different one is evidence. */
export function receivePrePrepare(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  verified: Extract<VerifiedMessage, { readonly kind: 'prePrepare' }>,
): void {
  const { message, block } = verified;
  const { view, signature } = message;
  const { height } = block.header;
  if (height <= state.decided.height) return;
  if (height > highestKept(state)) {
    out.ignored('prePrepare', 'beyondWindow', from);
    return;
  }
  if (view < state.view) {
    out.ignored('prePrepare', 'staleView', from);
    return;
  }
  // One view ahead, since a new-view takes longer to check than the proposal that follows it.
  if (view > state.view + 1) {
    out.ignored('prePrepare', 'futureView', from);
    return;
  }
  if (signature.validator !== primaryOf(state, view)) {
    out.ignored('prePrepare', 'notPrimary', from);
    return;
  }
  const slot = slotAt(state, height);
  const round = roundOf(slot, view);
  const isCurrent = view === state.view && !state.changing;
  const isOwn = signature.validator === state.config.self;
  const first = round.proposal;
  if (first !== undefined) {
    if (equalBytes(first.block.digest, block.digest)) return;
    equivocated(state, out, view, slot, {
      first: { digest: first.block.digest, signature: first.signature },
      second: { digest: block.digest, signature },
    });
    if (isOwn) haltAsDouble(state, out, slot.height);
    return;
  }
  if (isOwn) {
    // Own proposals count only as they come back from the driver, not as echoes of a time before a restart.
    if (from !== state.config.self) {
      noteOwnProposal(state, out, view, block.header);
      out.ignored('prePrepare', 'unexpected', from);
      return;
    }
    slot.own.prePrepare = message;
  }
  if (
    isCurrent &&
    slot.accepted !== undefined &&
    !equalBytes(slot.accepted.known.block.digest, block.digest)
  ) {
    // Accepted before a restart; the signature of then is gone, so this proves nothing to others.
    out.ignored('prePrepare', 'conflictingVote', from);
    startViewChange(state, out, state.view + 1, 'equivocation');
    return;
  }
  round.proposal = { block, signature, source: signature.validator, reproposed: false };
}

function equivocated(
  state: ReplicaState,
  out: Outbox,
  view: View,
  slot: Slot,
  votes: { readonly first: Vote; readonly second: Vote },
): void {
  const round = roundOf(slot, view);
  const primary = votes.second.signature.validator;
  // One report a view and height is enough.
  if (round.prepares.reported.has(primary)) return;
  round.prepares.reported.add(primary);
  reportEquivocation(state, out, 'prePrepare', view, slot.height, votes);
  if (view === state.view && !state.changing) startViewChange(state, out, state.view + 1, 'equivocation');
}

interface Parent {
  readonly digest: Digest;
  readonly timeMs: number;
  /** Whether its state is there to execute on. */
  readonly executed: boolean;
}

/** What a block of a height has to stand on: the final block, else the one accepted below in this view. Nothing stands
 * on the last block of a validator set: the heights above are for the next one. */
function parentOf(state: ReplicaState, slot: Slot): Parent | undefined {
  const { decided } = state;
  if (slot.height === decided.height + 1) {
    if (decided.last) return undefined;
    return { digest: decided.digest, timeMs: decided.timeMs, executed: true };
  }
  const below = state.slots.get(offset(slot.height, -1))?.accepted?.known;
  if (below === undefined || handsOver(state, below.block.header)) return undefined;
  return {
    digest: below.block.digest,
    timeMs: below.block.header.timeMs,
    executed: below.execution === 'valid',
  };
}

/**
 * Accepts what the primary proposed for a height, once there is an accepted or final block to stand on, and orders
 * its execution once that one is executed. True when the block is accepted and was executed with the roots of its
 * header. A proposal that no correct primary makes costs the primary its view.
 */
export function acceptProposal(state: ReplicaState, out: Outbox, slot: Slot): boolean {
  const parent = parentOf(state, slot);
  if (parent === undefined) return false;
  if (slot.accepted === undefined) {
    const proposal = slot.rounds.get(state.view)?.proposal;
    if (proposal === undefined) return false;
    const problem = proposal.reproposed
      ? linkProblem(proposal.block, parent)
      : freshProblem(state, proposal.block, parent);
    if (problem !== undefined) {
      out.ignored('prePrepare', 'invalidProposal', proposal.source);
      startViewChange(state, out, state.view + 1, 'invalidProposal');
      return false;
    }
    slot.accepted = {
      known: learnBlock(state, proposal.block),
      source: proposal.source,
      fresh: !proposal.reproposed,
    };
    out.notice({ kind: 'preprepared', height: slot.height, view: state.view });
  }
  const { known, source, fresh } = slot.accepted;
  if (!equalBytes(known.block.header.prevHash, parent.digest)) {
    startViewChange(state, out, state.view + 1, 'invalidProposal');
    return false;
  }
  if (parent.executed) requestExecution(out, known, source, fresh);
  if (known.execution === 'invalid' && fresh) {
    startViewChange(state, out, state.view + 1, 'invalidProposal');
    return false;
  }
  return known.execution === 'valid';
}

const linkProblem = (block: BlockRef, parent: Parent): string | undefined =>
  equalBytes(block.header.prevHash, parent.digest) ? undefined : 'link';

/** What no correct primary does in a fresh proposal, whatever its clock and mempool. */
function freshProblem(state: ReplicaState, block: BlockRef, parent: Parent): string | undefined {
  const { header } = block;
  // A block of a lower view is proposed again by the new-view alone.
  if (header.view !== state.view) return 'view';
  if (header.height <= state.inheritedHeight) return 'inherited';
  if (header.transactionCount === 0) return 'empty';
  if (header.timeMs <= parent.timeMs) return 'time';
  return linkProblem(block, parent);
}

/** Keeps the standing order to build in line with what this replica may propose next. */
export function updateBuildOrder(state: ReplicaState, out: Outbox): void {
  const order = nextOrder(state);
  const current = state.buildOrder;
  if (order === undefined) {
    if (current !== undefined) out.emit({ kind: 'stopBuilding' });
    state.buildOrder = undefined;
    return;
  }
  const same =
    current?.view === order.view &&
    current.height === order.height &&
    equalBytes(current.parent, order.parent);
  if (same) return;
  state.buildOrder = order;
  out.emit(order);
}

function nextOrder(state: ReplicaState): BuildOrder | undefined {
  if (!isActivePrimary(state) || state.decided.last) return undefined;
  let parent: { digest: Digest; timeMs: number } = state.decided;
  let height = offset(state.decided.height, 1);
  for (;;) {
    const slot = state.slots.get(height);
    // A certificate from another view settles this height; what stands on it is for later.
    if (slot?.certificate !== undefined && slot.accepted === undefined) return undefined;
    if (slot?.accepted === undefined) {
      // Never a second proposal for a height in one view.
      if (slot?.castPrePrepare === state.view || slot?.rounds.get(state.view)?.proposal !== undefined)
        return undefined;
      break;
    }
    const { known } = slot.accepted;
    if (known.execution !== 'valid' || handsOver(state, known.block.header)) return undefined;
    parent = { digest: known.block.digest, timeMs: known.block.header.timeMs };
    height = offset(height, 1);
  }
  if (height <= state.inheritedHeight || height > highestVotable(state)) return undefined;
  return { kind: 'build', view: state.view, height, parent: parent.digest, parentTimeMs: parent.timeMs };
}

/** Takes a block built by order, and proposes it. One that comes too late is dropped. */
export function proposeBuilt(
  state: ReplicaState,
  out: Outbox,
  event: Extract<ConsensusEvent, { readonly kind: 'built' }>,
): void {
  const { block, view, parent } = event;
  const order = state.buildOrder;
  const wanted =
    order?.view === view && equalBytes(order.parent, parent) && order.height === block.header.height;
  if (!wanted || !isActivePrimary(state)) {
    if (!state.blocks.has(toHex(block.digest))) out.discard([block.digest]);
    return;
  }
  const { header } = block;
  invariant(
    header.view === view && equalBytes(header.prevHash, parent) && header.proposer === state.config.self,
    'a block is built by this replica, for the view and on the parent that were ordered',
  );
  state.buildOrder = undefined;
  const slot = slotAt(state, header.height);
  invariant(slot.castPrePrepare < view, 'a primary proposes one block a view and height');
  const known = learnBlock(state, block);
  known.execution = 'valid';
  slot.accepted = { known, source: header.proposer, fresh: true };
  slot.castPrePrepare = view;
  slot.logged = block;
  out.persist(
    { kind: 'block', block },
    { kind: 'vote', phase: 'prePrepare', view, height: header.height, digest: block.digest },
  );
  out.emit({ kind: 'cast', statement: { kind: 'prePrepare', view, block } });
}
