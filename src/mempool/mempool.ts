import { isSettledByUse, type CheckedTransaction } from '../ledger/index.js';
import {
  asHeight,
  equalBytes,
  err,
  invariant,
  ok,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type TxId,
} from '../types/index.js';
import type { Entry } from './entry.js';
import { ExpiryIndex } from './expiry-index.js';
import { hashKey } from './hash-key.js';
import { MemberQueues } from './member-queues.js';
import { RelayQueue } from './relay-queue.js';
import {
  admitRefusalCodes,
  type AdmitContext,
  type AdmitRefusal,
  type AdmitRefusalCode,
  type BatchLimits,
  type BoundRefusal,
  type CommittedBlock,
  type MempoolOptions,
  type MempoolStats,
  type PoolStatus,
  type RuledOut,
} from './types.js';

/** Transactions that wait to be committed. Every call takes amortised constant time per transaction that it names. */
export class Mempool {
  readonly #options: MempoolOptions;
  readonly #byLeaf = new Map<string, Entry>();
  /** The first envelope of each transaction. */
  readonly #byTxId = new Map<string, Entry>();
  /** Counted entries by idempotency hash: one each. */
  readonly #byKey = new Map<string, Entry>();
  readonly #members = new MemberQueues();
  readonly #relay: RelayQueue;
  /** Counted entries. */
  readonly #expiry: ExpiryIndex;
  /** Blocks in flight by digest. */
  readonly #blocks = new Map<string, readonly Entry[]>();
  readonly #refused = new Map<AdmitRefusalCode, number>();
  #committedHeight: Height;
  #sequence = 0;
  /** Counted towards the bounds of the pool. */
  #count = 0;
  #bytes = 0;
  /** Only here because a block in flight holds them; bounded by the pipeline window. */
  #uncountedBytes = 0;
  /** Nobody is overdue for the time before. */
  #deadlinesFromMs = 0;
  #admitted = 0;
  #committed = 0;
  #expired = 0;
  #superseded = 0;

  constructor(options: MempoolOptions) {
    this.#options = options;
    this.#committedHeight = options.committedHeight;
    this.#expiry = new ExpiryIndex(options.committedHeight);
    invariant(options.relayAgainMs > 0, 'relays are repeated after some time, not at once');
    this.#relay = new RelayQueue(options.relayAgainMs);
  }

  /** Takes a transaction in, or says why not. */
  admit(transaction: CheckedTransaction, context: AdmitContext): Result<void, AdmitRefusal> {
    const leafKey = hashKey(transaction.leafHash);
    const txKey = hashKey(transaction.txId);
    const refusal =
      this.#knownRefusal(transaction, leafKey, txKey, context) ??
      this.#ruleRefusal(transaction, context) ??
      this.#boundRefusal(transaction.payload.sender, transaction.envelopeBytes.length);
    if (refusal !== undefined) {
      this.#refused.set(refusal.code, (this.#refused.get(refusal.code) ?? 0) + 1);
      return err(refusal);
    }
    const entry = this.#add(transaction, leafKey, txKey, context.nowMs);
    this.#charge(entry);
    this.#members.push(entry);
    if (context.source === 'client') this.#answerFor(entry);
    this.#admitted++;
    return ok(undefined);
  }

  /** Why so much more of a member would be refused now: asked before anything is spent on checking it. */
  refuseEarly(member: string, transactions: number, bytes: number): BoundRefusal | undefined {
    const refusal = this.#boundRefusal(member, bytes, transactions);
    if (refusal !== undefined) this.#refused.set(refusal.code, (this.#refused.get(refusal.code) ?? 0) + 1);
    return refusal;
  }

