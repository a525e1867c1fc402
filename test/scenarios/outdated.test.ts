import { describe, expect, it } from '@jest/globals';
import { decodeViewChange } from '../../src/codec/index.js';
import { peerStatus } from '../../src/consensus/index.js';
import { asHeight, asValidatorIndex, asView } from '../../src/types/index.js';
import { both, not, ofKind, TestNet, toReplica } from '../helpers/consensus-net.js';
import { type Wire } from '../helpers/consensus-replica.js';
import { say } from '../helpers/consensus-words.js';

const fromReplica =
  (replica: number) =>
  ({ from }: Wire): boolean =>
    from === replica;

/** Lets the network recover from whatever was lost. */
function recover(net: TestNet): void {
  for (let round = 0; round < 6; round++) {
    net.heartbeat();
    for (const replica of net.replicas) if (replica.timers.has('retransmit')) replica.fire('retransmit');
    net.deliver();
    for (const replica of net.replicas) while (replica.syncs.length > 0) replica.serveSync();
  }
  net.deliver();
}

const spokenSince = (net: TestNet, replica: number, since: number): readonly string[] =>
  net
    .replica(replica)
    .effects.slice(since)
    .flatMap((effect) =>
      effect.kind === 'cast'
        ? [
            effect.statement.kind === 'viewChange'
              ? `viewChange ${effect.statement.body.view}`
              : effect.statement.kind,
          ]
        : [],
    );

/** Replica 3 has voted for a block that nobody has committed, and gets back the folder that it had before. */
function forgotten(known: boolean): { net: TestNet; since: number } {
  const net = new TestNet({ n: 4, window: 2 });
  net.commitBlock();
  const folder = net.replica(3).folder();
  net.replica(0).propose();
  net.deliver(toReplica(3));
  expect(net.replica(3).log.has('2/vote/prepare')).toBe(true);
  net.drop(not(both(ofKind('prePrepare'), not(fromReplica(3)))));
  const since = net.replica(3).effects.length;
  net.replica(3).putBack(folder, known);
  return { net, since };
}

describe('a replica whose data folder is known to be older than what it has signed', () => {
  it('gives no second vote in a place where it has voted', () => {
    const { net, since } = forgotten(true);
    // A faulty primary proposes something else there.
    const block = net.replica(0).state.slots.get(asHeight(2))!.accepted!.known.block;
    net.inject(
      0,
      {
        kind: 'prePrepare',
        view: asView(0),
        block: { ...block, transactionHashes: block.transactionHashes },
      },
      [3],
    );
    recover(net);
    expect(net.heights()).toEqual([2, 2, 2, 2]);
    expect(spokenSince(net, 3, since)).toEqual([]);
    expect(net.replica(3).state.abstention).toBeDefined();
  });

  it('speaks again once two windows more are final than all others had, and only in a view that it has asked for never before', () => {
    const { net, since } = forgotten(true);
    recover(net);
    const covered = net.replica(3).state.abstention!.until!;
    while (net.replica(3).height < covered - 1) {
      net.commitBlock();
      recover(net);
    }
    expect(spokenSince(net, 3, since)).toEqual([]);
    net.commitBlock();
    recover(net);
    expect(net.replica(3).height).toBe(covered);
    expect(spokenSince(net, 3, since)).toEqual(['viewChange 1']);
    // Nobody follows it, and it goes on following.
    net.commitBlock();
    recover(net);
    expect(net.heights()).toEqual([covered + 1, covered + 1, covered + 1, covered + 1]);
    // As soon as it is needed, it votes.
    net.replica(0).crash();
    for (const index of [1, 2]) {
      net.replica(index).give({ kind: 'demand', pending: true });
      for (const other of [1, 2, 3])
        if (other !== index)
          net.replica(index).give({
            kind: 'status',
            from: asValidatorIndex(other),
            status: peerStatus(net.replica(other).state),
          });
      net.replica(index).fire('view');
    }
    net.deliver();
    net.commitBlock(1);
    expect(net.heights().slice(1)).toEqual([covered + 2, covered + 2, covered + 2]);
    expect(spokenSince(net, 3, since)).toEqual(expect.arrayContaining(['prepare', 'commit']));
  });

  it('does not take the word of fewer than all three others in a network of four', () => {
    const { net } = forgotten(true);
    net.deliver();
    for (const index of [0, 1])
      net.replica(3).give({
        kind: 'status',
        from: asValidatorIndex(index),
        status: peerStatus(net.replica(index).state),
      });
    expect(net.replica(3).state.abstention).toEqual({ words: expect.any(Map), until: undefined });
  });

  it('is still silent after another restart', () => {
    const { net, since } = forgotten(true);
    net.replica(3).restart();
    recover(net);
    net.commitBlock();
    expect(spokenSince(net, 3, since)).toEqual([]);
    expect(net.replica(3).state.abstention).toBeDefined();
  });

  it('of two says that its silence does not end by itself: nothing is committed without it', () => {
    for (const [n, endless] of [
      [2, { endless: true }],
      [3, {}],
      [4, {}],
    ] as const) {
      const net = new TestNet({ n });
      const folder = net.replica(1).folder();
      net.commitBlock();
      net.replica(1).putBack(folder, true);
      expect(net.replica(1).notices).toContainEqual({ kind: 'abstaining', why: 'outdated', ...endless });
    }
  });

  it('stops when there is no other validator who could know', () => {
    const net = new TestNet({ n: 1 });
    const folder = net.replica(0).folder();
    net.commitBlock();
    net.replica(0).putBack(folder, true);
    expect(net.replica(0).halted).toMatch(/Put the newest folder back/);
  });
});

