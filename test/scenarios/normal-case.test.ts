import { describe, expect, it } from '@jest/globals';
import { asDigest, asHash, asHeight, asView, quorumOf } from '../../src/types/index.js';
import { both, not, ofKind, TestNet, toReplica } from '../helpers/consensus-net.js';
import { genesisTip, makeBlock } from '../helpers/consensus-words.js';

const kinds = (net: TestNet, replica: number): string[] =>
  net
    .replica(replica)
    .last.map((effect) => (effect.kind === 'cast' ? `cast ${effect.statement.kind}` : effect.kind));

describe('normal case', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 16])('commits blocks at all of %i replicas, and checkpoints them', (n) => {
    const net = new TestNet({ n });
    for (let height = 1; height <= 25; height++) net.commitBlock();
    expect(net.heights()).toEqual(Array.from({ length: n }, () => 25));
    expect(new Set(net.replicas.map(({ state }) => state.stableCheckpoint))).toEqual(new Set([20]));
    for (const { certificate } of net.replica(n - 1).chain.slice(1)) {
      expect(certificate?.signatures.length).toBe(quorumOf(n));
    }
  });

  it.each([
    [2, 0],
    [3, 1],
    [4, 1],
    [5, 1],
    [6, 2],
    [7, 2],
  ])('of %i replicas commits with %i of them silent, and not with one more (pitfall 5)', (n, silent) => {
    const net = new TestNet({ n });
    const deaf = Array.from({ length: silent }, (_, index) => n - 1 - index);
    net.replica(0).propose();
    net.deliver(not(({ from, to }) => deaf.includes(from) || deaf.includes(to)));
    expect(net.replica(0).height).toBe(1);
    net.drop();

    const more = [...deaf, n - 1 - silent];
    net.replica(0).propose();
    net.deliver(not(({ from, to }) => more.includes(from) || more.includes(to)));
    expect(net.replica(0).height).toBe(1);
  });

  it('puts block and vote on disk in the step that casts the vote, and before it', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).slowDisk = true;
    net.replica(0).propose();
    expect(kinds(net, 0).slice(0, 2)).toEqual(['persist', 'cast prePrepare']);
    // Until the disk has it, nobody hears of it, nor does it count here.
    expect(net.wires).toEqual([]);
    expect(net.replica(0).state.slots.get(asHeight(1))?.rounds.size).toBe(0);
    net.replica(0).sync();
    net.replica(0).settle();
    expect(net.wires.length).toBe(3);
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    expect(net.replica(1).log.has('1/block')).toBe(true);
    expect(net.replica(1).log.has('1/vote/prepare')).toBe(true);
  });

  it('does not count its own vote before it comes back signed', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.replica(1).slowDisk = true;
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    net.deliver(both(toReplica(2), ofKind('prePrepare')));
    net.deliver(both(toReplica(1), ofKind('prepare')));
    // One prepare of another, and its own that is still on the way to the disk.
    expect(net.replica(1).state.slots.get(asHeight(1))?.prepared).toBeUndefined();
    net.replica(1).sync();
    net.replica(1).settle();
    expect(net.replica(1).state.slots.get(asHeight(1))?.prepared).toBeDefined();
  });

  it('keeps several heights in flight, up to the window', () => {
    const net = new TestNet({ n: 4, window: 3 });
    for (let count = 0; count < 3; count++) net.replica(0).propose();
    expect(net.replica(0).canPropose).toBe(false);
    net.deliver();
    expect(net.heights()).toEqual([3, 3, 3, 3]);
    expect(net.replica(0).order?.height).toBe(4);
  });

  it('with a window of 1 proposes the next block only once the last one is final', () => {
    const net = new TestNet({ n: 4, window: 1 });
    net.replica(0).propose();
    expect(net.replica(0).canPropose).toBe(false);
    net.deliver();
    expect(net.replica(0).order?.height).toBe(2);
  });

  it('takes messages in any order', () => {
    const net = new TestNet({ n: 4 });
    for (let count = 0; count < 3; count++) net.replica(0).propose();
    net.deliver(not(toReplica(3)));
    // Latest first: commits before prepares before proposals, high before low.
    net.wires.reverse();
    net.deliver();
    expect(net.heights()).toEqual([3, 3, 3, 3]);
  });

  it('prepares both of two pipelined blocks, but commits to the second only with a certificate for the first', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.replica(0).propose();
    net.deliver(ofKind('prePrepare'));
    const isFirst = ({ message }: { message: { kind: string; height?: number } }): boolean =>
      message.kind === 'prepare' && message.height === 1;
    const first = net.wires.filter(isFirst);
    net.wires = net.wires.filter((wire) => !isFirst(wire));
    net.deliver();
    for (const replica of net.replicas) {
      expect(replica.state.slots.get(asHeight(2))?.prepared).toBeDefined();
      expect(replica.state.slots.get(asHeight(2))?.castCommit).toBe(-1);
    }
    net.wires = first;
    net.deliver();
    expect(net.heights()).toEqual([2, 2, 2, 2]);
  });

  it('executes in order of height, each block on the one that it accepted below', () => {
    const net = new TestNet({ n: 4 });
    const replica = net.replica(1);
    replica.holdExecution = true;
    net.replica(0).propose();
    net.replica(0).propose();
    net.deliver(both(toReplica(1), ofKind('prePrepare')));
    expect(replica.executions.map(({ block }) => block.header.height)).toEqual([1]);
    replica.execute();
    expect(replica.executions.map(({ block }) => block.header.height)).toEqual([2]);
  });

  it('does not vote for a block that its clock refuses, but takes it once others have certified it', () => {
    const net = new TestNet({ n: 4 });
    const judged: boolean[] = [];
    net.replica(1).judge = (_, fresh) => {
      judged.push(fresh);
      return fresh ? 'refused' : 'valid';
    };
    net.replica(0).propose();
    net.deliver();
    expect(judged).toEqual([true, false]);
    expect(net.replica(1).state.slots.size).toBe(0);
    expect(net.heights()).toEqual([1, 1, 1, 1]);
    expect(net.views()).toEqual(['0', '0', '0', '0']);
  });

  it('asks for another primary when the roots of a proposal are wrong', () => {
    const net = new TestNet({ n: 4 });
    for (const replica of net.replicas.slice(1)) replica.judge = () => 'invalid';
    net.replica(0).propose();
    net.deliver();
    expect(net.views()).toEqual(['1', '1', '1', '1']);
    expect(net.heights()).toEqual([0, 0, 0, 0]);
  });

  it('halts when it gets other roots than a block that a quorum has committed (pitfall 16)', () => {
    const net = new TestNet({ n: 4 });
    net.replica(3).judge = () => 'invalid';
    net.replica(0).propose();
    net.deliver();
    expect(net.heights()).toEqual([1, 1, 1, 0]);
    expect(net.replica(3).halted).toMatch(/gave another result/);
    // It says nothing any more.
    net.replica(0).propose();
    net.deliver(both(toReplica(3), ofKind('prePrepare')));
    expect(net.replica(3).last).toEqual([]);
  });

  it.each([
    ['an earlier time than its parent', { timeMs: genesisTip.timeMs }],
    ['another parent', { prevHash: asDigest(new Uint8Array(32)) }],
    ['another next validator set', { nextValidatorSetHash: asHash(new Uint8Array(32)) }],
  ])('gives a primary up that proposes a block with %s', (_, header) => {
    const net = new TestNet({ n: 4 });
    const { parent, parentTimeMs, view } = net.replica(0).order!;
    const timeMs = parentTimeMs + 1;
    const block = makeBlock(net.config, { height: 1, view, parent, timeMs, label: 'bad', header });
    net.inject(0, { kind: 'prePrepare', view, block }, [1]);
    expect(net.replica(1).executions).toEqual([]);
    expect(net.views()[1]).toBe('1?');
    expect(net.replica(1).log.has('1/vote/prepare')).toBe(false);
  });

  it('gives a primary up whose block does not link to the one that it proposed below in this view', () => {
    const net = new TestNet({ n: 4 });
    const view = asView(0);
    const options = { view: 0, parent: genesisTip.digest, timeMs: genesisTip.timeMs + 1 };
    const one = makeBlock(net.config, { ...options, height: 1, label: 'one' });
    const other = makeBlock(net.config, { ...options, height: 1, label: 'other' });
    const two = makeBlock(net.config, {
      view: 0,
      parent: other.digest,
      timeMs: genesisTip.timeMs + 2,
      height: 2,
      label: 'two',
    });
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(0, { kind: 'prePrepare', view, block: two }, [1]);
    expect(net.replica(1).log.has('1/vote/prepare')).toBe(true);
    expect(net.replica(1).log.has('2/vote/prepare')).toBe(false);
    expect(net.views()[1]).toBe('1?');
  });

  it('takes a block with a certificate from catch-up, once, whatever else is in flight (pitfall 15)', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.deliver(not(both(toReplica(3), ofKind('commit'))));
    expect(net.heights()).toEqual([1, 1, 1, 0]);
    const { block, certificate } = net.replica(0).chain[1]!;
    net.replica(3).slowDisk = true;
    net.replica(3).give({ kind: 'certified', block: block!, certificate: certificate! });
    net.replica(3).give({ kind: 'certified', block: block!, certificate: certificate! });
    net.deliver();
    net.replica(3).sync();
    net.replica(3).settle();
    net.replica(3).give({ kind: 'certified', block: block!, certificate: certificate! });
    expect(net.replica(3).effects.filter(({ kind }) => kind === 'commit').length).toBe(1);
    expect(net.replica(3).chain.map(({ height }) => height)).toEqual([0, 1]);
  });

  it('makes a block final whose own commits are missing when the next block is certified (pitfall 20)', () => {
    const net = new TestNet({ n: 4 });
    net.replica(0).propose();
    net.replica(0).propose();
    const ofFirst = ({ message }: { message: { kind: string; height?: number } }): boolean =>
      message.kind === 'commit' && message.height === 1;
    net.deliver(not(both(toReplica(3), ofFirst)));
    expect(net.heights()).toEqual([2, 2, 2, 0]);
    net.drop();
    net.heartbeat();
    net.replica(3).fire('retransmit');
    net.heartbeat();
    net.replica(3).fire('retransmit');
    net.replica(3).serveSync();
    expect(net.heights()).toEqual([2, 2, 2, 2]);
  });
});

