import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sha256 } from '../../../src/crypto/index.js';
import { CommittedHashes, replayWindowStart, type CheckedTransaction } from '../../../src/ledger/index.js';
import { Mempool, type RuledOut } from '../../../src/mempool/index.js';
import { asDigest, asHeight, toHex, type Digest } from '../../../src/types/index.js';
import { transactionOf, transferOf } from '../../helpers/ledger.js';

const windowBlocks = 10;
const bounds = { maxTransactions: 20, maxBytes: 4000, maxMemberTransactions: 6, maxMemberBytes: 1500 };

/** Transactions to draw from: four members, of two sizes, valid to different heights, some keys used twice. */
const drawer: readonly CheckedTransaction[] = Array.from({ length: 160 }, (_, index) =>
  transactionOf({
    sender: ['a', 'b', 'c', 'd'][index % 4] ?? 'a',
    key: `drawer ${(index % 80).toString()}`,
    validUntil: 1 + (index % 23),
    operations: Array.from({ length: index % 9 === 0 ? 4 : 1 }, () => transferOf('x', 'y', 1n)),
  }),
);
const digests: readonly Digest[] = Array.from({ length: 6 }, (_, index) =>
  asDigest(sha256(Uint8Array.of(index))),
);

const keyOf = (tx: CheckedTransaction): string => toHex(tx.idempotencyHash);
const inOrder = (transactions: readonly CheckedTransaction[]): number[] =>
  transactions.map((tx) => drawer.indexOf(tx)).sort((a, b) => a - b);

/** What the pool promises, as plainly as it can be said: one list, searched from end to end. */
class PoolModel {
  height = 0;
  items: { readonly tx: CheckedTransaction; counted: boolean; readonly blocks: Set<Digest> }[] = [];
  readonly blocks = new Map<Digest, readonly CheckedTransaction[]>();
  readonly #used = new Map<string, number>();

  #find(tx: CheckedTransaction) {
    return this.items.find((item) => item.tx === tx);
  }

  #mayAdmit(tx: CheckedTransaction): string {
    const sum = (items: readonly { readonly tx: CheckedTransaction }[]) =>
      items.reduce((bytes, item) => bytes + item.tx.envelopeBytes.length, 0);
    if (tx.payload.validUntilHeight <= this.height) return 'EXPIRED';
    const used = this.#used.get(keyOf(tx));
    if (used !== undefined && tx.payload.validUntilHeight <= used + windowBlocks) return 'KEY_USED';
    if (tx.payload.validUntilHeight > this.height + 1 + windowBlocks) return 'VALIDITY_TOO_LONG';
    const counted = this.items.filter((item) => item.counted);
    const mine = counted.filter((item) => item.tx.payload.sender === tx.payload.sender);
    const bytes = sum(mine) + tx.envelopeBytes.length;
    if (mine.length + 1 > bounds.maxMemberTransactions || bytes > bounds.maxMemberBytes)
      return 'QUOTA_EXCEEDED';
    const freeBytes = bounds.maxBytes - sum(counted);
    if (mine.length + 1 > bounds.maxTransactions - counted.length || bytes > freeBytes) return 'POOL_FULL';
    return 'OK';
  }

  admit(tx: CheckedTransaction): string {
    const known = this.#find(tx);
    const verdict = this.#mayAdmit(tx);
    const taken = this.items.some((item) => item.counted && keyOf(item.tx) === keyOf(tx));
    if (known !== undefined) {
      if (verdict === 'OK' && !taken) known.counted = true;
      return 'ALREADY_KNOWN';
    }
    if (taken) return 'KEY_PENDING';
    if (verdict === 'OK') this.items.push({ tx, counted: true, blocks: new Set() });
    return verdict;
  }

  reserve(digest: Digest, transactions: readonly CheckedTransaction[]): void {
    if (this.blocks.has(digest)) return;
    this.blocks.set(digest, transactions);
    for (const tx of transactions) {
      if (this.#find(tx) === undefined) this.items.push({ tx, counted: false, blocks: new Set() });
      this.#find(tx)?.blocks.add(digest);
    }
  }

  release(digest: Digest): void {
    this.blocks.delete(digest);
    for (const item of this.items) item.blocks.delete(digest);
    this.items = this.items.filter((item) => item.counted || item.blocks.size > 0);
  }

  commit(digest: Digest, transactions: readonly CheckedTransaction[]): RuledOut {
    this.height++;
    const keys = transactions.map(keyOf);
    for (const key of keys) this.#used.set(key, this.height);
    this.items = this.items.filter((item) => !transactions.includes(item.tx));
    const counted = this.items.filter((item) => item.counted);
    const superseded = counted.filter((item) => keys.includes(keyOf(item.tx)));
    this.items = this.items.filter((item) => !superseded.includes(item));
    const expired = counted.filter(
      (item) => !superseded.includes(item) && item.tx.payload.validUntilHeight <= this.height,
    );
    this.items = this.items.filter((item) => !expired.includes(item));
    this.release(digest);
    return { expired: expired.map(({ tx }) => tx), superseded: superseded.map(({ tx }) => tx) };
  }

  get pending() {
    return this.items.filter((item) => item.blocks.size === 0).map(({ tx }) => tx);
  }
}

