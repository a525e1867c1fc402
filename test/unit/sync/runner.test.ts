import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { FetchedBlock } from '../../../src/network/types.js';
import type { CertifiedBlock, SyncClock, SyncOptions, SyncRun } from '../../../src/sync/index.js';
import { startSync } from '../../../src/sync/index.js';
import { QuaestorError, asHeight, asSignature, asValidatorIndex } from '../../../src/types/index.js';
import { certifiedChain, directVerifier } from '../../helpers/certified-chain.js';

/** Time that passes only when nothing else can happen. */
class ManualClock implements SyncClock {
  nowMs = 0;
  readonly #timers = new Map<number, { atMs: number; callback: () => void }>();
  #lastId = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const id = ++this.#lastId;
    this.#timers.set(id, { atMs: this.nowMs + delayMs, callback });
    return () => void this.#timers.delete(id);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Fires the next timer. */
  advance(): void {
    const next = [...this.#timers].sort((a, b) => a[1].atMs - b[1].atMs || a[0] - b[0])[0];
    if (next === undefined) return;
    this.#timers.delete(next[0]);
    this.nowMs = Math.max(this.nowMs, next[1].atMs);
    next[1].callback();
  }
}

type Behaviour = (blocks: readonly FetchedBlock[], signal: AbortSignal) => AsyncIterable<FetchedBlock>;

const until = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(new QuaestorError('FETCH_ABORTED', 'Aborted.'));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail);
  });

const honest: Behaviour = async function* (blocks) {
  for (const block of blocks) {
    await Promise.resolve();
    yield block;
  }
};
const dead: Behaviour = async function* () {
  await Promise.resolve();
  yield* [];
  throw new QuaestorError('FETCH_FAILED', 'Connection refused.');
};
const pruned: Behaviour = async function* () {
  await Promise.resolve();
  yield* [];
  throw new QuaestorError('NOT_RETAINED', 'Blocks are kept above height 100 only.');
};
const silent: Behaviour = async function* (_, signal) {
  yield* [];
  await until(signal);
};
/** Dies after some blocks. */
const diesAfter = (count: number): Behaviour =>
  async function* (blocks, signal) {
    yield* honest(blocks.slice(0, count), signal);
    throw new QuaestorError('FETCH_FAILED', 'Connection dropped.');
  };
/** Falsifies each block. */
const lies =
  (falsify: (block: FetchedBlock) => FetchedBlock): Behaviour =>
  (blocks, signal) =>
    honest(blocks.map(falsify), signal);

const wrongSignature = (block: FetchedBlock): FetchedBlock => ({
  ...block,
  certificate: {
    ...block.certificate,
    signatures: block.certificate.signatures.map((vote, index) =>
      index === 1 ? { ...vote, signature: asSignature(new Uint8Array(64).fill(3)) } : vote,
    ),
  },
});
const falsifications: [string, (block: FetchedBlock) => FetchedBlock][] = [
  ['a wrong signature', wrongSignature],
  [
    'less than a quorum',
    (block) => ({
      ...block,
      certificate: { ...block.certificate, signatures: block.certificate.signatures.slice(1) },
    }),
  ],
  [
    'one validator counted twice',
    ({ certificate, ...block }) => {
      const [first, second] = certificate.signatures;
      return { ...block, certificate: { ...certificate, signatures: [first!, first!, second!] } };
    },
  ],
  [
    'a validator that does not exist',
    ({ certificate, ...block }) => ({
      ...block,
      certificate: {
        ...certificate,
        signatures: certificate.signatures.map((vote) => ({
          ...vote,
          validator: asValidatorIndex(vote.validator + 2),
        })),
      },
    }),
  ],
  ['a missing transaction', (block) => ({ ...block, envelopes: block.envelopes.slice(1) })],
  [
    'another transaction',
    (block) => ({ ...block, envelopes: block.envelopes.map((bytes) => bytes.map((byte) => byte ^ 1)) }),
  ],
  ['a damaged header', (block) => ({ ...block, headerBytes: block.headerBytes.slice(1) })],
  ['a changed header', (block) => ({ ...block, headerBytes: flip(block.headerBytes, 150) })],
];

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  return flipped;
}

const chain = certifiedChain(60);

interface Setup extends Partial<Omit<SyncOptions, 'peers'>> {
  readonly peers: readonly Behaviour[];
}

