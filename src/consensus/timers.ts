/**
 * The three timers. Each is brought in line with the state at the end of a step, so that no path through the protocol
 * can forget one.
 */
import type { ValidatorIndex } from '../types/index.js';
import { catchUpAfterStall, isBehind, peersAhead } from './catch-up.js';
import type { Outbox } from './outbox.js';
import { isVoter, offset, ownViewChange, primaryOf, type ReplicaState } from './state.js';
import type { TimerId } from './types.js';
import { startViewChange, supportersOfView } from './view-change.js';

/** Periods of the silence timer without a word of an overdue transaction after which patience starts over. */
const calmPeriods = 3;

/** A peer is alive. */
export function heardFrom(state: ReplicaState, peer: ValidatorIndex): void {
  if (peer === state.config.self) return;
  state.heardInView.add(peer);
  state.heardInSilence.add(peer);
}

/** A timer has fired. */
export function timerFired(state: ReplicaState, out: Outbox, timer: TimerId): void {
  // One that was cancelled meanwhile.
  if (!state.timers[timer]) return;
  state.timers[timer] = false;
  switch (timer) {
    case 'view': {
      viewTimerFired(state, out);
      return;
    }
    case 'retransmit': {
      retransmitTimerFired(state, out);
      return;
    }
    case 'primarySilence': {
      silenceTimerFired(state, out);
      return;
    }
  }
}

function viewTimerFired(state: ReplicaState, out: Outbox): void {
  // Who hears of less than a quorum would ask in vain, and then could not vote in the view that the others are in.
  const connected = state.heardInView.size >= state.quorum - 1;
  if (!connected) return;
  // When f + 1 others are ahead, the primary is not to blame; one that merely says so must not hold this back.
  if (!state.changing && isBehind(state)) {
    state.sync.wanted = true;
    return;
  }
  startViewChange(state, out, state.view + 1, 'timeout');
}

function silenceTimerFired(state: ReplicaState, out: Outbox): void {
  const heard = state.heardInSilence;
  state.heardInSilence = new Set();
  state.silencePeriods += 1;
  state.periodsWithoutOverdue += 1;
  if (state.periodsWithoutOverdue >= calmPeriods) state.overduePatience = 1;
  if (heard.has(primaryOf(state, state.view)) || heard.size < state.quorum - 1) return;
  startViewChange(state, out, state.view + 1, 'primarySilent');
}

/**
 * A transaction waits for too long although blocks are committed; said again for as long as it is so. Each view that
 * starts while transactions wait doubles how long its primary has at least (all replicas that enter it agree on that),
 * so that mere overload does not turn into a chain of view changes; once nothing waits, or nothing for too long,
 * patience starts over. Says nothing about a view in which this replica is primary.
 */
export function overdue(state: ReplicaState, out: Outbox): void {
  if (!isVoter(state) || state.changing || !state.demand || isBehind(state)) return;
  state.periodsWithoutOverdue = 0;
  if (primaryOf(state, state.view) === state.config.self || state.silencePeriods < state.overduePatience)
    return;
  startViewChange(state, out, state.view + 1, 'overdue');
}

/** Whether transactions wait. */
export function setDemand(state: ReplicaState, pending: boolean): void {
  state.demand = pending;
  if (!pending) state.overduePatience = 1;
}

function retransmitTimerFired(state: ReplicaState, out: Outbox): void {
  catchUpAfterStall(state);
  state.helped.clear();
  if (!state.progressed) retransmit(state, out);
  state.progressed = false;
}

/** Sends again what may have been lost, since nothing has moved for a while. */
function retransmit(state: ReplicaState, out: Outbox): void {
  if (!isVoter(state)) return;
  if (state.changing) {
    const message = ownViewChange(state);
    if (message !== undefined) out.emit({ kind: 'send', to: 'all', message });
    return;
  }
  for (let height = offset(state.durable.height, 1); ; height = offset(height, 1)) {
    const slot = state.slots.get(height);
    if (slot === undefined) return;
    const { prePrepare, prepare, commit } = slot.own;
    for (const message of [prePrepare, prepare, commit]) {
      if (message?.view === state.view) out.emit({ kind: 'send', to: 'all', message });
    }
  }
}

/** Sets and cancels timers as the state wants them now. */
export function updateTimers(state: ReplicaState, out: Outbox): void {
  if (state.halted) return;
  const { timers, config } = state;
  const restartView = timers.restartView;
  const restartSilence = timers.restartSilence;
  timers.restartView = false;
  timers.restartSilence = false;
  if (align(state, out, 'view', wantsViewTimer(state), restartView, viewTimeoutMs(state))) {
    state.heardInView = new Set();
  }
  align(state, out, 'retransmit', wantsRetransmit(state), false, config.timeouts.retransmitMs);
  const silence = wantsSilenceTimer(state);
  if (align(state, out, 'primarySilence', silence, restartSilence, config.timeouts.primarySilenceMs)) {
    if (restartSilence) state.heardInSilence = new Set();
  }
}

/** True when the timer was set. */
function align(
  state: ReplicaState,
  out: Outbox,
  timer: TimerId,
  wanted: boolean,
  restart: boolean,
  delayMs: number,
): boolean {
  const running = state.timers[timer];
  if (!wanted) {
    if (running) out.emit({ kind: 'cancelTimer', timer });
    state.timers[timer] = false;
    return false;
  }
  if (running && !restart) return false;
  state.timers[timer] = true;
  out.emit({ kind: 'setTimer', timer, delayMs });
  return true;
}

/** Time that a view has for progress: doubles with each view in a row that brought none, up to the bound. */
export function viewTimeoutMs(state: ReplicaState): number {
  const { viewTimeoutMs: base, maxViewTimeoutMs } = state.config.timeouts;
  return Math.min(base * 2 ** Math.min(state.attempts, 30), maxViewTimeoutMs);
}

/**
 * In a view: while transactions wait or a proposal is in flight. While changing: only once a quorum asks for this view
 * or a higher one, so that no replica runs ahead of those that can follow (Castro and Liskov, OSDI 1999, §4.5.2).
 */
function wantsViewTimer(state: ReplicaState): boolean {
  // Nothing can be asked of the primary while the next validator set waits for the disk.
  if (!isVoter(state) || state.n === 1 || state.decided.last) return false;
  if (state.changing) return supportersOfView(state) >= state.quorum;
  return state.demand || hasInFlight(state);
}

/** Whether a proposal of this view is not final yet. */
function hasInFlight(state: ReplicaState): boolean {
  const slot = state.slots.get(offset(state.decided.height, 1));
  return slot?.accepted !== undefined || slot?.rounds.get(state.view)?.proposal !== undefined;
}

function wantsRetransmit(state: ReplicaState): boolean {
  if (state.changing || state.helped.size > 0) return true;
  // Any slot: something was said about a height that is not on disk yet.
  return state.slots.size > 0 || peersAhead(state).length > 0;
}

function wantsSilenceTimer(state: ReplicaState): boolean {
  return (
    isVoter(state) && state.n > 1 && !state.changing && primaryOf(state, state.view) !== state.config.self
  );
}
