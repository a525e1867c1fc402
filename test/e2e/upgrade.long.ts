/**
 * From the release before this one to this one, on real processes under load: one node after the other, a long halt
 * halfway with primaries of both builds, and the way back.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { mainProgram, programOf, quaestorOf, softwareFolder } from './command-line.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import { previousRelease } from './previous-release.js';
import { reckon } from './reckoning.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 240_000;
const payments = 15;
const previous = previousRelease();
const before = 'folder' in previous ? previous.folder : '';
if ('missing' in previous) process.stderr.write(`Skipped: upgrades. ${previous.missing}\n`);

let network: TestNetwork;
const loads: Load[] = [];

(before === '' ? describe.skip : describe)('an upgrade from the release before this one', () => {
  beforeAll(async () => {
    network = await TestNetwork.create({ software: before, observers: 1 });
    await network.startAll();
    network.observers[0]!.start();
    await network.observers[0]!.ready();
    loads.push(
      await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 }),
      await Load.start(network, routes.borealis, { via: 'submitMany', validator: 1, inFlight: 24 }),
      await Load.start(network, routes.cadence, { via: 'submit', validator: 3, inFlight: 2 }),
    );
    await progress();
  }, boundMs);
  afterAll(() => network.close());

  it(
    'one node after the other, with view changes among both builds, loses nothing and shows clients nothing',
    withLogTails(async () => {
      const [one, two, three, four] = network.validators as [
        ValidatorProcess,
        ValidatorProcess,
        ValidatorProcess,
        ValidatorProcess,
      ];
      await upgrade(one);
      await upgrade(two);
      // Halfway: every validator is the primary once, two of each build.
      const primaries = new Set<string>();
      while (primaries.size < network.validators.length) {
        primaries.add(await handOver());
        await progress();
      }
      await upgrade(network.observers[0]!);
      // A primary of each build dies.
      for (const group of [
        [one, two],
        [three, four],
      ]) {
        while (!group.some(({ id }) => primaryIs(id))) await handOver();
        const victim = network.validator(primary);
        await victim.kill();
        await progress();
        victim.start();
        await network.whole();
      }
      await upgrade(three);
      await four.stop();
      await cp(join(four.dir, 'data'), join(four.dir, 'backup'), { recursive: true });
      four.install(mainProgram);
      four.start();
      await network.whole();
      await progress();
      for (const node of [...network.validators, ...network.observers]) {
        expect(await formatOf(node)).toBe(2);
      }
      // Who still has the older software as a client is served.
      await quaestorOf(before, 'status', '--profile', network.profile());
    }),
    boundMs,
  );

  it(
    'is not undone by the older build on the new store, but by it on the older copy',
    withLogTails(async () => {
      const four = network.validators[3]!;
      await four.stop();
      four.install(programOf(before));
      four.start();
      const { code, output } = await four.ended();
      expect(code).toBe(1);
      expect(output).toMatch(
        /has format 2; this version reads up to 1\. Start it with the version that wrote it/,
      );
      expect(await formatOf(four)).toBe(2);
      // Nothing was changed: the newer build goes on with it.
      four.install(mainProgram);
      four.start();
      await network.whole();
      await four.stop();
      await rename(join(four.dir, 'data'), join(four.dir, 'newer'));
      await cp(join(four.dir, 'backup'), join(four.dir, 'data'), { recursive: true });
      four.install(programOf(before));
      four.start();
      await network.whole();
      await progress();
      expect(await formatOf(four)).toBe(1);
      await upgrade(four);
    }),
    boundMs,
  );

  it(
    'leaves stores that are equal and hold every answer',
    withLogTails(async () => {
      const { problems, chain } = await reckon(network, loads, network.observers);
      expect(problems).toEqual([]);
      const acknowledged = loads.reduce((sum, load) => sum + load.acknowledged.size, 0);
      expect(chain.transactions.size).toBe(acknowledged);
      for (const node of [...network.validators, ...network.observers]) {
        expect(node.logTail(1_000_000)).not.toMatch(/EQUIVOCATION|PEER_MISBEHAVED|CONSENSUS_HALTED/);
      }
    }),
    boundMs,
  );
});

const progress = (): Promise<unknown> => Promise.all(loads.map((load) => load.progress(payments)));

/** As docs/upgrades.md says. */
async function upgrade(node: ValidatorProcess): Promise<void> {
  await admin(node, 'drain');
  await node.stop();
  node.install(mainProgram);
  node.start();
  await node.ready();
  await network.whole();
  await progress();
}

let primary = '';
const primaryIs = (id: string): boolean => primary === id;

/** Makes another validator the primary; gives its id. */
async function handOver(): Promise<string> {
  const operator = await network.operator();
  let now = '';
  await eventually('a primary is known', async () => {
    const answers = await operator.getStatusOfAll({ timeoutMs: 2000 });
    const named = answers.flatMap((item) => ('status' in item ? [item.status.primary] : []));
    now = named[0] ?? '';
    return named.length === network.validators.length && new Set(named).size === 1;
  });
  ({ primary } = (await admin(network.validator(now), 'hand-over')) as { primary: string });
  return primary;
}

async function admin(node: ValidatorProcess, verb: string): Promise<unknown> {
  const words = ['admin', verb, '--config', node.config, '--profile', network.profile(), '--json'];
  return JSON.parse(await quaestorOf(softwareFolder, ...words));
}

/** Format of its store, by the text file. */
async function formatOf(node: ValidatorProcess): Promise<number> {
  const text = await readFile(join(node.storeDir, 'QUAESTOR-STORE'), 'utf8');
  return Number(/^format: (\d+)$/m.exec(text)?.[1]);
}
