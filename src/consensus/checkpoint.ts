/**
 * Checkpoints: every so many blocks a replica signs that it has everything up to a height on disk. A quorum of them
 * makes the height stable, which bounds how far anybody runs ahead.
 */
import type { Checkpoint } from '../codec/model.js';
import { asHeight, type Height, type ValidatorIndex } from '../types/index.js';
import type { Outbox } from './outbox.js';
import { isVoter, watermarkSpan, type ReplicaState } from './state.js';
import { emptyTally, recordVote, votersFor } from './votes.js';

/** Says that the durable block is on disk, when its height is that of a checkpoint. */
export function castCheckpoint(state: ReplicaState, out: Outbox): void {
  const { height, digest } = state.durable;
  if (!isVoter(state) || height % state.config.checkpointInterval !== 0 || height === 0) return;
  out.emit({ kind: 'cast', statement: { kind: 'checkpoint', height, digest } });
}

/** Takes a verified checkpoint. */
export function receiveCheckpoint(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  message: Checkpoint,
): void {
  const { height, digest, signature } = message;
  const interval = state.config.checkpointInterval;
  if (height % interval !== 0) {
    out.ignored('checkpoint', 'unexpected', from);
    return;
  }
  if (from === state.config.self) keepOwn(state, message);
  if (height <= state.stableCheckpoint) return;
  if (height > Math.max(state.durable.height, state.stableCheckpoint) + watermarkSpan(state.config)) {
    out.ignored('checkpoint', 'beyondWindow', from);
    return;
  }
  let tally = state.checkpoints.get(height);
  if (tally === undefined) {
    tally = emptyTally();
    state.checkpoints.set(height, tally);
  }
  if (recordVote(tally, { digest, signature }).kind === 'conflict') {
    out.ignored('checkpoint', 'conflictingVote', from);
    return;
  }
  if (votersFor(tally, digest) >= state.quorum) makeStable(state, out, height);
}

function keepOwn(state: ReplicaState, message: Checkpoint): void {
  state.ownCheckpoints.set(message.height, message);
  for (const height of state.ownCheckpoints.keys()) {
    if (height < state.stableCheckpoint) state.ownCheckpoints.delete(height);
  }
}

function makeStable(state: ReplicaState, out: Outbox, height: Height): void {
  state.stableCheckpoint = height;
  for (const known of state.checkpoints.keys()) if (known <= height) state.checkpoints.delete(known);
  for (const own of state.ownCheckpoints.keys()) if (own < height) state.ownCheckpoints.delete(own);
  out.notice({ kind: 'checkpointStable', height });
}

/** Recomputes what a quorum reports to have on disk, this replica included. */
export function updateQuorumDurable(state: ReplicaState): void {
  const heights: number[] = state.config.self === undefined ? [] : [state.durable.height];
  for (const [peer, status] of state.peers)
    if (peer !== state.config.self) heights.push(status.committedHeight);
  const reported = heights.sort((left, right) => right - left)[state.quorum - 1] ?? 0;
  if (reported > state.quorumDurable) state.quorumDurable = asHeight(reported);
}
