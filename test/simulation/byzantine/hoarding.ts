/** Old certificates, kept for when they do harm. */
import { decodeBlockHeader, decodeViewChange } from '../../../src/codec/index.js';
import type { PreparedCertificate, PrePrepare, VoteSignature } from '../../../src/codec/model.js';
import { headerDigest } from '../../../src/crypto/index.js';
import { primaryOf } from '../../../src/consensus/state.js';
import { asView, quorumOf, toHex } from '../../../src/types/index.js';
import type { Packet } from '../packet.js';
import { viewChange } from './signing.js';
import { messageIn, packetOf, type Strategy, type StrategyMaker, type Villain } from './strategy.js';

interface Hoard {
  proposal: PrePrepare | undefined;
  height: number;
  readonly prepares: Map<number, VoteSignature>;
}

/**
 * Collects every prepared certificate that it can make of what it hears, and shows in a view-change none, the newest
 * or the oldest of each height: all of them genuine.
 */
export const hoarding: StrategyMaker = (villain) => hoard(villain, false);

/** Does the same with what is no certificate: proposals with too few prepares, or with one of them again and again. */
export const inflating: StrategyMaker = (villain) => hoard(villain, true);

function hoard(villain: Villain, inflates: boolean): Strategy {
  const { random, self, config } = villain;
  const n = config.validatorSet.validators.length;
  const hoards = new Map<string, Hoard>();
  const hoardOf = (view: number, digest: Uint8Array, height: number): Hoard => {
    const key = `${view}/${toHex(digest)}`;
    let hoard = hoards.get(key);
    if (hoard === undefined) hoards.set(key, (hoard = { proposal: undefined, height, prepares: new Map() }));
    return hoard;
  };
  const collect = (packet: Packet): void => {
    const message = messageIn(packet);
    if (message?.kind === 'prePrepare') {
      const header = decodeBlockHeader(message.header);
      if (header.ok)
        hoardOf(message.view, headerDigest(message.header), header.value.height).proposal = message;
    } else if (message?.kind === 'prepare') {
      const { view, digest, height, signature } = message;
      hoardOf(view, digest, height).prepares.set(signature.validator, signature);
    }
  };
  const certificates = (base: number): Map<number, PreparedCertificate[]> => {
    const byHeight = new Map<number, PreparedCertificate[]>();
    for (const { proposal, height, prepares } of hoards.values()) {
      if (proposal === undefined || height <= base) continue;
      const { view, header, signature } = proposal;
      const others = [...prepares.values()]
        .filter(({ validator }) => validator !== primaryOf({ n }, view))
        .sort((left, right) => left.validator - right.validator)
        .slice(0, quorumOf(n) - 1);
      if (others.length < quorumOf(n) - 1) {
        if (!inflates) continue;
        const last = others.at(-1);
        while (last !== undefined && others.length < quorumOf(n) - 1 && random.chance(0.8)) others.push(last);
      }
      const list = byHeight.get(height) ?? [];
      list.push({ view, header, prePrepare: signature, prepares: others });
      byHeight.set(height, list);
    }
    return byHeight;
  };
  return {
    incoming: (_from, packet) => {
      collect(packet);
      return packet;
    },
    outgoing: (sending) => {
      collect(sending.packet);
      const message = messageIn(sending.packet);
      if (message?.kind !== 'viewChange') return [sending];
      const body = decodeViewChange(message.viewChange);
      if (!body.ok || body.value.validator !== self) return [sending];
      const { view, committed } = body.value;
      const prepared: PreparedCertificate[] = [];
      const cunning = !inflates && random.chance(0.7);
      const base = committed?.height ?? 0;
      for (const [, list] of [...certificates(base)].sort(([left], [right]) => left - right)) {
        const sorted = list.filter((item) => item.view < view).sort((left, right) => left.view - right.view);
        const rivals = new Set(sorted.map(({ header }) => toHex(headerDigest(header)))).size > 1;
        // Hides the only block of a height, so that another one takes its place, and then comes up with it.
        const chosen = cunning
          ? rivals
            ? sorted[0]
            : undefined
          : [sorted[0], sorted.at(-1), undefined][random.below(3)];
        if (chosen === undefined) continue;
        if (prepared.length < config.pipelineWindow) prepared.push(chosen);
      }
      const lie = { view: asView(view), ...(committed === undefined ? {} : { committed }), prepared };
      return [{ to: sending.to, packet: packetOf(viewChange(villain, lie)) }];
    },
  };
}
