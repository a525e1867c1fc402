/** Silence of a replica whose data folder is older than what it has signed, against liars and over changes of the set. */
import { describe, expect, it } from '@jest/globals';
import { peerStatus } from '../../src/consensus/index.js';
import { asHeight, asValidatorIndex, asView, limits } from '../../src/types/index.js';
import { TestNet, toReplica } from '../helpers/consensus-net.js';
import { makeBlock, type NetOptions } from '../helpers/consensus-words.js';

/** Replicas say where they stand to one that is silent. */
function tell(
  net: TestNet,
  silent: number,
  by: readonly number[],
  lie: { readonly view?: number } = {},
): void {
  for (const index of by) {
    const status = peerStatus(net.replica(index).state);
    const view = lie.view === undefined ? status.view : asView(lie.view);
    net.replica(silent).give({ kind: 'status', from: asValidatorIndex(index), status: { ...status, view } });
  }
}

const viewsAsked = (net: TestNet, replica: number, since: number): readonly number[] =>
  net
    .replica(replica)
    .effects.slice(since)
    .flatMap((effect) =>
      effect.kind === 'cast' && effect.statement.kind === 'viewChange' ? [effect.statement.body.view] : [],
    );

const spoken = (net: TestNet, replica: number, since: number): readonly string[] =>
  net
    .replica(replica)
    .effects.slice(since)
    .flatMap((effect) => (effect.kind === 'cast' ? [effect.statement.kind] : []));

/** Validator 3 has asked for view 1, which nobody heard, gets an earlier folder back and follows; 2 lies about its view. */
function besideALiar(view: number): { net: TestNet; since: number } {
  const net = new TestNet({ n: 4, window: 2 });
  net.commitBlock();
  const folder = net.replica(3).folder();
  net.replica(3).give({ kind: 'demand', pending: true });
  net.heartbeat();
  net.replica(3).fire('view');
  net.drop();
  expect(net.replica(3).state.view).toBe(1);
  const since = net.replica(3).effects.length;
  net.replica(3).putBack(folder, true);
  for (let block = 0; block < 7; block++) {
    tell(net, 3, [0, 1]);
    tell(net, 3, [2], { view });
    net.commitBlock();
  }
  return { net, since };
}

describe('a silent replica, and one validator that lies about its view', () => {
  it('does not go back to a view that it has left, at the word of the highest view that there is', () => {
    const { net, since } = besideALiar(limits.maxView);
    expect(net.replica(3).height).toBe(8);
    expect(spoken(net, 3, since)).toEqual([]);
  });

  it.each([2 ** 40, limits.maxView - 1])(
    'does not ask for a view that the others never reach (%i)',
    (view) => {
      const { net, since } = besideALiar(view);
      expect(viewsAsked(net, 3, since).filter((asked) => asked > 2)).toEqual([]);
      // Once the liar is not heard of with such views any more, the silence ends.
      tell(net, 3, [0, 1, 2]);
      net.commitBlock();
      expect(viewsAsked(net, 3, since)).toEqual([1]);
      expect(net.replica(3).state.abstention).toBeUndefined();
    },
  );
});

describe('a silent replica whose peers have gone on to the next validator set', () => {
  it('does not take their views there for views of its own set', () => {
    const net = new TestNet({
      n: 4,
      window: 1,
      changes: [{ activationHeight: 7, members: [0, 1, 2, 3] }],
    });
    const folder = net.replica(3).folder();
    for (const primary of [1, 2]) {
      net.heartbeat();
      for (const replica of net.replicas) replica.give({ kind: 'demand', pending: true });
      net.heartbeat();
      for (const replica of net.replicas) replica.fire('view');
      net.deliver();
      net.commitBlock(primary);
    }
    expect(net.views()).toEqual(['2', '2', '2', '2']);
    net.replica(3).putBack(folder, true);
    const since = net.replica(3).effects.length;
    tell(net, 3, [0, 1, 2]);
    while (net.replica(2).height < 6) {
      net.replica(2).propose();
      net.deliver((wire) => wire.to !== 3);
      net.drop();
    }
    expect(net.replica(0).config.validatorSet.epoch).toBe(1);
    tell(net, 3, [0, 1, 2]);
    // It has what it needs to end its silence, and is still with the set before.
    net.replica(3).serveSync(5);
    expect(net.replica(3).height).toBe(5);
    expect(viewsAsked(net, 3, since)).toEqual([3]);
  });
});

describe('a replica that is in no set when it starts on an older folder', () => {
  const options: NetOptions = {
    n: 4,
    spares: 1,
    window: 2,
    changes: [{ activationHeight: 4, members: [0, 1, 2, 4] }],
  };

  it('is silent in the set in which it has voted', () => {
    const net = new TestNet(options);
    const follow = (): void => {
      tell(net, 4, [0, 1, 2]);
      while (net.replica(4).syncs.length > 0) net.replica(4).serveSync();
    };
    net.commitBlock();
    follow();
    const folder = net.replica(4).folder();
    net.commitBlock();
    net.commitBlock();
    follow();
    expect(net.replica(4).state.config.self).toBe(3);
    net.replica(0).propose();
    net.deliver(toReplica(4));
    expect(net.replica(4).log.has('4/vote/prepare')).toBe(true);
    net.drop();

    const since = net.replica(4).effects.length;
    net.replica(4).putBack(folder, true);
    follow();
    expect(net.replica(4).height).toBe(3);
    const { tip } = net.replica(0);
    const block = makeBlock(net.config, {
      height: asHeight(4),
      view: 0,
      parent: tip.digest,
      timeMs: tip.timeMs + 1,
      label: 'another',
    });
    net.inject(0, { kind: 'prePrepare', view: asView(0), block }, [4]);
    expect(spoken(net, 4, since)).toEqual([]);
    expect(net.replica(4).state.abstention).toBeDefined();
  });

  it('goes on to be silent when it is restarted while it is in no set', () => {
    const net = new TestNet(options);
    net.commitBlock();
    const folder = net.replica(4).folder();
    net.replica(4).putBack(folder, true);
    net.replica(4).restart();
    expect(net.replica(4).state.abstention).toBeDefined();
  });
});
