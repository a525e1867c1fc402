import { describe, expect, it } from '@jest/globals';
import { sha256 } from '../../../src/crypto/index.js';
import { CommittedHashes, type CheckedTransaction } from '../../../src/ledger/index.js';
import { Mempool, type AdmitContext, type MempoolOptions } from '../../../src/mempool/index.js';
import { asDigest, asHeight, type Digest } from '../../../src/types/index.js';
import { transactionOf, transferOf } from '../../helpers/ledger.js';

const all = { maxTransactions: 1_000_000, maxBytes: 1e9 };

function poolOf(options: Partial<MempoolOptions> = {}): Mempool {
  return new Mempool({
    committedHeight: asHeight(0),
    validityWindowBlocks: 10,
    window: new CommittedHashes(),
    maxTransactions: 1000,
    maxBytes: 1_000_000,
    maxMemberTransactions: 1000,
    maxMemberBytes: 1_000_000,
    relayAgainMs: 1000,
    inclusionDeadlineMs: 4000,
    ...options,
  });
}

const fromClient: AdmitContext = { nowMs: 0, source: 'client', authorization: 'OK' };
const fromPeer: AdmitContext = { nowMs: 0, source: 'peer', authorization: 'OK' };

/** A transaction of a member; `key` gives it an idempotency key of its own choice. */
const tx = (sender: string, change: { key?: string; validUntil?: number; signers?: string[] } = {}) =>
  transactionOf({ sender, operations: [transferOf(`${sender}-1`, 'z-1', 1n)], validUntil: 8, ...change });

const digestOf = (name: string): Digest => asDigest(sha256(new TextEncoder().encode(name)));

function admitAll(pool: Mempool, transactions: readonly CheckedTransaction[], context = fromClient): void {
  for (const transaction of transactions) expect(pool.admit(transaction, context)).toEqual({ ok: true });
}

const take = (pool: Mempool, limits: { maxTransactions?: number; maxBytes?: number; height?: number } = {}) =>
  pool.take({ ...all, ...limits, height: asHeight(limits.height ?? 1) });

const commit = (
  pool: Mempool,
  height: number,
  transactions: readonly CheckedTransaction[],
  { nowMs = 0, digest = digestOf(`block ${height.toString()}`) } = {},
) => pool.commit({ height: asHeight(height), digest, transactions }, nowMs);

const refusalOf = (pool: Mempool, transaction: CheckedTransaction, context = fromClient) => {
  const admitted = pool.admit(transaction, context);
  return admitted.ok ? undefined : admitted.error;
};

describe('Mempool: admission', () => {
  it('knows a transaction that it has, and says where it stands', () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a]);
    expect(refusalOf(pool, a)).toEqual({ code: 'ALREADY_KNOWN', status: 'pending', sameEnvelope: true });
    pool.reserve(digestOf('b'), [a], 0);
    expect(refusalOf(pool, a)).toEqual({ code: 'ALREADY_KNOWN', status: 'inFlight', sameEnvelope: true });
    expect(pool.stats().refused.ALREADY_KNOWN).toBe(2);
    expect(pool.getByTxId(a.txId)).toEqual({ transaction: a, status: 'inFlight' });
    expect(pool.getByLeafHash(a.leafHash)).toBe(a);
  });

  it('takes a transaction once, whatever the signatures on it', () => {
    const pool = poolOf();
    const once = tx('a', { key: 'k', signers: ['a'] });
    const again = tx('a', { key: 'k', signers: ['a', 'b'] });
    expect(again.txId).toEqual(once.txId);
    admitAll(pool, [once]);
    expect(refusalOf(pool, again)).toEqual({ code: 'ALREADY_KNOWN', status: 'pending', sameEnvelope: false });
    expect(take(pool)).toEqual([once]);
  });

  it('takes one transaction of an idempotency key', () => {
    const pool = poolOf();
    admitAll(pool, [tx('a', { key: 'k', validUntil: 7 }), tx('b', { key: 'k', validUntil: 7 })]);
    const other = tx('a', { key: 'k', validUntil: 8 });
    expect(refusalOf(pool, other)).toEqual({ code: 'KEY_PENDING' });
    commit(pool, 7, []);
    expect(refusalOf(pool, other)).toBeUndefined();
  });

  it('refuses a key that a committed block used, unless the transaction outlives the memory of that', () => {
    const window = new CommittedHashes();
    const pool = poolOf({ window });
    const a = tx('a', { key: 'k', validUntil: 8 });
    window.add(asHeight(1), [a.idempotencyHash]);
    commit(pool, 1, [a]);
    expect(refusalOf(pool, a)).toEqual({ code: 'KEY_USED', height: 1 });
    expect(refusalOf(pool, tx('a', { key: 'k', validUntil: 11 }))).toEqual({ code: 'KEY_USED', height: 1 });
    // A block may hold this one, and will refuse it for good.
    expect(refusalOf(pool, tx('a', { key: 'k', validUntil: 12 }))).toBeUndefined();
  });

  it('refuses what no block may hold, now or at all', () => {
    const pool = poolOf({ committedHeight: asHeight(20) });
    expect(refusalOf(pool, tx('a', { validUntil: 20 }))).toEqual({ code: 'EXPIRED' });
    expect(refusalOf(pool, tx('a', { validUntil: 21 }))).toBeUndefined();
    expect(refusalOf(pool, tx('a', { validUntil: 31 }))).toBeUndefined();
    expect(refusalOf(pool, tx('a', { validUntil: 32 }))).toEqual({ code: 'VALIDITY_TOO_LONG' });
  });

  it('refuses what the ledger says is not signed as needed, and keeps nothing of it', () => {
    const pool = poolOf();
    for (const authorization of [
      'UNKNOWN_SENDER',
      'SENDER_NOT_AUTHORIZED',
      'ACCOUNT_NOT_AUTHORIZED',
    ] as const) {
      expect(refusalOf(pool, tx('a'), { ...fromPeer, authorization })).toEqual({ code: authorization });
    }
    expect(pool.stats()).toMatchObject({ pending: 0, bytes: 0, members: 0, admitted: 0 });
    expect(pool.stats().refused.UNKNOWN_SENDER).toBe(1);
  });
});

