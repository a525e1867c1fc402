import { afterEach, describe, expect, it } from '@jest/globals';
import type { Refusal, SubmissionSink } from '../../../src/api/ports.js';
import { decodeBlockHeader, decodeValidatorSet, type ValidatorSet } from '../../../src/codec/index.js';
import { validatorSetHash } from '../../../src/crypto/index.js';
import { stateKeys } from '../../../src/ledger/index.js';
import { MemoryDisk } from '../../../src/storage/index.js';
import { asAmount, asHeight, equalBytes, limits, quorumOf, toHex } from '../../../src/types/index.js';
import { followSetChanges, trustGenesis } from '../../../src/verify/index.js';
import { readSetChanges } from '../../../src/sync/index.js';
import { startDriverNet, testSettings, type TestReplica } from '../../helpers/driver-net.js';
import { testGenesis, testKey, type TestKey } from '../../helpers/fake-ledger.js';
import { changeOperations, signedByAlpha } from '../../helpers/governance.js';
import { until } from '../../helpers/until.js';

let running: { stop(): Promise<void> } | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const { genesis } = testGenesis(4);
const keys = Array.from({ length: 7 }, (_, index) => testKey(`validator ${index}`));
const validatorOf = (index: number, key = keys[index]!) => ({
  id: `v${index}`,
  member: 'alpha',
  publicKey: key.publicKey,
});

/** Counts what becomes final; a refusal is kept. */
class Sink implements SubmissionSink {
  final = 0;
  readonly refusals: Refusal[] = [];
  finalized(_block: unknown, entries: { numbers: readonly number[] }): void {
    this.final += entries.numbers.length;
  }
  refused(refusals: readonly Refusal[]): void {
    this.refusals.push(...refusals);
  }
}

