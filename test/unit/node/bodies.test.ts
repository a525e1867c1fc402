import { describe, expect, it } from '@jest/globals';
import { merkleLeafHash, merkleRoot } from '../../../src/crypto/index.js';
import type { BlockRef } from '../../../src/consensus/types.js';
import type { CheckedTransaction } from '../../../src/ledger/index.js';
import { BodyGatherer, type GatherOutcome } from '../../../src/node/bodies.js';
import type { PeerPort } from '../../../src/node/ports.js';
import {
  asDigest,
  asHash,
  asHeight,
  asValidatorIndex,
  type ValidatorIndex,
} from '../../../src/types/index.js';

const body = (number: number): CheckedTransaction => {
  const envelopeBytes = Uint8Array.of(number);
  return { envelopeBytes, leafHash: asHash(merkleLeafHash(envelopeBytes)) } as CheckedTransaction;
};
const bodies = [body(1), body(2)];
const hashes = bodies.map(({ leafHash }) => leafHash);
const digest = asDigest(new Uint8Array(32).fill(7));
const block = {
  digest,
  header: { height: asHeight(5), transactionCount: 2, transactionsRoot: merkleRoot(hashes) },
  transactionHashes: hashes,
} as unknown as BlockRef;
const [one, two, three] = [1, 2, 3].map(asValidatorIndex) as [ValidatorIndex, ValidatorIndex, ValidatorIndex];

function setup(graceMs = 0) {
  const asked: ValidatorIndex[] = [];
  const timers = new Set<() => void>();
  const gatherer = new BodyGatherer({
    clock: {
      monotonicMs: () => 0,
      wallMs: () => 0,
      defer: (work) => work(),
      setTimer: (_delayMs, fire) => {
        timers.add(fire);
        return () => timers.delete(fire);
      },
    },
    peers: {
      requestBodies: (to: ValidatorIndex) => asked.push(to),
      connected: () => [one, two, three],
    } as unknown as PeerPort,
    mempool: { getByLeafHash: () => undefined },
    check: (envelopes) => Promise.resolve(envelopes.map(([number]) => body(number!))),
    graceMs,
    retryMs: 100,
  });
  const elapse = (): void => {
    const due = [...timers];
    timers.clear();
    for (const fire of due) fire();
  };
  const outcomes: GatherOutcome[] = [];
  void gatherer.gather(block, two).then((outcome) => outcomes.push(outcome));
  return { gatherer, asked, elapse, outcomes };
}

describe('gathering bodies', () => {
  it('asks nobody for what comes by relay within the grace', async () => {
    const { gatherer, asked, outcomes } = setup(50);
    gatherer.admitted(bodies);
    await Promise.resolve();
    expect(outcomes).toEqual([{ transactionHashes: hashes, transactions: bodies }]);
    expect(asked).toEqual([]);
  });

  it('asks for the rest when the grace is over', () => {
    const { gatherer, asked, elapse } = setup(50);
    gatherer.admitted(bodies.slice(0, 1));
    expect(asked).toEqual([]);
    elapse();
    expect(asked).toEqual([two]);
  });

  it('asks each peer once when none has them, and again only after the pause', async () => {
    const { gatherer, asked, elapse } = setup();
    for (let answers = 0; answers < 10; answers++) {
      await gatherer.receive(asked.at(-1)!, digest, [], []);
    }
    expect(asked).toEqual([two, three, one]);
    elapse();
    expect(asked).toHaveLength(4);
  });

  it('does not hurry for a peer that sends what was not asked for', async () => {
    const { gatherer, asked } = setup();
    for (let answers = 0; answers < 10; answers++) {
      await gatherer.receive(two, digest, [], [Uint8Array.of(9)]);
    }
    expect(asked).toEqual([two, three]);
  });

  it('puts together what several peers have', async () => {
    const { gatherer, asked, outcomes } = setup();
    await gatherer.receive(two, digest, [], [Uint8Array.of(2)]);
    await gatherer.receive(two, digest, [], []);
    expect(asked).toEqual([two, two, three]);
    await gatherer.receive(three, digest, [], [Uint8Array.of(1)]);
    expect(outcomes).toEqual([{ transactionHashes: hashes, transactions: bodies }]);
  });

  it('ends when the bodies come in another way, so that a block that was fetched can be executed', async () => {
    const { gatherer, outcomes, asked, elapse } = setup();
    gatherer.offer(digest, bodies);
    await Promise.resolve();
    expect(outcomes).toEqual([{ transactionHashes: hashes, transactions: bodies }]);
    elapse();
    expect(asked).toEqual([two]);
  });
});
