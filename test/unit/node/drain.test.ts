import { describe, expect, it } from '@jest/globals';
import { Drain, type DrainOptions } from '../../../src/node/drain.js';
import { HealthState } from '../../../src/telemetry/index.js';

/** A node that is the primary whenever the view is its own; a view that is handed over is the next one's. */
function nodeOf(validators: number, self: number, network: { view: number; handedOver: number }) {
  let nowMs = 0;
  const clock = {
    monotonicMs: () => nowMs,
    setTimer: (_delayMs: number, run: () => void) => {
      run();
      return () => undefined;
    },
  };
  const driver = {
    snapshot: () => ({ isPrimary: network.view % validators === self, viewChangeInProgress: false }),
    dispatch: () => {
      if (network.view % validators !== self) return;
      network.view++;
      network.handedOver++;
    },
  };
  const drain = new Drain({
    driver,
    clock,
    health: new HealthState(),
    log: { info: () => undefined },
    hasQuorum: () => true,
  } as unknown as DrainOptions);
  return { drain, pass: (ms: number) => (nowMs += ms) };
}

describe('a drained node', () => {
  it('hands the view over, also when it comes back to it', async () => {
    const network = { view: 0, handedOver: 0 };
    const { drain, pass } = nodeOf(4, 0, network);
    await drain.begin();
    expect(network.view).toBe(1);
    network.view = 4;
    pass(61_000);
    drain.look();
    expect(network.view).toBe(5);
  });

  it('is no reason for the views to turn without end when all are drained', async () => {
    const network = { view: 0, handedOver: 0 };
    const nodes = [0, 1, 2, 3].map((self) => nodeOf(4, self, network));
    for (const { drain } of nodes) await drain.begin();
    network.handedOver = 0;
    // Ten minutes of heartbeats.
    for (let beat = 0; beat < 1200; beat++) {
      for (const { drain, pass } of nodes) {
        pass(500);
        drain.look();
      }
    }
    expect(network.handedOver).toBeGreaterThan(0);
    expect(network.handedOver).toBeLessThanOrEqual(4 * 10);
  });
});