describe('Mempool: bounds', () => {
  it('QUOTA_EXCEEDED by number and by bytes, in flight included', () => {
    const pool = poolOf({ maxMemberTransactions: 3 });
    const mine = [tx('a'), tx('a'), tx('a')];
    admitAll(pool, mine);
    expect(refusalOf(pool, tx('a'))).toEqual({ code: 'QUOTA_EXCEEDED' });
    pool.reserve(digestOf('b'), mine, 0);
    expect(refusalOf(pool, tx('a'))).toEqual({ code: 'QUOTA_EXCEEDED' });
    admitAll(pool, [tx('b')]);
    commit(pool, 1, [mine[0]!]);
    admitAll(pool, [tx('a')]);

    const size = tx('a').envelopeBytes.length;
    const narrow = poolOf({ maxMemberBytes: 2 * size });
    admitAll(narrow, [tx('a'), tx('a')]);
    expect(refusalOf(narrow, tx('a'))).toEqual({ code: 'QUOTA_EXCEEDED' });
  });

  it('stays within its bounds under a flood, and keeps room for a member that has little', () => {
    const pool = poolOf({ maxTransactions: 200, maxBytes: 20_000 });
    let refused = 0;
    for (let round = 0; round < 500; round++) {
      for (const member of ['a', 'b', 'c']) {
        const refusal = refusalOf(pool, tx(member), fromPeer);
        if (refusal === undefined) continue;
        expect(refusal.code).toBe('POOL_FULL');
        refused++;
      }
    }
    const { pending, bytes, admitted, refused: counted } = pool.stats();
    expect(pending).toBeLessThanOrEqual(200);
    expect(bytes).toBeLessThanOrEqual(20_000);
    expect(admitted).toBe(pending);
    expect(counted.POOL_FULL).toBe(refused);
    expect(refused + admitted).toBe(1500);
    admitAll(pool, [tx('d'), tx('d'), tx('d')]);
  });

  it('keeps nothing when all is settled', () => {
    const pool = poolOf();
    const mine = Array.from({ length: 50 }, (_, index) =>
      tx(`m${(index % 7).toString()}`, { validUntil: 1 + (index % 5) }),
    );
    admitAll(pool, mine);
    pool.toRelay(0, all);
    pool.reserve(digestOf('x'), mine.slice(10, 30), 0);
    pool.reserve(digestOf('y'), [tx('stranger'), ...mine.slice(20, 40)], 0);
    commit(pool, 1, mine.slice(10, 30), { digest: digestOf('x') });
    pool.release(digestOf('y'));
    commit(pool, 5, []);
    expect(pool.stats()).toMatchObject({ pending: 0, inFlight: 0, bytes: 0, members: 0 });
    expect(pool.hasPending()).toBe(false);
    expect([...pool.clientTransactions()]).toEqual([]);
    expect(pool.toRelay(1e9, all)).toEqual([]);
  });
});

