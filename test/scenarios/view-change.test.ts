import { describe, expect, it } from '@jest/globals';
import { decodeNewView } from '../../src/codec/index.js';
import type { NewViewStatement } from '../../src/consensus/index.js';
import { asHeight, asView, limits, toHex } from '../../src/types/index.js';
import {
  chainOf,
  commitCertificate,
  preparedCertificate,
  viewChangeStatement,
} from '../helpers/consensus-certificates.js';
import { both, not, ofKind, TestNet, toReplica, within } from '../helpers/consensus-net.js';
import { genesisTip, makeBlock, say } from '../helpers/consensus-words.js';

/** Replicas that hear of each other give up on their primary. */
function timeOut(net: TestNet, ...replicas: readonly number[]): void {
  for (const index of replicas) net.replica(index).give({ kind: 'demand', pending: true });
  net.heartbeat(replicas, false);
  for (const index of replicas) if (!net.replica(index).state.changing) net.replica(index).fire('view');
}

/** The digests that everybody has final, which must be the same. */
function agreed(net: TestNet, ...replicas: readonly number[]): string[] {
  const chains = replicas.map((index) =>
    net
      .replica(index)
      .chain.map(({ digest }) => toHex(digest))
      .join(),
  );
  expect(new Set(chains).size).toBe(1);
  return net
    .replica(replicas[0]!)
    .chain.slice(1)
    .map(({ digest }) => toHex(digest));
}

const ofHeight =
  (height: number) =>
  ({ message }: { message: object }): boolean =>
    'height' in message && message.height === height;

