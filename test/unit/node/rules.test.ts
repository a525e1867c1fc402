import { afterEach, describe, expect, it } from '@jest/globals';
import type { SubmissionSink } from '../../../src/api/ports.js';
import { decodeValidatorSet, type Operation, type ProposeChange } from '../../../src/codec/index.js';
import { validatorSetHash } from '../../../src/crypto/index.js';
import { stateKeys } from '../../../src/ledger/index.js';
import { MemoryDisk } from '../../../src/storage/index.js';
import { asAmount, asHeight, newestRules } from '../../../src/types/index.js';
import { startDriverNet, type TestReplica } from '../../helpers/driver-net.js';
import { testGenesis, testKey, type TestKey } from '../../helpers/fake-ledger.js';
import { signedByAlpha } from '../../helpers/governance.js';
import { until } from '../../helpers/until.js';

let running: { stop(): Promise<void> } | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const { genesis } = testGenesis(4);
const keys = Array.from({ length: 4 }, (_, index) => testKey(`validator ${index}`));
const heightOf = (replica: TestReplica): number => replica.store.head()!.height;

class Counter implements SubmissionSink {
  final = 0;
  finalized(_block: unknown, entries: { numbers: readonly number[] }): void {
    this.final += entries.numbers.length;
  }
  refused(refusals: readonly { readonly reason: string }[]): void {
    throw new Error(refusals.map(({ reason }) => reason).join());
  }
}

describe('a version of the rules that the software does not know', () => {
  it('stops every replica that has committed the block below its height, and is refused at a start', async () => {
    const disks = keys.map(() => new MemoryDisk());
    const net = (running = await startDriverNet(genesis, keys, disks));
    const replica = net.replicas[0]!;
    const sink = new Counter();
    let number = 0;
    const submit = async (operation: Operation, signers: readonly TestKey[] = []): Promise<void> => {
      const before = sink.final;
      const envelope = signedByAlpha(genesis, [operation], heightOf(replica) + 500, signers);
      replica.driver.desk.submit([envelope], number++, { member: 'alpha' }, sink);
      await until(() => sink.final > before);
    };
    const [bytes] = await replica.store.stateMany([stateKeys.currentValidators]);
    const set = decodeValidatorSet(bytes!);
    if (!set.ok) throw set.error;
    const ids = set.value.validators.map(({ id }) => id);
    const proposal: ProposeChange = {
      kind: 'proposeChange',
      validator: ids[0]!,
      baseValidatorSetHash: validatorSetHash(set.value),
      change: { kind: 'rulesVersion', version: newestRules + 1 },
      notBeforeHeight: asHeight(0),
      expiresHeight: asHeight(1000),
      reason: '',
    };
    await submit(proposal, [keys[0]!]);
    for (const index of [1, 2]) {
      const validator = ids[index]!;
      await submit({ kind: 'voteOnChange', validator, proposal, vote: 'approve' }, [keys[index]!]);
    }
    const last = heightOf(replica) + genesis.parameters.pipelineWindowBlocks;
    while (heightOf(replica) < last) {
      await submit({
        kind: 'transfer',
        fromAccount: 'A1',
        toAccount: 'B1',
        asset: 'CHF',
        amount: asAmount(1n),
        endToEndId: '',
        memo: '',
      });
    }
    const why = `From height ${last + 1} on, blocks are executed under version ${newestRules + 1} of the ledger's rules`;
    await until(() => net.replicas.filter(({ halts }) => halts.length > 0).length >= 3);
    for (const { halts, store } of net.replicas) {
      // The last one may have been left behind by the others.
      if (halts.length === 0) continue;
      expect(halts).toEqual([expect.stringContaining(why)]);
      expect(store.head()!.height).toBe(last);
    }
    await net.stop();
    running = undefined;
    await expect(startDriverNet(genesis, keys, disks)).rejects.toMatchObject({ code: 'RULES_UNKNOWN' });
  });
});
