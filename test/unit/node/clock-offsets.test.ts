import { expect, it } from '@jest/globals';
import { ClockOffsets } from '../../../src/node/clock-offsets.js';
import { createMetrics } from '../../../src/telemetry/index.js';
import { withoutOwnLabels } from '../../e2e/validator-process.js';

it('shows how far the clock of each proposer is ahead, for a minute after its last proposal', async () => {
  const time = { nowMs: 0 };
  const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v1', processMetrics: false });
  const clock = {
    wallMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    setTimer: () => () => undefined,
    defer: () => undefined,
  };
  const offsets = new ClockOffsets({ clock, metrics });
  const shown = async () =>
    withoutOwnLabels(await metrics.render())
      .split('\n')
      .filter((line) => line.startsWith('quaestor_consensus_proposal_clock_offset_seconds{'))
      .map((line) => line.slice(line.indexOf('"')));
  expect(await shown()).toEqual([]);
  offsets.note('v2', 1500);
  time.nowMs = 30_000;
  offsets.note('v3', -20);
  offsets.look();
  expect(await shown()).toEqual(['"v2"} 1.5', '"v3"} -0.02']);
  time.nowMs = 60_000;
  offsets.look();
  expect(await shown()).toEqual(['"v3"} -0.02']);
  offsets.note('v2', 0);
  time.nowMs = 90_000;
  offsets.look();
  expect(await shown()).toEqual(['"v2"} 0']);
});
