/** The end of the silence of a replica that may have forgotten what it has signed (abstention.ts). */
import type { Outbox } from './outbox.js';
import { offset, type ReplicaState } from './state.js';
import { startViewChange } from './view-change.js';

/**
 * Ends the silence once everything that was ever said is history: the replica asks for a view that it has asked for
 * never before.
 */
export function updateAbstention(state: ReplicaState, out: Outbox): void {
  const { abstention, durable, config, view } = state;
  if (abstention === undefined || state.halted) return;
  const needed = wordsNeeded(state);
  // First words from above may be of the next validator set, whose views are others.
  const covered = [...abstention.words.values()].filter(({ height }) => height <= durable.height);
  if (abstention.until === undefined) {
    const height = covered.map((word) => word.height).sort((left, right) => left - right)[needed - 1];
    if (height === undefined) return;
    abstention.until = offset(height, 2 * config.pipelineWindow);
  }
  if (durable.height < abstention.until || durable.last) return;
  const views = covered.map((word) => word.view).sort((left, right) => left - right);
  const asked = views[needed - 1];
  // One view beyond what a correct one has reached is as far as another can be: whoever names more is as good as away.
  const reached = views.at(-1 - state.f);
  if (asked === undefined || reached === undefined || asked > reached + 1) return;
  state.abstention = undefined;
  out.persist({ kind: 'abstention', active: false });
  out.notice({ kind: 'abstentionEnded', height: durable.height });
  if (view <= asked || state.changing) startViewChange(state, out, Math.max(view, asked) + 1, 'restored');
}

/** So many others that one of them is correct and in any quorum's part that is neither faulty nor this replica. */
const wordsNeeded = ({ n, f, quorum }: ReplicaState): number => n - quorum + f + 1;
