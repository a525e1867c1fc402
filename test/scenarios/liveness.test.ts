import { describe, expect, it } from '@jest/globals';
import { isBehind } from '../../src/consensus/catch-up.js';
import { consensusSnapshot, createReplica, peerStatus, step } from '../../src/consensus/index.js';
import { asHeight, asValidatorIndex, asView, type ValidatorIndex } from '../../src/types/index.js';
import { both, not, ofKind, TestNet, toReplica } from '../helpers/consensus-net.js';
import { genesisTip, testConfig } from '../helpers/consensus-words.js';

const delays = (net: TestNet): (number | undefined)[] => net.replicas.map(({ timers }) => timers.get('view'));

function want(net: TestNet, pending = true): void {
  for (const replica of net.replicas) replica.give({ kind: 'demand', pending });
}

/** What a validator claims about itself. */
const claim = (from: ValidatorIndex, committedHeight: number, view = 0) =>
  ({
    kind: 'status',
    from,
    status: {
      view: asView(view),
      viewChangeInProgress: false,
      committedHeight: asHeight(committedHeight),
      stableCheckpointHeight: asHeight(0),
    },
  }) as const;

describe('the view timer', () => {
  it('does not run while nothing is to do', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    net.heartbeat();
    expect(delays(net)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('runs while transactions wait, and starts over with each block', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    expect(delays(net)).toEqual([2000, 2000, 2000, 2000]);
    net.commitBlock();
    const sets = net
      .replica(1)
      .effects.filter((effect) => effect.kind === 'setTimer' && effect.timer === 'view');
    expect(sets.length).toBe(2);
    want(net, false);
    expect(delays(net)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('runs while a proposal is in flight, though nothing else waits', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    expect(net.replica(1).timers.has('view')).toBe(true);
    expect(net.replica(2).timers.has('view')).toBe(false);
  });

  it('doubles with each view without progress, up to its bound, and is reset by a block', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    const seen: number[] = [];
    for (let round = 0; round < 6; round++) {
      net.heartbeat();
      for (const replica of net.replicas) replica.fire('view');
      net.deliver();
      seen.push(net.replica(3).timers.get('view') ?? 0);
    }
    expect(seen).toEqual([4000, 8000, 16_000, 20_000, 20_000, 20_000]);
    expect(net.views()).toEqual(['6', '6', '6', '6']);
    net.commitBlock(2);
    expect(delays(net)).toEqual([2000, 2000, 2000, 2000]);
  });

  it('of a replica that hears of less than a quorum only starts over', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    for (let count = 0; count < 5; count++) {
      net.replica(3).give(claim(net.replica(0).index, 0));
      net.replica(3).fire('view');
    }
    expect(net.views()[3]).toBe('0');
    expect(net.replica(3).timers.get('view')).toBe(2000);
    // Reconnected, it votes at once in the view that the others never left.
    net.commitBlock();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });

  it('of a replica that f + 1 others have left behind starts catch-up, not a view change', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    for (let height = 1; height <= 2; height++) {
      net.replica(0).propose();
      net.deliver(not(toReplica(3)));
    }
    net.drop();
    net.heartbeat();
    net.replica(3).fire('view');
    expect(net.views()[3]).toBe('0');
    net.replica(3).serveSync();
    expect(net.heights()).toEqual([2, 2, 2, 2]);
  });

  it('while it asks for a view waits until a quorum does', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    net.heartbeat();
    net.replica(3).fire('view');
    expect(net.replica(3).timers.has('view')).toBe(false);
    net.heartbeat(undefined, false);
    net.replica(2).fire('view');
    net.deliver(both(toReplica(3), ofKind('viewChange')));
    expect(net.replica(3).timers.has('view')).toBe(false);
    net.deliver(both(ofKind('viewChange'), toReplica(1)));
    net.deliver(both(ofKind('viewChange'), toReplica(3)));
    expect(net.replica(3).timers.get('view')).toBe(4000);
  });
});

