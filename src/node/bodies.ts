import { merkleLeafHash, merkleRoot } from '../crypto/index.js';
import type { BlockRef } from '../consensus/types.js';
import type { CheckedTransaction } from '../ledger/types.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';
import { hashKey } from '../mempool/index.js';
import { equalBytes, invariant } from '../types/index.js';
import type { Clock, PeerPort } from './ports.js';

/** Where bodies may be at hand already. */
export interface BodySource {
  getByLeafHash(leafHash: Hash): CheckedTransaction | undefined;
}

/** Bodies of one block, in order. */
export interface BlockBodies {
  readonly transactionHashes: readonly Hash[];
  readonly transactions: readonly CheckedTransaction[];
}

/** `invalid`: a body named by the block is no acceptable transaction, or the hash list is a lie; certain and for ever.
 * `dropped`: the block was given up. */
export type GatherOutcome = BlockBodies | 'invalid' | 'dropped';

interface Gathering {
  readonly block: BlockRef;
  hashes: readonly Hash[] | undefined;
  /** By position in the block. */
  found: (CheckedTransaction | undefined)[];
  /** Positions by the key of the hash. */
  readonly missing: Map<string, number>;
  source: ValidatorIndex;
  /** Who had nothing to give since the last retry: not asked again before the next. */
  readonly fruitless: Set<ValidatorIndex>;
  cancelRetry: () => void;
  readonly waiters: ((outcome: GatherOutcome) => void)[];
}

export interface BodyGathererOptions {
  readonly clock: Clock;
  readonly peers: PeerPort;
  readonly mempool: BodySource;
  /** Decodes envelopes and checks their signatures; undefined for one that is refused. */
  readonly check: (envelopes: readonly Uint8Array[]) => Promise<readonly (CheckedTransaction | undefined)[]>;
  /** Asks nobody for so long: what a block names is usually on its way by relay. */
  readonly graceMs: number;
  /** Asks another peer after so long. */
  readonly retryMs: number;
}

/**
 * Gets the bodies of proposed blocks: from the mempool, or as they are admitted to it within a grace, else from the
 * validator that proposed or prepared the block, else from the others in turn, for as long as the block is wanted. What a peer sends is kept only if its hash was
 * asked for, so memory is bounded by the blocks in flight.
 */
export class BodyGatherer {
  readonly #options: BodyGathererOptions;
  readonly #gatherings = new Map<string, Gathering>();

  constructor(options: BodyGathererOptions) {
    this.#options = options;
  }

  /** Bodies of a block, once all are at hand. */
  gather(block: BlockRef, source: ValidatorIndex): Promise<GatherOutcome> {
    return new Promise((resolve) => {
      const key = hashKey(block.digest);
      const running = this.#gatherings.get(key);
      if (running !== undefined) {
        running.waiters.push(resolve);
        return;
      }
      const gathering: Gathering = {
        block,
        hashes: undefined,
        found: [],
        missing: new Map(),
        source,
        fruitless: new Set(),
        cancelRetry: () => undefined,
        waiters: [resolve],
      };
      this.#gatherings.set(key, gathering);
      if (block.transactionHashes !== undefined && !this.#setHashes(gathering, block.transactionHashes)) {
        this.#finish(key, gathering, 'invalid');
      } else if (gathering.missing.size === 0 && gathering.hashes !== undefined) {
        this.#progress(key, gathering);
      } else this.#waitForRelay(key, gathering);
    });
  }

