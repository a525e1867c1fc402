import { afterEach, describe, expect, it } from '@jest/globals';
import type { FetchedBlock, PeerValidator } from '../../../src/network/index.js';
import { asHeight, asView, type PublicKey } from '../../../src/types/index.js';
import { certifiedChain } from '../../helpers/certified-chain.js';
import { eventually } from '../../helpers/eventually.js';
import {
  fastTimeouts,
  makeConsortium,
  makeSigner,
  type TestConsortium,
} from '../../helpers/peer-networks.js';

let consortium: TestConsortium;
afterEach(() => consortium.stop());

const status = (height: number) => ({
  view: asView(0),
  viewChangeInProgress: false,
  committedHeight: asHeight(height),
  stableCheckpointHeight: asHeight(0),
});

/** The validators of these indexes. */
const members = (...indexes: readonly number[]): readonly PeerValidator[] =>
  indexes.map((index) => consortium.validators[index]!);

const heardOf = (node: number, from: number): number =>
  Math.max(
    0,
    ...consortium
      .node(node)
      .records.statuses.filter((entry) => entry.from === from)
      .map((entry) => entry.status.committedHeight),
  );

/** Whether votes go from one to the other. */
async function votesPass(from: number, to: number): Promise<void> {
  const text = `from ${from} to ${to}, ${consortium.node(to).records.consensus.length}`;
  const { records } = consortium.node(to);
  await eventually(`a vote goes ${text}`, () => {
    consortium.node(from).network.sendConsensus('all', Buffer.from(text));
    return records.consensus.some((entry) => entry.text === text);
  });
}

describe('a validator that no validator set has', () => {
  it('follows as an observer does, becomes an equal once a set has it, and follows again when none does any more', async () => {
    const { blocks } = certifiedChain(5);
    consortium = await makeConsortium(3, () => ({
      handlers: {
        async *serveBlocks(from, most): AsyncGenerator<FetchedBlock> {
          await Promise.resolve();
          yield* blocks.slice(from - 1, from - 1 + most);
        },
      },
    }));
    await consortium.start();
    await consortium.allConnected();
    for (const { network } of consortium.nodes) network.setValidators(members(0, 1));
    for (const node of consortium.nodes.slice(0, 2)) {
      await node.records.until(() => node.network.connected().length === 1);
      node.network.sendStatus('all', status(3));
    }
    const joining = consortium.node(2);
    await eventually('it follows both', () => joining.network.connected().length === 2);
    await eventually('it hears where they stand', () => heardOf(2, 0) === 3 && heardOf(2, 1) === 3);
    const fetched: FetchedBlock[] = [];
    const request = { fromHeight: asHeight(2), maxBlocks: 3, deadlineMs: 5000 };
    for await (const block of joining.network.fetchBlocks(consortium.node(0).index, request))
      fetched.push(block);
    expect(fetched).toHaveLength(3);
    joining.network.relayTransactions([Uint8Array.of(1, 2, 3)]);
    const { records } = consortium.node(1);
    await records.until(() => records.relayed.length > 0);
    expect(records.relayed[0]!.observer).toBe('bank-2 (validator)');
    // It has no say.
    joining.network.sendConsensus('all', Buffer.from('a vote'));
    expect(records.consensus).toEqual([]);

    // The change comes to each at a time of its own.
    consortium.node(0).network.setValidators(members(0, 1, 2));
    joining.network.setValidators(members(0, 1, 2));
    await votesPass(2, 0);
    consortium.node(1).network.setValidators(members(0, 1, 2));
    await consortium.allConnected();
    await votesPass(2, 1);
    await votesPass(1, 2);
    await eventually('nobody follows any more', () => records.observers === 0);

    for (const { network } of consortium.nodes) network.setValidators(members(0, 1));
    await eventually('it hears again where they stand', () => {
      for (const node of [0, 1]) consortium.node(node).network.sendStatus('all', status(9));
      return heardOf(2, 0) === 9 && heardOf(2, 1) === 9;
    });
    const before = records.consensus.length;
    joining.network.sendConsensus('all', Buffer.from('too late'));
    await votesPass(0, 1);
    expect(records.consensus.slice(before).filter(({ text }) => text === 'too late')).toEqual([]);
  });

  it('follows those who do not know it, although it takes itself for one of them', async () => {
    consortium = await makeConsortium(3, () => ({
      options: { timeouts: { ...fastTimeouts, followAfterMs: 100 } },
    }));
    // The last one was away: it knows a set that the others have left behind. It is the side that is dialled.
    for (const node of [0, 1]) consortium.node(node).network.setValidators(members(0, 1));
    await consortium.start();
    await eventually('it hears where they stand', () => {
      for (const node of [0, 1]) consortium.node(node).network.sendStatus('all', status(7));
      return heardOf(2, 0) === 7 && heardOf(2, 1) === 7;
    });
  });
});

describe('the key of a validator', () => {
  it('may be any of those that it has in the sets that are known, and no other', async () => {
    consortium = await makeConsortium(2);
    await consortium.start();
    await consortium.allConnected();
    const next = makeSigner();
    const [zero, one] = consortium.validators as [PeerValidator, PeerValidator];
    const held = consortium.node(1).signer.publicKey;
    const withKeys = (publicKey: PublicKey, ...otherKeys: PublicKey[]) => ({
      id: one.id,
      index: one.index,
      address: one.address,
      publicKey,
      otherKeys,
    });
    const { network, records } = consortium.node(0);
    // Decided: the link stays.
    network.setValidators([zero, withKeys(next.publicKey, held)]);
    expect(network.connected()).toEqual([1]);
    await consortium.node(1).restart({ signer: next });
    await consortium.allConnected();
    await votesPass(0, 1);
    await consortium.node(1).restart();
    await consortium.allConnected();
    // Nothing has the old key any more: what stands on it ends, and does not come back.
    network.setValidators([zero, withKeys(next.publicKey)]);
    expect(network.connected()).toEqual([]);
    await records.until(() => records.refused.some(({ peer, reason }) => peer === 1 && reason === 'proof'));
    expect(network.connected()).toEqual([]);
    await consortium.node(1).restart({ signer: next });
    await consortium.allConnected();
  });
});

describe('the address of a validator', () => {
  it('is looked for at all places that are known', async () => {
    consortium = await makeConsortium(2);
    await consortium.node(1).network.start();
    const [zero, one] = consortium.validators as [PeerValidator, PeerValidator];
    const moved: PeerValidator = {
      ...one,
      address: '127.0.0.1:1',
      otherAddresses: ['127.0.0.1:2', `127.0.0.1:${consortium.node(1).network.port()}`],
    };
    await consortium.node(0).restart({ validators: [zero, moved] });
    await consortium.allConnected();
  });
});
