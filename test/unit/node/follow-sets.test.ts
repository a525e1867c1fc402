/** Changes of the validator set from peers of which some lie or hold something back. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { encodeValidatorSet, type ValidatorSet, type ValidatorSetChange } from '../../../src/codec/index.js';
import type { PeerState } from '../../../src/network/index.js';
import { systemClock } from '../../../src/node/clock.js';
import type { Electorates } from '../../../src/node/electorate.js';
import { followSets } from '../../../src/node/follow-sets.js';
import { FollowedSets } from '../../../src/node/followed-sets.js';
import { asHeight, asValidatorIndex, asView, QuaestorError } from '../../../src/types/index.js';
import { SignedChain } from '../../helpers/signed-chain.js';

type Peer = (knownEpoch: number) => AsyncIterable<ValidatorSetChange> | Iterable<ValidatorSetChange>;

let chain: SignedChain;
let sets: FollowedSets;
let changes: ValidatorSetChange[];
let first: ValidatorSet;

beforeEach(async () => {
  chain = await SignedChain.create(4);
  first = chain.set;
  sets = new FollowedSets(chain.chainId, first);
  changes = [];
  for (const seeds of [[51, 52, 53, 54, 55, 56, 57], [61], [71, 72, 73, 74]]) {
    await chain.append();
    const nextSet = chain.addSet(seeds);
    const { headerBytes: header, certificate } = await chain.append({ nextSet });
    changes.push({ header, certificate, validatorSet: encodeValidatorSet(nextSet) });
  }
});

const honest: Peer = (knownEpoch) => changes.slice(knownEpoch);

/** Follows with these peers; gives the sets that the network was told of, and who was warned about. */
async function follow(
  ...given: readonly Peer[]
): Promise<{ readonly told: readonly number[]; readonly warned: readonly string[] }> {
  const told: number[] = [];
  const warned: string[] = [];
  const status = {
    view: asView(0),
    viewChangeInProgress: false,
    committedHeight: asHeight(9),
    stableCheckpointHeight: asHeight(0),
  };
  const states = given.map((_, index): PeerState => {
    const state = { address: '', known: true, connected: true, queuedBytes: 0, backlogBytes: 0 };
    return { ...state, index: asValidatorIndex(index), id: `peer-${index}`, status, lastFailure: undefined };
  });
  await followSets({
    sets,
    network: {
      peers: () => states,
      async *fetchSetChanges(peer, { knownEpoch }) {
        yield* given[peer]!(knownEpoch);
      },
    },
    peers: { electorates: ({ current }: Electorates) => told.push(current.epoch) },
    clock: systemClock,
    log: {
      info: () => undefined,
      warn: (fields: object) => warned.push((fields as { readonly peer: string }).peer),
    },
    signal: new AbortController().signal,
  });
  return { told, warned };
}

describe('following the validator sets', () => {
  it('leads from the genesis to the set in force, of which the network is told', async () => {
    const { told, warned } = await follow(honest);
    expect(sets.epoch).toBe(3);
    expect(told[0]).toBe(3);
    expect(warned).toEqual([]);
    const { current, previous } = sets.electorates();
    expect([previous?.epoch, current.epoch]).toEqual([2, 3]);
    // Each height belongs to the set that decided it.
    const epochs = [1, 2, 3, 4, 5, 6, 7].map(
      (height) => sets.electorateAt(asHeight(height)).validatorSet.epoch,
    );
    expect(epochs).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect(sets.headersBelow(asHeight(6)).map(({ height }) => Number(height))).toEqual([2, 4]);
  });

  it('takes from each what holds: from who lies, is behind, gives too little, or fails', async () => {
    const lying: Peer = (knownEpoch) =>
      changes.slice(knownEpoch).map((change) => ({ ...change, validatorSet: encodeValidatorSet(first) }));
    const behind: Peer = (knownEpoch) => changes.slice(knownEpoch, 1);
    const stingy: Peer = (knownEpoch) => changes.slice(knownEpoch, knownEpoch + 1);
    // eslint-disable-next-line require-yield
    const failing: Peer = function* () {
      throw new QuaestorError('FETCH_FAILED', 'The peer is gone.');
    };
    const { warned } = await follow(failing, lying, behind, stingy);
    expect(sets.epoch).toBe(3);
    expect(new Set(warned)).toEqual(new Set(['peer-1']));
  });

  it('is not held up once more at each change by one that gives one at a time', async () => {
    let asked = 0;
    const stingy: Peer = (knownEpoch) => {
      asked++;
      return changes.slice(knownEpoch, knownEpoch + 1);
    };
    await follow(stingy, honest);
    expect(sets.epoch).toBe(3);
    // At first, and once more when the honest one has given the rest.
    expect(asked).toBeLessThanOrEqual(2);
  });

  it('does not listen for ever to one that repeats itself', async () => {
    let given = 0;
    const repeating: Peer = function* () {
      while (given < 100) {
        given++;
        yield changes[0]!;
      }
    };
    await follow(repeating, honest);
    expect(sets.epoch).toBe(3);
    expect(given).toBeLessThan(10);
  });

  it('stays where it is when nobody can prove more', async () => {
    const forged = changes.map((change) => ({
      ...change,
      certificate: { ...change.certificate, signatures: [] },
    }));
    const { warned } = await follow(
      () => forged,
      () => [],
    );
    expect(sets.epoch).toBe(0);
    expect(warned).toEqual(['peer-0']);
  });
});
