import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  trustGenesis,
  verifyCertificate,
  verifyContent,
  verifyHeaderChain,
  verifyReceipt,
  type ChainTrust,
  type HeaderLink,
  type VerifyErrorCode,
} from '../../../src/verify/index.js';
import { asDigest } from '../../../src/types/index.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

let chain: SignedChain;
let trust: ChainTrust;

beforeEach(async () => {
  chain = await SignedChain.create(4);
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl, genesisDigest: chain.genesisDigest });
});

const link = (block: TestBlock): HeaderLink => ({
  header: block.headerBytes,
  certificate: block.certificate,
});
const refusal = (links: readonly HeaderLink[], by = trust): VerifyErrorCode | 'accepted' => {
  const followed = verifyHeaderChain(by, links);
  return followed.ok ? 'accepted' : followed.error.code;
};

describe('a chain of headers', () => {
  it('is followed from genesis to its tip, in one go or in parts', async () => {
    const blocks = [await chain.append(), await chain.append({ transactions: 0 }), await chain.append()];
    const whole = verifyHeaderChain(trust, blocks.map(link));
    expect(whole).toMatchObject({ ok: true, value: { tip: { header: { height: 3 } } } });
    const start = verifyHeaderChain(trust, blocks.slice(0, 1).map(link));
    if (!start.ok) throw start.error;
    const rest = verifyHeaderChain(start.value.trust, blocks.slice(1).map(link), start.value.tip);
    expect(rest).toEqual(whole);
  });

  it('is refused with a gap, a repeat or another order', async () => {
    const [a, b, c] = [await chain.append(), await chain.append(), await chain.append()].map(link);
    expect(refusal([a!, c!])).toBe('BROKEN_LINK');
    expect(refusal([a!, a!])).toBe('BROKEN_LINK');
    expect(refusal([b!, a!])).toBe('BROKEN_LINK');
    expect(refusal([])).toBe('NOT_CERTIFIED');
  });

  it('is refused when a header names another parent, genesis included', async () => {
    const a = await chain.append();
    const b = await chain.append({ header: { prevHash: asDigest(new Uint8Array(32)) } });
    expect(refusal([link(a), link(b)])).toBe('BROKEN_LINK');
    const stray = await SignedChain.create(4);
    const c = await stray.append({ header: { prevHash: asDigest(new Uint8Array(32)) } });
    expect(refusal([link(c)])).toBe('BROKEN_LINK');
  });

  it('is refused when time does not go on', async () => {
    const a = await chain.append();
    const b = await chain.append({ header: { timeMs: a.header.timeMs } });
    expect(refusal([link(a), link(b)])).toBe('BROKEN_LINK');
  });

  it('is refused at the first header without a quorum', async () => {
    const a = await chain.append();
    const b = await chain.append({ signers: [1, 3] });
    expect(refusal([link(a), link(b)])).toBe('NO_QUORUM');
  });
});

describe('a change of the validator set', () => {
  it('is followed, and ends the belief in the old set', async () => {
    const oldSet = chain.set;
    const newSet = chain.addSet([51, 52, 53, 54, 55, 56, 57]);
    const a = await chain.append({ nextSet: newSet });
    const b = await chain.append();
    const links = [{ ...link(a), nextValidatorSet: newSet }, link(b)];
    const followed = verifyHeaderChain(trust, links);
    if (!followed.ok) throw followed.error;
    expect(followed.value.tip.signers).toHaveLength(5);

    const { trust: later } = followed.value;
    expect(verifyReceipt(later, chain.receipt(a, 0)).ok).toBe(true);
    expect(verifyReceipt(later, chain.receipt(b, 0)).ok).toBe(true);
    // The old validators, whose keys may be sold by now, certify a block above the change.
    chain.set = oldSet;
    const forged = await chain.append();
    const verified = verifyCertificate(later, forged.headerBytes, forged.certificate);
    expect(verified.ok ? 'accepted' : verified.error.code).toBe('UNKNOWN_VALIDATOR_SET');
  });

  it('is refused without the new set, or with another one', async () => {
    const newSet = chain.addSet([51, 52, 53, 54]);
    const wrongSet = chain.addSet([61, 62, 63, 64]);
    const a = await chain.append({ nextSet: newSet });
    expect(refusal([link(a)])).toBe('UNKNOWN_VALIDATOR_SET');
    expect(refusal([{ ...link(a), nextValidatorSet: wrongSet }])).toBe('UNKNOWN_VALIDATOR_SET');
  });

  it('is refused when the next header does not keep to it', async () => {
    const oldSet = chain.set;
    const newSet = chain.addSet([51, 52, 53, 54]);
    const a = await chain.append({ nextSet: newSet });
    chain.set = oldSet;
    const b = await chain.append();
    expect(refusal([{ ...link(a), nextValidatorSet: newSet }, link(b)])).toBe('UNKNOWN_VALIDATOR_SET');
  });
});

describe('the content of a block', () => {
  it('is checked against its header', async () => {
    const block = await chain.append({ transactions: 5 });
    const certified = verifyCertificate(trust, block.headerBytes, block.certificate);
    if (!certified.ok) throw certified.error;
    const check = (envelopes: readonly Uint8Array[], results: readonly Uint8Array[]): string => {
      const verified = verifyContent(certified.value, envelopes, results);
      return verified.ok ? verified.value.map(({ code }) => code).join() : verified.error.code;
    };
    const { envelopes, results } = block;
    expect(check(envelopes, results)).toBe('OK,OK,ACCOUNT_EXISTS,OK,OK');
    expect(check(envelopes.slice(1), results.slice(1))).toBe('CONTENT_MISMATCH');
    expect(check(envelopes.toReversed(), results)).toBe('CONTENT_MISMATCH');
    expect(check(envelopes, results.toReversed())).toBe('CONTENT_MISMATCH');
  });

  it('may be empty', async () => {
    const block = await chain.append({ transactions: 0 });
    const certified = verifyCertificate(trust, block.headerBytes, block.certificate);
    if (!certified.ok) throw certified.error;
    expect(verifyContent(certified.value, [], [])).toEqual({ ok: true, value: [] });
  });
});