describe('view change', () => {
  it.each([2, 3, 4, 5, 6, 7])('replaces a primary among %i replicas, and goes on', (n) => {
    const net = new TestNet({ n });
    net.commitBlock();
    timeOut(net, ...Array.from({ length: n }, (_, index) => index));
    net.deliver();
    expect(new Set(net.views())).toEqual(new Set(['1']));
    net.commitBlock(1);
    expect(new Set(net.heights())).toEqual(new Set([2]));
  });

  it.each([2, 3, 4, 7])(
    'follows a primary that hands over at once, among %i replicas, without any timer',
    (n) => {
      const net = new TestNet({ n });
      net.commitBlock();
      const { view } = net.replica(0).state;
      expect(view).toBe(0);
      net.replica(0).give({ kind: 'handOver' });
      net.deliver();
      expect(new Set(net.views())).toEqual(new Set(['1']));
      net.commitBlock(1);
      expect(new Set(net.heights())).toEqual(new Set([2]));
    },
  );

  it('keeps what is under way when the primary hands over', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const blocks = [0, 1].map(() => net.replica(0).propose());
    net.deliver(not(ofKind('commit')));
    net.replica(0).give({ kind: 'handOver' });
    net.deliver();
    expect(new Set(net.views())).toEqual(new Set(['1']));
    expect(agreed(net, 0, 1, 2, 3)).toEqual(blocks.map(({ digest }) => toHex(digest)));
  });

  it('does not follow a replica that is not the primary, nor the primary to a view beyond the next', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    net.replica(1).give({ kind: 'handOver' });
    net.deliver();
    expect(new Set(net.views())).toEqual(new Set(['0']));
    for (const [observer, validator, view] of [
      [2, 3, 1],
      [3, 0, 2],
    ] as const) {
      const message = say(net.config, validator, viewChangeStatement(net.config, validator, view));
      net.replica(observer).receive(net.replica(validator).index, message);
      expect(net.views()[observer]).toBe('0');
    }
  });

  it('waits no longer for the next primary because earlier ones have handed over', () => {
    const net = new TestNet({ n: 4 });
    for (let view = 0; view < 12; view++) {
      net.replica(view % 4).give({ kind: 'handOver' });
      net.deliver();
    }
    expect(net.views()).toEqual(['12', '12', '12', '12']);
    for (const replica of net.replicas) replica.give({ kind: 'demand', pending: true });
    expect(net.replica(3).timers.get('view')).toBe(2000);
  });

  it('is not led past another primary by one that hands over again and again', () => {
    const net = new TestNet({ n: 4 });
    for (const view of [1, 2, 3]) {
      const message = say(net.config, 0, viewChangeStatement(net.config, 0, view));
      for (const index of [1, 2, 3]) net.replica(index).receive(net.replica(0).index, message);
    }
    net.deliver(within(1, 2, 3));
    expect(net.views().slice(1)).toEqual(['1', '1', '1']);
    net.commitBlock(1);
    expect(net.heights().slice(1)).toEqual([1, 1, 1]);
  });

  it('keeps pipelined blocks that a single replica has committed (window above 1)', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const blocks = [0, 1, 2].map(() => net.replica(0).propose());
    net.deliver(not(ofKind('commit')));
    net.deliver(toReplica(3));
    expect(net.heights()).toEqual([0, 0, 0, 3]);
    net.drop();
    timeOut(net, 0, 1, 2);
    net.deliver(within(0, 1, 2));
    expect(net.views().slice(0, 3)).toEqual(['1', '1', '1']);
    expect(agreed(net, 0, 1, 2, 3)).toEqual(blocks.map(({ digest }) => toHex(digest)));
  });

  it('keeps the part of a pipeline that may be committed and drops the tail that is not', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const blocks = [0, 1, 2, 3].map(() => net.replica(0).propose());
    net.deliver(both(ofKind('prePrepare'), not(ofHeight(9))));
    // Height 3 is prepared nowhere, height 4 is.
    net.deliver(both(ofKind('prepare'), not(ofHeight(3))));
    net.drop();
    timeOut(net, 0, 1, 2, 3);
    net.deliver();
    expect(agreed(net, 0, 1, 2, 3)).toEqual(blocks.slice(0, 2).map(({ digest }) => toHex(digest)));
    const last = net.commitBlock(1);
    expect(last.header.height).toBe(3);
    expect(agreed(net, 0, 1, 2, 3).length).toBe(3);
    // What was dropped was given up at the driver, too.
    expect(net.replica(2).effects.some(({ kind }) => kind === 'discard')).toBe(true);
  });

  it('lets a certificate of a higher view win over an older one (a block committed in between)', () => {
    const net = new TestNet({ n: 4 });
    const old = net.replica(0).propose();
    net.deliver(ofKind('prePrepare'));
    // Only the old primary learns that its block is prepared; then it is cut off.
    net.deliver(both(toReplica(0), ofKind('prepare')));
    expect(net.replica(0).state.slots.get(asHeight(1))?.prepared).toBeDefined();
    net.drop();
    timeOut(net, 1, 2, 3);
    net.deliver(within(1, 2, 3));
    const young = net.replica(1).propose();
    net.deliver(both(within(1, 2, 3), not(ofKind('commit'))));
    net.deliver(both(within(1, 2, 3), toReplica(3)));
    expect(net.heights()).toEqual([0, 0, 0, 1]);
    net.drop();
    // Now the one that has committed is cut off, and the old primary is back.
    timeOut(net, 0, 1, 2);
    net.deliver(within(0, 1, 2));
    expect(net.replica(0).state.view).toBe(2);
    expect(agreed(net, 0, 1, 2, 3)).toEqual([toHex(young.digest)]);
    expect(toHex(young.digest)).not.toBe(toHex(old.digest));
  });

  it('takes commits that arrive while it waits for the new view (pitfall 19)', () => {
    const net = new TestNet({ n: 4 });
    const block = net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    const commits = net.wires;
    net.wires = [];
    timeOut(net, 0, 1, 2, 3);
    const changes = net.wires;
    net.wires = commits;
    net.deliver();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
    expect(net.views()).toEqual(['1?', '1?', '1?', '1?']);
    net.wires = changes;
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    net.commitBlock(1);
    expect(agreed(net, 0, 1, 2, 3)[0]).toBe(toHex(block.digest));
  });

  it('sends no vote in the view that it has given up', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    const proposals = net.wires;
    net.wires = [];
    net.replica(1).give({ kind: 'demand', pending: true });
    net.heartbeat();
    net.replica(1).fire('view');
    net.wires.push(...proposals);
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    expect(net.replica(1).log.has('1/vote/prepare')).toBe(false);
  });

  it('joins f + 1 others that ask for higher views, at the view that one correct replica has reached', () => {
    const net = new TestNet({ n: 7 });
    net.inject(1, viewChangeStatement(net.config, 1, 9), [0]);
    net.inject(2, viewChangeStatement(net.config, 2, 4), [0]);
    expect(net.views()[0]).toBe('0');
    net.inject(3, viewChangeStatement(net.config, 3, 6), [0]);
    // Of any three, one is correct; all three ask for at least 4.
    expect(net.views()[0]).toBe('4?');
  });

  it.each([4, 7])(
    'is not dragged anywhere by f replicas that ask for enormous views, n = %i (pitfall 18)',
    (n) => {
      const net = new TestNet({ n });
      const faulty: number[] = n === 4 ? [3] : [5, 6];
      for (const index of faulty) net.inject(index, viewChangeStatement(net.config, index, limits.maxView));
      expect(new Set(net.views())).toEqual(new Set(['0']));
      net.commitBlock();
      net.heartbeat();
      const correct = net.replicas.map(({ index }) => index).filter((index) => !faulty.includes(index));
      timeOut(net, ...correct);
      net.deliver();
      expect(new Set(correct.map((index) => net.views()[index]))).toEqual(new Set(['1']));
    },
  );

  it('replaces a primary that is silent while nothing is to do', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    for (let period = 0; period < 3; period++) {
      net.heartbeat();
      for (const index of [1, 2, 3]) net.replica(index).fire('primarySilence');
    }
    expect(net.views()).toEqual(['0', '0', '0', '0']);
    net.replica(0).crash();
    for (let period = 0; period < 2; period++) {
      net.heartbeat();
      for (const index of [1, 2, 3])
        if (net.replica(index).timers.has('primarySilence')) net.replica(index).fire('primarySilence');
    }
    net.deliver();
    expect(net.views().slice(1)).toEqual(['1', '1', '1']);
  });

  it('passes over primaries that do not start their view', () => {
    const net = new TestNet({ n: 7 });
    net.replica(0).crash();
    net.replica(1).crash();
    const live = [2, 3, 4, 5, 6];
    timeOut(net, ...live);
    net.deliver();
    expect(net.views().slice(2)).toEqual(['1?', '1?', '1?', '1?', '1?']);
    net.heartbeat();
    for (const index of live) if (net.replica(index).state.view === 1) net.replica(index).fire('view');
    net.deliver();
    expect(net.views().slice(2)).toEqual(['2', '2', '2', '2', '2']);
    net.commitBlock(2);
  });

  it('lets a new primary that is behind catch up before it proposes', () => {
    const net = new TestNet({ n: 4 });
    for (let height = 1; height <= 3; height++) {
      net.replica(0).propose();
      net.deliver(not(toReplica(1)));
    }
    net.drop();
    expect(net.heights()).toEqual([3, 0, 3, 3]);
    timeOut(net, 0, 2, 3);
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    expect(net.replica(1).canPropose).toBe(false);
    net.replica(1).serveSync();
    expect(net.replica(1).order?.height).toBe(4);
    net.commitBlock(1);
    expect(net.heights()).toEqual([4, 4, 4, 4]);
  });

  it('refuses a fresh proposal at a height that the view has taken over (a replica behind the base)', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(not(toReplica(3)));
    net.drop();
    timeOut(net, 0, 1, 2);
    net.deliver();
    expect(net.heights()).toEqual([1, 1, 1, 0]);
    expect(net.replica(3).state.view).toBe(1);
    const rival = makeBlock(net.config, {
      height: 1,
      view: 1,
      parent: genesisTip.digest,
      timeMs: genesisTip.timeMs + 5,
      label: 'rival',
    });
    net.inject(1, { kind: 'prePrepare', view: asView(1), block: rival }, [3]);
    expect(net.replica(3).log.has('1/vote/prepare')).toBe(false);
    expect(net.views()[3]).toBe('2?');
  });

  it('gives the ancestors of a certificate that a faulty replica has kept for itself certificates of their own', () => {
    const net = new TestNet({ n: 4, window: 4 });
    const blocks = [0, 1, 2].map(() => net.replica(0).propose());
    net.deliver(not(ofKind('commit')));
    net.drop();
    // 3 is faulty: it gathers the commits for height 3, and adds its own for that height alone.
    const hidden = commitCertificate(net.config, 0, blocks[2]!, [0, 1, 3]);
    timeOut(net, 0, 1);
    net.drop(({ from, message }) => from === 2 || (message.kind === 'viewChange' && from === 3));
    net.inject(3, viewChangeStatement(net.config, 3, 1, { committed: hidden }), [0, 1, 2]);
    net.deliver(within(0, 1, 2));
    // The quorum was 0, 1 and 3: the base is height 3, of which nobody correct could fetch heights 1 and 2.
    const newView = decodeNewView(net.replica(1).state.newView!.newView);
    expect(newView.ok && newView.value.reproposals.map(({ height }) => height)).toEqual([1, 2, 3]);
    expect(agreed(net, 0, 1, 2)).toEqual(blocks.map(({ digest }) => toHex(digest)));
    net.commitBlock(1);
  });

  it('sends a replica that has missed the new view its proof', () => {
    const net = new TestNet({ n: 4 });
    timeOut(net, 0, 1, 2);
    net.deliver(not(toReplica(3)));
    net.drop();
    expect(net.views()).toEqual(['1', '1', '1', '0']);
    net.heartbeat();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
  });

  it('sends that proof no more than once a period to a peer that keeps asking', () => {
    const net = new TestNet({ n: 4 });
    timeOut(net, 0, 1, 2);
    net.deliver(not(toReplica(3)));
    net.drop();
    const status = {
      view: asView(0),
      viewChangeInProgress: false,
      committedHeight: asHeight(0),
      stableCheckpointHeight: asHeight(0),
    };
    for (let count = 0; count < 10; count++)
      net.replica(0).give({ kind: 'status', from: net.replica(3).index, status });
    expect(net.wires.filter(ofKind('newView')).length).toBe(1);
    net.replica(0).fire('retransmit');
    net.replica(0).give({ kind: 'status', from: net.replica(3).index, status });
    expect(net.wires.filter(ofKind('newView')).length).toBe(2);
  });

  it('recovers from the loss of view-changes by sending them again', () => {
    const net = new TestNet({ n: 4 });
    timeOut(net, 0, 1, 2, 3);
    net.drop();
    // The first period has seen the start of the view change, which counts as something moving.
    for (let period = 0; period < 2; period++) for (const replica of net.replicas) replica.fire('retransmit');
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
  });

  it('lets a late old primary neither propose nor be heard in its old view (pitfall 21)', () => {
    const net = new TestNet({ n: 4 });
    const stale = net.replica(0).propose();
    const late = net.wires;
    net.wires = [];
    timeOut(net, 1, 2, 3);
    net.deliver(within(1, 2, 3));
    const block = net.commitBlock(1);
    net.wires.push(...late);
    net.heartbeat();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    expect(net.replica(0).canPropose).toBe(false);
    if (net.replica(0).height === 0) {
      for (let period = 0; period < 2; period++) net.replica(0).fire('retransmit');
      if (net.replica(0).syncs.length > 0) net.replica(0).serveSync();
    }
    expect(agreed(net, 0, 1, 2, 3)).toEqual([toHex(block.digest)]);
    expect(toHex(stale.digest)).not.toBe(toHex(block.digest));
  });
});

