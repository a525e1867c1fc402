/** Faults of saying one thing to some and another to others. */
import { decodeBlockHeader, encodeBlockHeader } from '../../../src/codec/index.js';
import { headerDigest } from '../../../src/crypto/index.js';
import { asDigest, toHex } from '../../../src/types/index.js';
import type { Digest } from '../../../src/types/index.js';
import { messageIn, packetOf, type Sending, type StrategyMaker } from './strategy.js';
import { proposal, vote } from './signing.js';

interface Twin {
  readonly header: Uint8Array;
  readonly digest: Digest;
  readonly original: Digest;
}

/**
 * Proposes two chains of blocks: to some peers its driver's, to the others one that differs in the time of a block, so
 * that it is just as valid; and votes for the one to the ones, for the other to the others.
 */
export const twins: StrategyMaker = (villain) => {
  const { random, peers, self } = villain;
  let others = new Set(random.some(peers, 1));
  const byOriginal = new Map<string, Twin>();
  const byTwin = new Map<string, Twin>();
  const twinOf = (header: Uint8Array): Twin | undefined => {
    const original = headerDigest(header);
    const known = byOriginal.get(toHex(original));
    if (known !== undefined) return known;
    const decoded = decodeBlockHeader(header);
    if (!decoded.ok) return undefined;
    const parent = byOriginal.get(toHex(decoded.value.prevHash));
    const changed = encodeBlockHeader({
      ...decoded.value,
      ...(parent === undefined ? {} : { prevHash: parent.digest }),
      timeMs: decoded.value.timeMs + 1,
    });
    const twin: Twin = { header: changed, digest: headerDigest(changed), original };
    byOriginal.set(toHex(original), twin);
    byTwin.set(toHex(twin.digest), twin);
    return twin;
  };
  const outgoing = ({ to, packet }: Sending): readonly Sending[] => {
    const unchanged = [{ to, packet }];
    if (!others.has(to)) return unchanged;
    if (packet.kind === 'bodies') {
      const twin = byOriginal.get(toHex(packet.digest));
      return twin === undefined
        ? unchanged
        : [...unchanged, { to, packet: { ...packet, digest: twin.digest } }];
    }
    const message = messageIn(packet);
    if (message?.kind === 'prePrepare' && message.signature.validator === self) {
      const header = decodeBlockHeader(message.header);
      const twin = twinOf(message.header);
      if (!header.ok || twin === undefined) return unchanged;
      const { height } = header.value;
      const hashes = message.transactionHashes;
      return [
        { to, packet: packetOf(proposal(villain, message.view, { height, ...twin }, hashes)) },
        { to, packet: packetOf(vote(villain, 'commit', message.view, height, twin.digest)) },
      ];
    }
    if ((message?.kind === 'prepare' || message?.kind === 'commit') && message.signature.validator === self) {
      const twin = byOriginal.get(toHex(message.digest));
      if (twin === undefined) return unchanged;
      return [
        { to, packet: packetOf(vote(villain, message.kind, message.view, message.height, twin.digest)) },
      ];
    }
    return unchanged;
  };
  return {
    outgoing,
    incoming: (_from, packet) => {
      if (packet.kind !== 'fetchBodies') return packet;
      const twin = byTwin.get(toHex(packet.digest));
      return twin === undefined ? packet : { ...packet, digest: twin.original };
    },
    tick: () => {
      if (random.chance(0.1)) others = new Set(random.some(peers, 1));
    },
  };
};

/** Votes for what its driver votes for, and for something else as well. */
export const doubleVotes: StrategyMaker = (villain) => {
  const { random, self, archive } = villain;
  const otherDigest = (height: number, digest: Uint8Array): Uint8Array => {
    const rivals = archive.flatMap((message) =>
      (message.kind === 'prepare' || message.kind === 'commit') &&
      message.height === height &&
      toHex(message.digest) !== toHex(digest)
        ? [message.digest]
        : [],
    );
    return rivals.length > 0 ? random.pick(rivals) : asDigest(random.bytes(32));
  };
  return {
    outgoing: (sending) => {
      const message = messageIn(sending.packet);
      if (message?.kind === 'prePrepare' && message.signature.validator === self) {
        // A primary's proposal is its prepare; it counts once.
        const header = decodeBlockHeader(message.header);
        const digest = headerDigest(message.header);
        if (!header.ok) return [sending];
        const twice = packetOf(vote(villain, 'prepare', message.view, header.value.height, digest));
        return [sending, { to: sending.to, packet: twice }];
      }
      if (message?.kind !== 'prepare' && message?.kind !== 'commit') return [sending];
      if (message.signature.validator !== self || random.chance(0.5)) return [sending];
      const { kind, view, height, digest } = message;
      const rival = {
        to: sending.to,
        packet: packetOf(vote(villain, kind, view, height, otherDigest(height, digest))),
      };
      return random.pick([[rival], [rival, sending], [sending, rival]]);
    },
    // Supports whatever anybody proposes.
    incoming: (from, packet) => {
      const message = messageIn(packet);
      if (message?.kind === 'prePrepare' && random.chance(0.5)) {
        const header = decodeBlockHeader(message.header);
        if (header.ok) {
          const digest = headerDigest(message.header);
          for (const kind of ['prepare', 'commit'] as const)
            villain.send(from, packetOf(vote(villain, kind, message.view, header.value.height, digest)));
        }
      }
      return packet;
    },
  };
};

/** Votes with everybody for whatever they have: each peer gets prepare and commit for what it votes for itself. */
export const accomplice: StrategyMaker = (villain) => {
  const { self } = villain;
  const given = new Set<string>();
  const support = (to: number, view: number, height: number, digest: Uint8Array): void => {
    const key = `${to}/${view}/${height}/${toHex(digest)}`;
    if (given.has(key)) return;
    given.add(key);
    for (const kind of ['prepare', 'commit'] as const)
      villain.send(to, packetOf(vote(villain, kind, view, height, digest)));
  };
  return {
    // Nothing to all alike.
    outgoing: (sending) => {
      const message = messageIn(sending.packet);
      const isVote = message?.kind === 'prepare' || message?.kind === 'commit';
      return isVote && message.signature.validator === self ? [] : [sending];
    },
    incoming: (from, packet) => {
      const message = messageIn(packet);
      if ((message?.kind === 'prepare' || message?.kind === 'commit') && message.signature.validator === from)
        support(from, message.view, message.height, message.digest);
      return packet;
    },
  };
};
