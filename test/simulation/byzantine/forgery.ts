/** Faults that a signature check has to find: certificates with too few, wrong, repeated or invented signatures. */
import { decodeBlockHeader, decodeViewChange } from '../../../src/codec/index.js';
import type { ConsensusMessage, PreparedCertificate, VoteSignature } from '../../../src/codec/model.js';
import { headerDigest } from '../../../src/crypto/index.js';
import {
  asDigest,
  asHeight,
  asSignature,
  asValidatorIndex,
  asView,
  quorumOf,
} from '../../../src/types/index.js';
import { packetOf, type StrategyMaker, type Villain } from './strategy.js';
import { viewChange, voteSignature } from './signing.js';

export const forging: StrategyMaker = (villain) => {
  const { random, peers } = villain;
  return {
    tick: () => {
      if (!random.chance(0.4)) return;
      const message = random.pick([forgedVote, forgedPrepared, forgedCommitted, forgedViewChange])(villain);
      if (message === undefined) return;
      for (const to of random.some(peers, 1)) villain.send(to, packetOf(message));
    },
  };
};

const spoil = (villain: Villain, signatures: readonly VoteSignature[]): readonly VoteSignature[] => {
  const [first, ...rest] = signatures;
  if (first === undefined) return [];
  const broken = asSignature(first.signature.slice());
  broken[villain.random.below(64)]! ^= 1 << villain.random.below(8);
  const others = villain.peers.filter((peer) => !signatures.some(({ validator }) => validator === peer));
  return villain.random.pick([
    rest,
    [...rest, rest.at(-1) ?? first],
    [{ ...first, signature: broken }, ...rest],
    [...rest, { validator: asValidatorIndex(others[0] ?? 0), signature: first.signature }],
  ]);
};

/** A vote of somebody else under its own signature, or a copied one for another view. */
function forgedVote(villain: Villain): ConsensusMessage | undefined {
  const { random, peers } = villain;
  const votes = villain.archive.filter(({ kind }) => kind === 'prepare' || kind === 'commit');
  if (votes.length === 0) return undefined;
  const message = random.pick(votes);
  if (message.kind !== 'prepare' && message.kind !== 'commit') return undefined;
  const { kind, view, height, digest, signature } = message;
  const invented = random.bytes(32);
  return random.pick<ConsensusMessage>([
    { ...message, view: asView(view + 1) },
    { ...message, digest: asDigest(invented) },
    { ...message, kind: kind === 'prepare' ? 'commit' : 'prepare' },
    {
      ...message,
      digest: asDigest(invented),
      signature: {
        validator: asValidatorIndex(random.pick(peers)),
        signature: voteSignature(villain, kind, view, height, invented).signature,
      },
    },
    { ...message, digest, signature: { ...signature, validator: asValidatorIndex(random.pick(peers)) } },
  ]);
}

function somePrepared(villain: Villain): PreparedCertificate | undefined {
  for (const message of villain.archive) {
    if (message.kind !== 'viewChange') continue;
    const body = decodeViewChange(message.viewChange);
    const certificate = body.ok ? body.value.prepared[0] : undefined;
    if (certificate !== undefined) return certificate;
  }
  // Made up from votes that it has seen.
  const proposed = villain.archive.findLast(({ kind }) => kind === 'prePrepare');
  if (proposed?.kind !== 'prePrepare') return undefined;
  const prepares = villain.archive.flatMap((message) =>
    message.kind === 'prepare' && message.view === proposed.view ? [message.signature] : [],
  );
  return { view: proposed.view, header: proposed.header, prePrepare: proposed.signature, prepares };
}

/** A properly signed view-change with a prepared certificate that is none. */
function forgedPrepared(villain: Villain): ConsensusMessage | undefined {
  const certificate = somePrepared(villain);
  if (certificate === undefined) return undefined;
  const { random } = villain;
  const forged = random.pick<PreparedCertificate>([
    { ...certificate, prepares: spoil(villain, certificate.prepares) },
    { ...certificate, view: asView(certificate.view + 1) },
    { ...certificate, header: certificate.header.map((byte, at) => (at === 60 ? byte ^ 1 : byte)) },
  ]);
  return viewChange(villain, { view: asView(villain.view() + random.integer(1, 2)), prepared: [forged] });
}

/** A properly signed view-change with a commit certificate that is none. */
function forgedCommitted(villain: Villain): ConsensusMessage | undefined {
  const { random, config } = villain;
  const height = asHeight(villain.committedHeight() + random.integer(1, 3));
  const view = asView(villain.view());
  const digest = asDigest(random.bytes(32));
  const own = voteSignature(villain, 'commit', view, height, digest);
  const quorum = quorumOf(config.validatorSet.validators.length);
  // Its own vote alone, or again and again: each signature holds.
  if (random.chance(0.4))
    return viewChange(villain, {
      view: asView(villain.view() + 1),
      committed: {
        view,
        height,
        digest,
        signatures: random.pick([[own], Array.from({ length: quorum }, () => own)]),
      },
      prepared: [],
    });
  const signatures = Array.from({ length: quorum }, (_, index) => ({
    validator: asValidatorIndex(random.chance(0.8) ? index : villain.self),
    signature: own.signature,
  }));
  return viewChange(villain, {
    view: asView(villain.view() + random.integer(1, 2)),
    committed: { view, height, digest, signatures },
    prepared: [],
  });
}

/** A view-change of somebody else, or an old one for another view. */
function forgedViewChange(villain: Villain): ConsensusMessage | undefined {
  const old = villain.archive.findLast(({ kind }) => kind === 'viewChange');
  if (old?.kind !== 'viewChange') {
    const proposed = villain.archive.find(({ kind }) => kind === 'prePrepare');
    if (proposed?.kind !== 'prePrepare') return undefined;
    const header = decodeBlockHeader(proposed.header);
    if (!header.ok) return undefined;
    const digest = headerDigest(proposed.header);
    // Somebody else's proposal as if it were its own.
    return {
      ...proposed,
      signature: voteSignature(villain, 'prePrepare', proposed.view, header.value.height, digest),
    };
  }
  const bytes = old.viewChange.slice();
  bytes[villain.random.below(bytes.length)]! ^= 1;
  return { ...old, viewChange: bytes };
}
