/** Proposals that no correct primary makes. */
import { decodeBlockHeader, encodeBlockHeader } from '../../../src/codec/index.js';
import type { BlockHeader } from '../../../src/codec/model.js';
import { headerDigest, merkleRoot } from '../../../src/crypto/index.js';
import { asDigest, asHash, asHeight, asView, toHex } from '../../../src/types/index.js';
import type { Hash } from '../../../src/types/index.js';
import { proposal, vote } from './signing.js';
import { messageIn, packetOf, type StrategyMaker, type Villain } from './strategy.js';

interface Bad {
  readonly header: BlockHeader;
  readonly hashes: readonly Hash[];
}

/** As primary, proposes blocks with wrong roots, links, times or contents, and backs them with all votes that it has. */
export const badBlocks: StrategyMaker = (villain) => {
  const { random, self } = villain;
  const made = new Map<string, Bad | undefined>();
  return {
    outgoing: (sending) => {
      const message = messageIn(sending.packet);
      if (message?.kind !== 'prePrepare' || message.signature.validator !== self) return [sending];
      const key = toHex(headerDigest(message.header));
      if (!made.has(key)) {
        const header = decodeBlockHeader(message.header);
        const spoilt = header.ok && random.chance(0.6);
        made.set(key, spoilt ? spoil(villain, header.value, message.transactionHashes) : undefined);
      }
      const bad = made.get(key);
      if (bad === undefined) return [sending];
      const header = encodeBlockHeader(bad.header);
      const digest = headerDigest(header);
      const { height } = bad.header;
      const { to } = sending;
      return [
        { to, packet: packetOf(proposal(villain, message.view, { height, header, digest }, bad.hashes)) },
        { to, packet: packetOf(vote(villain, 'commit', message.view, height, digest)) },
      ];
    },
  };
};

function spoil({ random }: Villain, header: BlockHeader, hashes: readonly Hash[]): Bad {
  const [first] = hashes;
  const twice = first === undefined ? hashes : [...hashes, first];
  const invented = [...hashes, asHash(random.bytes(32))];
  const withHashes = (list: readonly Hash[]): Bad => ({
    header: { ...header, transactionsRoot: merkleRoot(list), transactionCount: list.length },
    hashes: list,
  });
  const otherSet = asHash(random.bytes(32));
  return random.pick<Bad>([
    { header: { ...header, stateRoot: asHash(random.bytes(32)) }, hashes },
    { header: { ...header, resultsRoot: asHash(random.bytes(32)) }, hashes },
    { header: { ...header, prevHash: asDigest(random.bytes(32)) }, hashes },
    { header: { ...header, nextValidatorSetHash: asHash(random.bytes(32)) }, hashes },
    { header: { ...header, validatorSetHash: otherSet, nextValidatorSetHash: otherSet }, hashes },
    { header: { ...header, timeMs: header.timeMs - random.pick([1, 300, 300, 1000, 10_000_000]) }, hashes },
    { header: { ...header, timeMs: header.timeMs + random.pick([900, 5000, 10_000_000]) }, hashes },
    { header: { ...header, view: asView(header.view + 1) }, hashes },
    { header: { ...header, height: asHeight(header.height + 1) }, hashes },
    withHashes(twice),
    withHashes(invented),
    withHashes([]),
  ]);
}
