import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openStore, type StorageEngine } from '../../../src/storage/index.js';
import { asHeight, asStateKey, asTxId } from '../../../src/types/index.js';
import { hash32 } from '../../helpers/commits.js';
import { opened, temporaryFolder, testChain } from '../../helpers/stores.js';
import { transpile, type Transpiled } from '../../helpers/transpiled.js';

const child = join(dirname(fileURLToPath(import.meta.url)), 'child.mjs');

let code: Transpiled;
beforeAll(async () => {
  code = await transpile(['types', 'codec', 'crypto', 'storage']);
});
afterAll(() => code.dispose());

interface Output {
  readonly lines: string[];
  readonly kill: () => Promise<void>;
}

/** Starts the child; resolves once it printed `count` lines. */
async function run(
  mode: 'hold' | 'write',
  dir: string,
  engine: StorageEngine,
  count: number,
): Promise<Output> {
  const process = spawn('node', [child, code.dir, mode, dir, engine], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise<void>((resolve) => process.once('close', () => resolve()));
  const lines: string[] = [];
  const reader = createInterface({ input: process.stdout });
  await new Promise<void>((resolve) => {
    reader.on('line', (line) => {
      lines.push(line);
      if (lines.length === count) resolve();
    });
    void closed.then(resolve);
  });
  const kill = async () => {
    process.kill('SIGKILL');
    await closed;
  };
  return { lines, kill };
}

describe.each(['leveldb', 'rocksdb'] as const)('a process with a store on %s', (engine) => {
  it('keeps every other process out, and says so', async () => {
    const dir = await temporaryFolder();
    const holder = await run('hold', dir, engine, 1);
    expect(holder.lines).toEqual(['opened']);
    const options = { dir, engine, chainId: testChain, validator: 'alpha', createIfMissing: true };
    const second = await openStore(options);
    expect(second).toMatchObject({ ok: false, error: { code: 'LOCKED' } });
    if (!second.ok) expect(second.error.message).toContain(dir);
    await holder.kill();
    await opened(await openStore(options)).close();
    await rm(dir, { recursive: true, force: true });
  });

  it('loses nothing that was acknowledged when it is killed while it writes', async () => {
    const dir = await temporaryFolder();
    for (const linesBeforeKill of [3, 17, 40, 90]) {
      const writer = await run('write', dir, engine, linesBeforeKill);
      await writer.kill();
      const [height, counter] = (writer.lines.at(-1) ?? '').split(' ').map(Number) as [number, number];

      const store = opened(
        await openStore({ dir, engine, chainId: testChain, validator: 'alpha', createIfMissing: false }),
      );
      const head = store.head()!.height;
      expect(head).toBeGreaterThanOrEqual(height);
      expect(head).toBeLessThanOrEqual(height + 1);
      const log = await store.readLog();
      const counted = log.find(({ name }) => name === 'counter')!.value[0]!;
      expect([counter, (counter + 1) % 256]).toContain(counted);
      // Votes for heights that are committed are gone, those above are there.
      for (const entry of log.filter(({ name }) => name === 'vote')) {
        expect(entry.height).toBeGreaterThan(head);
        expect(entry.value).toEqual(hash32(`vote/${entry.height}`));
      }
      // All of a block is there, or nothing of it.
      for (let at = 1; at <= head; at++) {
        const block = (await store.block(asHeight(at)))!;
        expect(block.envelopes.length).toBe(40);
        expect(await store.locate(asTxId(hash32(`tx/${at}/39`)))).toEqual({ height: at, index: 39 });
        expect(await store.stateAt(asStateKey('key/7'), asHeight(at))).toEqual(hash32(`${at}/7`));
      }
      expect(await store.treeNodes([hash32(`node/${head}/39`), hash32(`node/${head + 1}/0`)])).toEqual(
        head === 0 ? [undefined, undefined] : [hash32(`${head}/39`), undefined],
      );
      expect((await store.stateMany([asStateKey('key/3')]))[0]).toEqual(
        head === 0 ? undefined : hash32(`${head}/3`),
      );
      await store.close();
    }
    await rm(dir, { recursive: true, force: true });
  });
});
