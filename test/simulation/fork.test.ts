/**
 * More faulty validators than the protocol tolerates can fork the chain. Then what correct replicas hold must name them:
 * whoever committed to two blocks of one height in one view has signed it.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { faultyOf, quorumOf, toHex } from '../../src/types/index.js';
import type { StrategyName } from './byzantine/index.js';
import { simulate } from './run.js';

beforeAll(() => installNativeSha256());

const conspiracy = (validators: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    index,
    strategies: ['twins', 'accomplice'] as const satisfies readonly StrategyName[],
  })).filter(({ index }) => index < validators);

async function run(seed: number, validators: number, faulty: number) {
  const { outcome } = await simulate(
    seed,
    {
      validators,
      byzantine: conspiracy(validators, faulty),
      network: {
        minDelayMs: 1,
        maxDelayMs: 5,
        loss: 0,
        duplication: 0,
        straggling: 0,
        straggleMs: 0,
        ordered: false,
      },
      faults: {
        crashes: 0,
        blackouts: 0,
        diskFailures: 0,
        partitions: 0,
        disconnects: 0,
        filters: 0,
        isolation: false,
      },
      machine: { slowness: 0, slowMs: 0, maxSkewMs: 0, maxDrift: 0 },
    },
    400,
  );
  return outcome;
}

describe('a conspiracy of more validators than are tolerated', () => {
  for (const [validators, faulty, seeds] of [
    [4, 2, [1, 2, 3, 4, 5, 6, 7, 8]],
    [7, 3, [1, 2, 7, 8]],
  ] as const) {
    it(`forks a network of ${validators}, and both certificates together name ${faulty} culprits and nobody else`, async () => {
      let forks = 0;
      for (const seed of seeds) {
        const { fork, failure } = await run(seed, validators, faulty);
        if (fork === undefined) continue;
        forks++;
        expect(failure).toMatch(/^AGREEMENT/);
        const { one, other } = fork;
        expect(one.height).toBe(other.height);
        expect(toHex(one.digest)).not.toBe(toHex(other.digest));
        if (one.view !== other.view) continue;
        const second = new Set(other.signatures.map(({ validator }) => validator));
        const culprits = one.signatures
          .map(({ validator }) => validator)
          .filter((index) => second.has(index));
        expect(culprits.length).toBeGreaterThan(faultyOf(validators));
        expect(culprits.every((index) => index < faulty)).toBe(true);
        for (const { signatures } of [one, other]) expect(signatures).toHaveLength(quorumOf(validators));
      }
      expect(forks).toBeGreaterThan(1);
    });
  }

  it('of as many as are tolerated does nothing of the kind', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const { fork, failure } = await run(seed, 4, 1);
      expect(failure).toBeUndefined();
      expect(fork).toBeUndefined();
    }
  });
});