  /** Transactions of a member in the pool, and among how many members the room is shared. */
  shareOf(member: string): { readonly transactions: number; readonly members: number } {
    return { transactions: this.#members.find(member)?.count ?? 0, members: this.#members.size };
  }

  /**
   * Picks transactions for the block at `height`, in fair order and without those in flight. They stay pending until
   * `reserve` is called for the block that was made of them.
   */
  take(limits: BatchLimits & { readonly height: Height }): CheckedTransaction[] {
    const { height } = limits;
    return this.#members
      .take(limits, (entry) => entry.transaction.payload.validUntilHeight >= height)
      .map(({ transaction }) => transaction);
  }

  /** Notes a proposed block, own or another's. Its transactions are in flight until it is released or committed; those
   * that were not here are kept as long. A block that is noted already is left as it is. */
  reserve(digest: Digest, transactions: readonly CheckedTransaction[], nowMs: number): void {
    const key = hashKey(digest);
    if (this.#blocks.has(key)) return;
    const entries: Entry[] = [];
    for (const transaction of transactions) {
      const leafKey = hashKey(transaction.leafHash);
      let entry = this.#byLeaf.get(leafKey);
      if (entry === undefined) {
        entry = this.#add(transaction, leafKey, hashKey(transaction.txId), nowMs);
      }
      this.#members.remove(entry);
      entry.blocks++;
      entries.push(entry);
    }
    this.#blocks.set(key, entries);
  }

  /** Forgets a proposed block that will not be committed: its transactions wait again, in their old places; those that
   * were not admitted here are dropped, since nobody has judged them. */
  release(digest: Digest): void {
    this.#returnToQueues(this.#forgetBlock(digest));
  }

  /** Takes out what a final block holds and what it rules out. Blocks come in order of height. */
  commit(block: CommittedBlock, nowMs: number): RuledOut {
    invariant(block.height > this.#committedHeight, 'blocks are committed in order of height');
    const reserved = this.#forgetBlock(block.digest);
    const superseded: CheckedTransaction[] = [];
    for (const transaction of block.transactions) {
      const entry = this.#byLeaf.get(hashKey(transaction.leafHash));
      if (entry !== undefined) this.#remove(entry);
      const other = this.#byKey.get(entry?.idempotencyKey ?? hashKey(transaction.idempotencyHash));
      if (other !== undefined) {
        this.#remove(other);
        // The same transaction under other signatures is settled with it.
        const same = equalBytes(other.transaction.txId, transaction.txId);
        if (!same) superseded.push(other.transaction);
      }
      this.#noteServed(transaction.payload.sender, entry, nowMs);
    }
    const expired = this.#evictExpired(block.height);
    this.#returnToQueues(reserved);
    this.#committedHeight = block.height;
    this.#committed += block.transactions.length;
    this.#expired += expired.length;
    this.#superseded += superseded.length;
    return { expired, superseded };
  }

  /** Takes out a waiting transaction that turned out to be one that no block may hold. One in flight stays. */
  evict(txId: TxId): void {
    const entry = this.#byTxId.get(hashKey(txId));
    if (entry?.blocks === 0) this.#remove(entry);
  }

  /** A body by its leaf hash, whether pending or in flight. */
  getByLeafHash(leafHash: Hash): CheckedTransaction | undefined {
    return this.#byLeaf.get(hashKey(leafHash))?.transaction;
  }

  /** A transaction by its id, and where it stands. */
  getByTxId(
    txId: TxId,
  ): { readonly transaction: CheckedTransaction; readonly status: PoolStatus } | undefined {
    const entry = this.#byTxId.get(hashKey(txId));
    return entry === undefined ? undefined : { transaction: entry.transaction, status: statusOf(entry) };
  }

  /** Whether a transaction waits for a block. */
  hasPending(): boolean {
    return this.#members.pending > 0;
  }

  /** Number of transactions that wait for a block. */
  get pendingTransactions(): number {
    return this.#members.pending;
  }

  /** Whether a client's transaction was not relayed yet. */
  hasFreshRelay(): boolean {
    return this.#relay.hasFresh;
  }

  /** Client transactions to send to all other validators now: new ones, and those whose time has come again. Call until
   * it gives none. */
  toRelay(nowMs: number, limits: BatchLimits): CheckedTransaction[] {
    return this.#relay.take(nowMs, limits).map(({ transaction }) => transaction);
  }

  /** All client transactions that wait for a block, for a validator that has just connected. */
  *clientTransactions(): Generator<CheckedTransaction> {
    for (const entry of this.#byLeaf.values()) {
      if (entry.fromClient && entry.blocks === 0) yield entry.transaction;
    }
  }

  /**
   * A transaction that the primary passes over, if there is one: it waits longer than the deadline, and for as long no
   * block was committed that kept to its member's order. A backlog that is worked off in order is no reason, however
   * long. Before the primary is accused, ask again whether a block may hold the transaction at all (`authorize`, by the
   * latest state), and `evict` it if not: every primary would leave it out.
   */
  overdue(nowMs: number): CheckedTransaction | undefined {
    for (const { transaction, admittedAtMs, member } of this.#members.oldest()) {
      const since = Math.max(admittedAtMs, member.servedAtMs, this.#deadlinesFromMs);
      if (nowMs - since > this.#options.inclusionDeadlineMs) return transaction;
    }
    return undefined;
  }

  /** Relays what is overdue as if this node's clients had submitted it: whoever relayed it here may have lost it since,
   * and then no primary but this node would ever know of it. */
  relayOverdue(nowMs: number): void {
    for (const entry of this.#members.oldest()) {
      const since = Math.max(entry.admittedAtMs, entry.member.servedAtMs, this.#deadlinesFromMs);
      if (nowMs - since > this.#options.inclusionDeadlineMs) this.#relay.add(entry);
    }
  }

  /** For each member, the transaction that waits longest. */
  oldestOfEach(): CheckedTransaction[] {
    return [...this.#members.oldest()].map(({ transaction }) => transaction);
  }

  /** Counts all deadlines from now: another primary has started, or this node was behind. */
  restartDeadlines(nowMs: number): void {
    this.#deadlinesFromMs = nowMs;
  }

  /** When the transaction that waits longest was admitted; undefined when none waits. */
  oldestAdmittedAtMs(): number | undefined {
    let oldest: number | undefined;
    for (const { admittedAtMs } of this.#members.oldest()) {
      if (oldest === undefined || admittedAtMs < oldest) oldest = admittedAtMs;
    }
    return oldest;
  }

  stats(): MempoolStats {
    const refused = Object.fromEntries(admitRefusalCodes.map((code) => [code, this.#refused.get(code) ?? 0]));
    return {
      pending: this.#members.pending,
      inFlight: this.#byLeaf.size - this.#members.pending,
      bytes: this.#bytes + this.#uncountedBytes,
      members: this.#members.size,
      admitted: this.#admitted,
      committed: this.#committed,
      expired: this.#expired,
      superseded: this.#superseded,
      relayed: this.#relay.relayed,
      relayedAgain: this.#relay.relayedAgain,
      refused: refused as Record<AdmitRefusalCode, number>,
    };
  }

  #knownRefusal(
    transaction: CheckedTransaction,
    leafKey: string,
    txKey: string,
    context: AdmitContext,
  ): AdmitRefusal | undefined {
    const same = this.#byLeaf.get(leafKey);
    if (same !== undefined) {
      if (!same.counted && !this.#byKey.has(same.idempotencyKey) && this.#mayAdmit(transaction, context)) {
        this.#charge(same);
      }
      // Who relayed it may have sent it to nobody else: this node's client relies on this node.
      if (context.source === 'client' && same.counted) this.#answerFor(same);
      return { code: 'ALREADY_KNOWN', status: statusOf(same), sameEnvelope: true };
    }
    const other = this.#byKey.get(hashKey(transaction.idempotencyHash));
    if (other === undefined) return undefined;
    if (other.txKey !== txKey) return { code: 'KEY_PENDING' };
    return { code: 'ALREADY_KNOWN', status: statusOf(other), sameEnvelope: false };
  }

  #mayAdmit(transaction: CheckedTransaction, context: AdmitContext): boolean {
    const { payload, envelopeBytes } = transaction;
    const refusal =
      this.#ruleRefusal(transaction, context) ?? this.#boundRefusal(payload.sender, envelopeBytes.length);
    return refusal === undefined;
  }

  #answerFor(entry: Entry): void {
    if (entry.fromClient) return;
    entry.fromClient = true;
    this.#relay.add(entry);
  }

  #ruleRefusal(
    { payload, idempotencyHash }: CheckedTransaction,
    { authorization }: AdmitContext,
  ): AdmitRefusal | undefined {
    const { validityWindowBlocks, window } = this.#options;
    const next = asHeight(this.#committedHeight + 1);
    if (payload.validUntilHeight < next) return { code: 'EXPIRED' };
    const lastUse = window.lastUse(idempotencyHash);
    if (lastUse !== undefined && isSettledByUse(payload.validUntilHeight, lastUse, validityWindowBlocks)) {
      return { code: 'KEY_USED', height: lastUse };
    }
    if (authorization !== 'OK') return { code: authorization };
    // Only what the next block may hold: a demand that no primary could satisfy would look like a faulty primary.
    if (payload.validUntilHeight - next > validityWindowBlocks) return { code: 'VALIDITY_TOO_LONG' };
    return undefined;
  }

  #boundRefusal(member: string, bytes: number, transactions = 1): BoundRefusal | undefined {
    const { maxTransactions, maxBytes, maxMemberTransactions, maxMemberBytes } = this.#options;
    const queue = this.#members.find(member);
    const count = (queue?.count ?? 0) + transactions;
    const memberBytes = (queue?.bytes ?? 0) + bytes;
    if (count > maxMemberTransactions || memberBytes > maxMemberBytes) return { code: 'QUOTA_EXCEEDED' };
    if (count > maxTransactions - this.#count || memberBytes > maxBytes - this.#bytes) {
      return { code: 'POOL_FULL' };
    }
    return undefined;
  }

  /** Makes an entry that is neither pending nor counted yet: it stays as long as a block in flight holds it. */
  #add(transaction: CheckedTransaction, leafKey: string, txKey: string, nowMs: number): Entry {
    const member = this.#members.queueOf(transaction.payload.sender);
    const entry: Entry = {
      transaction,
      leafKey,
      txKey,
      idempotencyKey: hashKey(transaction.idempotencyHash),
      bytes: transaction.envelopeBytes.length,
      sequence: this.#sequence++,
      admittedAtMs: nowMs,
      member,
      fromClient: false,
      counted: false,
      blocks: 0,
      gone: false,
      relays: 0,
      relayDueMs: 0,
      pendingNode: undefined,
      expiryNode: undefined,
      relayNode: undefined,
    };
    member.entries++;
    this.#uncountedBytes += entry.bytes;
    this.#byLeaf.set(leafKey, entry);
    if (!this.#byTxId.has(txKey)) this.#byTxId.set(txKey, entry);
    return entry;
  }

  /** Takes responsibility for an entry: counts it towards the bounds, and keeps it until it is settled or expired. */
  #charge(entry: Entry): void {
    this.#expiry.add(entry);
    entry.counted = true;
    this.#byKey.set(entry.idempotencyKey, entry);
    entry.member.count++;
    entry.member.bytes += entry.bytes;
    this.#count++;
    this.#bytes += entry.bytes;
    this.#uncountedBytes -= entry.bytes;
  }

  #remove(entry: Entry): void {
    if (entry.gone) return;
    entry.gone = true;
    this.#byLeaf.delete(entry.leafKey);
    if (this.#byTxId.get(entry.txKey) === entry) this.#byTxId.delete(entry.txKey);
    this.#members.remove(entry);
    this.#relay.remove(entry);
    this.#expiry.remove(entry);
    if (entry.counted) {
      this.#byKey.delete(entry.idempotencyKey);
      entry.member.count--;
      entry.member.bytes -= entry.bytes;
      this.#count--;
      this.#bytes -= entry.bytes;
    } else {
      this.#uncountedBytes -= entry.bytes;
    }
    entry.member.entries--;
    this.#members.dropIfEmpty(entry.member);
  }

  #forgetBlock(digest: Digest): readonly Entry[] {
    const key = hashKey(digest);
    const entries = this.#blocks.get(key) ?? [];
    this.#blocks.delete(key);
    for (const entry of entries) entry.blocks--;
    return entries;
  }

  /** Lets entries wait again that no block in flight holds any more. */
  #returnToQueues(entries: readonly Entry[]): void {
    const waiting: Entry[] = [];
    for (const entry of entries) {
      if (entry.gone || entry.blocks > 0) continue;
      if (entry.counted) waiting.push(entry);
      else this.#remove(entry);
    }
    this.#members.restore(waiting);
  }

  #evictExpired(height: Height): CheckedTransaction[] {
    const expired: CheckedTransaction[] = [];
    this.#expiry.sweep(height, (entry) => {
      expired.push(entry.transaction);
      this.#remove(entry);
    });
    return expired;
  }

  /** Notes that a member's transaction was committed, unless it came before an older one that waits here. */
  #noteServed(sender: string, committed: Entry | undefined, nowMs: number): void {
    const oldest = this.#members.find(sender)?.pending.first?.value;
    if (oldest === undefined) return;
    // Validators receive transactions in slightly different orders; and what never came here proves nothing.
    const slackMs = this.#options.inclusionDeadlineMs / 2;
    if (
      committed?.counted !== true ||
      committed.sequence < oldest.sequence ||
      committed.admittedAtMs <= oldest.admittedAtMs + slackMs
    ) {
      oldest.member.servedAtMs = nowMs;
    }
  }
}

function statusOf(entry: Entry): PoolStatus {
  return entry.blocks > 0 ? 'inFlight' : 'pending';
}
