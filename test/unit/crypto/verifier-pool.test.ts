import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import sodium from 'sodium-native';
import { Worker } from 'node:worker_threads';
import type { SignatureCheck } from '../../../src/crypto/index.js';
import {
  createVerifierPool,
  type VerifierPool,
  type VerifierPoolOptions,
} from '../../../src/crypto/native/index.js';
import { asPublicKey, asSignature } from '../../../src/types/index.js';

const publicKey = asPublicKey(new Uint8Array(32));
const secretKey = new Uint8Array(64);
sodium.crypto_sign_seed_keypair(publicKey, secretKey, new Uint8Array(32).fill(1));

/** A valid check over a message that `number` makes unique, or an invalid one. */
function checkOf(number: number, valid = true): SignatureCheck {
  const message = new Uint8Array(50 + (number % 7));
  new DataView(message.buffer).setUint32(0, number);
  const signature = asSignature(new Uint8Array(64));
  sodium.crypto_sign_detached(signature, message, secretKey);
  if (!valid) signature[3]! ^= 1;
  return { publicKey, message, signature };
}

/** A valid check that libsodium refuses: key and R of small order. `number` makes it unique. */
function smallOrderOf(number: number): SignatureCheck {
  return {
    publicKey: asPublicKey(ed25519.Point.ZERO.toBytes()),
    message: Uint8Array.of(number >> 8, number & 255),
    signature: asSignature(Uint8Array.from({ length: 64 }, (_, index) => (index === 0 ? 1 : 0))),
  };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe('createVerifierPool', () => {
  const pools: VerifierPool[] = [];
  const open = (options: VerifierPoolOptions): VerifierPool => {
    const pool = createVerifierPool(options);
    pools.push(pool);
    return pool;
  };
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
    jest.restoreAllMocks();
  });

  it.each([0, 1, 2])('answers each check in order, with %d threads', async (threads) => {
    const pool = open({ threads, maxBatch: 16, inlineChecks: 0 });
    const valid = (number: number): boolean => number % 5 !== 3;
    const calls = range(0, 20).map((call) => range(call * 13, call * 13 + 13));
    const results = await Promise.all(
      calls.map((numbers) => pool.verify(numbers.map((number) => checkOf(number, valid(number))))),
    );
    expect(results).toEqual(calls.map((numbers) => numbers.map(valid)));
    const stats = pool.stats();
    expect(stats).toMatchObject({ requested: 260, waiting: 0, crashes: 0, liveThreads: threads });
    expect(threads === 0 ? stats.inline : stats.threaded).toBe(260);
    expect(stats.invalid).toBe(52);
    if (threads > 0) expect(stats.batches).toBeLessThan(40);
  });

  it('answers consensus before the transactions of a flood that came first', async () => {
    const pool = open({ threads: 1, maxBatch: 32, inlineChecks: 0 });
    const order: string[] = [];
    const flood = range(0, 40).map(async (batch) => {
      const numbers = range(batch * 32, batch * 32 + 32);
      await pool.verify(
        numbers.map((number) => checkOf(number)),
        'transactions',
      );
      order.push('transactions');
    });
    // One of these is in the flood already: it need not wait for its turn there.
    const votes = await pool.verify([checkOf(2000), checkOf(39 * 32 + 7), checkOf(2001)]);
    order.push('votes');
    await Promise.all(flood);
    expect(votes).toEqual([true, true, true]);
    // Three batches that the thread may have had by then.
    expect(order.indexOf('votes')).toBeLessThanOrEqual(3);
    expect(pool.stats()).toMatchObject({ waiting: 0, joined: 1, requested: 40 * 32 + 3 });
    expect(pool.stats().threaded).toBe(40 * 32 + 2);
  });

  it('answers nothing asked with nothing', async () => {
    expect(await open({ threads: 1 }).verify([])).toEqual([]);
  });

  it('checks a few signatures on the calling thread', async () => {
    const pool = open({ threads: 1, inlineChecks: 2 });
    expect(await pool.verify([checkOf(1), checkOf(2)])).toEqual([true, true]);
    expect(pool.stats()).toMatchObject({ inline: 2, threaded: 0, batches: 0 });
  });

  it('checks a signature once however often it is asked for', async () => {
    const pool = open({ threads: 1, inlineChecks: 0 });
    const numbers = range(0, 30);
    const ask = (): Promise<readonly boolean[]> => pool.verify(numbers.map((number) => checkOf(number)));
    const together = await Promise.all([ask(), ask(), ask()]);
    const later = await ask();
    for (const results of [...together, later]) expect(results).toEqual(numbers.map(() => true));
    expect(pool.stats()).toMatchObject({ requested: 120, threaded: 30, joined: 60, remembered: 30 });
  });

  it('remembers only what was valid, and only for the same key, message and signature', async () => {
    const pool = open({ threads: 0 });
    const good = checkOf(1);
    const bad = checkOf(2, false);
    expect(await pool.verify([good, bad])).toEqual([true, false]);
    expect(await pool.verify([good, bad])).toEqual([true, false]);
    expect(await pool.verify([{ ...good, message: checkOf(2).message }])).toEqual([false]);
    expect(await pool.verify([{ ...good, signature: checkOf(2).signature }])).toEqual([false]);
    expect(pool.stats()).toMatchObject({ remembered: 1, invalid: 4 });
    const forgetful = open({ threads: 0, cacheEntries: 0 });
    await forgetful.verify([good]);
    await forgetful.verify([good]);
    expect(forgetful.stats()).toMatchObject({ remembered: 0, inline: 2 });
  });

  it('decides by ZIP-215 on threads too, and counts what the fast path did not settle', async () => {
    const pool = open({ threads: 1, inlineChecks: 0 });
    const checks = [smallOrderOf(0), checkOf(1), checkOf(1, false)];
    expect(await pool.verify(checks)).toEqual([true, true, false]);
    expect(pool.stats()).toMatchObject({ threaded: 3, unsettled: 2, invalid: 1, waiting: 0 });
    expect(await pool.verify([smallOrderOf(0)])).toEqual([true]);
    expect(pool.stats()).toMatchObject({ threaded: 3, unsettled: 2, remembered: 1 });
  });

  it('leaves to a thread what was refused on the calling thread', async () => {
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    const pool = open({ threads: 1, inlineChecks: 2 });
    expect(await pool.verify([checkOf(1), checkOf(2, false)])).toEqual([true, false]);
    expect(pool.stats()).toMatchObject({ inline: 2, threaded: 0, unsettled: 1 });
    expect(posts).toHaveBeenCalledTimes(1);
  });

  it.each([1, 2])(
    'answers others while a flood of refused signatures waits, with %d threads',
    async (threads) => {
      const pool = open({ threads, inlineChecks: 0 });
      const flood = pool.verify(range(0, 200).map(smallOrderOf));
      for (const call of range(0, 5)) {
        const numbers = range(call * 20, call * 20 + 20);
        const results = await pool.verify(numbers.map((number) => checkOf(number)));
        expect(results).toEqual(numbers.map(() => true));
        expect(pool.stats().waiting).toBeGreaterThan(0);
      }
      expect(await flood).toEqual(range(0, 200).map(() => true));
      expect(pool.stats()).toMatchObject({ unsettled: 200, invalid: 0, waiting: 0 });
    },
  );

  it('decides again what a lost thread was deciding', async () => {
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    const pool = open({ threads: 1, inlineChecks: 0 });
    const refused = pool.verify([...range(0, 20).map(smallOrderOf), checkOf(1, false)]);
    // Both calls are one batch: once it is answered, the thread has the first of the refused to decide.
    await pool.verify([checkOf(2)]);
    await (posts.mock.contexts[0] as Worker).terminate();
    expect(await refused).toEqual([...range(0, 20).map(() => true), false]);
    expect(pool.stats()).toMatchObject({ crashes: 1, liveThreads: 1, unsettled: 21, waiting: 0 });
  });

  it('decides without threads too when they cannot run', async () => {
    const unrefs = jest.spyOn(Worker.prototype, 'unref');
    const pool = open({ threads: 1, inlineChecks: 0 });
    await (unrefs.mock.contexts[0] as Worker).terminate();
    const checks = [...range(0, 10).map(smallOrderOf), checkOf(1), checkOf(2, false)];
    expect(await pool.verify(checks)).toEqual([...range(0, 11).map(() => true), false]);
    expect(pool.stats()).toMatchObject({ liveThreads: 0, inline: 12, unsettled: 11, waiting: 0 });
  });

  it('answers keys and signatures of a wrong length with false', async () => {
    const pool = open({ threads: 1, inlineChecks: 0 });
    const { message, signature } = checkOf(1);
    const results = await pool.verify([
      { publicKey: asPublicKey(new Uint8Array(31)), message, signature },
      { publicKey, message, signature: asSignature(new Uint8Array(65)) },
      { publicKey, message: new Uint8Array(0), signature: asSignature(new Uint8Array(0)) },
      checkOf(1),
    ]);
    expect(results).toEqual([false, false, false, true]);
  });

  it('takes empty and large messages', async () => {
    const pool = open({ threads: 1, inlineChecks: 0 });
    const checks = [0, 1, 100_000, 2_000_000].map((length) => {
      const message = new Uint8Array(length).fill(length & 255);
      const signature = asSignature(new Uint8Array(64));
      sodium.crypto_sign_detached(signature, message, secretKey);
      return { publicKey, message, signature };
    });
    expect(await pool.verify(checks)).toEqual([true, true, true, true]);
    expect(await pool.verify(range(0, 40).map((number) => checkOf(number)))).not.toContain(false);
  });

  it('does the work of a lost thread again, and replaces the thread', async () => {
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    const pool = open({ threads: 1, inlineChecks: 0, maxBatch: 32 });
    await pool.verify(range(0, 10).map((number) => checkOf(number)));
    const asked = pool.verify(range(100, 400).map((number) => checkOf(number, number % 2 === 0)));
    await (posts.mock.contexts[0] as Worker).terminate();
    expect(await asked).toEqual(range(100, 400).map((number) => number % 2 === 0));
    expect(pool.stats()).toMatchObject({ crashes: 1, liveThreads: 1, waiting: 0 });
    expect(new Set(posts.mock.contexts).size).toBe(2);
  });

  it('goes on without threads when they cannot run', async () => {
    const unrefs = jest.spyOn(Worker.prototype, 'unref');
    const pool = open({ threads: 1, inlineChecks: 0, maxBatch: 8 });
    const asked = pool.verify(range(0, 50).map((number) => checkOf(number, number !== 7)));
    await (unrefs.mock.contexts[0] as Worker).terminate();
    expect(await asked).toEqual(range(0, 50).map((number) => number !== 7));
    expect(await pool.verify([checkOf(99)])).toEqual([true]);
    expect(pool.stats()).toMatchObject({ crashes: 1, liveThreads: 0, inline: 51, waiting: 0 });
  });

  it('rejects what is under way and what comes later once it is closed', async () => {
    const pool = open({ threads: 1, inlineChecks: 0 });
    const asked = pool.verify([
      ...range(0, 50).map((number) => checkOf(number)),
      ...range(0, 9).map(smallOrderOf),
    ]);
    const closing = pool.close();
    await expect(asked).rejects.toMatchObject({ code: 'VERIFIER_CLOSED' });
    await closing;
    await expect(pool.verify([checkOf(1)])).rejects.toMatchObject({ code: 'VERIFIER_CLOSED' });
    await pool.close();
  });
});
