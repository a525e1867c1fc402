import { describe, expect, it } from '@jest/globals';
import type { Execution } from '../../../src/node/block-executor.js';
import { NodeObserver } from '../../../src/node/observer.js';
import type { BlockRef } from '../../../src/consensus/types.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { asHeight, asView } from '../../../src/types/index.js';
import { withoutOwnLabels } from '../../e2e/validator-process.js';

function make() {
  const time = { nowMs: 1000 };
  const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v1', processMetrics: false });
  const observer = new NodeObserver({
    log: createLogger({ level: 'error', format: 'json', sink: { write: () => undefined } }),
    metrics,
    clock: {
      wallMs: () => time.nowMs,
      monotonicMs: () => time.nowMs,
      setTimer: () => () => undefined,
      defer: () => undefined,
    },
    validator: 'v1',
    committed: () => undefined,
    tick: () => undefined,
    halted: () => undefined,
  });
  const phase = async (name: string): Promise<string | undefined> =>
    withoutOwnLabels(await metrics.render())
      .split('\n')
      .find((line) => line.startsWith(`quaestor_consensus_phase_duration_seconds_sum{phase="${name}"}`))
      ?.split(' ')[1];
  return { time, observer, phase };
}

const height = asHeight(7);
const block = {
  header: { height, proposer: 0, timeMs: 1000 },
  digest: new Uint8Array(32),
} as unknown as BlockRef;
const execution = { transactions: [], output: { results: [] } } as unknown as Execution;

describe('NodeObserver', () => {
  it('tells how long each phase of a block took that another validator proposed', async () => {
    const { time, observer, phase } = make();
    observer.notice({ kind: 'preprepared', height, view: asView(0) });
    observer.judging(block, true);
    time.nowMs += 5;
    observer.judged(block, 'valid', undefined);
    time.nowMs += 10;
    observer.notice({ kind: 'prepared', height, view: asView(0) });
    time.nowMs += 20 + 40;
    observer.committed(block, execution, 40);
    expect(await Promise.all(['execute', 'prepare', 'commit', 'store'].map(phase))).toEqual([
      '0.005',
      '0.01',
      '0.02',
      '0.04',
    ]);
  });

  it('counts no execution of a block that it built: that was done before the proposal', async () => {
    const { time, observer, phase } = make();
    observer.built(block);
    time.nowMs += 10;
    observer.notice({ kind: 'prepared', height, view: asView(0) });
    expect(await Promise.all(['execute', 'prepare'].map(phase))).toEqual(['0', '0.01']);
  });
});