interface Trial {
  readonly run: SyncRun;
  readonly blocks: CertifiedBlock[];
  readonly faults: { peer: number; fault: string }[];
  readonly requests: { peer: number; from: number; count: number }[];
  readonly clock: ManualClock;
  finish(): SyncRun['done'];
}

function start({ peers, ...changes }: Setup): Trial {
  const clock = new ManualClock();
  const blocks: CertifiedBlock[] = [];
  const faults: Trial['faults'] = [];
  const requests: Trial['requests'] = [];
  const { chainId, validatorSet, validatorSetHash, base } = chain;
  const run = startSync({
    chainId,
    validatorSet,
    validatorSetHash,
    base,
    target: asHeight(chain.blocks.length),
    peers: peers.map((_, index) => ({
      index: asValidatorIndex(index),
      height: asHeight(chain.blocks.length),
    })),
    source: {
      fetchBlocks(peer, { fromHeight, maxBlocks, signal }) {
        requests.push({ peer, from: fromHeight, count: maxBlocks });
        return peers[peer]!(chain.blocks.slice(fromHeight - 1, fromHeight - 1 + maxBlocks), signal);
      },
    },
    verifier: directVerifier(),
    clock,
    sink: (block) => void blocks.push(block),
    onFault: (peer, fault) => faults.push({ peer, fault }),
    ...changes,
    limits: { maxRangeBlocks: 8, windowBlocks: 32, ...changes.limits },
  });
  return {
    run,
    blocks,
    faults,
    requests,
    clock,
    async finish() {
      let ended = false;
      const over = (): boolean => ended;
      const done = run.done.finally(() => (ended = true));
      done.catch(() => undefined);
      while (!over()) {
        // Everything that can happen without time passing happens within a few turns of the event loop.
        for (let turn = 0; turn < 20 && !over(); turn++) await new Promise(setImmediate);
        if (!over()) clock.advance();
      }
      expect(clock.pending).toBe(0);
      return done;
    },
  };
}

function expectWholeChain(trial: Trial): void {
  expect(trial.blocks.map(({ header }) => header.height)).toEqual(chain.blocks.map((_, index) => index + 1));
  trial.blocks.forEach(({ headerBytes, envelopes }, index) => {
    expect(headerBytes).toBe(chain.blocks[index]!.headerBytes);
    expect(envelopes).toBe(chain.blocks[index]!.envelopes);
  });
}

