import { beforeEach, describe, expect, it } from '@jest/globals';
import { asHeight, asView, toHex } from '../../src/types/index.js';
import type { BlockRef } from '../../src/consensus/index.js';
import { both, not, ofKind, TestNet, toReplica } from '../helpers/consensus-net.js';
import { genesisTip, makeBlock } from '../helpers/consensus-words.js';

const view = asView(0);
const height = asHeight(1);

describe('a validator that signs two different things', () => {
  let net: TestNet;
  let one: BlockRef;
  let other: BlockRef;
  beforeEach(() => {
    net = new TestNet({ n: 4 });
    const options = { view: 0, height: 1, parent: genesisTip.digest, timeMs: genesisTip.timeMs + 1 };
    one = makeBlock(net.config, { ...options, label: 'one' });
    other = makeBlock(net.config, { ...options, label: 'other' });
  });

  it('counts on one side only, that of its first vote, and is proven guilty once (pitfall 7)', () => {
    const replica = net.replica(1);
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(3, { kind: 'commit', view, height, digest: other.digest }, [1]);
    for (let count = 0; count < 3; count++)
      net.inject(3, { kind: 'commit', view, height, digest: one.digest }, [1]);
    expect(replica.evidence.length).toBe(1);
    const [evidence] = replica.evidence;
    expect(evidence?.phase).toBe('commit');
    expect(evidence?.first.signature.validator).toBe(3);
    // In its one form, whichever vote came first.
    const digests = [evidence!.first, evidence!.second].map(({ digest }) => toHex(digest));
    expect(digests).toEqual([one, other].map(({ digest }) => toHex(digest)).sort());
    // Two more commits would make a quorum if its second vote counted.
    net.inject(0, { kind: 'commit', view, height, digest: one.digest }, [1]);
    net.inject(2, { kind: 'commit', view, height, digest: one.digest }, [1]);
    expect(replica.height).toBe(0);
  });

  it('is counted once however often it votes (pitfall 6)', () => {
    const replica = net.replica(1);
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    for (let count = 0; count < 5; count++)
      net.inject(3, { kind: 'prepare', view, height, digest: one.digest }, [1]);
    net.deliver(toReplica(1));
    // Its own prepare and the one of 3 make quorum - 1 with the primary's pre-prepare; for the commits two are missing.
    expect(replica.state.slots.get(height)?.prepared).toBeDefined();
    for (let count = 0; count < 5; count++)
      net.inject(3, { kind: 'commit', view, height, digest: one.digest }, [1]);
    expect(replica.height).toBe(0);
    expect(replica.evidence).toEqual([]);
  });

  it('as primary gains no second prepare by preparing its own proposal', () => {
    const replica = net.replica(1);
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(0, { kind: 'prepare', view, height, digest: one.digest }, [1]);
    expect(replica.state.slots.get(height)?.prepared).toBeUndefined();
  });

  it('as primary loses its view to whoever sees both proposals, and neither is committed by a minority', () => {
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(0, { kind: 'prePrepare', view, block: other }, [2, 3]);
    net.deliver();
    expect(net.heights().slice(1)).toEqual([0, 0, 0]);
    net.inject(0, { kind: 'prePrepare', view, block: other }, [1]);
    expect(net.replica(1).evidence.map(({ phase }) => phase)).toEqual(['prePrepare']);
    expect(net.views()[1]).toBe('1?');
  });

  it('as primary cannot have two blocks committed with the help of its own double votes', () => {
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(0, { kind: 'prePrepare', view, block: other }, [2, 3]);
    net.deliver(not(toReplica(0)));
    for (const { digest } of [one, other]) {
      net.inject(0, { kind: 'commit', view, height, digest });
      net.deliver(not(toReplica(0)));
    }
    // 2 and 3 have prepared the other block with the primary; their commits and the primary's are a quorum.
    const finals = net.replicas
      .slice(1)
      .flatMap(({ chain }) => chain.slice(1).map(({ digest }) => toHex(digest)));
    expect(new Set(finals).size).toBeLessThanOrEqual(1);
  });

  it('does not stop the one that it fooled from following the others', () => {
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.inject(0, { kind: 'prePrepare', view, block: other }, [2, 3]);
    net.inject(0, { kind: 'commit', view, height, digest: other.digest }, [1, 2, 3]);
    net.deliver(not(toReplica(0)));
    expect(net.heights().slice(1)).toEqual([0, 1, 1]);
    net.heartbeat([1, 2, 3]);
    net.replica(1).fire('retransmit');
    net.heartbeat([1, 2, 3]);
    net.replica(1).fire('retransmit');
    net.replica(1).serveSync();
    expect(net.heights().slice(1)).toEqual([1, 1, 1]);
    expect(toHex(net.replica(1).tip.digest)).toBe(toHex(other.digest));
  });

  it('and is this replica itself, by another process with its key, makes it stop (pitfall 17)', () => {
    net.inject(0, { kind: 'prePrepare', view, block: one }, [1]);
    net.deliver(both(toReplica(1), ofKind('prepare')));
    expect(net.replica(1).halted).toBeUndefined();
    // An echo of what it has said itself is harmless.
    const said = { kind: 'prepare', view, height, digest: one.digest } as const;
    net.inject(1, said, []);
    const echo = net.inject(1, said, []);
    net.replica(1).receive(net.replica(2).index, echo);
    expect(net.replica(1).halted).toBeUndefined();
    const twin = net.inject(1, { ...said, digest: other.digest }, []);
    net.replica(1).receive(net.replica(2).index, twin);
    expect(net.replica(1).halted).toMatch(/another process/);
    expect(net.replica(1).evidence.length).toBe(1);
  });
});
