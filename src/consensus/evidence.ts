import type { VotePhase } from '../codec/model.js';
import type { Height, View } from '../types/index.js';
import { asEvidence } from '../verify/index.js';
import type { Outbox } from './outbox.js';
import type { ReplicaState } from './state.js';
import { signedVote, type Vote } from './votes.js';

/** Reports two different votes of one validator for the same view, height and phase. */
export function reportEquivocation(
  state: ReplicaState,
  out: Outbox,
  phase: VotePhase,
  view: View,
  height: Height,
  votes: { readonly first: Vote; readonly second: Vote },
): void {
  out.emit({
    kind: 'evidence',
    evidence: asEvidence(
      state.config.validatorSetHash,
      phase,
      signedVote(view, height, votes.first),
      signedVote(view, height, votes.second),
    ),
  });
}
