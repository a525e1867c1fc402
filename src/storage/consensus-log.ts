import { asHeight, type Height } from '../types/index.js';
import type { KeyValueEngine } from './engine.js';
import { keySpaces, logKeyParts, writeKey } from './key-spaces.js';
import { checked } from './records.js';
import { scan } from './scan.js';
import type { LogEntry } from './types.js';
import type { WriteBatch } from './write-batch.js';

/** Names of the log records in the store by height, so that a commit can remove them without a search. */
export class LogIndex {
  readonly #names = new Map<number, Set<string>>();

  add(height: Height, name: string): void {
    const names = this.#names.get(height);
    if (names === undefined) this.#names.set(height, new Set([name]));
    else names.add(name);
  }

  /** Adds to a batch the removal of all records of the heights from 1 to `height`. */
  prune(batch: WriteBatch, height: Height): void {
    for (const [about, names] of this.#names) {
      if (about === 0 || about > height) continue;
      for (const name of names) {
        writeKey.log(batch.begin(), asHeight(about), name);
        batch.remove();
      }
      this.#names.delete(about);
    }
  }
}

/** All records of the consensus log, checked. */
export async function readLogEntries(engine: KeyValueEngine): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const { key, value } of scan(engine, keySpaces.log))
    entries.push({ ...logKeyParts(key), value: checked(key, value) });
  return entries;
}