async function setOf(replica: TestReplica): Promise<ValidatorSet> {
  const [bytes] = await replica.store.stateMany([stateKeys.currentValidators]);
  const decoded = decodeValidatorSet(bytes!);
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

const heightOf = (replica: TestReplica): number => replica.store.head()!.height;

/** A network under load: payments go on while its validators change. */
class Network {
  replicas: readonly TestReplica[];
  readonly sink = new Sink();
  submitted = 0;
  #number = 0;
  readonly keyOf = new Map<string, TestKey>(keys.map((key, index) => [`v${index}`, key]));

  constructor(replicas: readonly TestReplica[]) {
    this.replicas = replicas;
  }

  get leader(): TestReplica {
    return this.replicas.reduce((best, next) => (heightOf(next) > heightOf(best) ? next : best));
  }

  submit(operations: Parameters<typeof signedByAlpha>[1], signers: readonly TestKey[] = []): void {
    const validUntil = heightOf(this.leader) + 900;
    const envelope = signedByAlpha(genesis, operations, validUntil, signers);
    const targets = this.replicas.filter(({ connected }) => connected);
    const replica = targets[this.#number % targets.length]!;
    this.submitted++;
    replica.driver.desk.submit([envelope], this.#number++, { member: 'alpha' }, this.sink);
  }

  pay(): void {
    this.submit([
      {
        kind: 'transfer',
        fromAccount: 'A1',
        toAccount: 'B1',
        asset: 'CHF',
        amount: asAmount(1n),
        endToEndId: '',
        memo: '',
      },
    ]);
  }

  /** Pays, a few at a time, until something holds. */
  async payUntil(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const before = this.sink.final;
      for (let count = 0; count < 3; count++) this.pay();
      await until(() => this.sink.final > before || condition());
    }
  }

  /** Decides a set and pays until it has taken over on all its members. */
  async change(members: readonly number[]): Promise<ValidatorSet> {
    const set = await setOf(this.leader);
    const next = members.map((index) => ({
      ...validatorOf(index),
      publicKey: this.keyOf.get(`v${index}`)!.publicKey,
    }));
    const { propose, approve } = changeOperations(set, next, heightOf(this.leader) + 1000);
    const voters = set.validators.slice(0, quorumOf(set.validators.length));
    const done = this.sink.final;
    this.submit([propose], [this.keyOf.get(voters[0]!.id)!]);
    await until(() => this.sink.final > done);
    for (const { id } of voters.slice(1)) this.submit([approve(id)], [this.keyOf.get(id)!]);
    const epoch = set.epoch + 1;
    const arrived = (): boolean =>
      members.every((index) => {
        const replica = this.replicas[index]!;
        return !replica.connected || replica.driver.snapshot().epoch === epoch;
      });
    await this.payUntil(arrived);
    return setOf(this.leader);
  }

  async settled(): Promise<void> {
    await until(() => this.sink.final === this.submitted);
    await until(() => new Set(this.replicas.map(({ store }) => toHex(store.head()!.digest))).size === 1);
    expect(this.sink.refusals).toEqual([]);
    expect(this.replicas.flatMap(({ halts }) => halts)).toEqual([]);
  }
}

/** Every header is of the set that the header before it names, and every certificate by a quorum of that set. */
async function audit(replica: TestReplica): Promise<number> {
  const changes = [];
  let hash = validatorSetHash({ validators: genesis.validators, epoch: 0, activationHeight: asHeight(0) });
  for (let height = 1; height <= heightOf(replica); height++) {
    const block = await replica.store.block(asHeight(height));
    const header = decodeBlockHeader(block!.headerBytes);
    if (!header.ok) throw header.error;
    expect(equalBytes(header.value.validatorSetHash, hash)).toBe(true);
    hash = header.value.nextValidatorSetHash;
    if (equalBytes(hash, header.value.validatorSetHash)) continue;
    const [validatorSet] = await replica.store.stateMany([stateKeys.epochValidators(changes.length + 1)]);
    changes.push({
      header: block!.headerBytes,
      certificate: block!.certificate!,
      validatorSet: validatorSet!,
    });
  }
  const followed = followSetChanges(trustGenesis(genesis), changes);
  if (!followed.ok) throw followed.error;
  // What the node itself gives out with evidence.
  expect(
    await readSetChanges(replica.store, replica.store.head()!.height, 0, limits.maxValidatorSetChanges),
  ).toEqual(changes);
  const latest = followed.value.validatorSets.at(-1)!;
  expect(equalBytes(latest.hash, hash)).toBe(true);
  return changes.length;
}

describe('validators change under load', () => {
  it('from 4 to 7 to 4 to 1 and back to 4, and a light client follows from the genesis', async () => {
    const net = (running = await startDriverNet(genesis, keys));
    const network = new Network(net.replicas);
    await network.change([0, 1, 2, 3, 4, 5, 6]);
    expect(network.replicas.map(({ driver }) => driver.snapshot().epoch)).toEqual(Array(7).fill(1));
    await network.change([6, 5, 4, 3]);
    await network.change([5]);
    await network.change([0, 1, 2, 5]);
    await network.settled();
    for (const replica of network.replicas) expect(await audit(replica)).toBe(4);
  }, 60_000);

  it('while the primary is cut off and a new validator comes late', async () => {
    const net = (running = await startDriverNet(genesis, keys));
    const network = new Network(net.replicas);
    network.replicas[6]!.connected = false;
    network.replicas[0]!.connected = false;
    await network.change([0, 1, 2, 3, 4, 5, 6]);
    network.replicas[6]!.connected = true;
    await network.payUntil(() => network.replicas[6]!.driver.snapshot().epoch === 1);
    network.replicas[0]!.connected = true;
    network.replicas[1]!.connected = false;
    await network.change([6, 5, 4, 1]);
    network.replicas[1]!.connected = true;
    await network.payUntil(() => network.replicas[1]!.driver.snapshot().epoch === 2);
    await network.settled();
    for (const replica of network.replicas) expect(await audit(replica)).toBe(2);
  }, 60_000);

  it('a key is rotated while its validator runs, which then signs with the next one', async () => {
    const next = testKey('validator 3, next');
    const nextKeys = [undefined, undefined, undefined, next];
    const disks = keys.slice(0, 4).map(() => new MemoryDisk());
    let net = (running = await startDriverNet(genesis, keys.slice(0, 4), disks, testSettings, nextKeys));
    let network = new Network(net.replicas);
    network.keyOf.set('v3', next);
    await network.change([0, 1, 2, 3]);
    network.replicas[0]!.connected = false;
    await network.payUntil(() => network.replicas[3]!.driver.snapshot().committedHeight > 15);
    network.replicas[0]!.connected = true;
    await network.settled();
    // Everybody restarts, the validator with both keys.
    await net.stop();
    net = running = await startDriverNet(genesis, keys.slice(0, 4), disks, testSettings, nextKeys);
    network = new Network(net.replicas);
    network.replicas[0]!.connected = false;
    const height = heightOf(network.leader);
    await network.payUntil(() => heightOf(network.replicas[3]!) > height + 3);
    network.replicas[0]!.connected = true;
    await network.settled();
    expect(await audit(network.replicas[3]!)).toBe(1);
  }, 60_000);
});
