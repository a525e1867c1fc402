import type { Digest, ValidatorIndex } from '../types/index.js';
import type { ConsensusEffect, LogRecord, Notice } from './types.js';

/** Why a message was dropped: a small closed set, because it is the label of a metric. */
export type IgnoredReason =
  | 'beyondWindow'
  | 'staleView'
  | 'futureView'
  | 'notPrimary'
  | 'conflictingVote'
  | 'invalidProposal'
  | 'notDerived'
  | 'unexpected';

/**
 * Collects the effects of one step. Log records become one `persist`, put before everything else of the step, so that
 * no `cast` can ever stand before the records that it depends on.
 */
export class Outbox {
  readonly #records: LogRecord[] = [];
  readonly #effects: ConsensusEffect[] = [];

  persist(...records: readonly LogRecord[]): void {
    this.#records.push(...records);
  }

  emit(effect: Exclude<ConsensusEffect, { readonly kind: 'persist' | 'notice' }>): void {
    this.#effects.push(effect);
  }

  notice(notice: Notice): void {
    this.#effects.push({ kind: 'notice', notice });
  }

  ignored(message: string, reason: IgnoredReason, from: ValidatorIndex): void {
    this.notice({ kind: 'ignored', message, reason, from });
  }

  discard(digests: readonly Digest[]): void {
    if (digests.length > 0) this.emit({ kind: 'discard', digests });
  }

  finish(): readonly ConsensusEffect[] {
    if (this.#records.length === 0) return this.#effects;
    return [{ kind: 'persist', records: this.#records }, ...this.#effects];
  }
}
