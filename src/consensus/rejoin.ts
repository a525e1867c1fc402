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
  if (abstention.until === undefined) {
    const heights = [...abstention.words.values()]
      .map(({ height }) => height)
      .filter((height) => height <= durable.height)
      .sort((left, right) => left - right);
    const covered = heights[needed - 1];
    if (covered === undefined) return;
    abstention.until = offset(covered, 2 * config.pipelineWindow);
  }
  if (durable.height < abstention.until || durable.last) return;
  const views = [...abstention.words.values()].map((word) => word.view).sort((left, right) => left - right);
  const asked = views[needed - 1] ?? view;
  state.abstention = undefined;
  out.persist({ kind: 'abstention', active: false });
  out.notice({ kind: 'abstentionEnded', height: durable.height });
  if (view <= asked || state.changing) startViewChange(state, out, Math.max(view, asked) + 1, 'restored');
}

/** So many others that one of them is correct and in any quorum's part that is neither faulty nor this replica. */
const wordsNeeded = ({ n, f, quorum }: ReplicaState): number => n - quorum + f + 1;
