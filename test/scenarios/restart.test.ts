import { describe, expect, it, jest } from '@jest/globals';
import { decodeViewChange, encodeConsensusMessage } from '../../src/codec/index.js';
import { asHeight, asView, toHex } from '../../src/types/index.js';
import { both, not, ofKind, TestNet, toReplica, within } from '../helpers/consensus-net.js';
import { type Wire } from '../helpers/consensus-replica.js';
import { genesisTip, makeBlock } from '../helpers/consensus-words.js';

// Far above what they take: a busy machine is no failure.
jest.setTimeout(120_000);

const bytesOf = ({ message }: Wire): string => toHex(encodeConsensusMessage(message));

/** Lets the network recover from whatever was lost: statuses, retransmission, catch-up, in turn. */
function recover(net: TestNet): void {
  for (let round = 0; round < 6; round++) {
    net.deliver();
    net.heartbeat();
    for (const replica of net.replicas) if (replica.timers.has('retransmit')) replica.fire('retransmit');
    net.deliver();
    for (const replica of net.replicas) while (replica.syncs.length > 0) replica.serveSync();
  }
  net.deliver();
}

function timeOut(net: TestNet, ...replicas: readonly number[]): void {
  for (const index of replicas) net.replica(index).give({ kind: 'demand', pending: true });
  net.heartbeat(replicas, false);
  for (const index of replicas) if (!net.replica(index).state.changing) net.replica(index).fire('view');
}

function sameChain(net: TestNet): void {
  const chains = net.replicas.map(({ chain }) => chain.map(({ digest }) => toHex(digest)).join());
  expect(new Set(chains).size).toBe(1);
}