describe('a replica that does not know that its data folder is older than what it has signed', () => {
  it('falls silent at the first signature of its own that it does not know', () => {
    const net = new TestNet({ n: 4, window: 2 });
    const folder = net.replica(3).folder();
    net.commitBlock();
    const { certificate } = net.replica(0).tip;
    expect(certificate!.signatures.map(({ validator }) => validator)).toContain(3);
    const since = net.replica(3).effects.length;
    net.replica(3).putBack(folder, false);
    net.heartbeat();
    for (const replica of net.replicas) if (replica.timers.has('retransmit')) replica.fire('retransmit');
    while (net.replica(3).syncs.length > 0) net.replica(3).serveSync();
    expect(net.replica(3).notices).toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
    expect(spokenSince(net, 3, since)).toEqual([]);
  });

  it('falls silent at a new view that stands on a view-change of its own', () => {
    const net = new TestNet({ n: 4, window: 2 });
    const folder = net.replica(3).folder();
    for (const index of [1, 2, 3]) net.replica(index).give({ kind: 'demand', pending: true });
    net.heartbeat();
    for (const index of [1, 2, 3]) net.replica(index).fire('view');
    net.deliver(({ to }) => to === 1 || to === 2);
    const { newView } = net.replica(1).state;
    expect(newView).toBeDefined();
    net.replica(3).putBack(folder, false);
    net.replica(3).receive(asValidatorIndex(1), newView!);
    const body = decodeViewChange(
      net.replica(1).state.viewChanges.get(asValidatorIndex(3))!.signed.viewChange,
    );
    expect(body.ok).toBe(true);
    expect(net.replica(3).notices).toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
  });

  it('falls silent at a proposal of its own that comes from elsewhere', () => {
    const net = new TestNet({ n: 4, window: 2 });
    const folder = net.replica(0).folder();
    net.replica(0).propose();
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    const { proposal } = net.replica(1).state.slots.get(asHeight(1))!.rounds.get(asView(0))!;
    net.replica(0).putBack(folder, false);
    const since = net.replica(0).effects.length;
    const echo = say(net.config, 0, { kind: 'prePrepare', view: asView(0), block: proposal!.block });
    net.replica(0).receive(asValidatorIndex(1), echo);
    expect(net.replica(0).notices).toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
    expect(spokenSince(net, 0, since)).toEqual([]);
  });

  it('falls silent at a prepared certificate on a proposal of its own', () => {
    const net = new TestNet({ n: 4, window: 2 });
    const folder = net.replica(0).folder();
    net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    net.drop(() => true);
    net.replica(0).putBack(folder, false);
    net.heartbeat();
    net.replica(1).give({ kind: 'demand', pending: true });
    net.deliver(not(toReplica(0)));
    net.replica(1).fire('view');
    net.deliver(both(toReplica(0), ofKind('viewChange')));
    expect(net.replica(0).notices).toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
  });

  it('does not fall silent at its own proposal when it has only been restarted', () => {
    const net = new TestNet({ n: 4, window: 2 });
    net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    net.drop(() => true);
    const { block } = net.replica(1).state.slots.get(asHeight(1))!.rounds.get(asView(0))!.proposal!;
    net.replica(0).restart();
    net
      .replica(0)
      .receive(asValidatorIndex(1), say(net.config, 0, { kind: 'prePrepare', view: asView(0), block }));
    recover(net);
    expect(net.replica(0).notices).not.toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
    expect(net.heights()).toEqual([1, 1, 1, 1]);
  });

  it('falls silent at a new view that it has started and does not know of, though it asks for that view', () => {
    const net = new TestNet({ n: 4, window: 2 });
    for (const index of [0, 1, 2]) net.replica(index).give({ kind: 'demand', pending: true });
    net.heartbeat();
    net.replica(1).fire('view');
    const folder = net.replica(1).folder();
    for (const index of [0, 2]) net.replica(index).fire('view');
    net.deliver();
    const { newView } = net.replica(2).state;
    expect(newView).toBeDefined();
    net.replica(1).putBack(folder, false);
    expect(net.replica(1).state.changing).toBe(true);
    net.replica(1).receive(asValidatorIndex(2), newView!);
    expect(net.replica(1).notices).toContainEqual({ kind: 'abstaining', why: 'ownSignature' });
  });
});