const hashOf = (tx: CheckedTransaction): string => toHex(tx.leafHash);

/** Checks what was taken against what waits: order of each member, limits, as much as fits, members alike. */
function checkTaken(
  taken: readonly CheckedTransaction[],
  pending: readonly CheckedTransaction[],
  max: number,
): void {
  expect(taken).toHaveLength(Math.min(max, pending.length));
  const counts = new Map<string, number>();
  const senders = new Set(pending.map((tx) => tx.payload.sender));
  for (const sender of senders) {
    const mine = (from: readonly CheckedTransaction[]) => from.filter((tx) => tx.payload.sender === sender);
    const got = mine(taken);
    expect(got.map(hashOf)).toEqual(mine(pending).slice(0, got.length).map(hashOf));
    counts.set(sender, got.length);
  }
  const most = Math.max(...counts.values());
  for (const sender of senders) {
    const got = counts.get(sender) ?? 0;
    const has = pending.filter((tx) => tx.payload.sender === sender).length;
    if (got < has) expect(most - got).toBeLessThanOrEqual(1);
  }
}

const index = fc.nat(drawer.length - 1);
const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ admit: fc.array(index, { maxLength: 25, size: 'max' }), client: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ build: fc.nat(5), max: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ propose: fc.nat(5), of: fc.array(index, { maxLength: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ release: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ commit: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ sync: fc.array(index, { maxLength: 6 }) }) },
);

describe('Mempool on random calls', () => {
  it('does as the plain model does, and stays within its bounds', () => {
    const answers = new Set<string>();
    let superseded = 0;
    fc.assert(
      fc.property(fc.array(command, { maxLength: 50, size: 'max' }), (commands) => {
        const window = new CommittedHashes();
        const model = new PoolModel();
        const pool = new Mempool({
          ...bounds,
          committedHeight: asHeight(0),
          validityWindowBlocks: windowBlocks,
          window,
          relayAgainMs: 1000,
          inclusionDeadlineMs: 4000,
        });
        const commit = (digest: Digest, transactions: readonly CheckedTransaction[]) => {
          const height = asHeight(model.height + 1);
          window.add(
            height,
            transactions.map(({ idempotencyHash }) => idempotencyHash),
          );
          window.dropBelow(replayWindowStart(asHeight(height + 1), windowBlocks));
          const ruledOut = pool.commit({ height, digest, transactions }, 0);
          const expected = model.commit(digest, transactions);
          expect(inOrder(ruledOut.expired)).toEqual(inOrder(expected.expired));
          expect(inOrder(ruledOut.superseded)).toEqual(inOrder(expected.superseded));
          superseded += ruledOut.superseded.length;
        };
        const draw = (indexes: readonly number[]) => [...new Set(indexes)].flatMap((at) => drawer[at] ?? []);
        for (const step of commands) {
          if ('admit' in step) {
            for (const tx of draw(step.admit)) {
              const admitted = pool.admit(tx, {
                nowMs: 0,
                source: step.client ? 'client' : 'peer',
                authorization: 'OK',
              });
              const answer = admitted.ok ? 'OK' : admitted.error.code;
              expect(answer).toBe(model.admit(tx));
              answers.add(answer);
            }
          } else if ('build' in step) {
            const height = asHeight(model.height + 1);
            const taken = pool.take({ height, maxTransactions: step.max, maxBytes: 1e9 });
            checkTaken(taken, model.pending, step.max);
            const digest = digests[step.build]!;
            pool.reserve(digest, taken, 0);
            model.reserve(digest, taken);
          } else if ('propose' in step) {
            const digest = digests[step.propose]!;
            pool.reserve(digest, draw(step.of), 0);
            model.reserve(digest, draw(step.of));
          } else if ('release' in step) {
            pool.release(digests[step.release]!);
            model.release(digests[step.release]!);
          } else if ('commit' in step) {
            const digest = digests[step.commit]!;
            commit(digest, model.blocks.get(digest) ?? []);
          } else {
            commit(asDigest(new Uint8Array(32)), draw(step.sync));
          }
          const { pending, inFlight, bytes } = pool.stats();
          expect(pending).toBe(model.pending.length);
          expect(inFlight).toBe(model.items.length - pending);
          expect(bytes).toBe(model.items.reduce((sum, { tx }) => sum + tx.envelopeBytes.length, 0));
          const counted = model.items.filter((item) => item.counted);
          expect(counted.length).toBeLessThanOrEqual(bounds.maxTransactions);
          expect(model.items.every(({ tx }) => pool.getByLeafHash(tx.leafHash) === tx)).toBe(true);
          const held = new Set(pool.take({ height: asHeight(0), maxTransactions: 1e6, maxBytes: 1e9 }));
          expect(inOrder([...held])).toEqual(inOrder(model.pending));
        }
      }),
      { seed: 11, numRuns: 120 },
    );
    expect([...answers].sort()).toEqual(
      [
        'OK',
        'ALREADY_KNOWN',
        'KEY_PENDING',
        'KEY_USED',
        'EXPIRED',
        'VALIDITY_TOO_LONG',
        'QUOTA_EXCEEDED',
        'POOL_FULL',
      ].sort(),
    );
    expect(superseded).toBeGreaterThan(0);
  });
});
