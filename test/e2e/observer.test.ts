/** An observer joins a running network, serves what it has checked itself, relays payments, and never votes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { QuaestorClient } from '../../src/client/index.js';
import { asAmount } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';

let network: TestNetwork;
let load: Load;

beforeAll(async () => {
  network = await TestNetwork.start({
    observers: 1,
    world: (text) => text.replace('checkpointIntervalBlocks: 100', 'checkpointIntervalBlocks: 10'),
    environment: { QUAESTOR_SYNC_SNAPSHOT_THRESHOLD: '40' },
  });
  load = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 2 });
}, 60_000);

afterAll(() => network.close());

describe('an observer', () => {
  it(
    'joins by a copy of the state, follows, serves, relays, survives being killed, and has no vote',
    withLogTails(async () => {
      const [observer] = network.observers;
      const [validator] = network.validators;
      await eventually('there are 60 blocks', async () => {
        return (await validator!.metric('quaestor_consensus_height')) >= 60;
      });
      observer!.start();
      await eventually('it has a copy of the state', () =>
        /is installed; blocks below/.test(observer!.logTail(2000)),
      );
      await observer!.ready();

      // A client that knows the observer only: it relays, waits for finality on its own chain, and the SDK verifies.
      const borealis = await network.member(routes.borealis.member);
      const client: QuaestorClient = network.connect({
        ...network.clientOptions(borealis.tls, []),
        validators: [{ id: observer!.id, address: observer!.clientAddress }],
      });
      const pay = async (): Promise<void> => {
        const { fromAccount, toAccount, asset } = routes.borealis;
        const paid = await client.transfer({
          sender: borealis.member,
          signers: [borealis.signer],
          fromAccount,
          toAccount,
          asset,
          amount: asAmount(1n),
          timeoutMs: 20_000,
        });
        const account = await client.getAccount(fromAccount, { height: paid.height });
        expect(account.proven).toBe(true);
      };
      await pay();

      await observer!.kill();
      await load.progress(20);
      observer!.start();
      await observer!.ready();
      await pay();
      await eventually('it has all blocks', async () => {
        const most = await validator!.metric('quaestor_consensus_height');
        return (await observer!.metric('quaestor_consensus_height')) >= most - 5;
      });

      // Two validators and an observer are no quorum of four.
      await network.validators[2]!.kill();
      await network.validators[3]!.kill();
      const before = await validator!.metric('quaestor_consensus_height');
      await eventually('the observer says how few validators there are', async () => {
        return (await client.getStatus({ timeoutMs: 2000 })).connectedValidators === 2;
      });
      const settled = await validator!.metric('quaestor_consensus_height');
      expect(settled - before).toBeLessThanOrEqual(4);
      network.validators[2]!.start();
      network.validators[3]!.start();
      await load.progress(5);
      await load.stop();
    }),
    120_000,
  );
});
