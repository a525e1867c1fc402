import type { BlockRef } from '../consensus/types.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { Mempool } from '../mempool/index.js';
import { equalBytes } from '../types/index.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';
import type { Parameters } from '../codec/index.js';
import type { BlockExecutor, Execution } from './block-executor.js';
import type { BodyGatherer } from './bodies.js';
import { hashKey } from '../mempool/index.js';
import type { Clock } from './ports.js';

/** What came of judging a proposed block. */
export interface Verdict {
  /** `dropped`: nobody wants to know any more. */
  readonly outcome: 'valid' | 'invalid' | 'refused' | 'dropped';
  readonly reason?: string;
}

/** Bodies of so many committed blocks are kept. */
const keptCommitted = 4;

interface Judging {
  verdict: Promise<Verdict>;
  /** The block was forgotten meanwhile: keep nothing of it. */
  dropped: boolean;
}

export interface ProposalsOptions {
  readonly clock: Clock;
  readonly executor: BlockExecutor;
  readonly gatherer: BodyGatherer;
  readonly mempool: Mempool;
  readonly parameters: Parameters;
}

/** Judges proposed blocks: bodies, time, execution, roots. Each block once, however often it is proposed again. */
export class Proposals {
  readonly #options: ProposalsOptions;
  readonly #judging = new Map<string, Judging>();
  readonly #bodies = new Map<string, readonly CheckedTransaction[]>();
  readonly #committed = new Map<string, readonly CheckedTransaction[]>();

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  /** Bodies of a block in flight or lately committed, for peers that lack them and for the log. */
  bodies(digest: Digest): readonly CheckedTransaction[] | undefined {
    const key = hashKey(digest);
    return this.#bodies.get(key) ?? this.#committed.get(key);
  }

  /** Takes a block that was built, restored or fetched here: its bodies are at hand. */
  adopt(digest: Digest, transactions: readonly CheckedTransaction[]): void {
    this.#bodies.set(hashKey(digest), transactions);
    const { gatherer, mempool, clock } = this.#options;
    mempool.reserve(digest, transactions, clock.monotonicMs());
    gatherer.offer(digest, transactions);
  }

  /** Judges a block. `fresh` asks for the check of its time too. */
  judge(block: BlockRef, source: ValidatorIndex, fresh: boolean): Promise<Verdict> {
    const key = hashKey(block.digest);
    const running = this.#judging.get(key);
    if (running !== undefined) return running.verdict;
    const judging: Judging = { verdict: Promise.resolve(dropped), dropped: false };
    this.#judging.set(key, judging);
    judging.verdict = this.#judge(block, source, fresh, judging).then((verdict) => {
      // A block that was merely refused may be judged again, for example when a quorum certified it.
      if (verdict.outcome === 'refused' && this.#judging.get(key) === judging) this.#judging.delete(key);
      return verdict;
    });
    return judging.verdict;
  }

  /** A block is durable. Its bodies stay a while for peers that are a moment behind. */
  settle(digest: Digest): void {
    const transactions = this.bodies(digest);
    this.forget(digest);
    if (transactions === undefined) return;
    this.#committed.set(hashKey(digest), transactions);
    const [oldest] = this.#committed.keys();
    if (this.#committed.size > keptCommitted && oldest !== undefined) this.#committed.delete(oldest);
  }

  /** Forgets a block that was given up. */
  forget(digest: Digest): void {
    const key = hashKey(digest);
    this.#options.gatherer.drop(digest);
    this.#options.mempool.release(digest);
    this.#options.executor.discard(digest);
    const judging = this.#judging.get(key);
    if (judging !== undefined) judging.dropped = true;
    this.#judging.delete(key);
    this.#bodies.delete(key);
  }

  async #judge(block: BlockRef, source: ValidatorIndex, fresh: boolean, judging: Judging): Promise<Verdict> {
    const { executor, parameters } = this.#options;
    if (executor.overlay(block.digest) !== undefined) return { outcome: 'valid' };
    const { header } = block;
    if (header.transactionCount === 0 || header.transactionCount > parameters.maxBlockTransactions) {
      return invalid(`the block has ${header.transactionCount} transactions`);
    }
    if (fresh && Math.abs(header.timeMs - this.#options.clock.wallMs()) > parameters.maxClockSkewMs) {
      return { outcome: 'refused', reason: 'its time is too far from the clock of this replica' };
    }
    const known = this.bodies(block.digest);
    const parentVerdict = this.#judging.get(hashKey(header.prevHash))?.verdict;
    const bodies =
      known === undefined
        ? await this.#options.gatherer.gather(block, source)
        : { transactions: known, transactionHashes: known.map((transaction) => transaction.leafHash) };
    if (bodies === 'invalid') return invalid('its transactions are not acceptable');
    if (bodies === 'dropped' || isDropped(judging)) return dropped;
    const bytes = bodies.transactions.reduce((sum, { envelopeBytes }) => sum + envelopeBytes.length, 0);
    if (bytes > parameters.maxBlockBytes) return invalid(`its transactions have ${bytes} bytes`);
    this.adopt(block.digest, bodies.transactions);
    if (parentVerdict !== undefined && (await parentVerdict).outcome !== 'valid') {
      return { outcome: 'refused', reason: 'its parent is not valid' };
    }
    const execution = await executor.run(header.prevHash, header.height, header.timeMs, bodies.transactions);
    if (execution === undefined) {
      return isDropped(judging) ? dropped : { outcome: 'refused', reason: 'its parent is not at hand' };
    }
    const mismatch = mismatchOf(block, execution);
    if (isDropped(judging) || mismatch !== undefined) {
      executor.drop(execution);
      return mismatch === undefined || isDropped(judging) ? dropped : invalid(mismatch);
    }
    executor.keep(block.digest, execution);
    return { outcome: 'valid' };
  }
}

/** Why a header does not fit what executing its block gave. */
function mismatchOf({ header }: BlockRef, execution: Execution): string | undefined {
  const [bad] = execution.output.inadmissible;
  if (bad !== undefined) {
    return `transaction ${bad} (${execution.output.results[bad]?.code ?? ''}) must not be in a block`;
  }
  const nextSetHash = execution.nextValidatorSetHash ?? header.validatorSetHash;
  const roots: readonly [string, Hash, Hash][] = [
    ['transactions_root', header.transactionsRoot, execution.transactionsRoot],
    ['results_root', header.resultsRoot, execution.resultsRoot],
    ['state_root', header.stateRoot, execution.tree.root],
    ['next_validator_set_hash', header.nextValidatorSetHash, nextSetHash],
  ];
  const wrong = roots.find(([, claimed, actual]) => !equalBytes(claimed, actual));
  return wrong === undefined ? undefined : `its ${wrong[0]} is not that of this replica's execution`;
}

/** A function, since the field changes while others are awaited. */
const isDropped = (judging: Judging): boolean => judging.dropped;

const dropped: Verdict = { outcome: 'dropped' };
const invalid = (reason: string): Verdict => ({ outcome: 'invalid', reason });
