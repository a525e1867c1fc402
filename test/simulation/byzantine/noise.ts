/** Faults of bodies, rubbish, repetition and of what is served to those who catch up. */
import { asDigest } from '../../../src/types/index.js';
import { messageIn, packetOf, type StrategyMaker } from './strategy.js';

/** Tells nobody of its clients' transactions, and gives bodies to some only, or wrong ones. */
export const withholding: StrategyMaker = ({ random, peers }) => {
  const favoured = new Set(random.some(peers));
  return {
    outgoing: (sending) => {
      const { packet, to } = sending;
      if (packet.kind === 'relay') return random.chance(0.8) ? [] : [sending];
      if (packet.kind !== 'bodies' || favoured.has(to)) return [sending];
      const { envelopes } = packet;
      return random.pick([
        [],
        [{ to, packet: { ...packet, envelopes: [], hashes: [] } }],
        [{ to, packet: { ...packet, envelopes: envelopes.slice(1) } }],
        [{ to, packet: { ...packet, hashes: [...packet.hashes].reverse() } }],
        [
          {
            to,
            packet: {
              ...packet,
              envelopes: envelopes.map((envelope) =>
                envelope.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
              ),
            },
          },
        ],
      ]);
    },
  };
};

/** Sends what nobody can read, and bodies and transactions that nobody asked for. */
export const rubbish: StrategyMaker = (villain) => {
  const { random, peers } = villain;
  return {
    outgoing: (sending) => {
      const { packet, to } = sending;
      if (packet.kind !== 'consensus' || random.chance(0.7)) return [sending];
      const bytes = packet.bytes.slice(
        0,
        random.chance(0.3) ? random.below(packet.bytes.length) : packet.bytes.length,
      );
      if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      return random.pick([
        [{ to, packet: { kind: 'consensus', bytes } }],
        [{ to, packet: { kind: 'consensus', bytes } }, sending],
      ]);
    },
    tick: () => {
      if (!random.chance(0.3)) return;
      const to = random.pick(peers);
      const noise = random.bytes(random.below(200));
      villain.send(
        to,
        random.pick([
          { kind: 'consensus', bytes: noise },
          { kind: 'relay', envelopes: [noise, noise] },
          { kind: 'bodies', digest: asDigest(random.bytes(32)), hashes: [], envelopes: [noise] },
          { kind: 'fetchBodies', digest: asDigest(random.bytes(32)), hashes: [] },
        ]),
      );
    },
  };
};

/** Says again what was said long ago, by itself or by others. */
export const replaying: StrategyMaker = (villain) => {
  const { random, peers, archive } = villain;
  return {
    tick: () => {
      if (archive.length === 0) return;
      for (let count = random.below(4); count > 0; count--)
        villain.send(random.pick(peers), packetOf(random.pick(archive)));
    },
  };
};

/** Gives those who catch up other blocks than were committed, or keeps them waiting; passes on only what it likes. */
export const lyingHistory: StrategyMaker = ({ random }) => ({
  outgoing: (sending) =>
    messageIn(sending.packet)?.kind === 'checkpoint' && random.chance(0.5) ? [] : [sending],
  serveState: (part) => {
    const { entries, proof } = part;
    return random.pick([
      'stall' as const,
      part,
      { ...part, entries: entries.slice(1) },
      { ...part, entries: [...entries].reverse() },
      {
        ...part,
        entries: entries.map((entry) => ({ ...entry, value: entry.value.map((byte) => byte ^ 1) })),
      },
      { ...part, entries: [...entries, ...entries.slice(-1)] },
      { ...part, to: part.to.map((byte, at) => (at === 20 ? byte ^ 1 : byte)) },
      { ...part, proof: { ...proof, left: proof.left.slice(1) } },
    ]);
  },
  serve: (block) => {
    const signatures = [...block.certificate.signatures];
    return random.pick([
      'stall' as const,
      block,
      { ...block, envelopes: block.envelopes.slice(1) },
      { ...block, envelopes: block.envelopes.map((bytes) => bytes.slice().reverse()) },
      { ...block, envelopes: block.envelopes.map(() => block.envelopes.at(-1)!) },
      { ...block, headerBytes: block.headerBytes.map((byte, at) => (at === 50 ? byte ^ 1 : byte)) },
      { ...block, certificate: { ...block.certificate, signatures: signatures.slice(1) } },
      {
        ...block,
        certificate: { ...block.certificate, signatures: [...signatures.slice(1), signatures.at(-1)!] },
      },
      {
        ...block,
        certificate: {
          ...block.certificate,
          view: (block.certificate.view + 1) as typeof block.certificate.view,
        },
      },
    ]);
  },
});
