/** What a run wrote to its disks, kept so that it can be judged again, as it was or tampered with. */
import type { BlockCommit, LogEntry, Store, StoredBlock } from '../../src/storage/types.js';
import { watchedStore } from '../simulation/disk.js';
import type { Witness } from '../simulation/world.js';
import { Conformance, type ConformanceOptions, type Deviation } from './conformance.js';

export type Entry =
  | { readonly kind: 'logged'; readonly validator: number; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'committed'; readonly validator: number; readonly commit: BlockCommit }
  | {
      readonly kind: 'started';
      readonly validator: number;
      readonly log: readonly LogEntry[];
      readonly last: StoredBlock | undefined;
    };

/** Writes down what it hears. */
export class Journal implements Witness {
  readonly entries: Entry[] = [];

  logged(validator: number, entries: readonly LogEntry[]): void {
    this.entries.push({ kind: 'logged', validator, entries });
  }

  committed(validator: number, commit: BlockCommit): void {
    this.entries.push({ kind: 'committed', validator, commit });
  }

  started(validator: number, log: readonly LogEntry[], last: StoredBlock | undefined): void {
    this.entries.push({ kind: 'started', validator, log, last });
  }
}

/** What is wrong with a run. */
export function judge(entries: readonly Entry[], options: ConformanceOptions): Deviation | undefined {
  const conformance = new Conformance(options);
  for (const entry of entries) {
    if (entry.kind === 'logged') conformance.logged(entry.validator, entry.entries);
    else if (entry.kind === 'committed') conformance.committed(entry.validator, entry.commit);
    else conformance.started(entry.validator, entry.log, entry.last);
  }
  return conformance.deviation;
}

/** A store that tells a witness what becomes durable in it. */
export function witnessedStore(store: Store, validator: number, witness: Witness): Store {
  const ignore = (): void => undefined;
  return watchedStore(store, (work) => Promise.resolve(work()), {
    deciding: ignore,
    wrote: ignore,
    durable: (commit) => witness.committed(validator, commit),
    logged: (entries) => witness.logged(validator, entries),
    readLog: (log) => {
      const height = store.head()?.height;
      if (height === undefined) return;
      void store.block(height).then((last) => witness.started(validator, log, last));
    },
  });
}
