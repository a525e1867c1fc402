/** Prepares and commits: counting those of others, casting own ones, and the certificates that they make. */
import type { Commit, Prepare } from '../codec/model.js';
import { asHeight, equalBytes, type ValidatorIndex } from '../types/index.js';
import { noteOwnVote } from './abstention.js';
import { reportEquivocation } from './evidence.js';
import { decideReady, learnCertificate } from './finality.js';
import type { Outbox } from './outbox.js';
import { acceptProposal } from './proposals.js';
import {
  haltAsDouble,
  highestKept,
  highestVotable,
  isVoter,
  keptFutureViews,
  keptPastViews,
  primaryOf,
  roundOf,
  slotAt,
  type Accepted,
  type ReplicaState,
  type Slot,
} from './state.js';
import { recordVote, signaturesFor, votersFor } from './votes.js';

/** Takes a verified prepare or commit. */
export function receiveVote(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  message: Prepare | Commit,
): void {
  const { kind, view, height, digest, signature } = message;
  const voter = signature.validator;
  // Late votes are the rule: a quorum is enough, and the rest comes after it.
  if (height <= state.durable.height) return;
  if (height > highestKept(state)) {
    out.ignored(kind, 'beyondWindow', from);
    return;
  }
  if (view < state.view - keptPastViews) {
    out.ignored(kind, 'staleView', from);
    return;
  }
  if (view > state.view + keptFutureViews) {
    out.ignored(kind, 'futureView', from);
    return;
  }
  // The primary's pre-prepare is its prepare.
  if (kind === 'prepare' && voter === primaryOf(state, view)) {
    out.ignored(kind, 'unexpected', from);
    return;
  }
  const slot = slotAt(state, height);
  if (voter === state.config.self) {
    if (from !== voter) {
      refuseDouble(state, out, slot, message);
      return;
    }
    if (view === state.view) slot.own[kind] = message as Prepare & Commit;
  }
  const round = roundOf(slot, view);
  const tally = kind === 'prepare' ? round.prepares : round.commits;
  const outcome = recordVote(tally, { digest, signature });
  if (outcome.kind === 'conflict') {
    out.ignored(kind, 'conflictingVote', from);
    if (!outcome.isNews) return;
    const votes = { first: outcome.first, second: { digest, signature } };
    reportEquivocation(state, out, kind, view, height, votes);
    return;
  }
  if (kind === 'prepare' || outcome.kind === 'duplicate') return;
  if (votersFor(tally, digest) < state.quorum) return;
  learnCertificate(state, out, {
    view,
    height,
    digest,
    signatures: signaturesFor(tally, digest, state.quorum),
  });
}

/** A vote with this replica's signature that comes from elsewhere: an echo of one cast before a restart, or proof
 * that somebody else uses its key. */
function refuseDouble(state: ReplicaState, out: Outbox, slot: Slot, message: Prepare | Commit): void {
  const round = slot.rounds.get(message.view);
  const tally = message.kind === 'prepare' ? round?.prepares : round?.commits;
  const own = tally?.byValidator[message.signature.validator];
  if (own === undefined || equalBytes(own.digest, message.digest)) {
    noteOwnVote(state, out, message.kind, message.view, slot, [message.signature]);
    out.ignored(message.kind, 'unexpected', message.signature.validator);
    return;
  }
  const votes = { first: own, second: { digest: message.digest, signature: message.signature } };
  reportEquivocation(state, out, message.kind, message.view, message.height, votes);
  haltAsDouble(state, out, message.height);
}

/**
 * Does whatever can be done now, in order of height: make blocks final; accept, execute and vote. Called at the end of
 * every step; does nothing when nothing has changed.
 */
export function advance(state: ReplicaState, out: Outbox): void {
  decideReady(state, out);
  if (!isVoter(state) || state.changing) return;
  const limit = highestVotable(state);
  // Whether this replica has sent a commit in this view, and so logged a prepared certificate of this view, for every
  // height that it does not have on disk as final: what its commit for the next height promises.
  let committedBelow = true;
  let accepted = true;
  for (let height = asHeight(state.durable.height + 1); height <= limit; height = asHeight(height + 1)) {
    const slot = state.slots.get(height);
    if (slot === undefined) return;
    if (height > state.decided.height) {
      accepted &&= acceptProposal(state, out, slot);
      if (!accepted) return;
    }
    if (slot.accepted?.known.execution === 'valid') {
      castPrepare(state, out, slot, slot.accepted);
      formPrepared(state, out, slot, slot.accepted);
      if (committedBelow) castCommit(state, out, slot, slot.accepted);
    }
    committedBelow &&= slot.castCommit === state.view;
  }
}

function castPrepare(state: ReplicaState, out: Outbox, slot: Slot, accepted: Accepted): void {
  const { view, config } = state;
  if (primaryOf(state, view) === config.self || slot.castPrepare >= view) return;
  const { digest } = accepted.known.block;
  slot.castPrepare = view;
  logBlock(out, slot, accepted);
  out.persist({ kind: 'vote', phase: 'prepare', view, height: slot.height, digest });
  out.emit({ kind: 'cast', statement: { kind: 'prepare', view, height: slot.height, digest } });
}

/** Writes the block to the log unless it is there: who votes for a block can show it after a restart. */
function logBlock(out: Outbox, slot: Slot, accepted: Accepted): void {
  const { block } = accepted.known;
  if (slot.logged !== undefined && equalBytes(slot.logged.digest, block.digest)) return;
  slot.logged = block;
  out.persist({ kind: 'block', block });
}

/** Makes the prepared certificate: the pre-prepare, and prepares of quorum - 1 others than the primary. */
function formPrepared(state: ReplicaState, out: Outbox, slot: Slot, accepted: Accepted): void {
  const { view } = state;
  if (slot.prepared?.certificate.view === view) return;
  const round = slot.rounds.get(view);
  const { header, headerBytes, digest } = accepted.known.block;
  if (round?.proposal === undefined || !equalBytes(round.proposal.block.digest, digest)) return;
  if (votersFor(round.prepares, digest) < state.quorum - 1) return;
  slot.prepared = {
    header,
    headerBytes,
    digest,
    certificate: {
      view,
      header: headerBytes,
      prePrepare: round.proposal.signature,
      prepares: signaturesFor(round.prepares, digest, state.quorum - 1),
    },
  };
  out.notice({ kind: 'prepared', height: slot.height, view });
}

function castCommit(state: ReplicaState, out: Outbox, slot: Slot, accepted: Accepted): void {
  const { view } = state;
  if (slot.castCommit >= view || slot.prepared?.certificate.view !== view) return;
  const { digest } = accepted.known.block;
  slot.castCommit = view;
  logBlock(out, slot, accepted);
  out.persist(
    { kind: 'prepared', height: slot.height, certificate: slot.prepared.certificate },
    { kind: 'vote', phase: 'commit', view, height: slot.height, digest },
  );
  out.emit({ kind: 'cast', statement: { kind: 'commit', view, height: slot.height, digest } });
}
