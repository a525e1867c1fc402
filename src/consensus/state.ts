/**
 * What a replica knows. `step` owns the value and changes it in place; nothing else does. Plain data: no I/O, no clock.
 */
import type {
  BlockHeader,
  Checkpoint,
  Commit,
  CommitCertificate,
  PeerStatus,
  PrePrepare,
  Prepare,
  SignedNewView,
  SignedViewChange,
  VoteSignature,
} from '../codec/model.js';
import {
  asHeight,
  asValidatorIndex,
  asView,
  equalBytes,
  faultyOf,
  quorumOf,
  toHex,
  type Digest,
  type Height,
  type ValidatorIndex,
  type View,
} from '../types/index.js';
import type { Outbox } from './outbox.js';
import { emptyTally, type Tally } from './votes.js';
import type {
  BlockRef,
  ConsensusConfig,
  ConsensusEffect,
  RestoredState,
  VerifiedPreparedCertificate,
  VerifiedViewChange,
} from './types.js';

/** A block that is final here. */
export interface Tip {
  readonly height: Height;
  readonly digest: Digest;
  readonly timeMs: number;
  /** Absent at height 0. */
  readonly certificate: CommitCertificate | undefined;
  /** It is the last block of the validator set: nothing stands on it before it is on disk and the next set takes over. */
  readonly last: boolean;
}

/** A block with what is known about its execution. `running` remembers whether local policy is judged as well. */
export interface KnownBlock {
  block: BlockRef;
  execution: 'none' | 'running' | 'valid' | 'invalid' | 'refused';
  /** The driver has its bodies from the log. */
  restored: boolean;
}

/** The primary's signed proposal in a view, whether or not it could be accepted yet. */
export interface ReceivedProposal {
  readonly block: BlockRef;
  readonly signature: VoteSignature;
  readonly source: ValidatorIndex;
  /** Part of the derived new view, not fresh. */
  readonly reproposed: boolean;
}

/** What was received for one height in one view. */
export interface Round {
  proposal: ReceivedProposal | undefined;
  readonly prepares: Tally;
  readonly commits: Tally;
}

/** The block accepted for a height in the current view. */
export interface Accepted {
  readonly known: KnownBlock;
  readonly source: ValidatorIndex;
  readonly fresh: boolean;
}

/** Everything about one height that is not durable yet. */
export interface Slot {
  readonly height: Height;
  readonly rounds: Map<View, Round>;
  accepted: Accepted | undefined;
  /** Of whatever view; once there, the block is final. */
  certificate: CommitCertificate | undefined;
  /** Prepared certificate of the highest view. */
  prepared: VerifiedPreparedCertificate | undefined;
  /** Highest view in which this replica voted, -1 for none. */
  castPrePrepare: number;
  castPrepare: number;
  castCommit: number;
  /** Block that the log holds for this height. */
  logged: BlockRef | undefined;
  /** Own signed votes in the current view, for sending again. */
  own: { prePrepare?: PrePrepare; prepare?: Prepare; commit?: Commit };
}

/** What a silent replica waits for. */
export interface Abstention {
  /** What other validators have said since the silence began: the height of their first word, and their last view; the
   * highest, once they may be with the next validator set. */
  readonly words: Map<ValidatorIndex, { readonly height: Height; readonly view: View }>;
  /** Height that has to be final here; undefined until enough others are heard. */
  until: Height | undefined;
}

/** What is asked of the driver's block builder. */
export type BuildOrder = Extract<ConsensusEffect, { readonly kind: 'build' }>;

export interface ReplicaState {
  readonly config: ConsensusConfig;
  readonly n: number;
  readonly f: number;
  readonly quorum: number;
  halted: boolean;
  /** Set while this replica says nothing, because its log may lack what it has signed. */
  abstention: Abstention | undefined;

  view: View;
  /** A view-change for `view` was sent and the view has not started. */
  changing: boolean;
  /** Highest height that the current view took over; fresh proposals start above. */
  inheritedHeight: Height;
  /** Proof that the current view started; undefined in view 0. */
  newView: SignedNewView | undefined;
  /** Latest view-change of each validator: only the highest view. */
  readonly viewChanges: Map<ValidatorIndex, VerifiedViewChange>;
  /** View for which this replica, as primary, has signed a new-view; -1 for none. */
  castNewView: number;

  /** Last block whose state and certificate are on disk. */
  durable: Tip;
  /** Last block that is final and whose `commit` was ordered. */
  decided: Tip;
  readonly slots: Map<Height, Slot>;
  /** By hexadecimal digest. */
  readonly blocks: Map<string, KnownBlock>;
  buildOrder: BuildOrder | undefined;

