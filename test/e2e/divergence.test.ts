/** A validator whose state went wrong stops, and its operator learns which key differs and which transaction shows it. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { recordKey, records } from '../../src/ledger/records.js';
import { balanceId } from '../../src/ledger/keys.js';
import { LevelDbEngine } from '../../src/storage/leveldb-engine.js';
import { writeKey } from '../../src/storage/key-spaces.js';
import { WriteBatch } from '../../src/storage/write-batch.js';
import { asAmount, type StateKey } from '../../src/types/index.js';
import { mainProgram, quaestor } from './command-line.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 90_000;
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.start();
}, boundMs);

afterAll(() => network.close());

interface Document {
  readonly height?: number;
  readonly roots?: readonly string[];
  readonly differing?: number;
  readonly compared: number;
  readonly keys?: readonly {
    readonly key: string;
    readonly cause: { readonly kind: string; readonly txId?: string };
  }[];
}

/** Runs `quaestor divergence`: its exit code and what it found. */
async function divergence({ config }: ValidatorProcess): Promise<{ code: number; found: Document }> {
  try {
    const text = await quaestor('divergence', '--config', config, '--json');
    return { code: 0, found: JSON.parse(text) as Document };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, found: JSON.parse(stdout) as Document };
  }
}

/** Gives a balance another amount behind the store's back, with a checksum that is right: as a fault of memory would. */
async function falsify({ storeDir }: ValidatorProcess, keys: readonly StateKey[]): Promise<void> {
  const engine = await LevelDbEngine.open(
    join(storeDir, 'leveldb'),
    { blockCacheBytes: 1 << 20, writeBufferBytes: 1 << 20 },
    false,
  );
  try {
    const batch = new WriteBatch();
    for (const key of keys) {
      writeKey.latest(batch.begin(), key);
      batch
        .value()
        .u48(0)
        .u8(1)
        .bytes(records.balance.encode({ amount: asAmount(7_777_777n) }));
      batch.end();
    }
    await engine.write([batch]);
  } finally {
    await engine.close();
  }
}

it(
  'a node that halts names the keys that differ, the transaction that wrote one here, and the one that was wrong before',
  withLogTails(async () => {
    const { fromAccount, asset } = routes.alba;
    const [, , , wrong] = network.validators;
    const load = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 2 });
    await load.progress(5);
    await wrong!.stop();
    await load.progress(5);
    // Nothing is wrong yet, and the store is in nobody's use.
    const sound = await divergence(wrong!);
    expect(sound).toMatchObject({ code: 0, found: { roots: [], differing: 0 } });
    expect(sound.found.compared).toBeGreaterThan(10);

    const paying = recordKey(records.balance, balanceId(fromAccount, asset));
    const { borealis } = routes;
    const resting = recordKey(records.balance, balanceId(borealis.fromAccount, borealis.asset));
    await falsify(wrong!, [paying, resting]);
    wrong!.start();
    const end = await wrong!.ended();
    expect(end.output).toMatch(/CONSENSUS_HALTED/);
    expect(end.code).not.toBe(0);
    await load.progress(5);
    await load.stop();

    const { code, found } = await divergence(wrong!);
    expect(code).toBe(4);
    expect(found).toMatchObject({ roots: ['stateRoot'], differing: 2 });
    const causes = new Map(found.keys!.map(({ key, cause }) => [key, cause]));
    expect(causes.get(paying)).toMatchObject({ kind: 'transaction' });
    expect(load.acknowledged.get(causes.get(paying)!.txId!)).toBe(found.height);
    expect(causes.get(resting)).toEqual({ kind: 'before' });

    // A node that runs is left alone.
    const run = promisify(execFile);
    const busy = run(process.execPath, [
      mainProgram,
      'divergence',
      '--config',
      network.validators[0]!.config,
    ]);
    await expect(busy).rejects.toThrow(/in use|another process/);
  }),
  boundMs,
);
