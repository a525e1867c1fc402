import { describe, expect, it } from '@jest/globals';
import { encodeViewChange } from '../../src/codec/index.js';
import { viewChangeSigningBytes } from '../../src/crypto/index.js';
import { asValidatorIndex, asView } from '../../src/types/index.js';
import { not, ofKind, TestNet, toReplica, within } from '../helpers/consensus-net.js';
import { fakeSign, makeBlock, say, setAt, testConfig, type NetOptions } from '../helpers/consensus-words.js';

/** Everybody catches up who wants to, and what follows is delivered. */
function catchUp(net: TestNet): void {
  for (let round = 0; round < 4; round++) {
    net.heartbeat();
    for (const replica of net.replicas) if (replica.timers.has('retransmit')) replica.fire('retransmit');
    net.deliver();
    for (const replica of net.replicas)
      while (replica.running && replica.syncs.length > 0) replica.serveSync();
    net.deliver();
  }
}

/** The primary in force proposes, everybody commits, spares follow. */
function commit(net: TestNet): void {
  const height = Math.max(...net.heights());
  const proposer = net.replicas.find((replica) => replica.canPropose && replica.height === height);
  if (proposer === undefined) throw new Error(`nobody may propose height ${height + 1}`);
  proposer.propose();
  net.deliver();
  catchUp(net);
}

function commitUpTo(net: TestNet, height: number): void {
  while (Math.max(...net.heights()) < height) commit(net);
}

const signersAt = (net: TestNet, height: number): number[] => {
  const stored = net.replica(0).chain[height] ?? net.replica(1).chain[height];
  const set = setAt(net.options, height);
  return stored!.certificate!.signatures.map(({ validator }) =>
    Number(set.validators[validator]!.id.slice('validator-'.length)),
  );
};

/** 4 validators; from height 3 on another three, two of the old among them, in another order. */
const options: NetOptions = {
  n: 4,
  spares: 2,
  changes: [{ activationHeight: 3, members: [4, 2, 5, 1] }],
};

describe('a change of the validator set', () => {
  it('takes over at its height: the old set signs below, the new one from there on', () => {
    const net = new TestNet(options);
    commitUpTo(net, 5);
    expect(net.heights()).toEqual([5, 5, 5, 5, 5, 5]);
    for (const height of [1, 2]) {
      for (const signer of signersAt(net, height)) expect([0, 1, 2, 3]).toContain(signer);
    }
    for (const height of [3, 4, 5]) {
      for (const signer of signersAt(net, height)) expect([1, 2, 4, 5]).toContain(signer);
    }
    expect(net.replica(0).notices).toContainEqual({ kind: 'epochStarted', epoch: 1, height: 3 });
    // Who was removed follows, and says nothing.
    const said = net.replica(0).effects.filter(({ kind }) => kind === 'cast').length;
    commit(net);
    expect(net.replica(0).height).toBe(6);
    expect(net.replica(0).effects.filter(({ kind }) => kind === 'cast')).toHaveLength(said);
  });

  it('nothing is proposed or accepted above the last block of a set before it is on disk', () => {
    const net = new TestNet({ ...options, window: 4 });
    net.replica(0).propose();
    net.replica(0).propose();
    expect(net.replica(0).canPropose).toBe(false);
    for (const replica of net.replicas) replica.slowDisk = true;
    // A faulty primary does not care.
    const { blocks } = net.replica(0).state;
    const last = [...blocks.values()].find(({ block }) => block.header.height === 2)!.block;
    const block = makeBlock(net.config, {
      height: 3,
      view: 0,
      parent: last.digest,
      timeMs: last.header.timeMs + 1,
      label: 'above',
    });
    for (const replica of net.replicas) replica.slowDisk = false;
    net.inject(0, { kind: 'prePrepare', view: asView(0), block }, [1, 2, 3]);
    net.deliver();
    catchUp(net);
    expect(net.heights().slice(0, 4)).toEqual([2, 2, 2, 2]);
    for (const replica of net.replicas) {
      expect(replica.log.has('3/vote/prepare') || replica.log.has('3/vote/prePrepare')).toBe(false);
      expect(replica.config.validatorSet.epoch).toBe(1);
    }
    commit(net);
    expect(net.heights()).toEqual([3, 3, 3, 3, 3, 3]);
  });

  it('from 4 to 7 to 4 to 1 to 4, and all follow', () => {
    const net = new TestNet({
      n: 4,
      spares: 3,
      changes: [
        { activationHeight: 4, members: [0, 1, 2, 3, 4, 5, 6] },
        { activationHeight: 7, members: [6, 5, 4, 3] },
        { activationHeight: 9, members: [5] },
        { activationHeight: 12, members: [0, 1, 2, 5] },
      ],
    });
    commitUpTo(net, 14);
    expect(net.heights()).toEqual([14, 14, 14, 14, 14, 14, 14]);
    expect(signersAt(net, 5)).toHaveLength(5);
    expect(signersAt(net, 10)).toEqual([5]);
    expect(signersAt(net, 13)).toHaveLength(3);
    expect(net.replicas.every(({ halted }) => halted === undefined)).toBe(true);
  });
});

