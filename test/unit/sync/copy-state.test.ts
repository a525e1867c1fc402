import { afterEach, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genesis } from '../../../src/codec/index.js';
import { StateTree } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import {
  createMemoryStore,
  MemoryDisk,
  openInstall,
  openMemoryInstall,
  openStore,
  targetOf,
  type StateInstall,
  type StorageEngine,
  type StorageError,
  type Store,
} from '../../../src/storage/index.js';
import { copyState, type FetchedState, type StateSource } from '../../../src/sync/index.js';
import { systemClock } from '../../../src/node/clock.js';
import {
  asHeight,
  asStateKey,
  asValidatorIndex,
  QuaestorError,
  successorPath,
  toHex,
  type Result,
} from '../../../src/types/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened, temporaryFolder } from '../../helpers/stores.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const accounts = 400;
const height = asHeight(6);

/** A validator that has a chain of some blocks; its state has some hundred accounts. */
async function server(): Promise<{ genesis: Genesis; store: Store; chain: ExecutedChain }> {
  const { genesis, validatorKeys } = testGenesis(4, accounts);
  const store = opened(
    await createMemoryStore({ disk: new MemoryDisk(), chainId: genesisChainId(genesis), validator: 'v0' }),
  );
  closers.push(() => store.close());
  const chain = await ExecutedChain.create({
    store,
    genesis,
    keys: validatorKeys,
    transactionsPerBlock: 3,
    payee: (number) => `X${String(number).padStart(5, '0')}`,
  });
  await chain.append(8);
  return { genesis, store, chain };
}

type Change = (chunk: FetchedState) => FetchedState;

/** Serves as a validator does; peers of `lies` change what they give. */
function sourceOf(
  store: Store,
  {
    lies = {},
    maxBytes = 500,
    asked = [] as number[],
  }: { lies?: Record<number, Change>; maxBytes?: number; asked?: number[] },
): StateSource {
  const tree = new StateTree({ maxBytes: 1_000_000 });
  const reader = { readNodes: (keys: readonly Uint8Array[]) => store.treeNodes(keys) };
  return {
    async *fetchState(peer, { from, until, height: at }) {
      asked.push(peer);
      for (let next = from; ;) {
        const chunk = await store.stateChunk({ height: at, from: next, until, maxBytes });
        const proof = await tree.proveRange(reader, at, { from: next, to: chunk.to });
        yield (lies[peer] ?? ((same) => same))({ ...chunk, proof });
        if (toHex(chunk.to) === toHex(until)) return;
        next = successorPath(chunk.to);
      }
    },
  };
}

interface Place {
  install(): Promise<Result<StateInstall, StorageError>>;
  store(): Promise<Result<Store, StorageError>>;
}

async function placeOf(engine: StorageEngine | 'memory', genesis: Genesis): Promise<Place> {
  const chainId = genesisChainId(genesis);
  if (engine === 'memory') {
    const options = { disk: new MemoryDisk(), chainId, validator: 'v9' };
    return { install: () => openMemoryInstall(options), store: () => createMemoryStore(options) };
  }
  const dir = await temporaryFolder();
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const options = { dir: join(dir, 'store'), engine, chainId, validator: 'v9', createIfMissing: true };
  return { install: () => openInstall(options), store: () => openStore(options) };
}

const peers = [0, 1, 2].map(asValidatorIndex);
const limits = { minShunMs: 1 };
const carried = { log: [], evidence: [], headers: [] };

async function targetAt(store: Store) {
  return targetOf((await store.header(height))!);
}