  stableCheckpoint: Height;
  /** Height that a quorum reports to have on disk. */
  quorumDurable: Height;
  readonly checkpoints: Map<Height, Tally>;
  readonly ownCheckpoints: Map<Height, Checkpoint>;

  readonly peers: Map<ValidatorIndex, PeerStatus>;
  /** Committed heights that validators claimed, by status or view-change. */
  readonly claimedHeights: Map<ValidatorIndex, Height>;
  /** What was already sent again to a peer since the last retransmission. */
  readonly helped: Set<string>;
  sync: {
    running: boolean;
    startedAt: Height;
    asked: readonly ValidatorIndex[];
    wanted: boolean;
    failures: number;
    ticksToSkip: number;
  };

  demand: boolean;
  /** View changes in a row without progress. */
  attempts: number;
  timers: {
    view: boolean;
    retransmit: boolean;
    primarySilence: boolean;
    /** Set to restart the timer although it runs. */
    restartView: boolean;
    restartSilence: boolean;
  };
  progressed: boolean;
  /** Validators heard of since the view timer and the silence timer were set. */
  heardInView: Set<ValidatorIndex>;
  heardInSilence: Set<ValidatorIndex>;
  /** Periods of the silence timer since the view started, and how many an `overdue` has to wait for. */
  silencePeriods: number;
  overduePatience: number;
  periodsWithoutOverdue: number;
}

/** Views below the current one whose commits still count: a late commit certificate is welcome. */
export const keptPastViews = 4;
/** Views above the current one whose votes are kept until the view starts here. */
export const keptFutureViews = 2;
/** Longest that a view is kept although a transaction is overdue in it, in periods of the silence timer. */
export const maxOverduePatience = 64;
/** Certified blocks ahead of the decided one that are kept: what catch-up may deliver before it waits. */
export const maxCertifiedAhead = 1024;

/** A replica at a committed block, in view 0, that knows nothing else. */
export function emptyState(config: ConsensusConfig, committed: RestoredState['committed']): ReplicaState {
  const n = config.validatorSet.validators.length;
  const tip: Tip = {
    height: committed.height,
    digest: committed.digest,
    timeMs: committed.timeMs,
    certificate: committed.certificate,
    last: false,
  };
  return {
    config,
    n,
    f: faultyOf(n),
    quorum: quorumOf(n),
    halted: false,
    abstention: undefined,
    view: asView(0),
    changing: false,
    inheritedHeight: asHeight(0),
    newView: undefined,
    viewChanges: new Map(),
    castNewView: -1,
    durable: tip,
    decided: tip,
    slots: new Map(),
    blocks: new Map(),
    buildOrder: undefined,
    stableCheckpoint: asHeight(0),
    quorumDurable: n === 1 ? tip.height : asHeight(0),
    checkpoints: new Map(),
    ownCheckpoints: new Map(),
    peers: new Map(),
    claimedHeights: new Map(),
    helped: new Set(),
    sync: { running: false, startedAt: tip.height, asked: [], wanted: false, failures: 0, ticksToSkip: 0 },
    demand: false,
    attempts: 0,
    timers: {
      view: false,
      retransmit: false,
      primarySilence: false,
      restartView: false,
      restartSilence: false,
    },
    progressed: false,
    heardInView: new Set(),
    heardInSilence: new Set(),
    silencePeriods: 0,
    overduePatience: 1,
    periodsWithoutOverdue: 0,
  };
}

/** Whether a block of this validator set is its last: its header names another set for the next height. */
export function handsOver(
  { config }: Pick<ReplicaState, 'config'>,
  header: Pick<BlockHeader, 'nextValidatorSetHash'>,
): boolean {
  return !equalBytes(header.nextValidatorSetHash, config.validatorSetHash);
}

/** Primary of a view: `validators[view mod n]`. */
export function primaryOf(state: { readonly n: number }, view: View): ValidatorIndex {
  return asValidatorIndex(view % state.n);
}

/** Whether this replica votes: it is a validator, has not halted, and does not abstain. */
export function isVoter(state: ReplicaState): boolean {
  return state.config.self !== undefined && !state.halted && state.abstention === undefined;
}

/** Whether this replica is the primary of the view, which has started. */
export function isActivePrimary(state: ReplicaState): boolean {
  return isVoter(state) && !state.changing && primaryOf(state, state.view) === state.config.self;
}

export const offset = (height: Height, by: number): Height => asHeight(height + by);

