import type { TransactionResult } from '../codec/index.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { CounterCell, Metrics } from '../telemetry/index.js';

/** Counts what committed blocks did to the ledger. Adds up a block first: a block costs a handful of additions. */
export class LedgerCounts {
  readonly #metrics: Metrics;
  readonly #cells = new Map<string, CounterCell>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** A block is durable. `results` are those of the transactions, in their order. */
  add(transactions: readonly CheckedTransaction[], results: readonly TransactionResult[]): void {
    const codes = new Map<string, number>();
    const kinds = new Map<string, number>();
    const amounts = new Map<string, bigint>();
    for (const [index, { code }] of results.entries()) {
      grow(codes, code);
      if (code !== 'OK') continue;
      for (const operation of transactions[index]?.payload.operations ?? []) {
        grow(kinds, operation.kind);
        if (operation.kind !== 'transfer') continue;
        amounts.set(operation.asset, (amounts.get(operation.asset) ?? 0n) + operation.amount);
      }
    }
    const { consensus, ledger } = this.#metrics;
    for (const [code, count] of codes)
      this.#cell(`code/${code}`, () => consensus.transactionsCommitted.with({ code })).inc(count);
    for (const [kind, count] of kinds)
      this.#cell(`kind/${kind}`, () => ledger.operations.with({ kind })).inc(count);
    for (const [asset, amount] of amounts)
      this.#cell(`asset/${asset}`, () => ledger.transferred.with({ asset })).inc(Number(amount));
  }

  #cell(key: string, make: () => CounterCell): CounterCell {
    let cell = this.#cells.get(key);
    // Bounded because what it finds is: there are more assets than labels for them.
    if (cell === undefined) {
      cell = make();
      if (this.#cells.size < maxCells) this.#cells.set(key, cell);
    }
    return cell;
  }
}

const maxCells = 256;

function grow(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
