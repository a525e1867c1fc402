import { afterEach, describe, expect, it } from '@jest/globals';
import type { FinalEntries, FinalBlock, Refusal, SubmissionSink } from '../../../src/api/ports.js';
import {
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Genesis,
} from '../../../src/codec/index.js';
import { transactionId, transactionSigningBytes } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { asAmount, asHeight } from '../../../src/types/index.js';
import { patientSettings, startDriverNet } from '../../helpers/driver-net.js';
import { memberKeys, testGenesis } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let running: { stop(): Promise<void> } | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

function payment(genesis: Genesis, member: 'alpha' | 'beta', number: number): Uint8Array {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, number);
  const [fromAccount, toAccount] = member === 'alpha' ? ['A1', 'B1'] : ['B1', 'A1'];
  const payload = encodeTransactionPayload({
    sender: member,
    idempotencyKey,
    validUntilHeight: asHeight(900),
    operations: [
      {
        kind: 'transfer',
        fromAccount,
        toAccount,
        asset: 'CHF',
        amount: asAmount(1n),
        endToEndId: '',
        memo: '',
      },
    ],
  });
  const preimage = transactionSigningBytes(transactionId(genesisChainId(genesis), payload));
  const { publicKey } = memberKeys[member];
  const signature = memberKeys[member].signNow(preimage);
  return encodeTransactionEnvelope({ payload, signatures: [{ publicKey, signature }] });
}

class Answers implements SubmissionSink {
  readonly final = new Set<number>();
  refusals: Refusal[] = [];
  finalized(_block: FinalBlock, { numbers }: FinalEntries): void {
    for (const number of numbers) {
      if (this.final.has(number)) throw new Error(`${number} is answered twice`);
      this.final.add(number);
    }
  }
  refused(refusals: readonly Refusal[]): void {
    this.refusals.push(...refusals);
  }
}

describe('a network under ten times what its pools hold', () => {
  it('sheds the flood with hints, within its bounds, while another member pays, and in the end all is paid', async () => {
    const pool = { maxTransactions: 60, maxMemberTransactions: 50 };
    const { genesis, validatorKeys } = testGenesis(4);
    const settings = { ...patientSettings, mempool: { ...patientSettings.mempool, ...pool } };
    const net = await startDriverNet(genesis, validatorKeys, undefined, settings);
    running = net;
    const envelopes = Array.from({ length: 600 }, (_, number) => payment(genesis, 'alpha', number));
    const flood = new Answers();
    const most = { pending: 0, waiting: 0 };
    const look = (): void => {
      for (const { driver, mempool } of net.replicas) {
        most.pending = Math.max(most.pending, mempool.pendingTransactions);
        most.waiting = Math.max(most.waiting, driver.desk.waitingBatches);
      }
    };
    for (let first = 0; first < 600; first += 30) {
      const { desk } = net.replicas[(first / 30) % 4]!.driver;
      desk.submit(envelopes.slice(first, first + 30), first, { member: 'alpha' }, flood);
    }
    const honest = new Answers();
    const payments = Array.from({ length: 15 }, (_, number) => payment(genesis, 'beta', number));
    net.replicas[1]!.driver.desk.submit(payments, 0, { member: 'beta' }, honest);
    await until(() => {
      look();
      return honest.final.size === payments.length;
    });
    expect(honest.refusals).toEqual([]);
    await until(() => {
      look();
      return flood.final.size + flood.refusals.length === 600;
    });
    expect(flood.refusals.length).toBeGreaterThan(200);
    expect(new Set(flood.refusals.map(({ reason }) => reason))).toEqual(new Set(['OVERLOADED']));
    for (const { retryDelayMs } of flood.refusals) {
      expect(retryDelayMs).toBeGreaterThanOrEqual(50);
      expect(retryDelayMs).toBeLessThanOrEqual(10_000);
    }
    // The flood comes back until it is served.
    while (flood.final.size < 600) {
      const again = flood.refusals.splice(0, 20);
      for (const { number } of again) {
        net.replicas[number % 4]!.driver.desk.submit(
          [envelopes[number]!],
          number,
          { member: 'alpha' },
          flood,
        );
      }
      const settled = flood.final.size + flood.refusals.length + again.length;
      await until(() => {
        look();
        return flood.final.size + flood.refusals.length >= settled;
      });
    }
    expect(most.pending).toBeLessThanOrEqual(pool.maxTransactions);
    expect(most.waiting).toBeLessThanOrEqual(21);
    expect(net.replicas.flatMap(({ halts }) => halts)).toEqual([]);
  });
});
