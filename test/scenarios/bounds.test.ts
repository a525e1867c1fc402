import { describe, expect, it } from '@jest/globals';
import { asDigest, asHeight, asValidatorIndex, asView, limits } from '../../src/types/index.js';
import { sha256 } from '../../src/crypto/index.js';
import type { ReplicaState } from '../../src/consensus/index.js';
import { viewChangeStatement } from '../helpers/consensus-certificates.js';
import { TestNet } from '../helpers/consensus-net.js';
import { genesisTip, makeBlock } from '../helpers/consensus-words.js';
import { Prng } from '../helpers/prng.js';

/** Everything that a replica keeps on behalf of others. */
function kept(state: ReplicaState): number {
  let count = state.blocks.size + state.viewChanges.size + state.peers.size + state.helped.size;
  for (const slot of state.slots.values()) {
    for (const round of slot.rounds.values()) {
      count +=
        round.prepares.groups.length + round.commits.groups.length + (round.proposal === undefined ? 0 : 1);
      count += round.prepares.reported.size + round.commits.reported.size;
    }
  }
  for (const tally of state.checkpoints.values()) count += tally.groups.length;
  return count;
}

describe('memory under a flood of authentic messages of one faulty validator', () => {
  it('stays bounded for votes of any view and height, checkpoints and view-changes', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const random = new Prng(7);
    const replica = net.replica(1);
    const anyHeight = () => asHeight(random.chance(0.5) ? 1 + random.below(20) : 1 + random.below(2 ** 40));
    const anyView = () => asView(random.chance(0.5) ? random.below(12) : random.below(2 ** 40));
    for (let count = 0; count < 3000; count++) {
      const digest = asDigest(sha256(Uint8Array.of(count & 255, count >> 8)));
      const kind = random.pick(['prepare', 'commit', 'checkpoint', 'viewChange'] as const);
      if (kind === 'checkpoint')
        net.inject(3, { kind, height: asHeight(10 * (1 + random.below(1000))), digest }, [1]);
      else if (kind === 'viewChange') net.inject(3, viewChangeStatement(net.config, 3, 1 + anyView()), [1]);
      else net.inject(3, { kind, view: anyView(), height: anyHeight(), digest }, [1]);
    }
    // Two windows of heights, three views, two phases, one vote each; and a few of other kinds.
    expect(kept(replica.state)).toBeLessThan(8 * 3 * 2 * 2 + 20);
    expect(replica.timers.has('view')).toBe(false);
    // Told of it once a height, view and phase.
    expect(replica.evidence.length).toBeLessThanOrEqual(8 * 3 * 2);
    net.drop();
    net.commitBlock();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });

  it('stays bounded for proposals of a faulty primary, now and in the next view', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const replica = net.replica(2);
    for (const view of [0, 1, 5]) {
      for (let count = 0; count < 200; count++) {
        const block = makeBlock(net.config, {
          height: 2 + (count % 40),
          view,
          parent: genesisTip.digest,
          timeMs: genesisTip.timeMs + 1,
          label: `flood ${count}`,
        });
        net.inject(view % 4, { kind: 'prePrepare', view: asView(view), block }, [2]);
      }
    }
    expect(kept(replica.state)).toBeLessThan(8 * 4);
  });

  it('stays bounded as views and heights go by', () => {
    const net = new TestNet({ n: 4, window: 4, checkpointInterval: 5 });
    const sizes: number[] = [];
    for (let height = 1; height <= 60; height++) {
      if (height % 6 === 0) {
        for (const replica of net.replicas) replica.give({ kind: 'demand', pending: true });
        net.heartbeat(undefined, false);
        for (const replica of net.replicas) replica.fire('view');
        net.deliver();
      }
      net.replicas.find(({ canPropose }) => canPropose)?.propose();
      net.deliver();
      sizes.push(kept(net.replica(3).state));
    }
    expect(Math.min(...net.heights())).toBe(60);
    expect(Math.max(...sizes)).toBeLessThan(30);
  });

  it('and the state of a peer that says anything is one entry', () => {
    const net = new TestNet({ n: 4 });
    const replica = net.replica(1);
    for (let count = 0; count < 1000; count++) {
      replica.give({
        kind: 'status',
        from: asValidatorIndex(3),
        status: {
          view: asView(limits.maxView - count),
          viewChangeInProgress: count % 2 === 0,
          committedHeight: asHeight(count),
          stableCheckpointHeight: asHeight(count),
        },
      });
    }
    expect(replica.state.peers.size).toBe(1);
    expect(replica.state.view).toBe(0);
  });
});
