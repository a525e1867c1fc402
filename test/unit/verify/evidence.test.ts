import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Evidence, SignedVote, ValidatorSet, VotePhase } from '../../../src/codec/index.js';
import { validatorSetHash, voteSigningBytes } from '../../../src/crypto/index.js';
import { asDigest, asHeight, asValidatorIndex, asView, type ChainId } from '../../../src/types/index.js';
import {
  asEvidence,
  trustGenesis,
  verifyCertificate,
  verifyEvidence,
  type ChainTrust,
  type VerifyErrorCode,
} from '../../../src/verify/index.js';
import { checkByOpenSsl, SignedChain, testKey, type TestKey } from '../../helpers/signed-chain.js';

let chain: SignedChain;
let trust: ChainTrust;

beforeAll(async () => {
  chain = await SignedChain.create(4);
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl });
});

const digest = (byte: number) => asDigest(new Uint8Array(32).fill(byte));

interface Said {
  readonly key?: TestKey;
  readonly validator?: number;
  readonly phase?: VotePhase;
  readonly view?: number;
  readonly height?: number;
  readonly digest?: number;
  readonly chainId?: ChainId;
  readonly set?: ValidatorSet;
}

/** A vote of validator 2 for (commit, view 3, height 9), but for what `said` changes. */
function vote(said: Said = {}): SignedVote {
  const { validator = 2, phase = 'commit', chainId = chain.chainId, set = chain.set } = said;
  const place = {
    view: asView(said.view ?? 3),
    height: asHeight(said.height ?? 9),
    digest: digest(said.digest ?? 1),
  };
  const bytes = voteSigningBytes({ chainId, validatorSetHash: validatorSetHash(set), phase, ...place });
  const signature = (said.key ?? chain.keys[validator]!).sign(bytes);
  return { ...place, signature: { validator: asValidatorIndex(validator), signature } };
}

const evidence = (one: SignedVote, other: SignedVote, phase: VotePhase = 'commit'): Evidence =>
  asEvidence(validatorSetHash(chain.set), phase, one, other);

const refusal = (given: Evidence): VerifyErrorCode | 'proven' => {
  const verified = verifyEvidence(trust, given);
  return verified.ok ? 'proven' : verified.error.code;
};

describe('evidence', () => {
  it.each(['prePrepare', 'prepare', 'commit'] as const)(
    'of two %ss in one place names who made them, and where',
    (phase) => {
      const verified = verifyEvidence(
        trust,
        evidence(vote({ phase, digest: 5 }), vote({ phase, digest: 4 }), phase),
      );
      if (!verified.ok) throw verified.error;
      expect(verified.value).toMatchObject({
        validator: 'validator-2',
        index: 2,
        publicKey: chain.keys[2]!.publicKey,
        phase,
        view: 3,
        height: 9,
        digests: [digest(4), digest(5)],
      });
    },
  );

  it('is none when a correct validator may have signed both', () => {
    // Voted again for another block after a view change; for the next height; for the same block once more.
    expect(refusal(evidence(vote(), vote({ view: 4, digest: 2 })))).toBe('NO_CONFLICT');
    expect(refusal(evidence(vote(), vote({ height: 10, digest: 2 })))).toBe('NO_CONFLICT');
    expect(refusal(evidence(vote(), vote()))).toBe('NO_CONFLICT');
    // Two validators of different opinion.
    expect(refusal(evidence(vote(), vote({ validator: 1, digest: 2 })))).toBe('NO_CONFLICT');
  });

  it('is none when what was signed elsewhere is put in its place', () => {
    const other = { digest: 2 };
    expect(refusal(evidence(vote(), vote({ ...other, phase: 'prepare' })))).toBe('SIGNATURE_INVALID');
    const foreign = Uint8Array.from(chain.chainId, (byte) => byte ^ 1) as ChainId;
    expect(refusal(evidence(vote(), vote({ ...other, chainId: foreign })))).toBe('SIGNATURE_INVALID');
    const set = chain.addSet([21, 22, 2, 23]);
    expect(refusal(evidence(vote(), vote({ ...other, set })))).toBe('SIGNATURE_INVALID');
    const relabelled = (change: Partial<SignedVote>): SignedVote => ({
      ...vote({ ...other, view: 4, height: 10 }),
      ...change,
    });
    expect(refusal(evidence(vote(), relabelled({ view: asView(3), height: asHeight(9) })))).toBe(
      'SIGNATURE_INVALID',
    );
  });

  it('is none when another key signed, on either side', () => {
    const key = testKey(77);
    expect(refusal(evidence(vote({ key }), vote({ digest: 2 })))).toBe('SIGNATURE_INVALID');
    expect(refusal(evidence(vote(), vote({ key, digest: 2 })))).toBe('SIGNATURE_INVALID');
    // The votes of 1 are not those of 2, though the signatures hold for somebody.
    const stolen = { key: chain.keys[1]! };
    expect(refusal(evidence(vote(stolen), vote({ ...stolen, digest: 2 })))).toBe('SIGNATURE_INVALID');
  });

  it('has one form, so that one piece cannot be sent as two', () => {
    const { first, second, ...rest } = evidence(vote(), vote({ digest: 2 }));
    expect(refusal({ ...rest, first: second, second: first })).toBe('EVIDENCE_MALFORMED');
  });

  it('is judged by the set that it names: an unknown one, or an index outside it, proves nothing', () => {
    const set = chain.addSet([21, 22, 23, 24]);
    const ofSet = asEvidence(validatorSetHash(set), 'commit', vote({ set }), vote({ set, digest: 2 }));
    expect(refusal(ofSet)).toBe('UNKNOWN_VALIDATOR_SET');
    const stranger = { key: testKey(5), validator: 4 };
    expect(refusal(evidence(vote(stranger), vote({ ...stranger, digest: 2 })))).toBe('UNKNOWN_VALIDATOR');
  });

  it('against a member of a later set holds once the headers that lead to it were followed', async () => {
    const growing = await SignedChain.create(4, 'growing');
    const set = growing.addSet([31, 32, 33, 34]);
    const handover = await growing.append({ nextSet: set });
    const start = trustGenesis(growing.genesis, { checkSignature: checkByOpenSsl });
    const said = { set, chainId: growing.chainId, key: testKey(33) };
    const piece = asEvidence(validatorSetHash(set), 'commit', vote(said), vote({ ...said, digest: 2 }));
    const before = verifyEvidence(start, piece);
    expect(before.ok ? 'proven' : before.error.code).toBe('UNKNOWN_VALIDATOR_SET');
    const certified = verifyCertificate(start, handover.headerBytes, handover.certificate);
    if (!certified.ok) throw certified.error;
    const after = verifyEvidence(start.withNextSet(certified.value, set)!, piece);
    expect(after).toMatchObject({ ok: true, value: { validator: 'new-validator-2' } });
  });
});
