/** Proposals by a validator that is not the primary. */
import { decodeBlockHeader, encodeBlockHeader } from '../../../src/codec/index.js';
import { headerDigest } from '../../../src/crypto/index.js';
import { proposal, vote } from './signing.js';
import { messageIn, packetOf, type StrategyMaker } from './strategy.js';

/** Proposes, in a view that another one leads, a rival of what the primary proposes, under its own signature; and votes
 * for it. */
export const usurping: StrategyMaker = (villain) => {
  const { random, self, peers } = villain;
  return {
    incoming: (_from, packet) => {
      const message = messageIn(packet);
      if (message?.kind !== 'prePrepare' || message.signature.validator === self || random.chance(0.5))
        return packet;
      const header = decodeBlockHeader(message.header);
      if (!header.ok) return packet;
      const bytes = encodeBlockHeader({ ...header.value, timeMs: header.value.timeMs + 1 });
      const digest = headerDigest(bytes);
      const { height } = header.value;
      for (const to of random.some(peers, 1)) {
        villain.send(
          to,
          packetOf(
            proposal(villain, message.view, { height, header: bytes, digest }, message.transactionHashes),
          ),
        );
        for (const kind of ['prepare', 'commit'] as const)
          villain.send(to, packetOf(vote(villain, kind, message.view, height, digest)));
      }
      return packet;
    },
  };
};
