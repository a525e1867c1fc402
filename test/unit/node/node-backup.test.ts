/** Backups that a node takes by its schedule and on request, with storage that fails. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listBackups } from '../../../src/backup/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { systemClock } from '../../../src/node/clock.js';
import { NodeBackup } from '../../../src/node/node-backup.js';
import { openObjects } from '../../../src/objects/index.js';
import { createMemoryStore, MemoryDisk } from '../../../src/storage/index.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { eventually } from '../../helpers/eventually.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { opened, temporaryFolder } from '../../helpers/stores.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const hourMs = 3_600_000;

async function make(keep = 3) {
  const { genesis, validatorKeys } = testGenesis(4);
  const dir = await temporaryFolder();
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const target = join(dir, 'backups');
  await mkdir(target);
  const genesisFile = join(dir, 'genesis.yaml');
  await writeFile(genesisFile, 'network: testnet\n');
  const disk = new MemoryDisk();
  const store = opened(await createMemoryStore({ disk, chainId: genesisChainId(genesis), validator: 'v0' }));
  closers.push(() => store.close());
  const chain = await ExecutedChain.create({ store, genesis, keys: validatorKeys, transactionsPerBlock: 1 });
  await chain.append(3);
  const time = { offsetMs: 0 };
  const clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + time.offsetMs,
    wallMs: () => systemClock.wallMs() + time.offsetMs,
  };
  const lines: string[] = [];
  const start = () => {
    const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v0', processMetrics: false });
    const backup = new NodeBackup({
      config: {
        dataDir: dir,
        validator: 'v0',
        backup: { target, everyMs: hourMs, keep },
        network: { genesisFile },
      },
      version: '1.0.0',
      store,
      clock,
      log: createLogger({
        level: 'debug',
        format: 'json',
        sink: { write: (line: string) => void lines.push(line) },
      }),
      metrics,
    });
    closers.push(() => backup.stop());
    const metric = async (name: string): Promise<number> => {
      const text = await metrics.render();
      return Number(new RegExp(`^quaestor_backup_${name}\\{.*\\} (.*)$`, 'm').exec(text)?.[1]);
    };
    return { backup, metric };
  };
  const taken = () => lines.filter((line) => line.includes('BACKUP_TAKEN')).length;
  const failed = () => lines.filter((line) => line.includes('BACKUP_FAILED')).length;
  return { start, chain, target, time, taken, failed, ids: () => listBackups(openObjects(target)) };
}

/** Looks again and again, as the node does. */
const lookUntil = (backup: NodeBackup, what: string, done: () => Promise<boolean> | boolean) =>
  eventually(what, async () => {
    backup.look();
    return done();
  });

describe('a node with a schedule of backups', () => {
  it('takes one when it is due, also after a restart, and keeps as many as it is told to', async () => {
    const { start, chain, time, taken, ids } = await make(2);
    const first = start();
    await lookUntil(first.backup, 'the first backup', () => taken() === 1 && !first.backup.isRunning);
    expect(await first.metric('last_height')).toBe(3);
    await first.backup.stop();
    // The schedule goes on where it was: another start is no reason for a backup.
    const second = start();
    await lookUntil(second.backup, 'it knows when the last was', async () => {
      return (await second.metric('last_success_timestamp_seconds')) > 0;
    });
    second.backup.look();
    expect(second.backup.isRunning).toBe(false);
    for (let round = 2; round <= 4; round++) {
      await chain.append(1);
      time.offsetMs += hourMs + 1000;
      await lookUntil(second.backup, `backup ${round}`, () => taken() === round && !second.backup.isRunning);
    }
    expect(await ids()).toHaveLength(2);
    expect(await second.metric('interval_seconds')).toBe(3600);
  });

  it('says when its storage is away, tries again less and less often, and goes on when it is back', async () => {
    const { start, target, time, taken, failed } = await make();
    await rename(target, `${target}-away`);
    const { backup, metric } = start();
    await lookUntil(backup, 'it fails', () => failed() === 1);
    backup.look();
    backup.look();
    expect(await metric('failures_total')).toBe(1);
    expect(await metric('last_success_timestamp_seconds')).toBe(0);
    time.offsetMs += 40_000;
    await lookUntil(backup, 'it fails again', () => failed() === 2);
    await rename(`${target}-away`, target);
    time.offsetMs += 120_000;
    await lookUntil(backup, 'a backup', () => taken() === 1);
    await eventually('it has ended', () => !backup.isRunning);
    expect(await metric('last_success_timestamp_seconds')).toBeGreaterThan(0);
  });

  it('takes one on request, and says what was in the way', async () => {
    const { start, target } = await make();
    const { backup } = start();
    expect(await backup.runNow(false)).toMatchObject({ height: 3, removedBackups: 0 });
    expect(await backup.runNow(true)).toMatchObject({ height: 3 });
    await rm(target, { recursive: true });
    await expect(backup.runNow(false)).rejects.toThrow(/no such file or directory/);
    expect(backup.isRunning).toBe(false);
  });
});