  /** Transactions were admitted to the mempool: some may be what a block waits for. */
  admitted(transactions: readonly CheckedTransaction[]): void {
    if (this.#gatherings.size === 0) return;
    for (const transaction of transactions) {
      const hash = hashKey(transaction.leafHash);
      for (const gathering of this.#gatherings.values()) this.#found(gathering, hash, transaction);
    }
    for (const [key, gathering] of [...this.#gatherings]) {
      if (gathering.hashes !== undefined && gathering.missing.size === 0) this.#progress(key, gathering);
    }
  }

  /** Takes the bodies of a block that became known in another way, for example by catching up. */
  offer(digest: Digest, transactions: readonly CheckedTransaction[]): void {
    const key = hashKey(digest);
    const gathering = this.#gatherings.get(key);
    if (gathering === undefined) return;
    const transactionHashes = transactions.map((transaction) => transaction.leafHash);
    this.#finish(key, gathering, { transactionHashes, transactions });
  }

  /** Gives a block up. */
  drop(digest: Digest): void {
    const key = hashKey(digest);
    const gathering = this.#gatherings.get(key);
    if (gathering !== undefined) this.#finish(key, gathering, 'dropped');
  }

  /** Takes an answer of a peer. */
  async receive(
    from: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): Promise<void> {
    const key = hashKey(digest);
    const gathering = this.#gatherings.get(key);
    if (gathering === undefined) return;
    if (gathering.hashes === undefined) {
      const root = gathering.block.header.transactionsRoot;
      const matches =
        transactionHashes.length === gathering.block.header.transactionCount &&
        equalBytes(merkleRoot(transactionHashes), root);
      if (!matches) {
        this.#turnFrom(gathering, from);
        return;
      }
      if (!this.#setHashes(gathering, transactionHashes)) {
        this.#finish(key, gathering, 'invalid');
        return;
      }
    }
    const missingBefore = gathering.missing.size;
    const wanted = envelopes.filter((envelope) => gathering.missing.has(hashKey(merkleLeafHash(envelope))));
    const checked = await this.#options.check(wanted);
    if (this.#gatherings.get(key) !== gathering) return;
    for (const transaction of checked) {
      if (transaction === undefined) {
        // Its hash was asked for, so the block itself names it.
        this.#finish(key, gathering, 'invalid');
        return;
      }
      this.#found(gathering, hashKey(transaction.leafHash), transaction);
    }
    if (gathering.missing.size === missingBefore && missingBefore > 0) this.#turnFrom(gathering, from);
    else this.#progress(key, gathering);
  }

  /** Gives all up. */
  stop(): void {
    for (const [key, gathering] of [...this.#gatherings]) this.#finish(key, gathering, 'dropped');
  }

  /** False when a hash stands there twice: no valid block has that. */
  #setHashes(gathering: Gathering, hashes: readonly Hash[]): boolean {
    gathering.hashes = hashes;
    gathering.found = hashes.map((hash) => this.#options.mempool.getByLeafHash(hash));
    for (const [position, hash] of hashes.entries()) {
      if (gathering.found[position] !== undefined) continue;
      const key = hashKey(hash);
      if (gathering.missing.has(key)) return false;
      gathering.missing.set(key, position);
    }
    return true;
  }

  #found(gathering: Gathering, hash: string, transaction: CheckedTransaction): void {
    const position = gathering.missing.get(hash);
    if (position === undefined) return;
    gathering.missing.delete(hash);
    gathering.found[position] = transaction;
  }

  #progress(key: string, gathering: Gathering): void {
    if (gathering.hashes !== undefined && gathering.missing.size === 0) {
      const transactions = gathering.found.filter((transaction) => transaction !== undefined);
      invariant(
        transactions.length === gathering.hashes.length,
        'each hash has its body once none is missing',
      );
      this.#finish(key, gathering, { transactionHashes: gathering.hashes, transactions });
      return;
    }
    this.#ask(gathering);
  }

  /** The hash list of a block that is known only by its header can come from peers alone. */
  #waitForRelay(key: string, gathering: Gathering): void {
    const { clock, graceMs } = this.#options;
    if (gathering.hashes === undefined || graceMs === 0) this.#progress(key, gathering);
    else gathering.cancelRetry = clock.setTimer(graceMs, () => this.#progress(key, gathering));
  }

  #ask(gathering: Gathering): void {
    gathering.cancelRetry();
    const { clock, peers, retryMs } = this.#options;
    const wanted = [...gathering.missing.values()].flatMap((position) => gathering.hashes?.[position] ?? []);
    peers.requestBodies(gathering.source, gathering.block.digest, wanted);
    gathering.cancelRetry = clock.setTimer(retryMs, () => {
      // Some may have arrived by relay meanwhile.
      for (const [key, position] of [...gathering.missing]) {
        const hash = gathering.hashes?.[position];
        const known = hash === undefined ? undefined : this.#options.mempool.getByLeafHash(hash);
        if (known !== undefined) this.#found(gathering, key, known);
      }
      gathering.fruitless.clear();
      gathering.source = this.#nextPeer(gathering, gathering.source) ?? gathering.source;
      this.#progress(hashKey(gathering.block.digest), gathering);
    });
  }

  /** Turns from a peer that had nothing to one that was not tried yet; when all were, waits for the next retry. */
  #turnFrom(gathering: Gathering, tried: ValidatorIndex): void {
    gathering.fruitless.add(tried);
    if (tried !== gathering.source) return;
    const next = this.#nextPeer(gathering, tried);
    if (next === undefined) return;
    gathering.source = next;
    this.#ask(gathering);
  }

  /** The connected peer after one, of those that were not tried in vain. */
  #nextPeer(gathering: Gathering, after: ValidatorIndex): ValidatorIndex | undefined {
    const connected = this.#options.peers.connected().filter((index) => !gathering.fruitless.has(index));
    return connected.find((index) => index > after) ?? connected[0];
  }

  #finish(key: string, gathering: Gathering, outcome: GatherOutcome): void {
    gathering.cancelRetry();
    this.#gatherings.delete(key);
    for (const waiter of gathering.waiters) waiter(outcome);
  }
}
