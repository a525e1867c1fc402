/** Old blocks are sealed, pruned and read again: in the background, with object storage that fails, over crashes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genesis } from '../../../src/codec/index.js';
import { firstValidatorSet } from '../../../src/codec/index.js';
import { StateTree } from '../../../src/crypto/index.js';
import { verifyZip215Natively } from '../../../src/crypto/native/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { BlockArchive } from '../../../src/node/block-archive.js';
import { systemClock } from '../../../src/node/clock.js';
import { NodeReads } from '../../../src/node/reads.js';
import {
  checkRetained,
  fewestRetained,
  Retention,
  type RetainedHeights,
} from '../../../src/node/retention.js';
import { Sealer } from '../../../src/node/sealer.js';
import { serveBlocks } from '../../../src/node/serve-peers.js';
import { manifestKey, readManifest, verifySegment } from '../../../src/segments/index.js';
import { createMemoryStore, MemoryDisk, type Store } from '../../../src/storage/index.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { asHeight, asStateKey } from '../../../src/types/index.js';
import { trustFirstSet } from '../../../src/verify/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { MemoryObjects } from '../../helpers/segments.js';
import { opened, temporaryFolder } from '../../helpers/stores.js';

const h = asHeight;
let spool: string;
const closers: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  spool = await temporaryFolder();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(spool, { recursive: true, force: true });
});

interface Made {
  readonly store: Store;
  readonly chain: ExecutedChain;
  readonly genesis: Genesis;
  readonly disk: MemoryDisk;
}

async function make(blocks: number): Promise<Made> {
  const { genesis, validatorKeys } = testGenesis(4, 20);
  const disk = new MemoryDisk();
  const store = opened(await createMemoryStore({ disk, chainId: genesisChainId(genesis), validator: 'v0' }));
  closers.push(() => store.close());
  const chain = await ExecutedChain.create({
    store,
    genesis,
    keys: validatorKeys,
    transactionsPerBlock: 2,
  });
  await chain.append(blocks);
  return { store, chain, genesis, disk };
}

function node(
  { store, genesis }: Pick<Made, 'store' | 'genesis'>,
  retained: RetainedHeights,
  objects?: MemoryObjects,
) {
  const lines: string[] = [];
  const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v0', processMetrics: false });
  const sealed: string[] = [];
  const time = { offsetMs: 0 };
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + time.offsetMs };
  const sealer =
    objects &&
    new Sealer({
      store,
      objects,
      writer: 'v0',
      blocksPerSegment: 10,
      spoolDir: join(spool, 'work'),
      pause: () => retention.pause(),
      sealed: ({ firstHeight, lastHeight }) => void sealed.push(`${firstHeight}-${lastHeight}`),
    });
  const retention: Retention = new Retention({
    store,
    clock,
    log: createLogger({
      level: 'debug',
      format: 'json',
      sink: { write: (line: string) => void lines.push(line) },
    }),
    metrics,
    retained,
    sealer,
    stableHeight: () => store.head()!.height,
  });
  const archive =
    objects &&
    new BlockArchive({
      objects,
      trust: trustFirstSet(store.chainId, firstValidatorSet(genesis.validators), {
        checkSignature: verifyZip215Natively,
      }),
      manifest: () => sealer?.manifest,
    });
  const reads = new NodeReads({
    store,
    tree: new StateTree({ maxBytes: 100_000 }),
    status: () => ({}) as never,
    archive,
  });
  closers.push(() => retention.stop());
  const shown = async (name: string) =>
    Number(
      (await metrics.render())
        .split('\n')
        .find(
          (line) =>
            line.startsWith(`quaestor_storage_${name}{`) || line.startsWith(`quaestor_storage_${name} `),
        )
        ?.split(' ')
        .at(-1),
    );
  const codes = () =>
    lines.map((line) => (JSON.parse(line) as { code?: string }).code).filter((code) => code !== undefined);
  return { retention, sealer, archive, reads, sealed, shown, codes, time };
}

const keep = (blocks: number, states = blocks): RetainedHeights => ({ blocks, states });

describe('a node that keeps so many heights', () => {
  it('removes what is older, and shows it', async () => {
    const made = await make(60);
    const { retention, reads, shown } = node(made, keep(30, 20));
    const report = await retention.runNow();
    expect(report).toMatchObject({ oldestBlock: 31, oldestState: 40 });
    expect(report.removedEntries).toBeGreaterThan(100);
    expect([reads.oldestBlock(), reads.oldestTransaction(), reads.oldestState()]).toEqual([31, 31, 40]);
    expect(await shown('oldest_block_height')).toBe(31);
    expect(await shown('pruned_entries_total')).toBe(report.removedEntries);
    expect(await shown('retention_failing')).toBe(0);
    expect(await shown('retention_success_timestamp_seconds')).toBeGreaterThan(1e9);
    // What is kept is proven as before; what is not is said to be gone.
    const [proof] = await reads.prove([asStateKey('account/A1')], h(40));
    expect(proof?.value).toBeDefined();
    await expect(reads.prove([asStateKey('account/A1')], h(39))).rejects.toMatchObject({
      reason: 'HEIGHT_NOT_RETAINED',
    });
    await expect(reads.stateAt(asStateKey('account/A1'), h(39))).rejects.toMatchObject({
      reason: 'HEIGHT_NOT_RETAINED',
    });
    await made.chain.append(5);
    expect((await retention.runNow()).oldestBlock).toBe(36);
  });

  it('does so by itself once enough has gathered, and finishes what a crash interrupted', async () => {
    const made = await make(40);
    await made.store.retain({ blocks: h(10), states: h(10) });
    await made.store.prune(3);
    const { retention, reads, codes } = node(made, { blocks: undefined, states: undefined });
    retention.look();
    await retention.runNow();
    expect(codes()).toContain('PRUNED');
    expect(reads.oldestBlock()).toBe(11);
    const again = node(made, keep(20));
    again.retention.look();
    await expect(again.retention.runNow()).resolves.toMatchObject({ oldestBlock: 21, removedEntries: 0 });
    expect(again.codes()).toContain('PRUNED');
    expect(reads.oldestBlock()).toBe(21);
  });

  it('refuses to keep less than the network needs', () => {
    const fewest = fewestRetained({
      validityWindowBlocks: 1000,
      checkpointIntervalBlocks: 100,
      pipelineWindowBlocks: 8,
    });
    expect(fewest).toBe(1016);
    expect(() => checkRetained(keep(fewest), fewest)).not.toThrow();
    expect(() => checkRetained({ blocks: undefined, states: undefined }, fewest)).not.toThrow();
    expect(() => checkRetained({ blocks: undefined, states: 1015 }, fewest)).toThrow(
      /storage.retain.states is 1015/,
    );
    expect(() => checkRetained(keep(10), fewest)).toThrow(
      expect.objectContaining({ code: 'RETENTION_TOO_SHORT' }),
    );
  });
});

describe('a node that seals its old blocks', () => {
  it('prunes only what is sealed and was read back, and gives every block all the same', async () => {
    const made = await make(47);
    const objects = new MemoryObjects();
    const before = await Promise.all([1, 7, 20].map((height) => made.store.block(h(height))));
    const { retention, sealed, reads, archive, shown } = node(made, keep(25), objects);
    // 22 blocks may go, 40 are sealed.
    expect((await retention.runNow()).oldestBlock).toBe(23);
    expect(sealed).toEqual(['1-10', '11-20', '21-30', '31-40']);
    expect(await shown('sealed_height')).toBe(40);
    expect(reads.oldestBlock()).toBe(1);
    expect(reads.oldestTransaction()).toBe(23);
    expect(await Promise.all([1, 7, 20].map((height) => reads.block(h(height))))).toEqual(before);
    expect((await reads.header(h(5)))?.height).toBe(5);
    const served = [];
    for await (const block of serveBlocks(made.store, h(20), 5, archive)) served.push(block);
    expect(served).toHaveLength(5);
    const manifest = (await readManifest(objects, made.store.chainId))!;
    const trust = trustFirstSet(made.store.chainId, firstValidatorSet(made.genesis.validators), {
      checkSignature: verifyZip215Natively,
    });
    for (const entry of manifest.segments) await verifySegment(objects, trust, entry);
    // The next start goes on from the manifest.
    await made.chain.append(13);
    const again = node(made, keep(25), objects);
    expect((await again.retention.runNow()).oldestBlock).toBe(36);
    expect(again.sealed).toEqual(['41-50', '51-60']);
  });

  it('keeps everything while object storage is down, says so, and goes on when it is back', async () => {
    const made = await make(60);
    const objects = new MemoryObjects();
    objects.isDown = true;
    const { retention, shown, codes, reads, time } = node(made, keep(25), objects);
    retention.look();
    await expect(retention.runNow()).rejects.toThrow(/does not answer/);
    expect(made.store.base).toBe(0);
    expect([await shown('retention_failing'), codes()]).toEqual([
      1,
      expect.arrayContaining(['RETENTION_FAILED']),
    ]);
    // Blocks go on.
    await made.chain.append(3);
    objects.isDown = false;
    retention.look();
    time.offsetMs = 60 * 60_000;
    retention.look();
    await retention.runNow();
    expect(made.store.base).toBe(38);
    expect([await shown('retention_failing'), codes().includes('RETENTION_RESUMED')]).toEqual([0, true]);
    // A block that is only there is not to be had while it is down again, and nothing else suffers.
    objects.isDown = true;
    const fresh = node(made, keep(25), objects);
    await expect(fresh.retention.runNow()).rejects.toThrow();
    await expect(reads.block(h(33))).rejects.toMatchObject({ reason: 'HEIGHT_NOT_RETAINED' });
    expect((await reads.block(h(39)))?.height).toBe(39);
  });

  it('is whole wherever storage fails on the way', async () => {
    const made = await make(20);
    for (const failure of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const objects = new MemoryObjects();
      let operations = 0;
      objects.before = () => {
        if (++operations === failure) throw new Error('the connection broke');
      };
      const { retention, sealed } = node(made, { blocks: undefined, states: undefined }, objects);
      await expect(retention.runNow()).rejects.toThrow('the connection broke');
      await retention.runNow();
      expect(sealed.at(-1)).toBe('11-20');
      expect((await readManifest(objects, made.store.chainId))!.segments).toHaveLength(2);
    }
  });

  it('trusts nothing that comes back changed', async () => {
    const made = await make(40);
    const objects = new MemoryObjects();
    const flipped = objects.put.bind(objects);
    objects.put = async (key, body) => {
      await flipped(key, body);
      if (key !== manifestKey) objects.objects.get(key)![50]! ^= 1;
    };
    const { retention } = node(made, keep(25), objects);
    await expect(retention.runNow()).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
    expect([made.store.base, objects.objects.has(manifestKey)]).toEqual([0, false]);
    // And a file that is changed later gives no false block.
    objects.put = flipped;
    const good = node(made, keep(25), objects);
    await good.retention.runNow();
    for (const [key, file] of objects.objects) if (key !== manifestKey) file[50]! ^= 1;
    await expect(good.archive!.block(h(2))).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
  });

  it('refuses a place where another node writes, and one that ends below what it has', async () => {
    const made = await make(30);
    const objects = new MemoryObjects();
    await node(made, keep(25), objects).retention.runNow();
    const other = new Sealer({
      store: made.store,
      objects,
      writer: 'v1',
      blocksPerSegment: 10,
      spoolDir: join(spool, 'other'),
      pause: () => Promise.resolve(),
      sealed: () => undefined,
    });
    await expect(other.sealUpTo(h(30))).rejects.toMatchObject({ code: 'WRONG_WRITER' });
    // Without sealing, more was given up meanwhile.
    await made.chain.append(40);
    await node(made, keep(25)).retention.runNow();
    await expect(node(made, keep(25), objects).retention.runNow()).rejects.toMatchObject({ code: 'MISSING' });
  });
});

describe('a peer that asks for pruned blocks', () => {
  it('is told that they are not kept', async () => {
    const made = await make(60);
    await node(made, keep(25)).retention.runNow();
    const ask = async (from: number) => {
      const heights = [];
      for await (const block of serveBlocks(made.store, h(from), 3)) heights.push(block.certificate.height);
      return heights;
    };
    await expect(ask(10)).rejects.toMatchObject({ code: 'NOT_RETAINED' });
    expect(await ask(36)).toEqual([36, 37, 38]);
  });
});
