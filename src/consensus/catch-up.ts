/** When to fetch final blocks from others instead of waiting for votes. Only consensus asks for it. */
import { asHeight, limits, type Height, type ValidatorIndex } from '../types/index.js';
import type { Outbox } from './outbox.js';
import { findBlock, offset, type ReplicaState } from './state.js';

/** Most retransmission periods that fruitless attempts make a replica wait before the next one. */
const maxPeriodsToSkip = 32;

/** Takes note of the height that a peer claims to have committed: a validator in force, or another source of blocks. */
export function noteClaim(state: ReplicaState, peer: ValidatorIndex, height: Height): void {
  if (peer === state.config.self) return;
  state.claimedHeights.set(peer, height);
  // More than a window behind: what is in flight now is of no use here. An observer hears of nothing in flight.
  const ignored = state.config.self === undefined ? 0 : state.config.pipelineWindow;
  if (height > state.decided.height + ignored) state.sync.wanted = true;
}

/** Peers that claim more than this replica has decided. */
export function peersAhead(state: ReplicaState): readonly ValidatorIndex[] {
  const ahead: ValidatorIndex[] = [];
  for (const [peer, height] of state.claimedHeights) if (height > state.decided.height) ahead.push(peer);
  return ahead.sort((left, right) => left - right);
}

/** Whether f + 1 validators, hence a correct one, are ahead: then it is not the primary who keeps this one back. */
export function isBehind(state: ReplicaState): boolean {
  return peersAhead(state).filter((peer) => peer < state.n).length > state.f;
}

/** At a new view: fetches at once what it builds on, when that is not in flight here. */
export function catchUpToBase(state: ReplicaState, baseHeight: Height): void {
  if (baseHeight <= state.decided.height) return;
  const next = state.slots.get(offset(state.decided.height, 1));
  const proposal = next?.rounds.get(state.view)?.proposal;
  const known =
    proposal !== undefined ||
    (next?.certificate !== undefined && findBlock(state, next, next.certificate.digest) !== undefined);
  if (!known) state.sync.wanted = true;
}

/** A retransmission period without progress while others are ahead. */
export function catchUpAfterStall(state: ReplicaState): void {
  if (state.sync.ticksToSkip > 0) state.sync.ticksToSkip -= 1;
  if (!state.progressed && peersAhead(state).length > 0) state.sync.wanted = true;
}

/** Starts a catch-up that is wanted. A peer that lies about its height costs an attempt, ever less often. */
export function updateSync(state: ReplicaState, out: Outbox): void {
  const { sync } = state;
  // What is above the last block of the validator set is for the next one to ask for.
  if (!sync.wanted || sync.running || state.halted || state.decided.last) return;
  if (sync.ticksToSkip > 0) {
    sync.wanted = false;
    return;
  }
  const peers = peersAhead(state);
  sync.wanted = false;
  if (peers.length === 0) return;
  let target = 0;
  for (const peer of peers) target = Math.max(target, state.claimedHeights.get(peer) ?? 0);
  sync.running = true;
  sync.asked = peers;
  sync.startedAt = state.decided.height;
  out.emit({
    kind: 'sync',
    from: offset(state.decided.height, 1),
    target: asHeight(Math.min(target, limits.maxHeight)),
    peers,
  });
}

/** A catch-up has ended. */
export function endSync(state: ReplicaState): void {
  const { sync } = state;
  sync.running = false;
  if (state.decided.height > sync.startedAt || hasCertifiedNext(state)) {
    sync.failures = 0;
    sync.ticksToSkip = 0;
  } else if (peersAhead(state).some((peer) => !sync.asked.includes(peer))) {
    // Others have said since that they are ahead: ask them at once.
    sync.wanted = true;
  } else {
    sync.failures += 1;
    sync.ticksToSkip = Math.min(2 ** Math.min(sync.failures, 10), maxPeriodsToSkip);
  }
  if (peersFarAhead(state)) sync.wanted = true;
}

function hasCertifiedNext(state: ReplicaState): boolean {
  const next = state.slots.get(offset(state.decided.height, 1));
  return next?.certificate !== undefined && findBlock(state, next, next.certificate.digest) !== undefined;
}

function peersFarAhead(state: ReplicaState): boolean {
  for (const height of state.claimedHeights.values()) {
    if (height > state.decided.height + state.config.pipelineWindow) return true;
  }
  return false;
}