describe('restart', () => {
  // Every message of three pipelined blocks, and after each a crash of each replica. That no vote is ever contradicted
  // and none leaves before it is on disk, test/helpers/consensus-net checks all the while.
  it('at any moment of the normal case contradicts nothing and loses nothing (pitfall 1)', () => {
    for (let victim = 0; victim < 4; victim++) {
      for (let moment = 0; ; moment++) {
        const net = new TestNet({ n: 4, window: 3 });
        for (let count = 0; count < 3; count++) net.replica(0).propose();
        let delivered = 0;
        let left = 0;
        net.deliver(() => delivered++ < moment || (left++, false));
        net.drop(toReplica(victim));
        net.replica(victim).restart();
        recover(net);
        expect(net.heights()).toEqual([3, 3, 3, 3]);
        sameChain(net);
        if (left === 0) break;
      }
    }
  });

  it('at any moment of a view change contradicts nothing and loses nothing', () => {
    for (let victim = 0; victim < 4; victim++) {
      for (let moment = 0; ; moment++) {
        const net = new TestNet({ n: 4, window: 3 });
        const blocks = [0, 1].map(() => net.replica(0).propose());
        net.deliver(not(ofKind('commit')));
        net.drop();
        timeOut(net, 0, 1, 2, 3);
        let delivered = 0;
        let left = 0;
        net.deliver(() => delivered++ < moment || (left++, false));
        net.drop(toReplica(victim));
        net.replica(victim).restart();
        recover(net);
        // One that had already left a view that the others are still in follows them by catch-up.
        expect(net.heights()).toEqual([2, 2, 2, 2]);
        expect(toHex(net.replica(0).tip.digest)).toBe(toHex(blocks[1]!.digest));
        if (left === 0) break;
      }
    }
  });

  it('of all replicas at once, at any moment, goes on where it was', () => {
    for (let moment = 0; ; moment++) {
      const net = new TestNet({ n: 4, window: 3 });
      for (let count = 0; count < 3; count++) net.replica(0).propose();
      let delivered = 0;
      let left = 0;
      net.deliver(() => delivered++ < moment || (left++, false));
      net.drop();
      for (const replica of net.replicas) replica.restart();
      recover(net);
      expect(net.heights()).toEqual([3, 3, 3, 3]);
      expect(net.views()).toEqual(['0', '0', '0', '0']);
      if (left === 0) break;
    }
  });

  it('loses a vote that the disk had not yet, and the vote had not left either', () => {
    const net = new TestNet({ n: 4 });
    net.replica(1).slowDisk = true;
    net.replica(0).propose();
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    expect(net.wires.filter(({ from }) => from === 1)).toEqual([]);
    net.replica(1).restart();
    expect(net.replica(1).state.slots.size).toBe(0);
  });

  it('does not vote for another block than before the crash', () => {
    const net = new TestNet({ n: 4 });
    const options = { view: 0, height: 1, parent: genesisTip.digest, timeMs: genesisTip.timeMs + 1 };
    const one = makeBlock(net.config, { ...options, label: 'one' });
    const other = makeBlock(net.config, { ...options, label: 'other' });
    const view = asView(0);
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    const before = net.wires.filter(({ from }) => from === 1).map(bytesOf);
    net.drop();
    net.replica(1).restart();
    // The same vote again, byte for byte.
    expect(net.wires.filter(({ from }) => from === 1).map(bytesOf)).toEqual(before);
    net.inject(0, { kind: 'prePrepare', view, block: other }, [1]);
    expect(net.views()[1]).toBe('1?');
    expect(net.wires.filter(both(({ from }) => from === 1, ofKind('prepare'))).map(bytesOf)).toEqual(before);
  });

  it('of a primary proposes the same block again and builds on it', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.replica(0).propose();
    const before = net.wires.map(bytesOf);
    net.drop();
    net.replica(0).restart();
    expect(net.wires.map(bytesOf)).toEqual(before);
    expect(net.replica(0).order?.height).toBe(3);
    net.deliver();
    expect(net.heights()).toEqual([2, 2, 2, 2]);
  });

  it('while it asks for a view asks for it again and votes in no lower one', () => {
    const net = new TestNet({ n: 4 });
    const block = net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    net.drop();
    timeOut(net, 0, 1, 2, 3);
    net.drop();
    net.replica(2).restart();
    expect(net.views()[2]).toBe('1?');
    const said = net.wires.filter(({ from }) => from === 2);
    expect(new Set(said.map(({ message }) => message.kind))).toEqual(new Set(['viewChange']));
    const [first] = said;
    const body =
      first?.message.kind === 'viewChange' ? decodeViewChange(first.message.viewChange) : undefined;
    expect(body?.ok === true && body.value.prepared.length).toBe(1);
    for (const index of [0, 1, 3])
      for (let period = 0; period < 2; period++) net.replica(index).fire('retransmit');
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    expect(toHex(net.replica(2).tip.digest)).toBe(toHex(block.digest));
  });

  it('of a primary that has started its view starts it the same way, whoever asks for it meanwhile', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    net.drop();
    timeOut(net, 0, 1, 2, 3);
    // The first three view-changes make its quorum; it crashes as the new-view leaves.
    net.deliver(both(ofKind('viewChange'), ({ from, to }) => to === 1 && from !== 3));
    const sent = net.wires.filter(ofKind('newView')).map(bytesOf);
    expect(sent.length).toBe(3);
    for (const name of ['0/newView', '0/view']) net.replica(1).log.delete(name);
    net.replica(1).log.set('0/view', net.replica(2).log.get('0/view')!);
    net.drop(not(ofKind('viewChange')));
    net.replica(1).restart();
    net.deliver(both(ofKind('viewChange'), ({ from, to }) => to === 1 && from === 3));
    const again = net.wires.filter(ofKind('newView')).map(bytesOf);
    expect(again.length).toBeGreaterThanOrEqual(3);
    expect(new Set(again)).toEqual(new Set(sent));
    net.deliver();
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });

  it('in a view above 0, after a block committed in it, goes on in that view (pitfall 23)', () => {
    const net = new TestNet({ n: 4 });
    net.commitBlock();
    timeOut(net, 0, 1, 2, 3);
    net.deliver();
    net.commitBlock(1);
    for (const replica of net.replicas) replica.restart();
    net.heartbeat();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    net.commitBlock(1);
    expect(net.heights()).toEqual([3, 3, 3, 3]);
  });

  it('keeps the certificates of the view that it is in: what it has committed to survives the next view change', () => {
    const net = new TestNet({ n: 4 });
    timeOut(net, 0, 1, 2, 3);
    net.deliver();
    const block = net.replica(1).propose();
    net.deliver(not(ofKind('commit')));
    net.deliver(toReplica(0));
    expect(net.heights()).toEqual([1, 0, 0, 0]);
    net.drop();
    for (const index of [1, 2, 3]) net.replica(index).restart();
    net.drop();
    timeOut(net, 1, 2, 3);
    net.deliver(within(1, 2, 3));
    expect(net.views().slice(1)).toEqual(['2', '2', '2']);
    expect(net.replica(2).chain.map(({ digest }) => toHex(digest))[1]).toBe(toHex(block.digest));
  });

  it('shows no certificate for a block that the last view has dropped and whose bodies may be gone', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(ofKind('prePrepare'));
    // Only 0 learns that the block is prepared, and the new view starts without its word.
    net.deliver(both(toReplica(0), ofKind('prepare')));
    net.drop();
    expect(net.replica(0).log.has('1/prepared')).toBe(true);
    timeOut(net, 1, 2, 3);
    net.deliver(within(1, 2, 3));
    net.heartbeat();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    expect(net.replica(0).state.slots.get(asHeight(1))?.prepared).toBeUndefined();
    net.replica(0).restart();
    expect(net.replica(0).state.slots.get(asHeight(1))?.prepared).toBeUndefined();
    timeOut(net, 0, 1, 2, 3);
    net.replica(0).restart();
    expect(net.replica(0).state.slots.get(asHeight(1))?.prepared).toBeUndefined();
  });

  it('with final blocks that the disk had not yet keeps within the window, and asks for no view that it cannot', () => {
    const net = new TestNet({ n: 4, window: 2 });
    net.replica(2).slowDisk = true;
    const turn = (): void => {
      if (net.replica(0).canPropose) net.replica(0).propose();
      net.deliver();
      // Votes reach the disk, blocks do not.
      const replica = net.replica(2);
      const blocks = replica.disk.filter(({ kind }) => kind === 'commit');
      replica.disk = replica.disk.filter(({ kind }) => kind !== 'commit');
      replica.sync();
      replica.disk.push(...blocks);
      replica.local.splice(0).forEach((event) => replica.step(event));
    };
    for (let count = 0; count < 20; count++) turn();
    expect(net.replica(2).height).toBe(0);
    expect(net.replica(0).height).toBeGreaterThan(3);
    net.replica(2).restart();
    net.replica(2).slowDisk = false;
    net.replica(2).settle();
    timeOut(net, 0, 1, 2, 3);
    net.deliver();
    recover(net);
    sameChain(net);
    expect(net.replica(2).height).toBeGreaterThan(2);
  });
});

