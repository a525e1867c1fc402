/** A genesis file that is read by a process of its own leads to the same chain. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asAmount } from '../../src/types/index.js';
import { routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.create({ validators: 2 });
}, 60_000);

afterAll(() => network.close());

it(
  'a validator with a large genesis file makes the same genesis block as one with a small file, and starts again',
  withLogTails(async () => {
    const [large] = network.validators;
    // Comments count for the size, and not for the chain.
    await appendFile(join(large!.dir, 'genesis.yaml'), `# ${'-'.repeat(118)}\n`.repeat(20_000));
    await network.startAll();
    const prepared = () => large!.logTail(1000).split('GENESIS_PREPARED').length - 1;
    expect(prepared()).toBe(1);

    const { member, fromAccount, toAccount, asset } = routes.alba;
    const { tls, signer } = await network.member(member);
    const client = network.connect(network.clientOptions(tls));
    const pay = () =>
      client.transfer({
        sender: member,
        signers: [signer],
        fromAccount,
        toAccount,
        asset,
        amount: asAmount(1n),
        timeoutMs: 20_000,
      });
    const first = await pay();
    await large!.stop();
    large!.start();
    await network.whole();
    expect(prepared()).toBe(2);
    expect((await pay()).height).toBeGreaterThan(first.height);
  }),
  60_000,
);