describe('a faulty primary of a new view', () => {
  /** Replicas 1, 2 and 3 ask for view 1, whose primary, 1, is faulty and holds its own new-view back. */
  function waiting(prepare: boolean): { net: TestNet; statement: NewViewStatement } {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    if (prepare) net.deliver(not(ofKind('commit')));
    net.drop();
    timeOut(net, 1, 2, 3);
    net.deliver(not(ofKind('newView')));
    const cast = net
      .replica(1)
      .effects.findLast((effect) => effect.kind === 'cast' && effect.statement.kind === 'newView');
    if (cast?.kind !== 'cast' || cast.statement.kind !== 'newView') throw new Error('no new-view');
    net.drop();
    return { net, statement: cast.statement };
  }

  it('cannot drop a block that its own view-changes show prepared', () => {
    const { net, statement } = waiting(true);
    expect(statement.reproposals.length).toBe(1);
    net.inject(1, { ...statement, reproposals: [] }, [2]);
    expect(net.views()[2]).toBe('2?');
  });

  it('cannot slip a block in that they do not show', () => {
    const { net, statement } = waiting(false);
    const [rival] = chainOf(net.config, {
      view: 0,
      height: 1,
      parent: genesisTip.digest,
      length: 1,
      label: 'rival',
    });
    net.inject(1, { ...statement, reproposals: [{ height: asHeight(1), digest: rival!.digest }] }, [2]);
    expect(net.views()[2]).toBe('2?');
  });

  it('cannot claim a block prepared without the votes (pitfall 3)', () => {
    const { net } = waiting(false);
    const [rival] = chainOf(net.config, {
      view: 0,
      height: 1,
      parent: genesisTip.digest,
      length: 1,
      label: 'rival',
    });
    const honest = preparedCertificate(net.config, 0, rival!);
    const forged = {
      ...honest,
      prepares: honest.prepares.map(({ validator }) => ({
        validator,
        signature: honest.prePrepare.signature,
      })),
    };
    const message = say(net.config, 1, viewChangeStatement(net.config, 1, 5, { prepared: [forged] }));
    net.replica(2).receive(net.replica(1).index, message);
    expect(net.refused.length).toBe(1);
    expect(net.replica(2).state.viewChanges.get(net.replica(1).index)?.body.view).toBe(1);
  });

  it('cannot start the view twice, once with and once without a block, and have both accepted', () => {
    const { net, statement } = waiting(true);
    // Its second story: the view-changes of others, with its own that now hides what it had prepared.
    const own = say(net.config, 1, viewChangeStatement(net.config, 1, 1));
    if (own.kind !== 'viewChange') throw new Error('unreachable');
    net.inject(1, statement, [2]);
    const second = {
      ...statement,
      viewChanges: statement.viewChanges.map((signed, index) => (index === 0 ? own : signed)),
    };
    // The others still show the block, so the honest derivation is the only one.
    net.inject(1, { ...second, reproposals: [] }, [3]);
    expect(net.views()[3]).toBe('2?');
    net.inject(1, { ...second, reproposals: statement.reproposals }, [3]);
    expect(net.replica(2).state.slots.get(asHeight(1))?.accepted).toBeDefined();
  });

  it('is convicted by a proposal that differs from what it has proposed again', () => {
    const { net, statement } = waiting(true);
    const rival = makeBlock(net.config, {
      height: 1,
      view: 1,
      parent: genesisTip.digest,
      timeMs: genesisTip.timeMs + 9,
      label: 'rival',
    });
    net.inject(1, { kind: 'prePrepare', view: asView(1), block: rival }, [2]);
    net.inject(1, statement, [2, 3]);
    expect(net.replica(2).evidence.map(({ phase }) => phase)).toEqual(['prePrepare']);
    expect(net.views()[2]).toBe('2?');
    net.inject(1, { kind: 'prePrepare', view: asView(1), block: rival }, [3]);
    expect(net.replica(3).evidence.map(({ phase }) => phase)).toEqual(['prePrepare']);
  });

  it('who proposes a block of an earlier view as if it were fresh loses the view', () => {
    const { net, statement } = waiting(false);
    net.inject(1, statement, [2]);
    expect(net.views()[2]).toBe('1');
    const old = makeBlock(net.config, {
      height: 1,
      view: 0,
      parent: genesisTip.digest,
      timeMs: genesisTip.timeMs + 9,
      label: 'old',
    });
    net.inject(1, { kind: 'prePrepare', view: asView(1), block: old }, [2]);
    expect(net.replica(2).log.has('1/vote/prepare')).toBe(false);
    expect(net.views()[2]).toBe('2?');
  });
});

describe('more faults than the protocol tolerates', () => {
  it('stop a replica that is shown two certificates for one height', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver();
    const [rival] = chainOf(net.config, {
      view: 0,
      height: 1,
      parent: genesisTip.digest,
      length: 1,
      label: 'rival',
    });
    const committed = commitCertificate(net.config, 0, rival!);
    net.inject(3, viewChangeStatement(net.config, 3, 1, { committed }), [1]);
    expect(net.replica(1).halted).toMatch(/Two blocks of height 1/);
  });

  it('stop a replica that is shown a new view without a block that is final here', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver();
    const liars = [0, 1, 3];
    const viewChanges = liars.map((index) => {
      const message = say(net.config, index, viewChangeStatement(net.config, index, 1));
      if (message.kind !== 'viewChange') throw new Error('unreachable');
      return message;
    });
    net.inject(1, { kind: 'newView', view: asView(1), viewChanges, reproposals: [] }, [2]);
    expect(net.replica(2).halted).toMatch(/gives up a final block/);
  });
});
