/**
 * The next validator set takes over, once the last block of the set before is on disk. A set starts from nothing but that
 * block: view 0, no votes, no view-changes. Everything of the set before is let go of; whoever has not finished it gets
 * its last blocks by catch-up, with their certificates.
 */
import { asHeight, asValidatorIndex, asView, invariant } from '../types/index.js';
import { carryAbstention } from './abstention.js';
import { noteClaim } from './catch-up.js';
import { updateQuorumDurable } from './checkpoint.js';
import { discardBlocks } from './finality.js';
import type { Outbox } from './outbox.js';
import { emptyState, type ReplicaState } from './state.js';
import type { ConsensusConfig, NextEpoch } from './types.js';

/** The state in which the next set begins. */
export function enterEpoch(state: ReplicaState, out: Outbox, next: NextEpoch): ReplicaState {
  const { durable, decided, config } = state;
  const { validatorSet, self } = next;
  invariant(decided.height === durable.height, 'nothing is decided above the last block of a validator set');
  invariant(
    validatorSet.epoch === config.validatorSet.epoch + 1 &&
      validatorSet.activationHeight === durable.height + 1 &&
      durable.certificate !== undefined,
    'a validator set takes over at its height',
  );
  letGo(state, out);
  invariant(
    self === undefined || validatorSet.validators[self] !== undefined,
    'the own index is one of the set',
  );
  const fresh = emptyState(configOf(config, next), {
    height: durable.height,
    digest: durable.digest,
    timeMs: durable.timeMs,
    certificate: durable.certificate,
  });
  fresh.demand = state.demand;
  // Heights are heights, whoever voted: they bound how far ahead anybody runs, and say whom to ask for blocks.
  fresh.stableCheckpoint = state.stableCheckpoint;
  fresh.quorumDurable = asHeight(Math.max(state.quorumDurable, fresh.quorumDurable));
  carryClaims(state, fresh);
  carryAbstention(state, fresh, out);
  updateQuorumDurable(fresh);
  out.notice({ kind: 'epochStarted', epoch: validatorSet.epoch, height: validatorSet.activationHeight });
  return fresh;
}

function configOf(
  { validatorSet, validatorSetHash, ...rest }: ConsensusConfig,
  next: NextEpoch,
): ConsensusConfig {
  return { ...rest, ...next, predecessor: { validatorSet, validatorSetHash } };
}

/** Timers, orders and blocks of the set before. */
function letGo(state: ReplicaState, out: Outbox): void {
  for (const timer of ['view', 'retransmit', 'primarySilence'] as const) {
    if (state.timers[timer]) out.emit({ kind: 'cancelTimer', timer });
    state.timers[timer] = false;
  }
  if (state.buildOrder !== undefined) out.emit({ kind: 'stopBuilding' });
  discardBlocks(state, out, [...state.blocks.values()]);
}

/** What validators of the set before said of their heights, where they are in the next as well. */
function carryClaims(state: ReplicaState, fresh: ReplicaState): void {
  const before = state.config.validatorSet.validators;
  for (const [index, { id }] of fresh.config.validatorSet.validators.entries()) {
    const earlier = before.findIndex((validator) => validator.id === id);
    if (earlier < 0) continue;
    const place = asValidatorIndex(index);
    const claimed = state.claimedHeights.get(asValidatorIndex(earlier));
    const status = state.peers.get(asValidatorIndex(earlier));
    if (claimed !== undefined) noteClaim(fresh, place, claimed);
    if (status !== undefined) {
      fresh.peers.set(place, { ...status, view: asView(0), viewChangeInProgress: false });
    }
  }
  // A catch-up ends with the set that it was for.
  if (state.sync.running || state.sync.wanted) fresh.sync.wanted = true;
}