/** Span of heights above the low watermark: two checkpoint intervals, or one and the window when that is wider. */
export function watermarkSpan(config: ConsensusConfig): number {
  return Math.max(2 * config.checkpointInterval, config.checkpointInterval + config.pipelineWindow);
}

/** Height up to which a quorum is known to have everything on disk, in whole checkpoint intervals. */
export function lowWatermark(state: ReplicaState): Height {
  const interval = state.config.checkpointInterval;
  return asHeight(Math.max(state.stableCheckpoint, Math.floor(state.quorumDurable / interval) * interval));
}

/**
 * Highest height that this replica proposes or votes for now: a window above what is on disk, so that after a crash no
 * more than a window of heights has prepared certificates; and within the watermarks.
 */
export function highestVotable(state: ReplicaState): Height {
  return asHeight(
    Math.min(
      state.durable.height + state.config.pipelineWindow,
      lowWatermark(state) + watermarkSpan(state.config),
    ),
  );
}

/** Highest height whose messages are kept: a primary may be a window ahead of this replica. */
export function highestKept(state: ReplicaState): Height {
  return offset(state.decided.height, 2 * state.config.pipelineWindow);
}

/** The slot of a height, made when there is none. The caller has bounded the height. */
export function slotAt(state: ReplicaState, height: Height): Slot {
  let slot = state.slots.get(height);
  if (slot === undefined) {
    slot = {
      height,
      rounds: new Map(),
      accepted: undefined,
      certificate: undefined,
      prepared: undefined,
      castPrePrepare: -1,
      castPrepare: -1,
      castCommit: -1,
      logged: undefined,
      own: {},
    };
    state.slots.set(height, slot);
  }
  return slot;
}

/** The round of a view in a slot, made when there is none. The caller has bounded the view. */
export function roundOf(slot: Slot, view: View): Round {
  let round = slot.rounds.get(view);
  if (round === undefined) {
    round = { proposal: undefined, prepares: emptyTally(), commits: emptyTally() };
    slot.rounds.set(view, round);
  }
  return round;
}

/** Registers a block, or adds the transaction hashes to one that is known without them. */
export function learnBlock(state: ReplicaState, block: BlockRef): KnownBlock {
  const key = toHex(block.digest);
  const known = state.blocks.get(key);
  if (known === undefined) {
    const added: KnownBlock = { block, execution: 'none', restored: false };
    state.blocks.set(key, added);
    return added;
  }
  if (known.block.transactionHashes === undefined && block.transactionHashes !== undefined)
    known.block = block;
  return known;
}

/** A block of a slot by its digest, wherever it was seen. */
export function findBlock(state: ReplicaState, slot: Slot, digest: Digest): KnownBlock | undefined {
  const known = state.blocks.get(toHex(digest));
  if (known !== undefined) return known;
  for (const round of slot.rounds.values()) {
    const proposed = round.proposal?.block;
    if (proposed !== undefined && equalBytes(proposed.digest, digest)) return learnBlock(state, proposed);
  }
  if (slot.logged !== undefined && equalBytes(slot.logged.digest, digest))
    return learnBlock(state, slot.logged);
  return undefined;
}

/** Forgets a block; true when the driver holds something for it. */
export function forgetBlock(state: ReplicaState, known: KnownBlock): boolean {
  state.blocks.delete(toHex(known.block.digest));
  return known.execution !== 'none' || known.restored;
}

/** Stops for good. */
export function halt(state: ReplicaState, out: Outbox, reason: string): void {
  state.halted = true;
  if (state.buildOrder !== undefined) out.emit({ kind: 'stopBuilding' });
  state.buildOrder = undefined;
  for (const timer of ['view', 'retransmit', 'primarySilence'] as const) {
    if (state.timers[timer]) out.emit({ kind: 'cancelTimer', timer });
    state.timers[timer] = false;
  }
  out.emit({ kind: 'halt', reason });
}

/** Stops because somebody else signs with this validator's key. */
export function haltAsDouble(state: ReplicaState, out: Outbox, height: Height): void {
  halt(
    state,
    out,
    `A vote for height ${height} was signed with this validator's key by another process. ` +
      `Stop all processes that use the key, and find out which one is to keep it.`,
  );
}

/** Latest own view-change as it was signed, if it is for the current view. */
export function ownViewChange(state: ReplicaState): SignedViewChange | undefined {
  const own = state.config.self === undefined ? undefined : state.viewChanges.get(state.config.self);
  return own?.body.view === state.view ? own.signed : undefined;
}
