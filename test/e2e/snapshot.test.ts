/** A validator that was away for long copies the state of a recent block instead of executing all the blocks. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeTransactionEnvelope } from '../../src/codec/index.js';
import { openStore, type Store } from '../../src/storage/index.js';
import { grpcCredentials, invoke, rawClient } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';

let network: TestNetwork;
let load: Load;

beforeAll(async () => {
  network = await TestNetwork.start({
    world: (text) => text.replace('checkpointIntervalBlocks: 100', 'checkpointIntervalBlocks: 10'),
    environment: { QUAESTOR_SYNC_SNAPSHOT_THRESHOLD: '60' },
  });
  load = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 });
}, 60_000);

afterAll(() => network.close());

async function height(): Promise<number> {
  return network.validators[0]!.metric('quaestor_consensus_height');
}

async function openStoreOf(index: number): Promise<Store> {
  const { id, storeDir } = network.validators[index]!;
  const opened = await openStore({
    dir: storeDir,
    engine: 'auto',
    chainId: network.chainId,
    validator: id,
    createIfMissing: false,
  });
  if (!opened.ok) throw opened.error;
  return opened.value;
}

async function blocksMore(count: number): Promise<number> {
  const from = await height();
  await eventually(`there are ${count} more blocks`, async () => (await height()) >= from + count);
  return height();
}

describe('a validator that was away for many blocks', () => {
  it(
    'copies the state, votes again, and says what it does not keep',
    withLogTails(async () => {
      const away = network.validators[3]!;
      await away.kill();
      const missed = await blocksMore(90);
      away.start();
      await eventually('it has a copy of the state', () =>
        /is installed; blocks below/.test(away.logTail(2000)),
      );
      await away.ready();
      await eventually('it has all blocks since', async () => {
        return (await away.metric('quaestor_consensus_height')) >= missed;
      });
      // Three are left of four, and three is the quorum: nothing is final without its vote.
      const other = network.validators[2]!;
      await other.kill();
      await load.progress(20);
      // Killed at once after it came back: the copy is there for good.
      await away.kill();
      other.start();
      away.start();
      await away.ready();
      await load.progress(20);
      const raw = rawClient(away.clientAddress, grpcCredentials(await network.operatorTls()), {
        'grpc.ssl_target_name_override': 'localhost',
      });
      const answer = await invoke(raw.getBlock.bind(raw) as never, { height: 1 });
      // What was paid before that height, submitted again: this node can't know, another one does.
      const [txId] = load.acknowledged.keys();
      const envelope = decodeTransactionEnvelope(load.submitted.get(txId!)!.bytes);
      if (!envelope.ok) throw new Error(envelope.error.message);
      const { tls } = await network.member(routes.alba.member);
      const desk = rawClient(away.clientAddress, grpcCredentials(tls), {
        'grpc.ssl_target_name_override': 'localhost',
      });
      const again = await invoke(desk.submit.bind(desk) as never, { envelope: envelope.value });
      desk.close();
      expect(again.info?.reason).toBe('OUTCOME_NOT_RETAINED');
      const client = network.connect({ ...network.clientOptions(tls), preferredValidator: 3 });
      const receipt = await client.submit(load.submitted.get(txId!)!, { timeoutMs: 20_000 });
      expect(receipt.height).toBe(load.acknowledged.get(txId!));
      raw.close();
      expect(answer.info?.reason).toBe('HEIGHT_NOT_RETAINED');
      expect(Number(answer.info?.metadata['oldest'])).toBeGreaterThan(missed - 60);
      await load.stop();
      await network.agreed();
      await network.stopAll();
      const [whole, copied] = await Promise.all([openStoreOf(0), openStoreOf(3)]);
      try {
        expect(copied.base).toBeGreaterThan(missed - 60);
        expect(copied.head()).toEqual(whole.head());
        const all = { prefix: '', height: copied.base, limit: 1_000_000 };
        expect(await copied.stateRange(all)).toEqual(await whole.stateRange(all));
        const latest = { ...all, height: copied.head()!.height };
        expect(await copied.stateRange(latest)).toEqual(await whole.stateRange(latest));
      } finally {
        await Promise.all([whole.close(), copied.close()]);
      }
    }),
    120_000,
  );
});
