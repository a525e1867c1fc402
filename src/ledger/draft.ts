import { invariant, type StateKey } from '../types/index.js';
import { recordKey, recordKindCount, type RecordKind } from './records.js';
import type { StateView } from './types.js';

/** A record of the block: what the state had, and what it has now. */
interface Cell<T> {
  readonly kind: RecordKind<T>;
  readonly key: StateKey;
  readonly original: T | undefined;
  value: T | undefined;
  /** Transaction that last wrote it, so that the journal notes each cell once a transaction. */
  writer: number;
  written: boolean;
}

/**
 * The state while a block is applied: each record is decoded once a block and encoded once at the end. A transaction
 * writes in place and a journal takes it back, so that success, the common case, costs nothing.
 */
export class Draft {
  readonly #state: StateView;
  readonly #cells: readonly Map<string, Cell<unknown>>[];
  /** Cells that any transaction wrote, in order of the first write. */
  readonly #written: Cell<unknown>[] = [];
  readonly #journalCells: Cell<unknown>[] = [];
  readonly #journalValues: unknown[] = [];
  #transaction = 0;

  constructor(state: StateView) {
    this.#state = state;
    this.#cells = Array.from({ length: recordKindCount }, () => new Map<string, Cell<unknown>>());
  }

  /** Starts a transaction: what the one before wrote stays. */
  begin(): void {
    this.#transaction++;
    this.#journalCells.length = 0;
    this.#journalValues.length = 0;
  }

  /** Takes back everything that the transaction wrote. */
  rollback(): void {
    for (let index = this.#journalCells.length - 1; index >= 0; index--) {
      const cell = this.#journalCells[index];
      if (cell !== undefined) cell.value = this.#journalValues[index];
    }
    this.begin();
  }

  get<T>(kind: RecordKind<T>, id: string): T | undefined {
    return this.#cell(kind, id).value;
  }

  /** Whether there is a record. Does not decode one that nobody asked for yet. */
  has(kind: RecordKind<unknown>, id: string): boolean {
    const known = this.#cells[kind.index]?.get(id);
    return known === undefined
      ? this.#state.get(recordKey(kind, id)) !== undefined
      : known.value !== undefined;
  }

  set<T>(kind: RecordKind<T>, id: string, value: T | undefined): void {
    const cell = this.#cell(kind, id);
    if (cell.writer !== this.#transaction) {
      cell.writer = this.#transaction;
      this.#journalCells.push(cell);
      this.#journalValues.push(cell.value);
    }
    if (!cell.written) {
      cell.written = true;
      this.#written.push(cell);
    }
    cell.value = value;
  }

  /** Adds the records whose value is another than before the block, in order of their first write. */
  collect(into: Map<StateKey, Uint8Array | undefined>): void {
    for (const { key, kind, original, value } of this.#written) {
      if (value === undefined) {
        if (original !== undefined) into.set(key, undefined);
      } else if (original === undefined || !kind.same(original, value)) {
        into.set(key, kind.encode(value));
      }
    }
  }

  #cell<T>(kind: RecordKind<T>, id: string): Cell<T> {
    const cells = this.#cells[kind.index];
    invariant(cells !== undefined, 'every kind of record has a table');
    const known = cells.get(id);
    // The table at `kind.index` holds only cells of that kind.
    if (known !== undefined) return known as Cell<T>;
    const key = recordKey(kind, id);
    const bytes = this.#state.get(key);
    const original = bytes === undefined ? undefined : kind.decode(bytes, id);
    const cell: Cell<T> = { kind, key, original, value: original, writer: -1, written: false };
    cells.set(id, cell);
    return cell;
  }
}