describe('Mempool: order', () => {
  const sendersOf = (transactions: readonly CheckedTransaction[]) =>
    transactions.map(({ payload }) => payload.sender).join('');

  it('keeps the order of arrival of one member', () => {
    const pool = poolOf();
    const mine = Array.from({ length: 9 }, () => tx('a'));
    admitAll(pool, mine);
    expect(take(pool)).toEqual(mine);
  });

  it('serves members in turn: a flood delays only its sender', () => {
    const pool = poolOf();
    admitAll(
      pool,
      Array.from({ length: 400 }, () => tx('a')),
    );
    admitAll(pool, [tx('b'), tx('c'), tx('b')]);
    expect(sendersOf(take(pool, { maxTransactions: 8 }))).toBe('abcabaaa');
  });

  it('goes on in the next block with the member after the last one served', () => {
    const pool = poolOf();
    for (const member of ['a', 'b', 'c', 'd', 'e']) admitAll(pool, [tx(member), tx(member), tx(member)]);
    const blocks: string[] = [];
    for (let height = 1; pool.hasPending(); height++) {
      const taken = take(pool, { maxTransactions: 4, height });
      blocks.push(sendersOf(taken));
      commit(pool, height, taken);
    }
    expect(blocks).toEqual(['abcd', 'eabc', 'deab', 'cde']);
  });

  it('fills a block by bytes without breaking the order of a member', () => {
    const pool = poolOf();
    const large = transactionOf({
      sender: 'a',
      validUntil: 8,
      operations: Array.from({ length: 20 }, () => transferOf('a-1', 'z-1', 1n)),
    });
    const small = [tx('a'), tx('b'), tx('b')];
    admitAll(pool, [large, ...small]);
    const size = tx('b').envelopeBytes.length;
    expect(take(pool, { maxBytes: 3 * size })).toEqual(small.slice(1));
    expect(take(pool, { maxBytes: large.envelopeBytes.length + size })).toEqual([large, small[1]]);
  });

  it('leaves out what is expired at the height of the block', () => {
    const pool = poolOf();
    const [short, long] = [tx('a', { validUntil: 2 }), tx('a', { validUntil: 3 })];
    admitAll(pool, [short, long]);
    expect(take(pool, { height: 2 })).toEqual([short, long]);
    expect(take(pool, { height: 3 })).toEqual([long]);
    expect(take(pool, { height: 4 })).toEqual([]);
  });
});

