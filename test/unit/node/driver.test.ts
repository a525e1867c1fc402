import { afterEach, describe, expect, it } from '@jest/globals';
import type { FinalBlock, Refusal, SubmissionSink } from '../../../src/api/ports.js';
import {
  decodeBalance,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Genesis,
  type Operation,
} from '../../../src/codec/index.js';
import { transactionId, transactionSigningBytes } from '../../../src/crypto/index.js';
import { genesisChainId, stateKeys } from '../../../src/ledger/index.js';
import { MemoryDisk, StorageError } from '../../../src/storage/index.js';
import { asAmount, asHeight, toHex } from '../../../src/types/index.js';
import { patientSettings, startDriverNet, type TestReplica } from '../../helpers/driver-net.js';
import { memberKeys, testGenesis } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let running: { stop(): Promise<void> } | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const payment = {
  kind: 'transfer',
  fromAccount: 'A1',
  toAccount: 'B1',
  asset: 'CHF',
  amount: asAmount(1n),
  endToEndId: '',
  memo: '',
} as const;

const transfer = (genesis: Genesis, key: number, amount = 1n): Uint8Array =>
  signed(genesis, key, [{ ...payment, amount: asAmount(amount) }]);

function signed(genesis: Genesis, key: number, operations: readonly Operation[]): Uint8Array {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, key);
  const payload = encodeTransactionPayload({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(500),
    operations,
  });
  const signature = memberKeys.alpha.signNow(
    transactionSigningBytes(transactionId(genesisChainId(genesis), payload)),
  );
  return encodeTransactionEnvelope({
    payload,
    signatures: [{ publicKey: memberKeys.alpha.publicKey, signature }],
  });
}

class Answers implements SubmissionSink {
  readonly final = new Map<number, { block: FinalBlock; index: number }>();
  readonly refusals: Refusal[] = [];
  finalized(block: FinalBlock, entries: { numbers: readonly number[]; indexes: readonly number[] }): void {
    for (const [position, number] of entries.numbers.entries()) {
      this.final.set(number, { block, index: entries.indexes[position]! });
    }
  }
  refused(refusals: readonly Refusal[]): void {
    this.refusals.push(...refusals);
  }
}

const heads = (replicas: readonly TestReplica[]): Set<string> =>
  new Set(replicas.map(({ store }) => `${store.head()!.height}:${toHex(store.head()!.digest)}`));