describe('a block that was voted for before a restart', () => {
  // The driver keeps its transactions for it. If it were not told, they would wait for it for ever.
  it('is given up towards the driver when the next view does not take it over', () => {
    const net = new TestNet({ n: 4 });
    const block = net.replica(0).propose();
    net.deliver(both(ofKind('prePrepare'), toReplica(1)));
    net.drop();
    timeOut(net, 1);
    net.drop();
    // It was leaving the view in one case, and had not yet in the other.
    for (const index of [0, 1]) net.replica(index).restart();
    timeOut(net, 0, 2, 3);
    recover(net);
    expect(net.views().every((view) => view.startsWith('1'))).toBe(true);
    for (const index of [0, 1]) {
      const discarded = net
        .replica(index)
        .effects.flatMap((effect) => (effect.kind === 'discard' ? effect.digests.map(toHex) : []));
      expect(discarded).toContain(toHex(block.digest));
    }
  });
});

describe('restart of everybody after a long trouble (pitfall 22)', () => {
  it('is followed by short timeouts, and by progress', () => {
    const net = new TestNet({ n: 4 });
    for (let round = 0; round < 12; round++) {
      timeOut(net, 0, 1, 2, 3);
      net.drop();
      for (const replica of net.replicas) {
        for (let period = 0; period < 2; period++) replica.fire('retransmit');
      }
      net.deliver(ofKind('viewChange'));
      net.drop();
      // No new-view ever arrives.
      net.heartbeat(undefined, false);
      net.drop();
      for (const replica of net.replicas)
        if (replica.timers.has('view') && replica.state.changing) replica.fire('view');
    }
    const views = net.replicas.map(({ state }) => state.view);
    expect(Math.min(...views)).toBeGreaterThan(5);
    const longest = net.replicas.map(({ timers }) => timers.get('view') ?? 0);
    expect(Math.max(...longest)).toBeLessThanOrEqual(net.config.timeouts.maxViewTimeoutMs);
    net.drop();
    for (const replica of net.replicas) replica.restart();
    recover(net);
    for (let round = 0; round < 4; round++) {
      timeOut(net, 0, 1, 2, 3);
      for (const { state, timers } of net.replicas) {
        if (state.changing && timers.has('view')) expect(timers.get('view')).toBeLessThanOrEqual(8 * 2000);
      }
      recover(net);
      const primary = net.replicas.find(({ canPropose }) => canPropose);
      if (primary === undefined) continue;
      primary.propose();
      recover(net);
      break;
    }
    expect(Math.min(...net.heights())).toBeGreaterThan(0);
    sameChain(net);
  });
});