describe('a catch-up', () => {
  it('brings all blocks in order, from several peers at once', async () => {
    const trial = start({ peers: [honest, honest, honest] });
    expect(trial.requests.map(({ peer }) => peer)).toEqual([0, 1, 2]);
    expect(await trial.finish()).toEqual({ end: 'complete', height: 60 });
    expectWholeChain(trial);
    expect(trial.faults).toEqual([]);
  });

  it('goes on elsewhere, from where it was, when a peer dies midway', async () => {
    const trial = start({ peers: [diesAfter(3), honest] });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(trial);
    expect(trial.faults[0]).toEqual({ peer: 0, fault: 'failed' });
    expect(trial.requests).toContainEqual({ peer: 1, from: 4, count: 5 });
  });

  it('goes on with the only peer again and again, as long as it brings something', async () => {
    const trial = start({ peers: [diesAfter(1)] });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(trial);
  });

  it('goes to another peer when one does not keep the blocks, and says how many do not when nobody has them', async () => {
    const trial = start({ peers: [pruned, honest, pruned] });
    expect(await trial.finish()).toEqual({ end: 'complete', height: 60 });
    expectWholeChain(trial);
    const alone = start({ peers: [pruned, dead, pruned], limits: { maxFailures: 2 } });
    expect(await alone.finish()).toEqual({ end: 'stuck', height: 0, lacking: 2 });
    expect(alone.faults.filter(({ fault }) => fault === 'pruned')).toHaveLength(2);
  });

  it('does not wait for a silent peer', async () => {
    const trial = start({ peers: [silent, honest] });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(trial);
    expect(trial.faults).toContainEqual({ peer: 0, fault: 'failed' });
  });

  it.each(falsifications)('believes no block with %s', async (_, falsify) => {
    const alone = start({ peers: [lies(falsify)], limits: { maxFailures: 1 } });
    expect(await alone.finish()).toEqual({ end: 'stuck', height: 0 });
    expect(alone.blocks).toEqual([]);
    expect(alone.faults).toEqual([{ peer: 0, fault: 'lied' }]);

    const helped = start({ peers: [lies(falsify), honest] });
    expect(await helped.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(helped);
    expect(helped.requests.filter(({ peer }) => peer === 0)).toHaveLength(1);
  });

  it('believes no block that is out of place', async () => {
    const trial = start({ peers: [(blocks, signal) => honest(blocks.slice(1), signal), honest] });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(trial);
    expect(trial.faults[0]).toEqual({ peer: 0, fault: 'lied' });
  });

  it('stops loudly at two certified blocks that do not link', async () => {
    const forked = chain.fork(5);
    const trial = start({
      peers: [honest],
      source: {
        fetchBlocks: (_, { fromHeight }) =>
          honest(forked.slice(fromHeight - 1), new AbortController().signal),
      },
    });
    await expect(trial.finish()).rejects.toMatchObject({ code: 'CERTIFIED_FORK', details: { height: '5' } });
    expect(trial.blocks).toHaveLength(4);
  });

  it('ends when no peer is left', async () => {
    expect(await start({ peers: [] }).finish()).toEqual({ end: 'stuck', height: 0 });
    const trial = start({ peers: [dead, dead] });
    expect(await trial.finish()).toEqual({ end: 'stuck', height: 0 });
    expect(trial.requests).toHaveLength(10);
  });

  it('takes news in while it runs: a higher target and a new peer', async () => {
    const trial = start({ peers: [honest, honest], target: asHeight(10) });
    trial.run.extend(asHeight(60));
    expect(await trial.finish()).toEqual({ end: 'complete', height: 60 });
    expectWholeChain(trial);
  });

  it('passes blocks on one at a time, and reads ahead only so far', async () => {
    const blockBytes = 2 * 40 + chain.blocks[0]!.headerBytes.length;
    let delivered = 0;
    let inSink = 0;
    let yielded = 0;
    let furthest = 0;
    const counting: Behaviour = async function* (blocks, signal) {
      for await (const block of honest(blocks, signal)) {
        furthest = Math.max(furthest, ++yielded - delivered);
        yield block;
      }
    };
    const trial = start({
      peers: [counting, counting, counting],
      limits: { maxBufferBytes: 4 * blockBytes },
      sink: async () => {
        expect(++inSink).toBe(1);
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
        inSink--;
        delivered++;
      },
    });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    // Four in the buffer, the next one in order, and one in the hands of each request.
    expect(furthest).toBeLessThanOrEqual(4 + 1 + 3);
  });

  it('is not blocked by full buffers when the lowest range loses its peer', async () => {
    const trial = start({
      peers: [dead, honest, honest],
      limits: { maxBufferBytes: 1, maxFailures: 1 },
    });
    expect(await trial.finish()).toMatchObject({ end: 'complete' });
    expectWholeChain(trial);
  });

  it('ends at once when it is aborted', async () => {
    const abort = new AbortController();
    const trial = start({
      peers: [honest, silent],
      signal: abort.signal,
      sink: (block) => {
        if (Number(block.header.height) === 5) abort.abort();
      },
    });
    expect(await trial.finish()).toEqual({ end: 'aborted', height: 5 });
    const early = start({ peers: [honest], signal: AbortSignal.abort() });
    expect(await early.finish()).toEqual({ end: 'aborted', height: 0 });
    expect(early.requests).toEqual([]);
  });

  it('ends with the error of its sink', async () => {
    const trial = start({
      peers: [honest, honest],
      sink: () => Promise.reject(new QuaestorError('DISK_FULL', 'The disk is full.')),
    });
    await expect(trial.finish()).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('brings the whole chain whatever most peers do', async () => {
    const behaviours = [honest, dead, silent, diesAfter(2), diesAfter(5), lies(wrongSignature)];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...behaviours), { maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4000 }),
        async (others, maxRangeBlocks, windowBlocks, maxBufferBytes) => {
          const trial = start({
            peers: [...others, honest],
            limits: { maxRangeBlocks, windowBlocks, maxBufferBytes },
          });
          expect(await trial.finish()).toEqual({ end: 'complete', height: 60 });
          expectWholeChain(trial);
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });
});