describe('a network of replicas', () => {
  for (const n of [1, 2, 4, 7]) {
    it(`of ${n} commits what clients submit to any of them, the same on all`, async () => {
      const { genesis, validatorKeys } = testGenesis(n);
      const net = (running = await startDriverNet(genesis, validatorKeys));
      const answers = new Answers();
      for (let number = 0; number < 50; number++) {
        const replica = net.replicas[number % n]!;
        replica.driver.desk.submit([transfer(genesis, number)], number, { member: 'alpha' }, answers);
      }
      await until(() => answers.final.size === 50);
      await until(() => heads(net.replicas).size === 1);
      expect(answers.refusals).toEqual([]);
      expect(net.replicas.flatMap(({ halts }) => halts)).toEqual([]);
    });
  }

  it('answers a transaction that is final with the same block again, and refuses its key for another', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys));
    const answers = new Answers();
    net.replicas[0]!.driver.desk.submit([transfer(genesis, 1)], 1, { member: 'alpha' }, answers);
    await until(() => answers.final.has(1));
    await until(() => heads(net.replicas).size === 1);
    net.replicas[2]!.driver.desk.submit(
      [transfer(genesis, 1), transfer(genesis, 1, 2n)],
      2,
      { member: 'alpha' },
      answers,
    );
    await until(() => answers.final.has(2) && answers.refusals.length === 1);
    expect(answers.final.get(2)!.block.height).toBe(answers.final.get(1)!.block.height);
    expect(answers.refusals[0]).toMatchObject({ number: 3, reason: 'IDEMPOTENCY_KEY_REUSED' });
  });

  it('says that a payment is final only when its block and its state can be read (pitfall 35)', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys, undefined, patientSettings));
    const { driver, store } = net.replicas[1]!;
    const reads: Promise<{ readonly block: boolean; readonly balance: bigint }>[] = [];
    const sink: SubmissionSink = {
      finalized: ({ height }) => {
        const read = async () => {
          const [block, [balance]] = await Promise.all([
            store.block(height),
            store.stateMany([stateKeys.balance('B1', 'CHF')]),
          ]);
          const decoded = decodeBalance(balance!);
          return { block: block?.height === height, balance: decoded.ok ? decoded.value.amount : 0n };
        };
        reads.push(read());
      },
      refused: () => undefined,
    };
    for (let number = 1; number <= 5; number++) {
      driver.desk.submit([transfer(genesis, number)], number, { member: 'alpha' }, sink);
      await until(() => reads.length === number);
      expect(await reads.at(-1)).toEqual({ block: true, balance: 500n + BigInt(number) });
    }
  });

  it('goes on after its primary is cut off, and takes it back', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys));
    const answers = new Answers();
    const primary = net.replicas[net.replicas[0]!.driver.snapshot().primary]!;
    const other = net.replicas.find((replica) => replica !== primary)!;
    primary.connected = false;
    for (let number = 0; number < 20; number++) {
      other.driver.desk.submit([transfer(genesis, number)], number, { member: 'alpha' }, answers);
    }
    await until(() => answers.final.size === 20);
    primary.connected = true;
    await until(() => heads(net.replicas).size === 1);
    expect(primary.store.head()!.height).toBeGreaterThan(0);
    other.driver.desk.submit([transfer(genesis, 99)], 99, { member: 'alpha' }, answers);
    await until(() => answers.final.has(99) && heads(net.replicas).size === 1);
    expect(net.replicas.flatMap(({ halts }) => halts)).toEqual([]);
  });

  it('keeps its primary when a client plants a payment that no block may hold', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys, undefined, patientSettings));
    const answers = new Answers();
    // The account comes to be, with another's key, in the same block for which the payment from it was admitted.
    const memberPolicy = genesis.members.find(({ member }) => member === 'beta')!.policy;
    const open = signed(genesis, 1, [{ kind: 'createAccount', account: 'TRAP', policy: memberPolicy }]);
    const pay = signed(genesis, 2, [{ ...payment, fromAccount: 'TRAP' }]);
    net.replicas[1]!.driver.desk.submit([open, pay], 1, { member: 'alpha' }, answers);
    await until(() => answers.final.has(1) && answers.refusals.length === 1);
    expect(answers.refusals[0]).toMatchObject({ number: 2, reason: 'ACCOUNT_NOT_AUTHORIZED' });
    await until(() => net.replicas.every(({ mempool }) => !mempool.hasPending()));
    expect(net.replicas.map(({ driver }) => driver.status().view)).toEqual([0, 0, 0, 0]);
  });

  it('stops with the reason when a store can no longer be read, and the others go on', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys));
    const answers = new Answers();
    const broken = net.replicas[1]!;
    broken.store.stateMany = () => Promise.reject(new StorageError('CORRUPT', 'The store is damaged.'));
    const { checked } = broken.driver.desk.submit([transfer(genesis, 1)], 1, { member: 'alpha' }, answers);
    await checked;
    await until(() => broken.halts.length === 1);
    expect(broken.halts[0]).toMatch(/^transactions could not be taken in: .*The store is damaged\./);
    net.replicas[2]!.driver.desk.submit([transfer(genesis, 2)], 2, { member: 'alpha' }, answers);
    await until(() => answers.final.has(2));
    expect(answers.final.has(1)).toBe(false);
  });

  it('drops what it was checking when it is stopped', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const net = (running = await startDriverNet(genesis, validatorKeys));
    const answers = new Answers();
    const { driver, store } = net.replicas[0]!;
    let closed = (): void => undefined;
    store.stateMany = () =>
      new Promise((_resolve, reject) => {
        closed = () => reject(new StorageError('CLOSED', 'The store was closed.'));
      });
    const { checked } = driver.desk.submit([transfer(genesis, 1)], 1, { member: 'alpha' }, answers);
    await driver.stop();
    closed();
    await checked;
    expect(net.replicas.flatMap(({ halts }) => halts)).toEqual([]);
  });

  it('goes on where it was after all replicas restart', async () => {
    const { genesis, validatorKeys } = testGenesis(4);
    const disks = validatorKeys.map(() => new MemoryDisk());
    const first = await startDriverNet(genesis, validatorKeys, disks);
    const answers = new Answers();
    first.replicas[0]!.driver.desk.submit([transfer(genesis, 1)], 1, { member: 'alpha' }, answers);
    await until(() => answers.final.has(1));
    await first.stop();
    const net = (running = await startDriverNet(genesis, validatorKeys, disks));
    net.replicas[1]!.driver.desk.submit([transfer(genesis, 2)], 2, { member: 'alpha' }, answers);
    await until(() => answers.final.has(2) && heads(net.replicas).size === 1);
    expect(net.replicas[0]!.store.head()!.height).toBe(2);
  });
});
