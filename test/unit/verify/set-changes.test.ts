import { beforeEach, describe, expect, it } from '@jest/globals';
import { encodeValidatorSet, type ValidatorSet, type ValidatorSetChange } from '../../../src/codec/index.js';
import { asHeight } from '../../../src/types/index.js';
import { followSetChanges, trustGenesis, verifyReceipt, type ChainTrust } from '../../../src/verify/index.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

let chain: SignedChain;
let trust: ChainTrust;

beforeEach(async () => {
  chain = await SignedChain.create(4);
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl });
});

const changeOf = (
  { headerBytes: header, certificate }: TestBlock,
  next: ValidatorSet,
): ValidatorSetChange => ({
  header,
  certificate,
  validatorSet: encodeValidatorSet(next),
});

/** Hands over to a set of new validators after two more blocks; what proves it. */
async function handOver(seeds: readonly number[]): Promise<ValidatorSetChange> {
  await chain.append();
  const set = chain.addSet(seeds);
  return changeOf(await chain.append({ nextSet: set }), set);
}

function follow(changes: readonly ValidatorSetChange[], from = trust): ChainTrust | string {
  const followed = followSetChanges(from, changes);
  return followed.ok ? followed.value : followed.error.code;
}

describe('followSetChanges', () => {
  it('leads from the genesis over every set to the latest, without the headers in between', async () => {
    const changes = [
      await handOver([51, 52, 53, 54, 55, 56, 57]),
      await handOver([61]),
      await handOver([71, 72, 73, 74]),
    ];
    const latest = await chain.append();
    expect(verifyReceipt(trust, chain.receipt(latest, 0)).ok).toBe(false);
    const followed = follow(changes);
    if (typeof followed === 'string') throw new Error(followed);
    expect(followed.validatorSets.map(({ set }) => set.validators.length)).toEqual([4, 7, 1, 4]);
    expect(verifyReceipt(followed, chain.receipt(latest, 0)).ok).toBe(true);
    // Again, or one by one, they change nothing.
    expect(follow(changes, followed)).toBe(followed);
  });

  it('refuses a gap, another order, another set, and a block that hands over to nobody', async () => {
    const first = await handOver([51, 52, 53, 54]);
    const second = await handOver([61, 62, 63, 64]);
    const plain = await chain.append();
    expect(follow([second])).toBe('UNKNOWN_VALIDATOR_SET');
    expect(follow([second, first])).toBe('UNKNOWN_VALIDATOR_SET');
    expect(follow([{ ...first, validatorSet: second.validatorSet }])).toBe('UNKNOWN_VALIDATOR_SET');
    expect(follow([first, second, changeOf(plain, chain.set)])).toBe('UNKNOWN_VALIDATOR_SET');
    expect(follow([{ ...first, validatorSet: first.validatorSet.slice(1) }])).toBe('UNKNOWN_VALIDATOR_SET');
  });

  it('refuses a successor that fewer than a quorum of the set in force signed for', async () => {
    const set = chain.addSet([51, 52, 53, 54]);
    const block = await chain.append({ nextSet: set, signers: [0, 2] });
    expect(follow([changeOf(block, set)])).toBe('NO_QUORUM');
  });

  it('refuses a set that says it takes over at another height or as another epoch', async () => {
    for (const wrong of [{ activationHeight: asHeight(7) }, { epoch: 2 }]) {
      const set = { ...chain.addSet([51, 52, 53, 54]), ...wrong };
      const before = chain.set;
      const block = await chain.append({ nextSet: set });
      chain.set = before;
      expect(follow([changeOf(block, set)])).toBe('UNKNOWN_VALIDATOR_SET');
    }
  });
});
