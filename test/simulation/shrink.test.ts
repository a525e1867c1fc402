import { beforeAll, describe, expect, it } from '@jest/globals';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { diagram } from './diagram.js';
import { optionsOf, type SimulationOptions } from './options.js';
import { simulate } from './run.js';
import { shrink } from './shrink.js';

beforeAll(() => installNativeSha256());

/** How much there is that could have caused something. */
function weightOf({ byzantine, clients, faults, network, disk, machine }: SimulationOptions): number {
  const causes = [
    ...byzantine.flatMap(({ strategies }) => strategies.map(() => 1)),
    ...[faults, disk, machine].flatMap((group) => Object.values(group).map(Number)),
    ...[network.loss, network.duplication, network.straggling],
  ];
  return clients.transactions + causes.filter((value) => value > 0).length;
}

describe('a failing simulation', () => {
  it('is made smaller as long as it fails in the same way', async () => {
    // A conspiracy of two forks four validators sooner or later; everything else in the options is beside the point.
    const forking = async (seed: number): Promise<SimulationOptions> => {
      const options = optionsOf(seed, {
        validators: 4,
        reconfiguration: { changes: 0, spares: 0 },
        observers: 0,
        byzantine: [0, 1].map((index) => ({ index, strategies: ['twins', 'accomplice', 'censoring'] })),
        network: {
          minDelayMs: 1,
          maxDelayMs: 5,
          loss: 0,
          duplication: 0.05,
          straggling: 0,
          straggleMs: 0,
          ordered: false,
        },
      });
      const { outcome } = await simulate(seed, options, 1);
      return outcome.failure?.startsWith('AGREEMENT') === true ? options : forking(seed + 1);
    };
    const failing = await forking(1);
    const smaller = await shrink(failing, 'AGREEMENT: two blocks', 12);
    expect(weightOf(smaller)).toBeLessThan(weightOf(failing));
    expect((await simulate(smaller.seed, smaller, 1)).outcome.failure).toMatch(/^AGREEMENT/);
  });

  it('is drawn as a diagram of its last messages', () => {
    const lines = [
      '     1.00 ms  0 -> 2  prePrepare v0 abcd by 0 (1 txs)',
      '     2.00 ms  1 -x 0  prepare v0 h1 abcd by 1 (lost)',
      '     2.50 ms  1 -> 0  status v0 h0 stable 0',
      '     3.00 ms  2 asks for view 1 (timeout)',
      '     4.00 ms  the network is calm from here on',
    ];
    expect(diagram(lines, 3)).toEqual([
      '           0     1     2',
      '     1.00  o----------->  prePrepare v0 abcd by 0 (1 txs)',
      '     2.00  x-----o     |  prepare v0 h1 abcd by 1 (lost)',
      '     3.00  |     |     *  2 asks for view 1 (timeout)',
      '     4.00  |     |     |  the network is calm from here on',
    ]);
  });
});
