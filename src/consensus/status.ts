/** Where a replica stands, for its peers and its operator, and what it makes of where its peers stand. */
import type { PeerStatus } from '../codec/model.js';
import type { Digest, Height, ValidatorIndex, View } from '../types/index.js';
import { noteWord } from './abstention.js';
import { noteClaim } from './catch-up.js';
import { updateQuorumDurable } from './checkpoint.js';
import type { Outbox } from './outbox.js';
import { lowWatermark, primaryOf, watermarkSpan, type ReplicaState } from './state.js';
import { helpWithView } from './view-change.js';

/** What a replica tells its peers: on connection, regularly (at least twice per shortest timeout), and when its view
 * changes. */
export function peerStatus(state: ReplicaState): PeerStatus {
  return {
    view: state.view,
    viewChangeInProgress: state.changing,
    committedHeight: state.durable.height,
    stableCheckpointHeight: state.stableCheckpoint,
  };
}

/** Takes the status of a peer, and sends it what it obviously lacks. */
export function receiveStatus(
  state: ReplicaState,
  out: Outbox,
  from: ValidatorIndex,
  status: PeerStatus,
): void {
  if (from === state.config.self) return;
  state.peers.set(from, status);
  noteClaim(state, from, status.committedHeight);
  noteWord(state, from, status);
  updateQuorumDurable(state);
  // Still with the validator set before: it needs blocks, not views.
  if (status.committedHeight + 1 < state.config.validatorSet.activationHeight) return;
  const lacksView = status.view < state.view || (status.view === state.view && status.viewChangeInProgress);
  if (lacksView || (state.changing && status.view === state.view)) helpWithView(state, out, from);
  if (status.stableCheckpointHeight < state.stableCheckpoint) helpWithCheckpoint(state, out, from);
}

function helpWithCheckpoint(state: ReplicaState, out: Outbox, peer: ValidatorIndex): void {
  const message = state.ownCheckpoints.get(state.stableCheckpoint);
  const token = `checkpoint/${peer}`;
  if (message === undefined || state.helped.has(token)) return;
  state.helped.add(token);
  out.emit({ kind: 'send', to: peer, message });
}

/** What an operator wants to see of the protocol. */
export interface ConsensusSnapshot {
  /** Number of the validator set, and the first height that it decides. */
  readonly epoch: number;
  readonly activationHeight: Height;
  readonly view: View;
  readonly viewChangeInProgress: boolean;
  readonly primary: ValidatorIndex;
  readonly isPrimary: boolean;
  readonly halted: boolean;
  readonly syncing: boolean;
  /** Says nothing, because its log may lack what it has signed. */
  readonly abstaining: boolean;
  readonly committedHeight: Height;
  readonly decidedHeight: Height;
  readonly stableCheckpointHeight: Height;
  readonly lowWatermark: number;
  readonly highWatermark: number;
  readonly viewChangesWithoutProgress: number;
  /** Heights that are not on disk yet, ascending. */
  readonly inFlight: readonly {
    readonly height: Height;
    readonly digest: Digest | undefined;
    readonly prepares: number;
    readonly commits: number;
    readonly phase: 'waiting' | 'executing' | 'prePrepared' | 'prepared' | 'committed';
  }[];
  readonly peers: readonly (PeerStatus & { readonly validator: ValidatorIndex })[];
}

/** A copy of what an operator wants to see. */
export function consensusSnapshot(state: ReplicaState): ConsensusSnapshot {
  const primary = primaryOf(state, state.view);
  const low = lowWatermark(state);
  const { epoch, activationHeight } = state.config.validatorSet;
  return {
    epoch,
    activationHeight,
    view: state.view,
    viewChangeInProgress: state.changing,
    primary,
    isPrimary: primary === state.config.self,
    halted: state.halted,
    syncing: state.sync.running,
    abstaining: state.abstention !== undefined,
    committedHeight: state.durable.height,
    decidedHeight: state.decided.height,
    stableCheckpointHeight: state.stableCheckpoint,
    lowWatermark: low,
    highWatermark: low + watermarkSpan(state.config),
    viewChangesWithoutProgress: state.attempts,
    inFlight: [...state.slots.values()]
      .sort((left, right) => left.height - right.height)
      .map((slot) => {
        const round = slot.rounds.get(state.view);
        const count = (votes: readonly unknown[] | undefined): number =>
          votes?.filter((vote) => vote !== undefined).length ?? 0;
        return {
          height: slot.height,
          digest: slot.certificate?.digest ?? slot.accepted?.known.block.digest,
          prepares: count(round?.prepares.byValidator),
          commits: count(round?.commits.byValidator),
          phase: phaseOf(state, slot),
        };
      }),
    peers: [...state.peers]
      .sort(([left], [right]) => left - right)
      .map(([validator, status]) => ({ validator, ...status })),
  };
}

function phaseOf(
  state: ReplicaState,
  slot: ReplicaState['slots'] extends Map<Height, infer S> ? S : never,
): ConsensusSnapshot['inFlight'][number]['phase'] {
  if (slot.certificate !== undefined) return 'committed';
  if (slot.accepted === undefined) return 'waiting';
  if (slot.prepared?.certificate.view === state.view) return 'prepared';
  return slot.accepted.known.execution === 'valid' ? 'prePrepared' : 'executing';
}
