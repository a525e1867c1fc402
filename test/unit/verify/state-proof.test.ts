import { beforeAll, describe, expect, it } from '@jest/globals';
import { decodeStateProof, encodeStateProof, type StateProof } from '../../../src/codec/index.js';
import {
  trustGenesis,
  verifyStateProof,
  type ChainTrust,
  type VerifyErrorCode,
} from '../../../src/verify/index.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

let chain: SignedChain;
let trust: ChainTrust;
let earlier: TestBlock;
let block: TestBlock;
let present: StateProof;
let absent: StateProof;

beforeAll(async () => {
  chain = await SignedChain.create(4);
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl, genesisDigest: chain.genesisDigest });
  earlier = await chain.append({ transactions: 20 });
  block = await chain.append({ transactions: 21 });
  present = await chain.stateProof(block, 'balance/account-7/EUR');
  absent = await chain.stateProof(block, 'balance/nobody/EUR');
});

const refusal = (proof: StateProof, expectedKey?: string): VerifyErrorCode | 'accepted' => {
  const verified = verifyStateProof(trust, proof, expectedKey === undefined ? {} : { expectedKey });
  return verified.ok ? 'accepted' : verified.error.code;
};
const without = (proof: StateProof, field: 'value' | 'certificate'): StateProof =>
  Object.fromEntries(Object.entries(proof).filter(([name]) => name !== field)) as unknown as StateProof;

describe('a state proof', () => {
  it('proves what a key has after a block', () => {
    expect(verifyStateProof(trust, present, { expectedKey: 'balance/account-7/EUR' })).toEqual({
      ok: true,
      value: {
        key: 'balance/account-7/EUR',
        value: new TextEncoder().encode('value 7 at 2'),
        height: 2,
        timeMs: block.header.timeMs,
        digest: block.digest,
        stateRoot: block.header.stateRoot,
      },
    });
  });

  it('proves that a key has nothing', () => {
    expect(verifyStateProof(trust, absent, { expectedKey: 'balance/nobody/EUR' })).toMatchObject({
      ok: true,
      value: { key: 'balance/nobody/EUR', value: undefined, height: 2 },
    });
  });

  it('proves both for every key, by every kind of path', async () => {
    for (let index = 0; index < 40; index++) {
      const proof = await chain.stateProof(block, `balance/account-${index}/EUR`);
      expect(refusal(proof)).toBe('accepted');
      expect(proof.value === undefined).toBe(index >= 21);
    }
  });

  it('survives its file form', () => {
    for (const proof of [present, absent]) {
      const read = decodeStateProof(encodeStateProof(proof));
      expect(read).toEqual({ ok: true, value: proof });
    }
  });

  it('needs no certificate at height 0, whose block follows from the genesis', () => {
    const empty = new Uint8Array(0);
    const proof: StateProof = {
      header: chain.genesisHeader,
      key: 'balance/account-7/EUR',
      siblings: [],
      otherLeafPath: empty,
      otherLeafValueHash: empty,
    };
    expect(verifyStateProof(trust, proof)).toMatchObject({
      ok: true,
      value: { height: 0, value: undefined },
    });
    const unknowing = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl });
    const verified = verifyStateProof(unknowing, proof);
    expect(verified.ok ? 'accepted' : verified.error.code).toBe('NOT_CERTIFIED');
  });
});

describe('a forged state proof is refused', () => {
  it('with another value, or none', () => {
    expect(refusal({ ...present, value: new TextEncoder().encode('value 8 at 2') })).toBe(
      'STATE_PATH_MISMATCH',
    );
    expect(refusal({ ...present, value: new Uint8Array(0) })).toBe('STATE_PATH_MISMATCH');
    expect(refusal(without(present, 'value'))).toBe('STATE_PATH_MISMATCH');
  });

  it('with a value where the key has none', () => {
    expect(refusal({ ...absent, value: new Uint8Array(0) })).toBe('STATE_PATH_MISMATCH');
  });

  it('of another key', () => {
    expect(refusal({ ...present, key: 'balance/account-8/EUR' })).toBe('STATE_PATH_MISMATCH');
    expect(refusal(present, 'balance/account-8/EUR')).toBe('WRONG_KEY');
  });

  it('that claims absence by another key whose place is elsewhere', async () => {
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, index) => chain.stateProof(block, `balance/none-${index}/EUR`)),
    );
    for (const claim of claims) {
      expect(refusal(claim)).toBe('accepted');
      expect(refusal({ ...claim, key: 'balance/account-7/EUR' })).toBe('STATE_PATH_MISMATCH');
    }
  });

  it('with a path that is cut, longer or damaged', () => {
    const { siblings } = present;
    expect(refusal({ ...present, siblings: siblings.slice(1) })).toBe('STATE_PATH_MISMATCH');
    expect(refusal({ ...present, siblings: siblings.slice(0, -1) })).toBe('STATE_PATH_MISMATCH');
    expect(refusal({ ...present, siblings: [...siblings, new Uint8Array(0)] })).toBe('STATE_PATH_MISMATCH');
    expect(refusal({ ...present, siblings: siblings.map(() => new Uint8Array(32)) })).toBe(
      'STATE_PATH_MISMATCH',
    );
  });

  it('under the header of another height', () => {
    const moved = { ...present, header: earlier.headerBytes, certificate: earlier.certificate };
    expect(refusal(moved)).toBe('STATE_PATH_MISMATCH');
  });

  it('without a certificate, or with that of another block', () => {
    expect(refusal(without(present, 'certificate'))).toBe('NOT_CERTIFIED');
    expect(refusal({ ...present, certificate: earlier.certificate })).toBe('CERTIFICATE_MISMATCH');
  });

  it('at height 0 under a header that is not the genesis block', async () => {
    const stranger = await SignedChain.create(4);
    const made = await stranger.append({ header: { height: 0 as never } });
    expect(refusal(without({ ...present, header: made.headerBytes }, 'certificate'))).toBe('NOT_CERTIFIED');
  });

  it('at any single changed byte of its file', () => {
    for (const proof of [present, absent]) {
      const bytes = encodeStateProof(proof);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes);
        changed[at]! ^= 1 << (at % 8);
        const read = decodeStateProof(changed);
        if (read.ok) expect([at, refusal(read.value, proof.key)]).not.toEqual([at, 'accepted']);
      }
    }
  });
});
