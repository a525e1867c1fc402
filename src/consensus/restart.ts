/**
 * Restart from the log. What was voted is said again, word for word; nothing that contradicts it is ever said. The
 * signatures in the log were checked before they were written, so only its structure is looked at here.
 */
import type { SignedNewView } from '../codec/model.js';
import { asView, equalBytes, invariant } from '../types/index.js';
import { abstain } from './abstention.js';
import { parseNewView, parsePreparedCertificate } from './authenticate.js';
import { deriveNewView } from './new-view.js';
import { discardBlocks } from './finality.js';
import type { Outbox } from './outbox.js';
import { emptyState, learnBlock, slotAt, type KnownBlock, type ReplicaState } from './state.js';
import type {
  BlockRef,
  ConsensusConfig,
  LogRecord,
  NewViewStatement,
  RestoredState,
  VerifiedMessage,
} from './types.js';
import { forgetUninherited, installView, viewChangeBody } from './view-change.js';

type VoteRecord = Extract<LogRecord, { readonly kind: 'vote' }>;

/** The state that a log leads to, and in `out` what is to be said again. Throws a DefectError on a log that this
 * program cannot have written. */
export function restoreState(config: ConsensusConfig, restored: RestoredState, out: Outbox): ReplicaState {
  invariant(
    restored.committed.height === 0 || restored.committed.certificate !== undefined,
    'a committed block has its certificate',
  );
  const state = emptyState(config, restored.committed);
  const votes: VoteRecord[] = [];
  let newView: SignedNewView | undefined;
  let draft: NewViewStatement | undefined;
  let abstains = false;
  for (const record of restored.log) {
    if ('epoch' in record && isOfEarlierSet(record.epoch, config)) continue;
    switch (record.kind) {
      case 'view':
        state.view = record.view;
        state.changing = record.changing;
        break;
      case 'newView':
        newView = record.message;
        break;
      case 'newViewDraft':
        draft = record.statement;
        break;
      case 'abstention':
        abstains = record.active;
        break;
      case 'vote':
        if (record.height > state.durable.height) votes.push(record);
        break;
      case 'block':
        restoreBlock(state, record.block);
        break;
      case 'prepared': {
        if (record.height <= state.durable.height) break;
        const prepared = parsePreparedCertificate(record.certificate, config);
        invariant(
          prepared.ok,
          'a prepared certificate in the log has the structure that was checked on arrival',
        );
        slotAt(state, record.height).prepared = prepared.value.verified;
        break;
      }
    }
  }
  restoreView(state, out, newView);
  if (config.self === undefined) {
    // What it may have forgotten it has said in another set: one to come counts.
    if (abstains || restored.outdated === true) abstain(state, out, 'outdated');
    return state;
  }
  for (const vote of votes.sort((left, right) => left.height - right.height)) restoreVote(state, vote);
  sortOutBlocks(state, out);
  if (abstains || restored.outdated === true) {
    abstain(state, out, 'outdated');
    return state;
  }
  if (state.changing) askAgain(state, out, draft);
  else sayAgain(state, out, votes);
  return state;
}

/** Views of a set whose last block is on disk mean nothing any more; the log keeps them until the next set writes its
 * own. */
function isOfEarlierSet(epoch: number, { validatorSet }: ConsensusConfig): boolean {
  invariant(
    epoch <= validatorSet.epoch,
    'a validator set is logged only after the last block of the one before',
  );
  return epoch < validatorSet.epoch;
}

function restoreBlock(state: ReplicaState, block: BlockRef): void {
  const { height } = block.header;
  if (height > state.durable.height) slotAt(state, height).logged = block;
}

/** Enters the view of the log if there is proof that it started; otherwise asks for it again. */
function restoreView(state: ReplicaState, out: Outbox, message: SignedNewView | undefined): void {
  if (state.view === 0) {
    invariant(!state.changing, 'nobody asks for view 0');
    return;
  }
  const verified = message === undefined ? undefined : readNewView(message, state.config);
  if (verified === undefined) {
    state.changing = true;
    return;
  }
  const derived = deriveNewView(verified.viewChanges, state.config.pipelineWindow);
  if (state.changing || verified.newView.view !== state.view) {
    state.changing = true;
    forgetUninherited(state, verified.newView.view, derived);
    return;
  }
  installView(state, out, verified, derived);
}

function readNewView(
  message: SignedNewView,
  config: ConsensusConfig,
): Extract<VerifiedMessage, { readonly kind: 'newView' }> {
  const parsed = parseNewView(message, config);
  invariant(parsed.ok, 'the new-view in the log has the structure that was checked on arrival');
  return parsed.value.verified;
}

function restoreVote(state: ReplicaState, vote: VoteRecord): void {
  const slot = slotAt(state, vote.height);
  const { view, phase, digest } = vote;
  if (phase === 'prePrepare') slot.castPrePrepare = view;
  else if (phase === 'prepare') slot.castPrepare = view;
  else slot.castCommit = view;
  if (state.changing || view !== state.view || slot.accepted !== undefined) return;
  // Voted for in the view that goes on, so accepted in it.
  invariant(
    slot.logged !== undefined && equalBytes(slot.logged.digest, digest),
    'the log holds the block of the latest vote of a height',
  );
  const proposal = slot.rounds.get(view)?.proposal;
  slot.accepted = {
    known: learnBlock(state, slot.logged),
    source: proposal?.source ?? slot.logged.header.proposer,
    fresh: false,
  };
}

/**
 * The driver has the bodies of all blocks in the log, and their transactions wait for these blocks. What the view that
 * goes on has given up is let go of now; while a view is being changed, the next one decides.
 */
function sortOutBlocks(state: ReplicaState, out: Outbox): void {
  const dropped: KnownBlock[] = [];
  for (const { logged, accepted, prepared, rounds } of state.slots.values()) {
    if (logged === undefined) continue;
    const known = learnBlock(state, logged);
    known.restored = true;
    const wanted =
      state.changing ||
      [accepted?.known.block, prepared, rounds.get(state.view)?.proposal?.block].some(
        (block) => block !== undefined && equalBytes(block.digest, logged.digest),
      );
    if (!wanted) dropped.push(known);
  }
  discardBlocks(state, out, dropped);
}

function askAgain(state: ReplicaState, out: Outbox, draft: NewViewStatement | undefined): void {
  out.emit({ kind: 'cast', statement: { kind: 'viewChange', body: viewChangeBody(state) } });
  if (draft?.view !== state.view) return;
  state.castNewView = asView(draft.view);
  out.emit({ kind: 'cast', statement: draft });
}

function sayAgain(state: ReplicaState, out: Outbox, votes: readonly VoteRecord[]): void {
  for (const { phase, view, height, digest } of votes) {
    if (view !== state.view) continue;
    if (phase !== 'prePrepare') {
      out.emit({ kind: 'cast', statement: { kind: phase, view, height, digest } });
      continue;
    }
    const block = state.slots.get(height)?.logged;
    if (block !== undefined) out.emit({ kind: 'cast', statement: { kind: 'prePrepare', view, block } });
  }
}
