import { describe, expect, it } from '@jest/globals';
import {
  deriveNewView,
  type BlockRef,
  type DerivedView,
  type VerifiedViewChange,
} from '../../src/consensus/index.js';
import { toHex } from '../../src/types/index.js';
import {
  chainOf,
  commitCertificate,
  preparedCertificate,
  verifiedViewChange,
} from '../helpers/consensus-certificates.js';
import { genesisTip, testConfig } from '../helpers/consensus-words.js';

const config = testConfig({ n: 4 }, 0);
const window = config.pipelineWindow;
const parent = genesisTip.digest;

/** Blocks 1 … length of the chain of a view. */
const chain = (view: number, length: number, label = 'a'): BlockRef[] =>
  chainOf(config, { view, height: 1, parent, length, label });

const names = (derived: DerivedView): string[] => derived.reproposals.map(({ digest }) => toHex(digest));
const digests = (blocks: readonly BlockRef[]): string[] => blocks.map(({ digest }) => toHex(digest));
const prepared = (view: number, ...blocks: readonly BlockRef[]) =>
  blocks.map((block) => preparedCertificate(config, view, block));
const derive = (...viewChanges: readonly VerifiedViewChange[]): DerivedView =>
  deriveNewView(viewChanges, window);

describe('what a new view starts from', () => {
  it('is the genesis block when nothing was prepared', () => {
    const derived = derive(...[0, 1, 2].map((validator) => verifiedViewChange(config, validator, 1)));
    expect(derived).toEqual({ baseHeight: 0, base: undefined, reproposals: [], inheritedHeight: 0 });
  });

  it('keeps a chain of which one replica alone has all certificates', () => {
    const blocks = chain(0, 4);
    const derived = derive(
      verifiedViewChange(config, 0, 1),
      verifiedViewChange(config, 1, 1, { prepared: prepared(0, ...blocks) }),
      verifiedViewChange(config, 2, 1),
    );
    expect(names(derived)).toEqual(digests(blocks));
    expect(derived.reproposals.every(({ reporters }) => reporters.join() === '1')).toBe(true);
    expect(derived.inheritedHeight).toBe(4);
  });

  it('joins certificates that different replicas have of different heights', () => {
    const [one, two, three] = chain(0, 3) as [BlockRef, BlockRef, BlockRef];
    const derived = derive(
      verifiedViewChange(config, 0, 1, { prepared: prepared(0, two) }),
      verifiedViewChange(config, 1, 1, { prepared: prepared(0, three) }),
      verifiedViewChange(config, 2, 1, { prepared: prepared(0, one) }),
    );
    expect(names(derived)).toEqual(digests([one, two, three]));
  });

  it('takes the certificate of the highest view, whoever reports more of a lower one', () => {
    const old = chain(0, 1, 'old');
    const young = chain(2, 1, 'young');
    const derived = derive(
      verifiedViewChange(config, 0, 3, { prepared: prepared(0, ...old) }),
      verifiedViewChange(config, 1, 3, { prepared: prepared(2, ...young) }),
      verifiedViewChange(config, 2, 3, { prepared: prepared(0, ...old) }),
    );
    expect(names(derived)).toEqual(digests(young));
  });

  it('stops at a height without a certificate', () => {
    const blocks = chain(0, 4);
    const derived = derive(
      verifiedViewChange(config, 0, 1, { prepared: prepared(0, blocks[0]!, blocks[1]!, blocks[3]!) }),
      verifiedViewChange(config, 1, 1),
      verifiedViewChange(config, 2, 1),
    );
    expect(names(derived)).toEqual(digests(blocks.slice(0, 2)));
  });

  it('stops at a block that does not link to the one chosen below', () => {
    const old = chain(0, 3, 'old');
    const young = chain(1, 1, 'young');
    const derived = derive(
      verifiedViewChange(config, 0, 2, { prepared: prepared(0, ...old) }),
      verifiedViewChange(config, 1, 2, { prepared: prepared(1, ...young) }),
      verifiedViewChange(config, 2, 2),
    );
    expect(names(derived)).toEqual(digests(young));
  });

  it('stops at a block that does not link to the base', () => {
    const final = chain(0, 1, 'final');
    const rival = chain(0, 2, 'rival');
    const derived = derive(
      verifiedViewChange(config, 0, 2, { committed: commitCertificate(config, 0, final[0]!) }),
      verifiedViewChange(config, 1, 2, { prepared: prepared(0, rival[1]!) }),
      verifiedViewChange(config, 2, 2),
    );
    expect(derived.reproposals).toEqual([]);
    expect(derived.inheritedHeight).toBe(1);
  });

  it('has the highest proven height as base, whatever was prepared below it', () => {
    const blocks = chain(0, 6);
    const derived = derive(
      verifiedViewChange(config, 0, 1, { prepared: prepared(0, ...blocks.slice(0, 2)) }),
      verifiedViewChange(config, 1, 1, {
        committed: commitCertificate(config, 0, blocks[3]!),
        prepared: prepared(0, blocks[4]!),
      }),
      verifiedViewChange(config, 2, 1, { committed: commitCertificate(config, 0, blocks[1]!) }),
    );
    expect(derived.baseHeight).toBe(4);
    // Height 3, the ancestor of the base, was reported by nobody.
    expect(names(derived)).toEqual(digests([blocks[4]!]));
  });

  it('has the ancestors of the base voted on again as far down as they are reported', () => {
    const blocks = chain(0, 4);
    const derived = derive(
      // Keeps to itself that heights 1 and 2 have no certificate of their own anywhere.
      verifiedViewChange(config, 0, 1, { committed: commitCertificate(config, 0, blocks[2]!) }),
      verifiedViewChange(config, 1, 1, { prepared: prepared(0, ...blocks) }),
      verifiedViewChange(config, 2, 1, { prepared: prepared(0, ...blocks.slice(0, 2)) }),
    );
    expect(derived.baseHeight).toBe(3);
    expect(names(derived)).toEqual(digests(blocks));
  });

  it('follows the ancestors of the base by hash, not by view', () => {
    const blocks = chain(0, 3);
    const rival = chain(1, 1, 'rival');
    const derived = derive(
      verifiedViewChange(config, 0, 2, { committed: commitCertificate(config, 0, blocks[1]!) }),
      verifiedViewChange(config, 1, 2, { prepared: prepared(0, ...blocks) }),
      verifiedViewChange(config, 2, 2, { prepared: prepared(1, ...rival) }),
    );
    expect(names(derived)).toEqual(digests(blocks));
  });

  it('proposes a block of an earlier view again as the block that it was', () => {
    const blocks = chain(0, 2);
    const derived = derive(
      verifiedViewChange(config, 0, 5, { prepared: prepared(4, ...blocks) }),
      verifiedViewChange(config, 1, 5),
      verifiedViewChange(config, 2, 5),
    );
    expect(derived.reproposals.map(({ header }) => header.view)).toEqual([0, 0]);
    expect(names(derived)).toEqual(digests(blocks));
  });
});