describe('a view change on the switch', () => {
  it('before it: the last block is proposed again by the old set, and then the new one starts in view 0', () => {
    const net = new TestNet(options);
    commit(net);
    net.replica(0).propose();
    // All prepare the last block of the set; nobody sees a commit.
    net.deliver(not(ofKind('commit')));
    net.drop();
    for (const index of [1, 2, 3]) net.replica(index).fire('view');
    net.deliver(within(1, 2, 3));
    expect(net.heights().slice(1, 4)).toEqual([2, 2, 2]);
    expect(net.replica(1).chain[2]!.certificate!.view).toBe(1);
    catchUp(net);
    expect(net.replica(1).state.view).toBe(0);
    commit(net);
    expect(net.heights()).toEqual([3, 3, 3, 3, 3, 3]);
  });

  it('after it: the certificate of the last block is by the set before, the view-change by the new one', () => {
    const net = new TestNet(options);
    commitUpTo(net, 2);
    // The new primary, replica 4, is silent.
    net.replica(4).crash();
    for (const index of [1, 2, 5]) {
      net.replica(index).give({ kind: 'demand', pending: true });
    }
    net.heartbeat();
    for (const index of [1, 2, 5]) net.replica(index).fire('view');
    net.deliver();
    expect(net.replica(2).state).toMatchObject({ view: 1, changing: false });
    commit(net);
    expect(net.replica(1).chain[3]!.certificate!.view).toBe(1);
    expect(net.replica(5).height).toBe(3);
  });

  it('who has not finished the old set finishes it by catch-up, and then votes in the new one', () => {
    const net = new TestNet(options);
    commit(net);
    net.replica(0).propose();
    net.deliver(not(toReplica(2)));
    expect(net.heights().slice(0, 4)).toEqual([2, 2, 1, 2]);
    // Meanwhile messages of the new set say nothing to the laggard.
    net.drop();
    net.heartbeat([0, 1, 3, 4, 5]);
    expect(net.replica(2).config.validatorSet.epoch).toBe(0);
    catchUp(net);
    expect(net.replica(2).config.validatorSet.epoch).toBe(1);
    net.replica(5).crash();
    commit(net);
    expect(signersAt(net, 3)).toEqual([4, 2, 1]);
  });

  it('a laggard can time out of its old view for ever and still follow', () => {
    const net = new TestNet(options);
    commit(net);
    net.replica(0).propose();
    net.deliver(not(toReplica(2)));
    net.drop();
    const laggard = net.replica(2);
    laggard.give({ kind: 'demand', pending: true });
    net.heartbeat();
    for (let attempt = 0; attempt < 3; attempt++) if (laggard.timers.has('view')) laggard.fire('view');
    net.deliver();
    catchUp(net);
    expect(laggard.height).toBe(2);
    expect(laggard.state).toMatchObject({ view: 0, changing: false });
    commit(net);
    expect(laggard.height).toBe(3);
  });
});

