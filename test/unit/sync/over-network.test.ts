import { afterEach, describe, expect, it } from '@jest/globals';
import type { FetchedBlock } from '../../../src/network/types.js';
import { startSync } from '../../../src/sync/index.js';
import { asHeight } from '../../../src/types/index.js';
import { certifiedChain, directVerifier } from '../../helpers/certified-chain.js';
import type { TestConsortium } from '../../helpers/peer-networks.js';
import { makeConsortium } from '../../helpers/peer-networks.js';

describe('a catch-up over real connections', () => {
  let consortium: TestConsortium;
  afterEach(() => consortium.stop());

  it('gets the chain from two peers, though a third one goes down midway', async () => {
    const { blocks, ...chain } = certifiedChain(300, { envelopesPerBlock: 20, envelopeBytes: 300 });
    consortium = await makeConsortium(4, (index) => ({
      handlers: {
        serveBlocks: async function* (fromHeight, maxBlocks): AsyncGenerator<FetchedBlock> {
          for (const block of blocks.slice(fromHeight - 1, fromHeight - 1 + maxBlocks)) {
            if (index === 2 && fromHeight > 20) void consortium.node(2).network.stop();
            await Promise.resolve();
            yield block;
          }
        },
      },
    }));
    await consortium.start();
    await consortium.allConnected();
    const heights: number[] = [];
    const run = startSync({
      ...chain,
      target: asHeight(300),
      peers: [0, 1, 2].map((index) => ({ index: consortium.node(index).index, height: asHeight(300) })),
      source: consortium.node(3).network,
      verifier: directVerifier(),
      clock: {
        monotonicMs: () => performance.now(),
        setTimer(delayMs, callback) {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
      },
      limits: { maxRangeBlocks: 16 },
      sink: ({ header }) => void heights.push(header.height),
    });
    expect(await run.done).toEqual({ end: 'complete', height: 300 });
    expect(heights).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });
});
