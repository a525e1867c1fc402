import {
  checkedValue,
  keySpaces,
  type AuditedStore,
  type KeySpace,
  type KeyValuePair,
} from '../storage/index.js';
import { compareBytes, equalBytes } from '../types/index.js';
import { capitalised, describeKey } from './described-key.js';
import type { Finding } from './types.js';

/** Key spaces whose every entry follows from the blocks, and whether some may be missing: never; where states were
 * pruned; always, since blocks of an earlier version of this software have none. */
const derived: readonly (readonly [space: KeySpace, mayLack: 'never' | 'pruned' | 'always'])[] = [
  [keySpaces.header, 'never'],
  [keySpaces.envelopes, 'never'],
  [keySpaces.results, 'never'],
  [keySpaces.transactionIds, 'never'],
  [keySpaces.transaction, 'never'],
  [keySpaces.latest, 'never'],
  [keySpaces.version, 'pruned'],
  [keySpaces.path, 'never'],
  [keySpaces.treeNode, 'pruned'],
  [keySpaces.history, 'never'],
  [keySpaces.stale, 'always'],
];

/**
 * Compares every derived record of a store with those of one that was built by executing the same blocks: blocks,
 * indexes, state, its versions, its tree and the histories. The first one that is missing, too many or different is the
 * finding; undefined when there is none. `compared` is called with the number of records so far. Rejects with a
 * StorageError when a record is damaged.
 */
export async function compareRecords(
  audited: AuditedStore,
  rebuilt: AuditedStore,
  compared: (records: number) => void,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  let count = 0;
  for (const [space, when] of derived) {
    const mayLack = when === 'always' || (when === 'pruned' && audited.store.oldestState > 0);
    const expected = new Cursor(rebuilt.pages(space));
    for await (const page of audited.pages(space)) {
      signal.throwIfAborted();
      for (const record of page) {
        let own = expected.current() ?? (await expected.load());
        let order = own === undefined ? -1 : compareBytes(record.key, own.key);
        while (mayLack && own !== undefined && order > 0) {
          expected.advance();
          own = expected.current() ?? (await expected.load());
          order = own === undefined ? -1 : compareBytes(record.key, own.key);
        }
        if (own === undefined || order < 0) {
          return finding(record, 'is in the store, and does not follow from the blocks');
        }
        if (order > 0) return finding(own, 'is missing');
        // With its checksum, which is right on our side.
        if (!equalBytes(record.value, own.value)) {
          checkedValue(record.key, record.value);
          return finding(record, 'is not what follows from the blocks');
        }
        expected.advance();
      }
      compared((count += page.length));
    }
    const rest = expected.current() ?? (await expected.load());
    if (rest !== undefined && !mayLack) return finding(rest, 'is missing');
  }
  return undefined;
}

/** A place in the records of a key space. */
class Cursor {
  readonly #pages: AsyncIterator<readonly KeyValuePair[]>;
  #page: readonly KeyValuePair[] = [];
  #index = 0;

  constructor(pages: AsyncIterable<readonly KeyValuePair[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** The record here; undefined when the next page has to be loaded, or there is none. */
  current(): KeyValuePair | undefined {
    return this.#page[this.#index];
  }

  advance(): void {
    this.#index++;
  }

  async load(): Promise<KeyValuePair | undefined> {
    const next = await this.#pages.next();
    this.#page = next.done === true ? [] : next.value;
    this.#index = 0;
    return this.current();
  }
}

function finding(record: KeyValuePair, what: string): Finding {
  return {
    code: 'RECORD_DIFFERS',
    height: undefined,
    message: `${capitalised(describeKey(record))} ${what}.`,
  };
}
