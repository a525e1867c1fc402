import { equalBytes, invariant, toHex, unreachable } from '../types/index.js';
import { catchUpToBase, endSync, noteClaim, updateSync } from './catch-up.js';
import { castCheckpoint, receiveCheckpoint, updateQuorumDurable } from './checkpoint.js';
import { enterEpoch } from './epoch.js';
import { discardBlocks, learnCertificate } from './finality.js';
import { Outbox } from './outbox.js';
import { proposeBuilt, receivePrePrepare, updateBuildOrder } from './proposals.js';
import { updateAbstention } from './rejoin.js';
import { restoreState } from './restart.js';
import { handsOver, learnBlock, maxCertifiedAhead, type KnownBlock, type ReplicaState } from './state.js';
import { receiveStatus } from './status.js';
import { heardFrom, overdue, setDemand, timerFired, updateTimers } from './timers.js';
import type { ConsensusConfig, ConsensusEffect, ConsensusEvent, RestoredState } from './types.js';
import { handOver, receiveNewView, receiveViewChange, tryNewView } from './view-change.js';
import { advance, receiveVote } from './voting.js';

/** A replica and what the driver is to do next. */
export interface Step {
  readonly state: ReplicaState;
  readonly effects: readonly ConsensusEffect[];
}

/**
 * A replica as it starts: from genesis, or from what a restart finds. The effects are those of a first step: votes cast
 * before are cast again, word for word. Throws a DefectError on a log that this program cannot have written.
 */
export function createReplica(config: ConsensusConfig, restored: RestoredState): Step {
  const out = new Outbox();
  const state = restoreState(config, restored, out);
  settle(state, out);
  return { state, effects: out.finish() };
}

/**
 * Takes one event. Deterministic: the same state and event give the same state and effects. The state is changed in
 * place and returned; the caller hands it over and uses it only through what this module exports.
 */
export function step(state: ReplicaState, event: ConsensusEvent): Step {
  if (state.halted) return { state, effects: [] };
  const out = new Outbox();
  const current = handle(state, out, event);
  settle(current, out);
  return { state: current, effects: out.finish() };
}

/** What follows from the state, whatever the event was. */
function settle(state: ReplicaState, out: Outbox): void {
  updateAbstention(state, out);
  advance(state, out);
  tryNewView(state, out);
  if (state.halted) return;
  updateBuildOrder(state, out);
  updateSync(state, out);
  updateTimers(state, out);
}

/** The state to go on with: another one than before when the next validator set takes over. */
function handle(state: ReplicaState, out: Outbox, event: ConsensusEvent): ReplicaState {
  switch (event.kind) {
    case 'message':
      heardFrom(state, event.from);
      handleMessage(state, out, event);
      return state;
    case 'status':
      if (event.from >= state.n) {
        // Of no validator in force: it has blocks, and no say in anything.
        noteClaim(state, event.from, event.status.committedHeight);
        return state;
      }
      heardFrom(state, event.from);
      receiveStatus(state, out, event.from, event.status);
      return state;
    case 'built':
      proposeBuilt(state, out, event);
      return state;
    case 'executed':
      handleExecuted(state, event);
      return state;
    case 'committed':
      return handleCommitted(state, out, event);
    case 'certified':
      handleCertified(state, out, event);
      return state;
    case 'syncEnded':
      endSync(state);
      return state;
    case 'demand':
      setDemand(state, event.pending);
      return state;
    case 'overdue':
      overdue(state, out);
      return state;
    case 'handOver':
      handOver(state, out);
      return state;
    case 'timer':
      timerFired(state, out, event.timer);
      return state;
    default:
      return unreachable(event);
  }
}

function handleMessage(
  state: ReplicaState,
  out: Outbox,
  { from, message }: Extract<ConsensusEvent, { readonly kind: 'message' }>,
): void {
  switch (message.kind) {
    case 'prePrepare': {
      receivePrePrepare(state, out, from, message);
      return;
    }
    case 'prepare':
    case 'commit': {
      receiveVote(state, out, from, message.message);
      return;
    }
    case 'checkpoint': {
      receiveCheckpoint(state, out, from, message.message);
      return;
    }
    case 'viewChange': {
      receiveViewChange(state, out, from, message.viewChange);
      return;
    }
    case 'newView': {
      const { view } = state;
      receiveNewView(state, out, from, message);
      if (state.view !== view || !state.changing) catchUpToBase(state, state.inheritedHeight);
      return;
    }
    default:
      return unreachable(message);
  }
}

function handleExecuted(
  state: ReplicaState,
  event: Extract<ConsensusEvent, { readonly kind: 'executed' }>,
): void {
  const known = state.blocks.get(toHex(event.digest));
  // Given up meanwhile.
  if (known?.execution !== 'running') return;
  known.execution = event.outcome;
}

function handleCommitted(
  state: ReplicaState,
  out: Outbox,
  { height, digest, next }: Extract<ConsensusEvent, { readonly kind: 'committed' }>,
): ReplicaState {
  if (height <= state.durable.height || height > state.decided.height) return state;
  const slot = state.slots.get(height);
  const known = state.blocks.get(toHex(digest));
  invariant(
    slot?.certificate !== undefined && known !== undefined && equalBytes(slot.certificate.digest, digest),
    'what becomes durable is what was ordered to be committed',
  );
  state.durable = {
    height,
    digest,
    timeMs: known.block.header.timeMs,
    certificate: slot.certificate,
    last: handsOver(state, known.block.header),
  };
  const rivals: KnownBlock[] = [];
  for (const [key, other] of state.blocks) {
    const at = other.block.header.height;
    if (at > height) continue;
    const certified = state.slots.get(at)?.certificate;
    // The state of a committed block is the driver's to fold away.
    if (certified !== undefined && equalBytes(other.block.digest, certified.digest)) state.blocks.delete(key);
    else rivals.push(other);
  }
  for (const below of state.slots.keys()) if (below <= height) state.slots.delete(below);
  discardBlocks(state, out, rivals);
  updateQuorumDurable(state);
  if (state.durable.last) {
    const named = known.block.header.nextValidatorSetHash;
    invariant(
      next !== undefined && equalBytes(next.validatorSetHash, named),
      'with the last block of a validator set comes the set that its header names',
    );
    return enterEpoch(state, out, next);
  }
  invariant(next === undefined, 'only the last block of a validator set comes with another set');
  castCheckpoint(state, out);
  return state;
}

function handleCertified(
  state: ReplicaState,
  out: Outbox,
  { block, certificate }: Extract<ConsensusEvent, { readonly kind: 'certified' }>,
): void {
  const { height } = block.header;
  if (!equalBytes(certificate.digest, block.digest)) return;
  if (height <= state.decided.height || height > state.decided.height + maxCertifiedAhead) return;
  learnCertificate(state, out, certificate);
  if (!state.halted) learnBlock(state, block);
}
