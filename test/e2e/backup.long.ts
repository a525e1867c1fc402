/** A validator that is backed up while it votes, loses its disk and is restored: it never says two things. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openStore } from '../../src/storage/index.js';
import { asHeight, equalBytes } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { quaestor } from './command-line.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 120_000;
let network: TestNetwork;
let load: Load;
let victim: ValidatorProcess;
let target: string;

beforeAll(async () => {
  // Beside the configuration of each; only the one's is there.
  network = await TestNetwork.start({ environment: { QUAESTOR_BACKUP_TARGET: 'backups' } });
  victim = network.validators[1]!;
  target = join(victim.dir, 'backups');
  await mkdir(target);
  load = await Load.start(network, routes.alba, { via: 'submitMany', validator: 0, inFlight: 30 });
}, boundMs);

afterAll(() => network.close());

async function command(...args: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await quaestor(...args, '--json')) as Record<string, unknown>;
}

const take = (validator: ValidatorProcess, ...more: readonly string[]) =>
  command(
    'backup',
    'take',
    '--config',
    validator.config,
    '--profile',
    join(network.dir, 'network', 'operator'),
    ...more,
  );

const lines = (code: string): number => victim.logTail(1_000_000).split(` ${code} `).length - 1;

describe('a validator that is backed up', () => {
  it(
    'under load loses its disk, is restored, is silent at first, catches up and votes again',
    withLogTails(async () => {
      await load.progress(60);
      const first = await take(victim);
      await load.progress(60);
      const second = await take(victim);
      expect(Number(second['height'])).toBeGreaterThan(Number(first['height']));
      expect(Number(second['writtenBytes'])).toBeLessThan(Number(second['sizeBytes']));
      expect(await victim.metric('quaestor_backup_last_height')).toBe(second['height']);
      // One whose place is not there says so, and votes on.
      await expect(take(network.validators[2]!)).rejects.toThrow(/no such file or directory/);
      await load.progress(60);

      await victim.kill();
      await rm(dirname(victim.storeDir), { recursive: true });
      const places = ['--from', target, '--genesis', network.genesisFile] as const;
      const { backups } = await command('backup', 'list', ...places);
      expect(backups).toMatchObject([{ backup: first['backup'] }, { backup: second['backup'] }]);
      expect(await command('backup', 'verify', ...places)).toMatchObject({
        holds: true,
        backup: second['backup'],
      });
      const into = [...places, '--config', victim.config] as const;
      const restored = await command('restore', ...into);
      expect(restored).toMatchObject({ height: second['height'], abstains: true });
      // A second time there is a store.
      await expect(command('restore', ...into)).rejects.toThrow(/There is a store in/);

      const abstained = lines('ABSTAINING');
      victim.start();
      await eventually('it is silent', () => lines('ABSTAINING') > abstained);
      await victim.ready();
      await load.progress(100);
      await eventually('it may speak again', () => lines('ABSTENTION_ENDED') > 0);
      // Its vote counts: without another one nothing would be final.
      await network.validators[2]!.kill();
      await load.progress(40);
      network.validators[2]!.start();
      await network.validators[2]!.ready();
      // It is backed up again, from where the backups end.
      const third = await take(victim);
      expect(Number(third['height'])).toBeGreaterThan(Number(second['height']));
      expect(await command('backup', 'verify', ...places)).toMatchObject({ holds: true });
      await load.stop();
      await network.agreed();
      await network.stopAll();

      const others = network.validators.filter((validator) => validator !== victim);
      const audited = await auditStores(network, others);
      expect(audited.flatMap(({ faults }) => faults)).toEqual([]);
      for (const validator of network.validators) await expectCleanStore(validator, others[0]!);
    }),
    180_000,
  );

  it(
    'is refused where the storage does not hold, without a trace in the data folder',
    withLogTails(async () => {
      await rm(dirname(victim.storeDir), { recursive: true });
      const places = ['--from', target, '--genesis', network.genesisFile] as const;
      const into = [...places, '--config', victim.config] as const;
      for (const part of await readdir(join(target, 'state'))) {
        await writeFile(join(target, 'state', part), 'something else');
      }
      await expect(command('restore', ...into)).rejects.toThrow(/is not what was written/);
      // A node that is started there does not take it for an empty folder.
      victim.start();
      expect((await victim.ended()).output).toMatch(/was begun and not finished/);
    }),
    boundMs,
  );
});

/** Same blocks as another's, and no proof that anybody has said two things. */
async function expectCleanStore(validator: ValidatorProcess, other: ValidatorProcess): Promise<void> {
  const open = async ({ id, storeDir }: ValidatorProcess) => {
    const opened = await openStore({
      dir: storeDir,
      engine: 'auto',
      chainId: network.chainId,
      validator: id,
      createIfMissing: false,
    });
    if (!opened.ok) throw opened.error;
    return opened.value;
  };
  const store = await open(validator);
  try {
    expect(await store.evidence()).toEqual([]);
    if (validator === other) return;
    const reference = await open(other);
    try {
      const last = Math.min(store.head()!.height, reference.head()!.height);
      for (let height = store.base + 1; height <= last; height++) {
        const [own, theirs] = await Promise.all([
          store.header(asHeight(height)),
          reference.header(asHeight(height)),
        ]);
        expect(equalBytes(own!.digest, theirs!.digest)).toBe(true);
      }
    } finally {
      await reference.close();
    }
  } finally {
    await store.close();
  }
}