describe('lost messages', () => {
  it('are sent again when nothing moves, and not while blocks flow', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.drop();
    net.replica(0).fire('retransmit');
    expect(net.wires.length).toBe(3);
    net.deliver();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
    net.replica(0).propose();
    net.replica(0).fire('retransmit');
    expect(net.wires.filter(ofKind('prePrepare')).length).toBe(3);
  });

  it.each(['prePrepare', 'prepare', 'commit'] as const)('of the kind %s stop nothing for good', (kind) => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(not(ofKind(kind)));
    net.drop();
    for (let period = 0; period < 2; period++) {
      for (const replica of net.replicas) if (replica.timers.has('retransmit')) replica.fire('retransmit');
      net.deliver();
    }
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });

  it('with two of four down nothing is final; when they are back, it is, in the same view', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    want(net);
    net.replica(2).crash();
    net.replica(3).crash();
    net.replica(0).propose();
    for (let period = 0; period < 20; period++) {
      net.heartbeat();
      for (const index of [0, 1]) {
        for (const timer of ['view', 'retransmit', 'primarySilence'] as const) {
          if (net.replica(index).timers.has(timer)) net.replica(index).fire(timer);
        }
      }
      net.deliver();
    }
    expect(net.heights()).toEqual([1, 1, 1, 1]);
    net.replica(2).restart();
    net.replica(3).restart();
    net.heartbeat();
    for (let period = 0; period < 2; period++) net.replica(0).fire('retransmit');
    net.deliver();
    expect(net.heights()).toEqual([2, 2, 2, 2]);
    expect(net.views()).toEqual(['0', '0', '0', '0']);
  });
});

describe('catch-up', () => {
  it('starts at once for a replica that is more than a window behind', () => {
    const net = new TestNet({ n: 4, window: 2 });
    for (let height = 1; height <= 5; height++) {
      net.replica(0).propose();
      net.deliver(not(toReplica(3)));
    }
    net.drop();
    net.heartbeat();
    expect(net.replica(3).syncs).toMatchObject([{ from: 1, target: 5, peers: [0] }]);
    net.replica(3).serveSync();
    expect(net.heights()).toEqual([5, 5, 5, 5]);
    net.commitBlock();
    expect(net.heights()).toEqual([6, 6, 6, 6]);
  });

  it('goes on in steps, when it brings only a part', () => {
    const net = new TestNet({ n: 4, window: 2 });
    for (let height = 1; height <= 9; height++) {
      net.replica(0).propose();
      net.deliver(not(toReplica(3)));
    }
    net.drop();
    net.heartbeat();
    for (let step = 0; step < 3; step++) net.replica(3).serveSync(3);
    expect(net.replica(3).height).toBe(9);
  });

  it('is tried ever less often with a peer that lies about its height, which starts no view change (pitfall 13)', () => {
    const net = new TestNet({ n: 4 });
    const replica = net.replica(1);
    let attempts = 0;
    for (let period = 0; period < 200; period++) {
      replica.give(claim(net.replica(3).index, 1_000_000 + period));
      if (replica.timers.has('retransmit')) replica.fire('retransmit');
      while (replica.syncs.length > 0) {
        replica.syncs.shift();
        attempts += 1;
        replica.give({ kind: 'syncEnded' });
      }
    }
    expect(attempts).toBeLessThan(15);
    expect(replica.timers.has('view')).toBe(false);
    net.commitBlock();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });
});

describe('an observer', () => {
  it('follows by certified blocks, says nothing and asks for no view', () => {
    const net = new TestNet({ n: 4 });
    for (let height = 1; height <= 3; height++) net.commitBlock();
    const { state, effects } = createReplica(testConfig({ n: 4 }, undefined), {
      committed: genesisTip,
      log: [],
    });
    expect(effects).toEqual([]);
    const seen = [...step(state, claim(net.replica(1).index, 9)).effects];
    expect(seen.map(({ kind }) => kind)).toEqual(['sync', 'setTimer']);
    for (const { block, certificate } of net.replica(0).chain.slice(1)) {
      const { header, digest } = block!;
      seen.push(...step(state, { kind: 'certified', block: block!, certificate: certificate! }).effects);
      seen.push(...step(state, { kind: 'executed', digest, outcome: 'valid' }).effects);
      seen.push(...step(state, { kind: 'committed', height: header.height, digest }).effects);
    }
    step(state, { kind: 'syncEnded' });
    seen.push(...step(state, { kind: 'demand', pending: true }).effects);
    seen.push(...step(state, { kind: 'overdue' }).effects);
    expect(seen.filter(({ kind }) => kind === 'commit').length).toBe(3);
    expect(seen.filter(({ kind }) => kind === 'cast' || kind === 'build' || kind === 'persist')).toEqual([]);
    expect(peerStatus(state)).toMatchObject({ committedHeight: 3, view: 0 });
  });
});

describe('what an operator sees', () => {
  it('is the view, the primary, and how far each height is', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    net.replica(0).propose();
    net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    const snapshot = consensusSnapshot(net.replica(2).state);
    expect(snapshot).toMatchObject({
      view: 0,
      primary: 0,
      isPrimary: false,
      committedHeight: 1,
      halted: false,
    });
    expect(snapshot.inFlight).toMatchObject([
      { height: 2, phase: 'prepared', prepares: 3, commits: 1 },
      { height: 3, phase: 'prepared', prepares: 3, commits: 1 },
    ]);
  });
});