describe.each(['memory', 'leveldb', 'rocksdb'] as const)('a copy of a state (%s)', (engine) => {
  it('is a store with the same state, proofs included, on which the next blocks fit', async () => {
    const { genesis, store: full, chain } = await server();
    const place = await placeOf(engine, genesis);
    const install = opened(await place.install());
    await install.begin(await targetAt(full));
    const asked: number[] = [];
    const source = sourceOf(full, { asked });
    // Blocks that come meanwhile change nothing about the state of that height.
    const copying = copyState({ sink: install, source, peers, clock: systemClock, limits });
    await chain.append(3);
    expect(await copying).toBe('complete');
    expect(new Set(asked).size).toBe(3);
    expect(install.progress().fraction).toBe(1);
    const log = [
      { name: 'view', height: asHeight(0), value: Uint8Array.of(1) },
      { name: 'vote/commit', height: asHeight(5), value: Uint8Array.of(2) },
      { name: 'vote/commit', height: asHeight(7), value: Uint8Array.of(3) },
    ];
    const proving = (await full.header(asHeight(2)))!;
    const evidence = [{ key: 'proof', value: Uint8Array.of(4) }];
    await install.finish({ log, evidence, headers: [proving] });
    await install.close();

    const copy = opened(await place.store());
    closers.push(() => copy.close());
    expect(copy.base).toBe(height);
    expect(copy.head()).toEqual({
      ...(await targetAt(full)),
      headerBytes: undefined,
      certificate: undefined,
    });
    // Votes about what is not final yet are kept, and those only.
    expect(await copy.readLog()).toEqual([log[0], log[2]]);
    expect(await copy.evidence()).toHaveLength(1);
    const all = { prefix: '', height, limit: 100_000 };
    expect(await copy.stateRange(all)).toEqual(await full.stateRange(all));
    expect(await copy.block(height)).toBeUndefined();
    expect(await copy.header(asHeight(height - 1))).toBeUndefined();
    // What proves a change of the validator set stays, without its block.
    expect(await copy.header(asHeight(2))).toEqual(proving);
    expect(await copy.block(asHeight(2))).toBeUndefined();

    const tree = new StateTree({ maxBytes: 1_000_000 });
    const proofs = async (from: Store) =>
      Promise.all(
        ['account/A1', 'balance/X00003/CHF', 'nothing/here'].map((key) =>
          tree.prove({ readNodes: (keys) => from.treeNodes(keys) }, height, asStateKey(key)),
        ),
      );
    expect(await proofs(copy)).toEqual(await proofs(full));

    // It goes on from there, and a copy of the copy works as well.
    for (let next = height + 1; next <= 11; next++) await commitAgain(full, copy, asHeight(next));
    expect(copy.head()).toEqual(full.head());
    const again = opened(await (await placeOf('memory', genesis)).install());
    closers.push(() => again.close());
    await again.begin(targetOf((await copy.header(asHeight(11)))!));
    const fromCopy = sourceOf(copy, {});
    expect(await copyState({ sink: again, source: fromCopy, peers, clock: systemClock, limits })).toBe(
      'complete',
    );
    await again.finish(carried);
  });

  it('is no store until it is finished, and goes on where it was after a crash', async () => {
    const { genesis, store: full } = await server();
    const place = await placeOf(engine, genesis);
    let install = opened(await place.install());
    await install.begin(await targetAt(full));
    let entries = 0;
    for (let crashes = 0; ; crashes++) {
      const sink = install;
      let chunks = 0;
      const stop = new AbortController();
      const end = await copyState({
        sink,
        source: sourceOf(full, {}),
        peers,
        clock: systemClock,
        limits,
        signal: stop.signal,
        onChunk: () => {
          if (++chunks === 7) stop.abort();
        },
      });
      const before = install.progress();
      expect(before.entries).toBeGreaterThan(entries);
      entries = before.entries;
      await install.close();
      if (end === 'complete') {
        expect(crashes).toBeGreaterThan(2);
        break;
      }
      expect((await place.store()).ok).toBe(false);
      install = opened(await place.install());
      expect(install.progress()).toEqual(before);
    }
    const refused = await place.store();
    expect(refused.ok ? '' : refused.error.code).toBe('INCOMPLETE');
    install = opened(await place.install());
    await install.finish(carried);
    await install.close();
    const copy = opened(await place.store());
    closers.push(() => copy.close());
    expect(copy.head()!.height).toBe(height);
  });
});

/** Commits a block of one store to another, with all that belongs to it. */
async function commitAgain(from: Store, to: Store, at: ReturnType<typeof asHeight>): Promise<void> {
  const { genesis, validatorKeys } = testGenesis(4, accounts);
  const chain = await ExecutedChain.create({
    store: to,
    genesis,
    keys: validatorKeys,
    transactionsPerBlock: 3,
  });
  const block = (await from.block(at))!;
  await chain.replay(block);
}

