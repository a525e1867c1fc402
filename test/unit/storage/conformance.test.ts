import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BlockCommit, Head, HistoryPage, Store } from '../../../src/storage/index.js';
import { asHeight, asStateKey, asTxId } from '../../../src/types/index.js';
import { commitOn, hash32, headAfter, textBytes, type CommitSpec } from '../../helpers/commits.js';
import { opened, placeFor, testChain, type Place } from '../../helpers/stores.js';

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const k = asStateKey;
const h = asHeight;

describe.each(['rocksdb', 'leveldb', 'memory'] as const)('a store on %s', (engine) => {
  let place: Place;
  let store: Store;
  let parent: Head | undefined;

  async function commit(spec: CommitSpec = {}): Promise<BlockCommit> {
    const next = commitOn(parent, testChain, spec);
    await store.commitBlock(next);
    parent = headAfter(next);
    return next;
  }
  async function reopen(): Promise<void> {
    await store.close();
    store = opened(await place.open());
  }

  beforeEach(async () => {
    parent = undefined;
    place = await placeFor(engine);
    store = opened(await place.open());
  });
  afterEach(async () => {
    await store.close();
    await place.dispose();
  });

  it('names its engine and chain', () => {
    expect(store.engine).toBe(engine);
    expect(store.chainId).toEqual(testChain);
  });

  it('has no head before genesis, and finds nothing', async () => {
    expect(store.head()).toBeUndefined();
    expect(await store.block(h(0))).toBeUndefined();
    expect(await store.header(h(0))).toBeUndefined();
    expect(await store.locate(asTxId(hash32('nowhere')))).toBeUndefined();
    expect(await store.stateMany([k('a')])).toEqual([undefined]);
    expect(await store.stateAt(k('a'), h(0))).toBeUndefined();
    expect(await store.stateRange({ prefix: '', height: h(0), limit: 5 })).toEqual([]);
    expect(await store.history('a', 5)).toEqual({ entries: [], next: undefined });
    expect(await store.readLog()).toEqual([]);
    expect(await store.evidence()).toEqual([]);
  });

  it('gives back what was committed, also after it was opened again', async () => {
    const genesis = await commit({ state: [['account/a', '5']] });
    const first = await commit({ touched: [['a', 'b'], ['b']], state: [['account/a', '4']] });
    for (let round = 0; round < 2; round++) {
      expect(store.head()).toEqual(headAfter(first));
      expect(await store.block(h(0))).toEqual(genesis.block);
      expect(await store.block(h(1))).toEqual(first.block);
      const { height, digest, headerBytes, certificate } = first.block;
      expect(await store.header(h(1))).toEqual({ height, digest, headerBytes, certificate });
      expect(await store.block(h(2))).toBeUndefined();
      expect(await store.locate(first.txIds[1]!)).toEqual({ height: 1, index: 1 });
      await reopen();
    }
  });

  it('refuses a block that is not the next one, that does not link, or whose parts do not fit', async () => {
    await commit();
    const next = commitOn(parent, testChain, { touched: [['a']] });
    const stranger = commitOn({ ...parent!, digest: hash32('x') as Head['digest'] }, testChain);
    const later = commitOn(headAfter(next), testChain);
    await expect(store.commitBlock(later)).rejects.toThrow(/committed in order/);
    await expect(store.commitBlock(commitOn(undefined, testChain))).rejects.toThrow(/committed in order/);
    await expect(store.commitBlock(stranger)).rejects.toThrow(/links to the one before/);
    await expect(store.commitBlock({ ...next, txIds: [] })).rejects.toThrow(/one transaction id/);
    await expect(
      store.commitBlock({ ...next, block: { ...next.block, digest: hash32('y') as Head['digest'] } }),
    ).rejects.toThrow(/digest/);
    expect(store.head()?.height).toBe(0);
    await store.commitBlock(next);
    expect(store.head()?.height).toBe(1);
  });

  it('takes several blocks in a row without waiting, and acknowledges them in order', async () => {
    await commit();
    const commits: BlockCommit[] = [];
    for (let count = 0; count < 5; count++) {
      const next = commitOn(parent, testChain, { state: [['counter', String(count)]] });
      parent = headAfter(next);
      commits.push(next);
    }
    const order: number[] = [];
    await Promise.all(
      commits.map((next) => store.commitBlock(next).then(() => order.push(next.block.height))),
    );
    expect(order).toEqual([1, 2, 3, 4, 5]);
    expect(store.head()?.height).toBe(5);
    expect(text((await store.stateMany([k('counter')]))[0])).toBe('4');
  });

  it('answers the latest state in the order of the keys, and absent keys as absent', async () => {
    await commit({
      state: [
        ['a', '1'],
        ['b', ''],
      ],
    });
    await commit({
      state: [
        ['a', undefined],
        ['c', '3'],
      ],
    });
    for (let round = 0; round < 2; round++) {
      const values = await store.stateMany(['c', 'nothing', 'a', 'b', 'c', 'ä', 'nul\0'].map(k));
      expect(values.map(text)).toEqual(['3', undefined, undefined, '', '3', undefined, undefined]);
      await reopen();
    }
  });

  it('answers the state as it was after every height', async () => {
    await commit({ state: [['a', '0']] });
    await commit({ state: [['b', '1']] });
    await commit({ state: [['a', '2']] });
    await commit({ state: [['a', undefined]] });
    await commit({ state: [['a', '4']] });
    const seen = await Promise.all([0, 1, 2, 3, 4, 9].map((height) => store.stateAt(k('a'), h(height))));
    expect(seen.map(text)).toEqual(['0', '0', '2', undefined, '4', '4']);
    expect(await store.stateAt(k('b'), h(0))).toBeUndefined();
    expect(text(await store.stateAt(k('b'), h(1)))).toBe('1');
    expect(await store.stateAt(k('a\0'), h(1))).toBeUndefined();
  });

  it('lists a range of the state as it was after a height', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `account/${String(index).padStart(2, '0')}`);
    await commit({
      state: [...names.map((name) => [name, 'old'] as const), ['accounu', 'x'], ['accoun', 'x']],
    });
    await commit({
      state: names.map((name, index) => [name, index % 2 === 0 ? 'new' : undefined] as const),
    });
    await commit({ state: [['account/zz', 'late']] });

    const range = async (height: number, limit: number, after?: string) =>
      (
        await store.stateRange({
          prefix: 'account/',
          height: h(height),
          limit,
          ...(after === undefined ? {} : { after }),
        })
      ).map(({ key, value }) => `${key}=${text(value)}`);
    expect(await range(0, 100)).toEqual(names.map((name) => `${name}=old`));
    expect(await range(0, 3, 'account/05')).toEqual(['account/06=old', 'account/07=old', 'account/08=old']);
    expect(await range(1, 100)).toEqual(names.filter((_, i) => i % 2 === 0).map((name) => `${name}=new`));
    expect(await range(1, 2, 'account/07')).toEqual(['account/08=new', 'account/10=new']);
    expect(await range(2, 9, 'account/38')).toEqual(['account/zz=late']);
    expect(await range(2, 9, 'account/zz')).toEqual([]);
    expect(await range(2, 1, 'aaa')).toEqual(['account/00=new']);
  });

  it('keeps the nodes of the state tree under binary keys', async () => {
    const nodes = [
      { key: Uint8Array.of(0, 0, 1), value: textBytes('root') },
      { key: Uint8Array.of(0, 0, 1, 255), value: textBytes('leaf') },
    ];
    await commit({ treeNodes: nodes });
    await reopen();
    const found = await store.treeNodes([nodes[1]!.key, Uint8Array.of(9), nodes[0]!.key]);
    expect(found.map(text)).toEqual(['leaf', undefined, 'root']);
    expect((await store.treeNodes([nodes[0]!.key])).map(text)).toEqual(['root']);
  });

  it('lists the history of an account newest first, page by page, without gaps or repeats', async () => {
    await commit();
    const expected: string[] = [];
    for (let height = 1; height <= 5; height++) {
      await commit({ touched: [['a'], ['b', 'a', 'a'], ['b'], ['a']] });
      expected.push(...[0, 1, 3].map((index) => `${height}/${index}`));
    }
    expected.reverse();
    for (const limit of [1, 2, 3, 4, 100]) {
      const seen: string[] = [];
      for (let before: HistoryPage['next'], rounds = 0; ; rounds++) {
        const page = await store.history('a', limit, before);
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        for (const { height, index, txId } of page.entries) {
          seen.push(`${height}/${index}`);
          expect(txId).toEqual(hash32(`tx/${height}/${index}`));
        }
        if (page.next === undefined || rounds > 50) break;
        before = page.next;
      }
      expect(seen).toEqual(expected);
    }
    expect((await store.history('ab', 5)).entries).toEqual([]);
  });

  it('keeps the newest record of each name and height of the log until its height is committed', async () => {
    await commit();
    await store.appendLog([
      { name: 'view', height: h(0), value: textBytes('1') },
      { name: 'vote/commit', height: h(1), value: textBytes('first') },
      { name: 'vote/commit', height: h(2), value: textBytes('second') },
    ]);
    await store.appendLog([{ name: 'vote/commit', height: h(1), value: textBytes('changed') }]);
    await reopen();
    const log = async () =>
      (await store.readLog()).map(({ name, height, value }) => `${name}@${height}=${text(value)}`).sort();
    expect(await log()).toEqual(['view@0=1', 'vote/commit@1=changed', 'vote/commit@2=second']);
    await commit();
    await store.appendLog([{ name: 'view', height: h(0), value: textBytes('2') }]);
    await reopen();
    expect(await log()).toEqual(['view@0=2', 'vote/commit@2=second']);
  });

  it('keeps a long log whole', async () => {
    const names = Array.from({ length: 600 }, (_, index) => `n${String(index).padStart(4, '0')}`);
    await store.appendLog(names.map((name) => ({ name, height: h(7), value: textBytes(name) })));
    await reopen();
    expect((await store.readLog()).map(({ name }) => name)).toEqual(names);
  });

  it('keeps evidence', async () => {
    await store.putEvidence('1/2/prepare', textBytes('two votes'));
    await reopen();
    expect(await store.evidence()).toEqual([{ key: '1/2/prepare', value: textBytes('two votes') }]);
  });

  it('tells its size', async () => {
    await commit({ state: [['a', 'x'.repeat(10_000)]] });
    expect(await store.sizeBytes()).toBeGreaterThan(1000);
  });

  it('refuses a second opening while it is open', async () => {
    const second = await place.open();
    expect(second).toMatchObject({ ok: false, error: { code: 'LOCKED' } });
    await commit();
    expect(store.head()?.height).toBe(0);
  });

  it('finishes what was begun when it is closed, then refuses everything', async () => {
    const begun = store.commitBlock(commitOn(undefined, testChain));
    await store.close();
    await begun;
    await expect(store.appendLog([{ name: 'x', height: h(1), value: textBytes('') }])).rejects.toMatchObject({
      code: 'CLOSED',
    });
    await expect(store.stateMany([k('a')])).rejects.toMatchObject({ code: 'CLOSED' });
    store = opened(await place.open());
    expect(store.head()?.height).toBe(0);
  });
});