describe('censorship and overload', () => {
  const overdue = (net: TestNet, ...replicas: number[]): void => {
    for (const index of replicas) net.replica(index).give({ kind: 'overdue' });
  };
  const period = (net: TestNet): void => {
    net.heartbeat();
    for (const replica of net.replicas)
      if (replica.timers.has('primarySilence')) replica.fire('primarySilence');
  };

  it('a primary that leaves out a transaction is replaced although it commits others (pitfalls 25, 26)', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    period(net);
    net.commitBlock();
    overdue(net, 1, 2, 3);
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
  });

  it('what fewer than f + 1 replicas miss moves nobody else', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    period(net);
    overdue(net, 3);
    net.deliver();
    expect(net.views()).toEqual(['0', '0', '0', '1?']);
  });

  it('overload, where every primary is late, does not turn into a chain of view changes (pitfall 25)', () => {
    const net = new TestNet({ n: 4 });
    want(net);
    let changes = 0;
    for (let count = 0; count < 100; count++) {
      period(net);
      const before = net.replica(0).state.view;
      overdue(net, 0, 1, 2, 3);
      net.deliver();
      const [primary] = net.replicas.filter(({ canPropose }) => canPropose);
      primary?.propose();
      net.deliver();
      if (net.replica(0).state.view !== before) changes += 1;
    }
    expect(changes).toBeLessThanOrEqual(8);
    expect(Math.min(...net.heights())).toBeGreaterThan(90);
    // Once nothing waits any more, patience starts over.
    want(net, false);
    expect(net.replica(1).state.overduePatience).toBe(1);
  });
});

describe('a replica that alone suspects the primary', () => {
  it('follows what the others commit, votes in no view below the one that it has asked for, and is there when it is needed', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    const suspect = net.replica(3);
    suspect.give({ kind: 'demand', pending: true });
    net.heartbeat();
    suspect.fire('view');
    net.deliver();
    expect(net.views()).toEqual(['0', '0', '0', '1?']);
    const since = suspect.effects.length;
    for (let block = 0; block < 5; block++) {
      net.commitBlock(0);
      net.heartbeat();
      // A period in which it has not moved while others have.
      for (let period = 0; period < 2; period++) suspect.fire('retransmit');
      while (suspect.syncs.length > 0) suspect.serveSync();
    }
    // It takes no proposals of a view that it has left: final blocks come by catch-up, and are executed.
    expect(net.heights()).toEqual([6, 6, 6, 6]);
    expect(suspect.effects.slice(since).filter(({ kind }) => kind === 'cast')).toEqual([]);
    // It can't go back: its view-change may count in a new view. One of the three others fails, so that its vote is
    // needed: the two that are left join it after one timeout.
    net.replica(0).crash();
    for (const index of [1, 2]) net.replica(index).give({ kind: 'demand', pending: true });
    net.heartbeat();
    for (const index of [1, 2]) net.replica(index).fire('view');
    net.deliver();
    expect(net.views().slice(1)).toEqual(['1', '1', '1']);
    net.commitBlock(1);
    expect(net.heights().slice(1)).toEqual([7, 7, 7]);
  });
});

describe('who is in no validator set in force', () => {
  it('has no weight: what it says of itself moves no watermark, holds back no timer and helps no silence to its end', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    const replica = net.replica(1);
    const before = { ...snapshotOf(replica) };
    for (let outsider = 4; outsider < 12; outsider++) {
      replica.give({
        kind: 'status',
        from: asValidatorIndex(outsider),
        status: {
          view: asView(7),
          viewChangeInProgress: true,
          committedHeight: asHeight(1000),
          stableCheckpointHeight: asHeight(1000),
        },
      });
    }
    expect(snapshotOf(replica)).toEqual(before);
    expect(isBehind(replica.state)).toBe(false);
    for (const heard of [replica.state.heardInView, replica.state.heardInSilence])
      expect(Math.max(...heard)).toBeLessThan(4);
    // It may have blocks, and certificates prove them: it is asked, and if it lied, that is all.
    expect(replica.syncs).toHaveLength(1);
  });
});

const snapshotOf = ({ state }: ReturnType<TestNet['replica']>) => {
  const { view, peers, stableCheckpointHeight, lowWatermark, highWatermark } = consensusSnapshot(state);
  return { view, peers, stableCheckpointHeight, lowWatermark, highWatermark };
};
