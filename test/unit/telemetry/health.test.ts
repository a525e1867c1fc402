import { describe, expect, it } from '@jest/globals';
import { HealthState } from '../../../src/telemetry/index.js';

function healthy(): HealthState {
  const health = new HealthState();
  health.update({
    started: true,
    signerReady: true,
    height: 100,
    knownHeight: 100,
    connectedValidators: 4,
    quorum: 3,
  });
  return health;
}

describe('HealthState', () => {
  it('lives but is not ready while it starts', () => {
    const health = new HealthState();
    expect(health.live()).toBe(true);
    expect(health.ready()).toEqual({ ready: false, reasons: ['The node is starting.'] });
  });

  it('is ready when it is synced and can vote', () => {
    expect(healthy().ready()).toEqual({ ready: true, reasons: [] });
  });

  it('is not ready before it has heard from a quorum, and says how many are missing', () => {
    const health = healthy();
    health.update({ heardValidators: 2, neededValidators: 3 });
    expect(health.live()).toBe(true);
    expect(health.ready()).toEqual({
      ready: false,
      reasons: [
        'The node has heard from too few validators since its start to know whether it is synced: 2 of 3, itself included.',
      ],
    });
    health.update({ heardValidators: 3 });
    expect(health.ready().ready).toBe(true);
  });

  it('stays ready without a quorum, so that clients hear the reason', () => {
    const health = healthy();
    health.update({ connectedValidators: 2 });
    expect(health.live()).toBe(true);
    expect(health.ready().ready).toBe(true);
    expect(health.quorumReachable()).toBe(false);
  });

  it.each([
    [{ knownHeight: 117 }, 'The node is 17 blocks behind (100 of 117).'],
    [{ syncing: true }, 'The node is catching up.'],
    [{ signerReady: false }, 'The validator key cannot be used.'],
    [{ stopping: true }, 'The node is stopping.'],
    [{ halted: 'roots differ.' }, 'Voting has stopped for good: roots differ.'],
  ])('lives but is not ready with %j', (changes, reason) => {
    const health = healthy();
    health.update(changes);
    expect(health.live()).toBe(true);
    expect(health.ready()).toEqual({ ready: false, reasons: [reason] });
  });

  it('does not live once it failed for good', () => {
    const health = healthy();
    health.update({ failure: 'the disk is full.' });
    expect(health.live()).toBe(false);
    expect(health.ready().reasons).toEqual(['The node has failed: the disk is full.']);
  });

  it('is not put off by the blocks in flight', () => {
    const health = healthy();
    health.update({ knownHeight: 108 });
    expect(health.ready().ready).toBe(true);
  });
});