describe('Mempool: life of a block', () => {
  it('does not offer what is in flight, and offers it again, in its old place, when the block is dropped', () => {
    const pool = poolOf();
    const mine = Array.from({ length: 6 }, () => tx('a'));
    admitAll(pool, mine);
    pool.reserve(digestOf('1'), mine.slice(0, 2), 0);
    pool.reserve(digestOf('2'), [mine[3]!], 0);
    expect(take(pool, { height: 3 })).toEqual([mine[2], mine[4], mine[5]]);
    pool.release(digestOf('2'));
    expect(take(pool)).toEqual([mine[2], mine[3], mine[4], mine[5]]);
    pool.release(digestOf('1'));
    expect(take(pool)).toEqual(mine);
  });

  it('waits for the last of several competing blocks', () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a]);
    pool.reserve(digestOf('1'), [a], 0);
    pool.reserve(digestOf('1'), [a], 0);
    pool.reserve(digestOf('2'), [a], 0);
    pool.release(digestOf('1'));
    expect(pool.hasPending()).toBe(false);
    pool.release(digestOf('1'));
    pool.release(digestOf('2'));
    expect(take(pool)).toEqual([a]);
  });

  it('keeps bodies that came with a block while it is in flight, and no longer', () => {
    const pool = poolOf({ maxMemberTransactions: 1 });
    admitAll(pool, [tx('a')]);
    const foreign = tx('a');
    pool.reserve(digestOf('1'), [foreign], 0);
    expect(pool.getByLeafHash(foreign.leafHash)).toBe(foreign);
    expect(refusalOf(pool, foreign, fromPeer)).toMatchObject({ code: 'ALREADY_KNOWN', status: 'inFlight' });
    pool.release(digestOf('1'));
    expect(pool.getByLeafHash(foreign.leafHash)).toBeUndefined();
    expect(pool.stats()).toMatchObject({ pending: 1, inFlight: 0 });
  });

  it('keeps a body that came with a block when somebody submits it meanwhile', () => {
    const pool = poolOf();
    const a = tx('a');
    pool.reserve(digestOf('1'), [a], 0);
    expect(refusalOf(pool, a, fromClient)).toMatchObject({ code: 'ALREADY_KNOWN', status: 'inFlight' });
    pool.release(digestOf('1'));
    expect(take(pool)).toEqual([a]);
    expect(pool.toRelay(0, all)).toEqual([a]);
  });

  it('removes what is committed, whether the block was known or not', () => {
    const pool = poolOf();
    const mine = [tx('a'), tx('b'), tx('c')];
    admitAll(pool, mine);
    pool.reserve(digestOf('1'), [mine[0]!], 0);
    commit(pool, 1, [mine[0]!], { digest: digestOf('1') });
    commit(pool, 2, [mine[1]!, tx('d')]);
    expect(take(pool, { height: 3 })).toEqual([mine[2]]);
    expect(pool.getByLeafHash(mine[0]!.leafHash)).toBeUndefined();
  });

  it('is not confused by a committed transaction that another dropped block holds too', () => {
    const pool = poolOf();
    const [a, b] = [tx('a'), tx('a')];
    admitAll(pool, [a, b]);
    pool.reserve(digestOf('1'), [a], 0);
    pool.reserve(digestOf('2'), [b, a, a], 0);
    commit(pool, 1, [a], { digest: digestOf('1') });
    pool.release(digestOf('2'));
    expect(take(pool, { height: 2 })).toEqual([b]);
    expect(pool.stats()).toMatchObject({ pending: 1, inFlight: 0 });
  });

  it('rules out what has the key of a committed transaction, and hands it back', () => {
    const pool = poolOf();
    const [mine, theirs] = [tx('a', { key: 'k', validUntil: 7 }), tx('a', { key: 'k', validUntil: 8 })];
    const [once, again] = [tx('b', { key: 'k', signers: ['b'] }), tx('b', { key: 'k', signers: ['b', 'c'] })];
    admitAll(pool, [mine, once]);
    expect(commit(pool, 1, [theirs, again])).toEqual({ expired: [], superseded: [mine] });
    expect(pool.hasPending()).toBe(false);
    expect(pool.stats()).toMatchObject({ committed: 2, superseded: 1, bytes: 0 });
  });

  it('forgets what its owner found to be good for no block, but not while it is in one', () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a]);
    pool.reserve(digestOf('1'), [a], 0);
    pool.evict(a.txId);
    pool.release(digestOf('1'));
    expect(take(pool)).toEqual([a]);
    pool.evict(a.txId);
    expect(pool.stats()).toMatchObject({ pending: 0, bytes: 0, members: 0 });
  });

  it('evicts what no later block may hold, and hands it back', () => {
    const pool = poolOf();
    const [first, second, third] = [
      tx('a', { validUntil: 1 }),
      tx('b', { validUntil: 2 }),
      tx('c', { validUntil: 5 }),
    ];
    admitAll(pool, [first, second, third]);
    expect(commit(pool, 1, []).expired).toEqual([first]);
    pool.reserve(digestOf('late'), [second], 0);
    expect(commit(pool, 2, []).expired).toEqual([second]);
    pool.release(digestOf('late'));
    expect(take(pool, { height: 3 })).toEqual([third]);
    expect(commit(pool, 400_000, []).expired).toEqual([third]);
    expect(pool.stats().expired).toBe(3);
  });

  it('says whether there is anything to build a block of', () => {
    const pool = poolOf();
    const a = tx('a');
    expect(pool.hasPending()).toBe(false);
    admitAll(pool, [a]);
    expect(pool.hasPending()).toBe(true);
    pool.reserve(digestOf('1'), [a], 0);
    expect(pool.hasPending()).toBe(false);
    expect(() => commit(pool, 0, [])).toThrow(/in order of height/);
  });
});

