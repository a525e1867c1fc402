/** Faults of what is not said, or said late. */
import { messageIn, type StrategyMaker } from './strategy.js';

/** Says nothing at all, at some times. */
export const silent: StrategyMaker = ({ random }) => {
  let quiet = random.chance(0.7);
  return {
    outgoing: (sending) => (quiet ? [] : [sending]),
    tick: () => {
      if (random.chance(0.05)) quiet = !quiet;
    },
  };
};

/** Leaves some peers, or some kinds of messages, out. */
export const selective: StrategyMaker = ({ random, peers }) => {
  let shunned = new Set(random.some(peers, 1));
  return {
    outgoing: (sending) => (shunned.has(sending.to) && random.chance(0.95) ? [] : [sending]),
    tick: () => {
      if (random.chance(0.1)) shunned = new Set(random.some(peers));
    },
  };
};

/** Lets one peer alone have a vote of its, or nobody, or all: where its vote decides, it decides for whom. */
export const stingy: StrategyMaker = ({ random, peers, self }) => {
  const favoured = new Map<string, number | 'all' | 'none'>();
  return {
    outgoing: (sending) => {
      const message = messageIn(sending.packet);
      if (message?.kind !== 'prepare' && message?.kind !== 'commit') return [sending];
      if (message.signature.validator !== self) return [];
      const key = `${message.kind}/${message.view}/${message.height}`;
      const one =
        favoured.get(key) ?? random.pick(['all', 'none', random.pick(peers), random.pick(peers)] as const);
      favoured.set(key, one);
      return one === 'all' || one === sending.to ? [sending] : [];
    },
  };
};

/** Is just fast enough, or not quite. */
export const slow: StrategyMaker = (villain) => {
  const delayMs = villain.random.pick([50, 140, 280, 500]);
  return {
    outgoing: ({ to, packet }) => {
      villain.later(delayMs, () => villain.send(to, packet));
      return [];
    },
  };
};

/** Passes over what one member sends. */
export const censoring: StrategyMaker = ({ random }) => {
  const victim = new TextEncoder().encode(random.pick(['alpha', 'beta', 'gamma']));
  const isVictims = (envelope: Uint8Array): boolean => includes(envelope, victim);
  return {
    incoming: (_from, packet) =>
      packet.kind === 'relay'
        ? { kind: 'relay', envelopes: packet.envelopes.filter((envelope) => !isVictims(envelope)) }
        : packet,
  };
};

function includes(bytes: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(Buffer.from(part));
}

/** Its clock is far off. */
export const wrongTime: StrategyMaker = ({ random }) => ({
  wallOffsetMs: random.pick([-3_600_000, -1500, -900, 900, 1500, 3_600_000]),
});
