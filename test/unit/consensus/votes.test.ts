import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { emptyTally, recordVote, signaturesFor, votersFor } from '../../../src/consensus/votes.js';
import { asDigest, asSignature, asValidatorIndex } from '../../../src/types/index.js';

const digestOf = (fill: number) => asDigest(new Uint8Array(32).fill(fill));
const vote = (validator: number, fill: number) => ({
  digest: digestOf(fill),
  signature: {
    validator: asValidatorIndex(validator),
    signature: asSignature(new Uint8Array(64).fill(validator)),
  },
});

describe('a tally', () => {
  it('counts the first vote of each validator and nothing else, in whatever order votes come', () => {
    const votes = fc.array(fc.tuple(fc.nat(6), fc.nat(2)), { maxLength: 40 });
    fc.assert(
      fc.property(votes, (cast) => {
        const tally = emptyTally();
        const first = new Map<number, number>();
        const conflicting = new Set<number>();
        for (const [validator, fill] of cast) {
          const outcome = recordVote(tally, vote(validator, fill));
          const before = first.get(validator);
          if (before === undefined) {
            first.set(validator, fill);
            expect(outcome.kind).toBe('counted');
          } else if (before === fill) expect(outcome.kind).toBe('duplicate');
          else {
            expect(outcome).toMatchObject({ kind: 'conflict', isNews: !conflicting.has(validator) });
            conflicting.add(validator);
          }
        }
        for (const fill of [0, 1, 2]) {
          const voters = [...first].filter(([, voted]) => voted === fill).map(([validator]) => validator);
          expect(votersFor(tally, digestOf(fill))).toBe(voters.length);
          const signers = signaturesFor(tally, digestOf(fill), voters.length).map(
            ({ validator }) => validator,
          );
          expect(signers).toEqual(voters.sort((left, right) => left - right));
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