describe('a crash on the switch', () => {
  it('between the last block of the old set and the first record of the new one: views of then mean nothing', () => {
    const net = new TestNet(options);
    commit(net);
    net.replica(0).propose();
    net.deliver(not(ofKind('commit')));
    net.drop();
    for (const index of [1, 2, 3]) net.replica(index).fire('view');
    net.deliver(within(1, 2, 3));
    // View 1 of the old set is in the log, its last block is on disk.
    expect(net.replica(1).log.has('0/newView')).toBe(true);
    for (const index of [0, 1, 2, 3, 4, 5]) net.replica(index).restart();
    catchUp(net);
    for (const index of [1, 2, 4, 5]) {
      expect(net.replica(index).state).toMatchObject({ view: 0, changing: false });
      expect(net.replica(index).config.validatorSet.epoch).toBe(1);
    }
    commit(net);
    expect(net.heights()).toEqual([3, 3, 3, 3, 3, 3]);
  });

  it('at any write around it: everybody says again what it said, and the chain goes on', () => {
    for (let writes = 0; writes < 14; writes++) {
      const net = new TestNet(options);
      commit(net);
      const victim = net.replica(1);
      net.replica(0).propose();
      victim.slowDisk = true;
      let left = writes;
      for (let round = 0; round < 60 && net.wires.length > 0; round++) {
        const [wire] = net.wires.splice(0, 1);
        net.replica(wire!.to).receive(wire!.from, wire!.message);
        while (left > 0 && victim.disk.length > 0) {
          victim.sync(1);
          left--;
          victim.settle();
        }
      }
      victim.slowDisk = false;
      victim.restart();
      catchUp(net);
      expect(net.heights().slice(0, 4)).toEqual([2, 2, 2, 2]);
      commit(net);
      // In the new set as well.
      victim.restart();
      catchUp(net);
      commit(net);
      expect(net.heights()).toEqual([4, 4, 4, 4, 4, 4]);
    }
  });

  it('in a later view of the new set: it goes on there', () => {
    const net = new TestNet(options);
    commitUpTo(net, 2);
    net.replica(4).crash();
    for (const index of [1, 2, 5]) net.replica(index).give({ kind: 'demand', pending: true });
    net.heartbeat();
    for (const index of [1, 2, 5]) net.replica(index).fire('view');
    net.deliver();
    for (const index of [1, 2, 5]) net.replica(index).restart();
    expect(net.replica(1).state).toMatchObject({ view: 1, changing: false });
    net.heartbeat();
    commit(net);
    expect(net.replica(5).height).toBe(3);
  });
});

describe('members of the set before', () => {
  const net = new TestNet(options);
  commitUpTo(net, 3);
  const tip = net.replica(1).tip;
  const oldConfig = testConfig(options, 0, 1);
  const block = makeBlock(oldConfig, {
    height: 4,
    view: 0,
    parent: tip.digest,
    timeMs: tip.timeMs + 1,
    label: 'forged',
  });

  it.each([
    ['proposals', { kind: 'prePrepare', view: asView(0), block }],
    ['prepares', { kind: 'prepare', view: asView(0), height: block.header.height, digest: block.digest }],
    ['commits', { kind: 'commit', view: asView(0), height: block.header.height, digest: block.digest }],
    ['checkpoints', { kind: 'checkpoint', height: block.header.height, digest: block.digest }],
    [
      'view-changes',
      {
        kind: 'viewChange',
        body: {
          chainId: oldConfig.chainId,
          validatorSetHash: oldConfig.validatorSetHash,
          view: asView(1),
          validator: asValidatorIndex(1),
          prepared: [],
        },
      },
    ],
  ] as const)('are not heard any more: %s', (_, statement) => {
    for (const signer of [1, 2, 3]) {
      if (statement.kind === 'viewChange' && signer !== 1) continue;
      const before = net.refused.length;
      net.replica(5).receive(asValidatorIndex(signer), say(oldConfig, signer, statement));
      expect(net.refused.length).toBe(before + 1);
    }
    expect(net.replica(5).height).toBe(3);
  });

  it('that come back later cannot use what they signed in an earlier epoch, though the set is the same', () => {
    const back = new TestNet({
      n: 4,
      changes: [
        { activationHeight: 3, members: [0, 1] },
        { activationHeight: 5, members: [0, 1, 2, 3] },
      ],
    });
    const config = testConfig(back.options, 3, 1);
    commitUpTo(back, 5);
    const stale = say(config, 3, {
      kind: 'viewChange',
      body: {
        chainId: config.chainId,
        validatorSetHash: config.validatorSetHash,
        view: asView(7),
        validator: asValidatorIndex(3),
        prepared: [],
      },
    });
    const before = back.refused.length;
    back.replica(0).receive(asValidatorIndex(3), stale);
    expect(back.refused).toHaveLength(before + 1);
  });
});

describe('a view-change of the new set', () => {
  it('has to show the last block of the set before, or a later one', () => {
    const net = new TestNet(options);
    commitUpTo(net, 2);
    const config = testConfig(options, 1, 3);
    const [first, last] = [1, 2].map((height) => net.replica(1).chain[height]!.certificate!);
    for (const [committed, taken] of [
      [undefined, false],
      [first, false],
      [last, true],
    ] as const) {
      const viewChange = encodeViewChange({
        chainId: config.chainId,
        validatorSetHash: config.validatorSetHash,
        view: asView(1),
        validator: asValidatorIndex(3),
        ...(committed !== undefined && { committed }),
        prepared: [],
      });
      const signature = fakeSign(config, 3, viewChangeSigningBytes(viewChange));
      const message = { kind: 'viewChange', viewChange, signature } as const;
      const before = net.refused.length;
      net.replica(2).receive(asValidatorIndex(1), message);
      expect(net.refused.length).toBe(taken ? before : before + 1);
    }
  });
});
