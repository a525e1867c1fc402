/** Replicas with the real driver, ledger and stores, on the machine's clock, held against the specification. */
import { describe, expect, it } from '@jest/globals';
import type { FinalBlock, SubmissionSink } from '../../src/api/ports.js';
import { encodeTransactionEnvelope, encodeTransactionPayload, type Genesis } from '../../src/codec/index.js';
import { transactionId, transactionSigningBytes } from '../../src/crypto/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { MemoryDisk, type Store } from '../../src/storage/index.js';
import { asAmount, asHeight, toHex } from '../../src/types/index.js';
import { startDriverNet, testSettings, type TestReplica } from '../helpers/driver-net.js';
import { memberKeys, testGenesis } from '../helpers/fake-ledger.js';
import { until } from '../helpers/until.js';
import { Conformance } from './conformance.js';
import { witnessedStore } from './journal.js';

function transfer(genesis: Genesis, key: number): Uint8Array {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, key);
  const payload = encodeTransactionPayload({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(500),
    operations: [
      {
        kind: 'transfer',
        fromAccount: 'A1',
        toAccount: 'B1',
        asset: 'CHF',
        amount: asAmount(1n),
        endToEndId: '',
        memo: '',
      },
    ],
  });
  const { alpha } = memberKeys;
  const signature = alpha.signNow(transactionSigningBytes(transactionId(genesisChainId(genesis), payload)));
  return encodeTransactionEnvelope({ payload, signatures: [{ publicKey: alpha.publicKey, signature }] });
}

class Answers implements SubmissionSink {
  readonly final = new Set<number>();
  finalized(_block: FinalBlock, { numbers }: { numbers: readonly number[] }): void {
    for (const number of numbers) this.final.add(number);
  }
  refused(): void {
    throw new Error('a transaction was refused');
  }
}

const heads = (replicas: readonly TestReplica[]): Set<string> =>
  new Set(replicas.map(({ store }) => `${store.head()!.height}:${toHex(store.head()!.digest)}`));

describe("replicas on the machine's clock", () => {
  it('take only steps that the specification allows, through a lost primary and a restart of all', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const disks = validatorKeys.map(() => new MemoryDisk());
    const { pipelineWindowBlocks } = genesis.parameters;
    const conformance = new Conformance({ n: 4, faulty: [], pipelineWindow: pipelineWindowBlocks });
    const watch = (store: Store, index: number): Store => witnessedStore(store, index, conformance);
    const answers = new Answers();
    const submit = (replica: TestReplica, from: number, to: number): void => {
      for (let key = from; key < to; key++)
        replica.driver.desk.submit([transfer(genesis, key)], key, { member: 'alpha' }, answers);
    };

    const first = await startDriverNet(genesis, validatorKeys, disks, testSettings, [], watch);
    const primary = first.replicas[first.replicas[0]!.driver.snapshot().primary]!;
    const other = first.replicas.find((replica) => replica !== primary)!;
    submit(other, 0, 20);
    primary.connected = false;
    submit(other, 20, 40);
    await until(() => answers.final.size === 40);
    primary.connected = true;
    await until(() => heads(first.replicas).size === 1);
    await first.stop();

    const second = await startDriverNet(genesis, validatorKeys, disks, testSettings, [], watch);
    try {
      submit(second.replicas[1]!, 40, 60);
      await until(() => answers.final.size === 60 && heads(second.replicas).size === 1);
    } finally {
      await second.stop();
    }
    expect(conformance.deviation).toBeUndefined();
    for (const kind of ['propose', 'prepare', 'commit', 'finalize', 'ask', 'enter', 'restart'])
      expect(conformance.steps.get(kind)).toBeGreaterThan(0);
  });
});
