import type { StateKey } from '../types/index.js';
import { stateKeys } from './keys.js';
import { handlerOf } from './operations/index.js';
import { recordKey, recordKindCount, records, type RecordKind } from './records.js';
import type { DecodedTransaction, ReadSink } from './types.js';

/** Keys in order of their first mention, each once; text is put together only for keys that are new. */
class ReadSet implements ReadSink {
  readonly keys: StateKey[] = [stateKeys.parameters, stateKeys.scheduledValidators, stateKeys.governance];
  readonly #seen: readonly Set<string>[] = Array.from({ length: recordKindCount }, () => new Set<string>());

  add(kind: RecordKind<unknown>, id: string): void {
    const seen = this.#seen[kind.index];
    if (seen === undefined || seen.has(id)) return;
    seen.add(id);
    this.keys.push(recordKey(kind, id));
  }
}

/** Every key that applying these transactions may read, each once, in an order that follows from them alone. */
export function readsOf(transactions: readonly DecodedTransaction[]): StateKey[] {
  const reads = new ReadSet();
  for (const { payload } of transactions) {
    reads.add(records.member, payload.sender);
    for (const operation of payload.operations) handlerOf(operation).reads(operation, reads);
  }
  return reads.keys;
}