describe('Mempool: relay', () => {
  it("relays a client's transaction once at first, not a peer's", () => {
    const pool = poolOf();
    const mine = [tx('a'), tx('b')];
    admitAll(pool, mine);
    admitAll(pool, [tx('c')], fromPeer);
    expect(pool.hasFreshRelay()).toBe(true);
    expect(pool.toRelay(0, all)).toEqual(mine);
    expect(pool.hasFreshRelay()).toBe(false);
    expect(pool.toRelay(0, all)).toEqual([]);
    expect([...pool.clientTransactions()]).toEqual(mine);
  });

  it("relays a peer's transaction once it is overdue: nobody else may have it any more", () => {
    const pool = poolOf();
    const [old, young] = [tx('a'), tx('b')];
    admitAll(pool, [old], fromPeer);
    admitAll(pool, [young], { ...fromPeer, nowMs: 3000 });
    pool.relayOverdue(4000);
    expect(pool.toRelay(4000, all)).toEqual([]);
    pool.relayOverdue(4001);
    pool.relayOverdue(4001);
    expect(pool.toRelay(4001, all)).toEqual([old]);
    expect(pool.toRelay(4001, all)).toEqual([]);
  });

  it('relays in batches of bounded size, one that is larger alone', () => {
    const pool = poolOf();
    const mine = [tx('a'), tx('a'), tx('a')];
    admitAll(pool, mine);
    const size = mine[0]!.envelopeBytes.length;
    expect(pool.toRelay(0, { maxTransactions: 10, maxBytes: 2 * size })).toEqual(mine.slice(0, 2));
    expect(pool.toRelay(0, { maxTransactions: 10, maxBytes: 1 })).toEqual(mine.slice(2));
  });

  it("answers for a peer's transaction that a client submits too", () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a], fromPeer);
    expect(pool.toRelay(0, all)).toEqual([]);
    expect(refusalOf(pool, a, fromClient)).toMatchObject({ code: 'ALREADY_KNOWN' });
    expect(pool.toRelay(0, all)).toEqual([a]);
  });

  it('relays again what stays out of blocks, less and less often', () => {
    const pool = poolOf();
    const [a, b] = [tx('a'), tx('b')];
    admitAll(pool, [a, b]);
    const times: number[] = [];
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 100) {
      const relayed = pool.toRelay(nowMs, all);
      if (relayed.includes(a)) times.push(nowMs);
      if (nowMs === 500) pool.reserve(digestOf('1'), [b], 0);
      if (nowMs > 500) expect(relayed).not.toContain(b);
    }
    expect(times).toEqual([0, 1000, 3000, 7000, 15_000]);
    expect(pool.stats()).toMatchObject({ relayed: 2, relayedAgain: 4 });
  });
});

describe('Mempool: overdue transactions', () => {
  const deadlineMs = 4000;

  it('notices a transaction that no block takes up', () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a]);
    expect(pool.oldestAdmittedAtMs()).toBe(0);
    expect(pool.overdue(deadlineMs)).toBeUndefined();
    expect(pool.overdue(deadlineMs + 1)).toBe(a);
  });

  it('notices a primary that takes only other members, or only newer transactions of the member', () => {
    const pool = poolOf();
    admitAll(pool, [tx('a')]);
    let overdueAt: number | undefined;
    for (let height = 1; height <= 7; height++) {
      const nowMs = height * 1000;
      const newer = tx(height < 4 ? 'b' : 'a');
      admitAll(pool, [newer], { ...fromPeer, nowMs });
      commit(pool, height, [newer], { nowMs });
      if (pool.overdue(nowMs) !== undefined) overdueAt ??= nowMs;
    }
    expect(overdueAt).toBe(5000);
  });

  it('does not suspect a primary that works off a backlog in order', () => {
    const pool = poolOf({ validityWindowBlocks: 1000 });
    const backlog = Array.from({ length: 100 }, () => tx('a', { validUntil: 500 }));
    admitAll(pool, backlog);
    for (const [index, transaction] of backlog.entries()) {
      const nowMs = (index + 1) * 1000;
      commit(pool, index + 1, [transaction], { nowMs });
      expect(pool.overdue(nowMs)).toBeUndefined();
    }
  });

  it('gives a new primary the whole deadline, also for what an old one dropped', () => {
    const pool = poolOf();
    const a = tx('a');
    admitAll(pool, [a]);
    pool.reserve(digestOf('1'), [a], 0);
    expect(pool.overdue(100_000)).toBeUndefined();
    pool.release(digestOf('1'));
    pool.restartDeadlines(100_000);
    expect(pool.overdue(100_000 + deadlineMs)).toBeUndefined();
    expect(pool.overdue(100_001 + deadlineMs)).toBe(a);
  });
});