describe('a lying peer', () => {
  const other = { key: asStateKey('balance/X00001/CHF'), value: Uint8Array.of(9) };
  const lies: Record<string, Change> = {
    'changes a value': (chunk) => ({
      ...chunk,
      entries: chunk.entries.map((entry, index) =>
        index === 0 ? { ...entry, value: Uint8Array.of(1, 2) } : entry,
      ),
    }),
    'leaves an entry out': (chunk) => ({ ...chunk, entries: chunk.entries.slice(1) }),
    'adds an entry': (chunk) => ({ ...chunk, entries: [...chunk.entries, other] }),
    'says one twice': (chunk) => ({ ...chunk, entries: [...chunk.entries, ...chunk.entries.slice(-1)] }),
    'mixes the order': (chunk) => ({ ...chunk, entries: [...chunk.entries].reverse() }),
    'cuts the proof': (chunk) => ({
      ...chunk,
      proof: { left: chunk.proof.left.slice(0, -1), right: chunk.proof.right.slice(0, -1) },
    }),
    'claims to cover more': (chunk) => ({ ...chunk, to: new Uint8Array(32).fill(255) }),
    'covers nothing': (chunk) => ({ ...chunk, to: new Uint8Array(32) }),
    'gives the end only': (chunk) => ({ ...chunk, entries: [] }),
  };

  it.each(Object.keys(lies))('that %s is found out at its first chunk and not asked again', async (name) => {
    const { genesis, store: full } = await server();
    const place = await placeOf('memory', genesis);
    const install = opened(await place.install());
    closers.push(() => install.close());
    await install.begin(await targetAt(full));
    const asked: number[] = [];
    const faults: string[] = [];
    const end = await copyState({
      sink: install,
      source: sourceOf(full, { lies: { 0: lies[name]! }, asked, maxBytes: 900 }),
      peers: peers.slice(0, 2),
      clock: systemClock,
      limits,
      onFault: (peer, fault) => faults.push(`${peer} ${fault}`),
    });
    expect(end).toBe('complete');
    expect(faults).toEqual(['0 lied']);
    expect(asked.filter((peer) => peer === 0)).toHaveLength(1);
    await install.finish(carried);
  });

  it('alone brings nothing at all', async () => {
    const { genesis, store: full } = await server();
    const place = await placeOf('memory', genesis);
    const install = opened(await place.install());
    closers.push(() => install.close());
    await install.begin(await targetAt(full));
    const source = sourceOf(full, { lies: { 0: lies['changes a value']! } });
    expect(
      await copyState({ sink: install, source, peers: peers.slice(0, 1), clock: systemClock, limits }),
    ).toBe('stuck');
    expect(install.progress().entries).toBe(0);
    await expect(install.finish(carried)).rejects.toThrow('nothing is missing');
  });
});

describe('more peers than there is work', () => {
  it('all come to the end', async () => {
    const { genesis, store: full } = await server();
    for (let round = 0; round < 5; round++) {
      const place = await placeOf('memory', genesis);
      const install = opened(await place.install());
      closers.push(() => install.close());
      await install.begin(await targetAt(full));
      const many = Array.from({ length: 20 }, (_, index) => asValidatorIndex(index));
      const source = sourceOf(full, { maxBytes: 100_000 });
      expect(await copyState({ sink: install, source, peers: many, clock: systemClock, limits })).toBe(
        'complete',
      );
    }
  });
});

describe('a peer that fails', () => {
  it('is replaced, and asked again later as long as it brings something', async () => {
    const { genesis, store: full } = await server();
    const place = await placeOf('memory', genesis);
    const install = opened(await place.install());
    closers.push(() => install.close());
    await install.begin(await targetAt(full));
    const honest = sourceOf(full, {});
    let chunks = 0;
    const source: StateSource = {
      async *fetchState(peer, request) {
        for await (const chunk of honest.fetchState(peer, request)) {
          if (++chunks % 5 === 0) throw new QuaestorError('FETCH_FAILED', 'The connection broke.');
          yield chunk;
        }
      },
    };
    const end = await copyState({
      sink: install,
      source,
      peers: peers.slice(0, 1),
      clock: systemClock,
      limits,
    });
    expect(end).toBe('complete');
    await install.finish(carried);
  });
});