describe('watermarks', () => {
  it('stop proposals that run further ahead than a quorum is known to have on disk', () => {
    const net = new TestNet({ n: 4, window: 4, checkpointInterval: 4 });
    for (let height = 1; height <= 8; height++) {
      net.replica(0).propose();
      net.deliver(not(ofKind('checkpoint')));
    }
    // Nobody has heard of any checkpoint: two intervals are the bound.
    expect(net.heights()).toEqual([8, 8, 8, 8]);
    expect(net.replica(0).canPropose).toBe(false);
    net.deliver();
    expect(net.replica(0).state.stableCheckpoint).toBe(8);
    expect(net.replica(0).order?.height).toBe(9);
  });

  it('move on by what a quorum reports, when checkpoints are lost', () => {
    const net = new TestNet({ n: 4, window: 4, checkpointInterval: 4 });
    for (let height = 1; height <= 8; height++) {
      net.replica(0).propose();
      net.deliver(not(ofKind('checkpoint')));
    }
    net.drop();
    const status = {
      view: asView(0),
      viewChangeInProgress: false,
      committedHeight: asHeight(1_000_000),
      stableCheckpointHeight: asHeight(0),
    };
    // One that boasts does not move them.
    net.replica(0).give({ kind: 'status', from: net.replica(1).index, status });
    expect(net.replica(0).canPropose).toBe(false);
    net.heartbeat();
    expect(net.replica(0).order?.height).toBe(9);
  });

  it('count only checkpoints of different validators for the same block (pitfalls 4, 6)', () => {
    const net = new TestNet({ n: 4, checkpointInterval: 2 });
    for (let height = 1; height <= 2; height++) {
      net.replica(0).propose();
      net.deliver(not(ofKind('checkpoint')));
    }
    net.drop();
    const { digest } = net.replica(0).tip;
    const height = asHeight(2);
    for (let count = 0; count < 5; count++) net.inject(1, { kind: 'checkpoint', height, digest }, [0]);
    net.inject(2, { kind: 'checkpoint', height, digest: asDigest(new Uint8Array(32)) }, [0]);
    net.inject(3, { kind: 'checkpoint', height: asHeight(4), digest }, [0]);
    expect(net.replica(0).state.stableCheckpoint).toBe(0);
    net.inject(2, { kind: 'checkpoint', height, digest }, [0]);
    expect(net.replica(0).state.stableCheckpoint).toBe(0);
    net.inject(3, { kind: 'checkpoint', height, digest }, [0]);
    expect(net.replica(0).state.stableCheckpoint).toBe(2);
  });
});
