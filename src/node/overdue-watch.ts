import type { Mempool } from '../mempool/index.js';
import type { Intake } from './intake.js';
import type { Clock } from './ports.js';
import type { TransactionDesk } from './transaction-desk.js';

export interface OverdueWatchOptions {
  readonly clock: Clock;
  readonly mempool: Mempool;
  readonly intake: Intake;
  readonly desk: TransactionDesk;
  /** The primary passes a transaction over that a block could hold. */
  readonly overdue: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Looks for transactions that the primary passes over. One that no block may hold, such as one that pays from an
 * account which did not exist when it came in and which it has no right to, is no proof of that: it is dropped, so that
 * nobody can plant what makes replicas ask for another primary.
 */
export class OverdueWatch {
  readonly #options: OverdueWatchOptions;
  #looking = false;

  constructor(options: OverdueWatchOptions) {
    this.#options = options;
  }

  /** Looks whether something waits beyond the bound. */
  look(): void {
    const { clock, mempool, overdue, failed } = this.#options;
    if (this.#looking || mempool.overdue(clock.monotonicMs()) === undefined) return;
    this.#looking = true;
    this.prune().then(() => {
      this.#looking = false;
      // Said at every heartbeat for as long as it is so: the core weighs how long.
      if (mempool.overdue(clock.monotonicMs()) === undefined) return;
      mempool.relayOverdue(clock.monotonicMs());
      overdue();
    }, failed);
  }

  /** Drops, of what waits longest, what no block may hold; then each member's oldest transaction is one that a block
   * could hold. */
  async prune(): Promise<void> {
    const { mempool, intake, desk } = this.#options;
    for (;;) {
      const oldest = mempool.oldestOfEach();
      const authorizations = await intake.authorizations(oldest);
      let dropped = false;
      for (const [index, transaction] of oldest.entries()) {
        const authorization = authorizations[index] ?? 'OK';
        if (authorization === 'OK' || mempool.getByTxId(transaction.txId)?.status !== 'pending') continue;
        desk.drop(transaction, authorization);
        dropped = true;
      }
      if (!dropped) return;
    }
  }
}
