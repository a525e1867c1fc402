/** Validators that keep a part of the chain: old blocks are sealed and pruned while payments go on, and are found again. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { grpcCredentials, invoke, rawClient } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { quaestor } from './command-line.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 60_000;
let network: TestNetwork;
let load: Load;

beforeAll(async () => {
  network = await TestNetwork.start({
    validators: 2,
    observers: 1,
    world: (text) =>
      text
        .replace('checkpointIntervalBlocks: 100', 'checkpointIntervalBlocks: 10')
        .replace('validityWindowBlocks: 1000', 'validityWindowBlocks: 40'),
    environment: {
      QUAESTOR_STORAGE_RETAIN_BLOCKS: '70',
      QUAESTOR_STORAGE_RETAIN_STATES: '60',
      // Beside the configuration of each; only the first validator's is there.
      QUAESTOR_STORAGE_SEGMENTS_LOCATION: 'segments',
      QUAESTOR_STORAGE_SEGMENTS_BLOCKS: '20',
    },
  });
  await mkdir(segmentsOf(network.validators[0]!));
  const [observer] = network.observers;
  await mkdir(segmentsOf(observer!));
  observer!.start();
  load = await Load.start(network, routes.alba, {
    via: 'submit',
    validator: 0,
    inFlight: 4,
    validForBlocks: 30,
  });
}, boundMs);

afterAll(() => network.close());

const segmentsOf = (validator: ValidatorProcess): string => join(validator.dir, 'segments');

async function getBlock(
  validator: ValidatorProcess,
  height: number,
): ReturnType<typeof invoke<object, object>> {
  const raw = rawClient(validator.clientAddress, grpcCredentials(await network.operatorTls()), {
    'grpc.ssl_target_name_override': 'localhost',
  });
  try {
    return await invoke<object, object>(raw.getBlock.bind(raw), {
      height,
      includeTransactions: true,
    });
  } finally {
    raw.close();
  }
}

async function command(...args: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await quaestor(...args, '--json')) as Record<string, unknown>;
}

describe('validators that keep a part of the chain', () => {
  it(
    'seal and prune while payments go on; every block is found and proven without a node',
    withLogTails(async () => {
      const [sealing, waiting] = network.validators as [ValidatorProcess, ValidatorProcess];
      await eventually('old blocks are sealed and pruned', async () => {
        return (await sealing.metric('quaestor_storage_oldest_block_height')) > 41;
      });
      // One whose segments have no place keeps everything, says so, and votes on.
      expect(await waiting.metric('quaestor_storage_oldest_block_height')).toBe(1);
      expect(await waiting.metric('quaestor_storage_retention_failing')).toBe(1);
      // So does a node that only follows, by itself.
      await eventually('an observer seals and prunes', async () => {
        return (await network.observers[0]!.metric('quaestor_storage_oldest_block_height')) > 21;
      });
      await load.progress(20);
      // In the middle of what it does.
      await sealing.kill();
      sealing.start();
      await sealing.ready();
      await load.progress(20);
      const node = await getBlock(sealing, 7);
      expect(node.error).toBeUndefined();
      const places = ['--segments', segmentsOf(sealing), '--genesis', network.genesisFile] as const;
      const shown = await command('segments', 'show', '7', ...places);
      expect(shown).toMatchObject({ holds: true, height: 7 });
      expect(shown['digest']).toBe(Buffer.from((node.response as { digest: Buffer }).digest).toString('hex'));
      const verified = await command('segments', 'verify', ...places);
      expect(verified).toMatchObject({ holds: true, from: 1 });
      expect(Number(verified['blocks'])).toBeGreaterThanOrEqual(40);
      // Its place comes: nothing has to be told.
      await mkdir(segmentsOf(waiting));
      const profile = join(network.dir, 'network', 'operator');
      const admin = [
        'admin',
        'prune-now',
        '--config',
        waiting.config,
        '--profile',
        profile,
        '--timeout',
        '30s',
      ];
      const pruned = await command(...admin);
      expect(Number(pruned['oldestBlock'])).toBeGreaterThan(41);
      expect(Number(pruned['removedEntries'])).toBeGreaterThan(100);
      // A file that is changed is found, and the node gives no false block.
      const [name] = await readdir(join(segmentsOf(sealing), 'segments'));
      await writeFile(join(segmentsOf(sealing), 'segments', name!), 'something else');
      await expect(command('segments', 'verify', ...places)).rejects.toThrow();
      // Blocks of before are gone for whoever has neither store nor segment.
      await rm(segmentsOf(waiting), { recursive: true });
      const gone = await getBlock(waiting, 30);
      expect(gone.info?.reason).toBe('HEIGHT_NOT_RETAINED');
      await load.progress(10);
      await load.stop();
      await network.agreed();
    }),
    120_000,
  );
});
