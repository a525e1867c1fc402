/** Disks that fail under one validator of four: it stops with a sentence, the others go on, and it comes back whole. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appendFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import { canMount, SmallDisk } from './small-disk.js';
import type { ProcessEnd, ValidatorProcess } from './validator-process.js';

const boundMs = 120_000;

let network: TestNetwork;
let load: Load;
let disk: SmallDisk | undefined;

beforeAll(async () => {
  network = await TestNetwork.start();
  // Through a validator whose disk is sound.
  load = await Load.start(network, routes.alba, { via: 'submitMany', validator: 0, inFlight: 30 });
}, boundMs);

afterAll(async () => {
  await Promise.all(network.validators.map((validator) => validator.kill()));
  disk?.unmount();
  await network.close();
});

/** The newest log of the engine: where writes go. */
function engineLog(validator: ValidatorProcess): string {
  const folder = join(validator.storeDir, 'leveldb');
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return join(folder, logs.sort().at(-1)!);
}

/** It ended by itself, with an exit code and a sentence, and without the inside of the program. */
function expectSentence(end: ProcessEnd, sentence: RegExp): void {
  expect(end).toMatchObject({ code: 1, signal: null });
  expect(end.output).toMatch(sentence);
  expect(end.output).toMatch(/^error: .*\.$/m);
  expect(end.output).not.toMatch(/This should not have happened|a defect of this software/);
}

/** Resolves when it is ready and has caught up with what the others have now. */
async function backAgain(validator: ValidatorProcess): Promise<void> {
  const [other] = network.validators.filter(({ running, id }) => running && id !== validator.id);
  const height = await other!.metric('quaestor_consensus_height');
  validator.start();
  await validator.ready();
  await eventually(`${validator.id} has caught up`, async () => {
    return (await validator.metric('quaestor_consensus_height')) >= height;
  });
}

/** Resolves when one whose folder lacks what it has signed has fallen silent and may speak again. */
async function silenceOver(validator: ValidatorProcess): Promise<void> {
  const lines = (code: string): number => validator.logTail(1_000_000).split(` ${code} `).length - 1;
  const before = silences.get(validator) ?? 0;
  await eventually('it has fallen silent', () => lines('ABSTAINING') > before);
  await load.progress(100);
  await eventually('it may speak again', () => lines('ABSTENTION_ENDED') > before);
  silences.set(validator, lines('ABSTENTION_ENDED'));
}

/** How often each has been silent so far. */
const silences = new Map<ValidatorProcess, number>();

describe('a store', () => {
  it(
    'that was cut off in the middle of a write opens with all that was acknowledged',
    withLogTails(async () => {
      const victim = network.validators[3]!;
      await load.progress(100);
      await victim.kill();
      // A record that announces 1,000 bytes, of which 13 were written when the power went.
      appendFileSync(
        engineLog(victim),
        Buffer.from([1, 2, 3, 4, 0xe8, 0x03, 1, ...new Uint8Array(13).fill(0x5a)]),
      );
      await load.progress(30);
      await backAgain(victim);
      await load.progress(30);
    }),
    boundMs,
  );

  it(
    'that lost acknowledged writes is refused, with what to do: from an empty folder it comes back',
    withLogTails(async () => {
      const victim = network.validators[3]!;
      await victim.kill();
      const log = engineLog(victim);
      truncateSync(log, Math.floor(statSync(log).size / 2));
      victim.start();
      const end = await victim.ended();
      expectSentence(end, /The store is damaged: .*acknowledged.*start with an empty folder/);
      await load.progress(30);
      await rename(victim.storeDir, `${victim.storeDir}-damaged`);
      await backAgain(victim);
      await silenceOver(victim);
      // Its vote counts: without another one nothing would be final.
      await network.validators[2]!.kill();
      await load.progress(30);
      await backAgain(network.validators[2]!);
    }),
    boundMs,
  );
});

describe('a data folder', () => {
  it(
    'that is put back to an earlier state votes on nothing until it can contradict nothing that it has signed since',
    withLogTails(async () => {
      const victim = network.validators[1]!;
      await victim.stop();
      appendFileSync(victim.config, 'storage: { witness: ../witness }\n');
      await backAgain(victim);
      await load.progress(30);
      await victim.stop();
      await cp(victim.storeDir, `${victim.storeDir}-earlier`, { recursive: true });
      await backAgain(victim);
      await load.progress(30);
      await victim.kill();
      await rm(victim.storeDir, { recursive: true });
      await rename(`${victim.storeDir}-earlier`, victim.storeDir);
      await backAgain(victim);
      await silenceOver(victim);
      // Its vote counts: without another one nothing would be final.
      await network.validators[2]!.kill();
      await load.progress(30);
      await backAgain(network.validators[2]!);
    }),
    boundMs,
  );
});

describe('a full disk', () => {
  (canMount() ? it : it.skip)(
    'stops the validator with a sentence; the others go on; with room it starts again and catches up',
    withLogTails(async () => {
      const victim = network.validators[3]!;
      await victim.stop();
      // Its data on a small disk of its own.
      disk = await SmallDisk.under(join(victim.dir, 'data'));
      await backAgain(victim);
      await load.progress(30);

      // Something else fills the disk, all but a little.
      await disk.fill();
      const end = await victim.ended();
      expectSentence(end, /The disk of the data folder .* is full/);
      await load.progress(100);

      // Started too early it says so again, or stops soon; it does no harm.
      victim.start();
      expectSentence(await victim.ended(), /is full/);
      await load.progress(30);

      await disk.clear();
      await backAgain(victim);
      // Its vote counts: without another one nothing would be final.
      await network.validators[2]!.kill();
      await load.progress(30);
      await backAgain(network.validators[2]!);
    }),
    boundMs,
  );
});

it(
  'after all that the four stores agree, and nothing acknowledged is lost',
  withLogTails(async () => {
    await load.stop();
    expect(load.problems).toEqual([]);
    await network.agreed();
    await network.stopAll();
    const audited = await auditStores(network);
    const [chain] = audited;
    for (const { validator, faults, digests } of audited) {
      expect({ validator, faults }).toEqual({ validator, faults: [] });
      expect(digests).toEqual(chain!.digests);
    }
    for (const [id, height] of load.acknowledged) {
      expect(chain!.transactions.get(id)).toEqual([{ height, code: 'OK' }]);
    }
    expect(chain!.transactions.size).toBe(load.submitted.size);
  }),
  boundMs,
);
