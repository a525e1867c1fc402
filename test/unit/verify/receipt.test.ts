import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeReceipt,
  encodeBlockHeader,
  encodeReceipt,
  encodeTransactionResult,
  type CommitCertificate,
  type Receipt,
} from '../../../src/codec/index.js';
import { headerDigest, merkleLeafHash, merklePath } from '../../../src/crypto/index.js';
import {
  asDigest,
  asHeight,
  asSignature,
  asTxId,
  asValidatorIndex,
  asView,
} from '../../../src/types/index.js';
import {
  trustGenesis,
  verifyCertificate,
  verifyInclusion,
  verifyReceipt,
  type ChainTrust,
  type VerifyErrorCode,
} from '../../../src/verify/index.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

let chain: SignedChain;
let other: SignedChain;
let trust: ChainTrust;
let first: TestBlock;
let block: TestBlock;
let receipt: Receipt;

beforeAll(async () => {
  chain = await SignedChain.create(4);
  other = await SignedChain.create(4, 'another network');
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl });
  first = await chain.append();
  block = await chain.append({ transactions: 7, view: 3 });
  receipt = chain.receipt(block, 4);
});

const refusal = (changed: Receipt, by: ChainTrust = trust): VerifyErrorCode | 'accepted' => {
  const verified = verifyReceipt(by, changed);
  return verified.ok ? 'accepted' : verified.error.code;
};
const withCertificate = (change: Partial<CommitCertificate>): Receipt => ({
  ...receipt,
  certificate: { ...receipt.certificate, ...change },
});

describe('a receipt', () => {
  it('proves which transaction is final, where, when and how it ended', () => {
    expect(verifyReceipt(trust, receipt, { expectedTxId: block.txIds[4]! })).toEqual({
      ok: true,
      value: {
        txId: block.txIds[4],
        code: 'OK',
        failedOperation: 0,
        height: 2,
        index: 4,
        timeMs: block.header.timeMs,
        digest: block.digest,
        stateRoot: block.header.stateRoot,
        signers: ['validator-0', 'validator-1', 'validator-2'],
      },
    });
  });

  it('proves a failure with its reason', () => {
    const verified = verifyReceipt(trust, chain.receipt(block, 5));
    expect(verified).toMatchObject({ ok: true, value: { code: 'ACCOUNT_EXISTS', failedOperation: 1 } });
  });

  it('holds for each transaction of a block, by one check of the certificate', () => {
    const certified = verifyCertificate(trust, block.headerBytes, block.certificate);
    if (!certified.ok) throw certified.error;
    for (const [index, txId] of block.txIds.entries()) {
      const inclusion = chain.receipt(block, index);
      expect(verifyInclusion(certified.value, inclusion, { expectedTxId: txId }).ok).toBe(true);
    }
  });

  it('survives its file form', () => {
    const read = decodeReceipt(encodeReceipt(receipt));
    if (!read.ok) throw read.error;
    expect(refusal(read.value)).toBe('accepted');
  });

  it('is checked by the portable signature check when no faster one is given', () => {
    expect(refusal(receipt, trustGenesis(chain.genesis))).toBe('accepted');
    const [broken, ...rest] = receipt.certificate.signatures;
    const signature = asSignature(
      Uint8Array.from(broken!.signature, (byte, at) => (at === 40 ? byte ^ 1 : byte)),
    );
    expect(
      refusal(
        withCertificate({ signatures: [{ ...broken!, signature }, ...rest] }),
        trustGenesis(chain.genesis),
      ),
    ).toBe('SIGNATURE_INVALID');
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 10])('takes exactly a quorum of %d validators', async (validators) => {
    const quorums: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 10: 7 };
    const quorum = quorums[validators]!;
    const network = await SignedChain.create(validators);
    const by = trustGenesis(network.genesis, { checkSignature: checkByOpenSsl });
    const made = await network.append({ transactions: 1 });
    const last = Array.from({ length: quorum }, (_, index) => validators - quorum + index);
    const signed = (signers: readonly number[]): Receipt => ({
      ...network.receipt(made, 0),
      certificate: network.certify(made.certificate, signers),
    });
    expect(refusal(signed(last), by)).toBe('accepted');
    expect(refusal(signed(last.slice(1)), by)).toBe('NO_QUORUM');
  });
});

describe('a forged receipt is refused', () => {
  it('with one signature less than a quorum', () => {
    expect(refusal(withCertificate({ signatures: receipt.certificate.signatures.slice(1) }))).toBe(
      'NO_QUORUM',
    );
    expect(refusal(withCertificate({ signatures: [] }))).toBe('NO_QUORUM');
  });

  it('with one validator counted twice', () => {
    const [a, b] = receipt.certificate.signatures;
    expect(refusal(withCertificate({ signatures: [a!, b!, b!] }))).toBe('SIGNERS_NOT_ASCENDING');
    expect(refusal(withCertificate({ signatures: [b!, a!, b!] }))).toBe('SIGNERS_NOT_ASCENDING');
  });

  it("with one validator's signature under another's index", () => {
    const [a, b] = receipt.certificate.signatures;
    const posing = { validator: asValidatorIndex(2), signature: b!.signature };
    expect(refusal(withCertificate({ signatures: [a!, b!, posing] }))).toBe('SIGNATURE_INVALID');
  });

  it('with a validator that the set does not have', () => {
    const { signatures } = receipt.certificate;
    const unknown = { validator: asValidatorIndex(4), signature: signatures[0]!.signature };
    expect(refusal(withCertificate({ signatures: [...signatures, unknown] }))).toBe('UNKNOWN_VALIDATOR');
  });

  it('with a bad signature beyond the quorum', () => {
    const { signatures } = receipt.certificate;
    const bad = { validator: asValidatorIndex(3), signature: signatures[0]!.signature };
    expect(refusal(withCertificate({ signatures: [...signatures, bad] }))).toBe('SIGNATURE_INVALID');
  });

  it.each([
    ['prepares', { phase: 'prepare' }],
    ['pre-prepares', { phase: 'prePrepare' }],
    ['commits of another view', { view: asView(2) }],
    ['commits of another height', { height: asHeight(3) }],
    ['commits of another block', { digest: asDigest(new Uint8Array(32)) }],
  ] as const)('with signatures over %s', (_what, statement) => {
    const certificate = chain.certify(block.certificate, [0, 1, 2], statement);
    expect(refusal({ ...receipt, certificate })).toBe('SIGNATURE_INVALID');
  });

  it('with signatures of another chain or of another validator set', () => {
    const ofOther = chain.certify(block.certificate, [0, 1, 2], { chainId: other.chainId });
    expect(refusal({ ...receipt, certificate: ofOther })).toBe('SIGNATURE_INVALID');
    const ofSet = chain.certify(block.certificate, [0, 1, 2], {
      validatorSetHash: block.header.stateRoot,
    });
    expect(refusal({ ...receipt, certificate: ofSet })).toBe('SIGNATURE_INVALID');
  });

  it('that is genuine on another chain with the same validators', async () => {
    const foreign = await other.append();
    expect(refusal(other.receipt(foreign, 0))).toBe('WRONG_CHAIN');
    expect(refusal(receipt, trustGenesis(other.genesis))).toBe('WRONG_CHAIN');
  });

  it('with the certificate of another block', () => {
    expect(refusal({ ...receipt, certificate: first.certificate })).toBe('CERTIFICATE_MISMATCH');
    expect(refusal({ ...receipt, header: first.headerBytes })).toBe('CERTIFICATE_MISMATCH');
    expect(refusal(withCertificate({ height: asHeight(3) }))).toBe('CERTIFICATE_MISMATCH');
  });

  it('with a certificate of a view before the proposal', () => {
    const header = encodeBlockHeader({ ...block.header, view: asView(4) });
    const certificate = chain.certify({ ...block.certificate, digest: headerDigest(header) }, [0, 1, 2]);
    expect(refusal({ ...receipt, header, certificate })).toBe('CERTIFICATE_MISMATCH');
  });

  it('with a header changed in any field', () => {
    for (const change of [
      { height: asHeight(3) },
      { timeMs: 1 },
      { resultsRoot: block.header.stateRoot },
      { transactionCount: 8 },
    ]) {
      const header = encodeBlockHeader({ ...block.header, ...change });
      expect(refusal({ ...receipt, header })).toBe('CERTIFICATE_MISMATCH');
    }
  });

  it('with a header of height 0, even signed', () => {
    const certificate = chain.certify(
      { height: asHeight(0 + 1), digest: chain.genesisDigest, view: asView(0) },
      [0, 1, 2],
    );
    expect(refusal({ ...receipt, header: chain.genesisHeader, certificate })).toBe('NOT_CERTIFIED');
  });

  it('with header bytes that are not canonical', () => {
    expect(refusal({ ...receipt, header: receipt.header.subarray(1) })).toBe('HEADER_MALFORMED');
    expect(refusal({ ...receipt, header: new Uint8Array(0) })).toBe('HEADER_MALFORMED');
  });

  it('signed by a set that the header itself names', async () => {
    const strangers = await SignedChain.create(4, 'test');
    const set = strangers.addSet([101, 102, 103, 104]);
    await strangers.append({ nextSet: set });
    const forged = await strangers.append();
    expect(refusal(strangers.receipt(forged, 0))).toBe('UNKNOWN_VALIDATOR_SET');
  });

  it('with another result', () => {
    const result = encodeTransactionResult({ txId: block.txIds[4]!, code: 'EXPIRED', failedOperation: 0 });
    expect(refusal({ ...receipt, result })).toBe('PATH_MISMATCH');
    const txId = asTxId(new Uint8Array(32));
    expect(
      refusal({ ...receipt, result: encodeTransactionResult({ txId, code: 'OK', failedOperation: 0 }) }),
    ).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, result: block.results[3]! })).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, result: new Uint8Array(3) })).toBe('RESULT_MALFORMED');
  });

  it('with a path that is cut, longer, reordered or of another leaf', () => {
    const { path } = receipt;
    expect(refusal({ ...receipt, path: path.slice(1) })).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, path: [...path, new Uint8Array(32)] })).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, path: [...path].reverse() })).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, path: [] })).toBe('PATH_MISMATCH');
    const leaves = block.results.map(merkleLeafHash);
    expect(refusal({ ...receipt, path: merklePath(leaves, 5) })).toBe('PATH_MISMATCH');
  });

  it('with another index', () => {
    for (const index of [0, 3, 5, 6]) expect(refusal({ ...receipt, index })).toBe('PATH_MISMATCH');
    expect(refusal({ ...receipt, index: 7 })).toBe('INDEX_OUT_OF_RANGE');
  });

  it('when it is of another transaction than asked for', () => {
    const verified = verifyReceipt(trust, receipt, { expectedTxId: block.txIds[3]! });
    expect(verified.ok ? 'accepted' : verified.error.code).toBe('WRONG_TRANSACTION');
  });

  it('with a sentence that says what was wrong', () => {
    const verified = verifyReceipt(
      trust,
      withCertificate({ signatures: receipt.certificate.signatures.slice(1) }),
    );
    expect(verified.ok ? '' : verified.error.message).toBe(
      'The certificate of height 2 has 2 signatures of 4 validators; it takes 3.',
    );
  });

  it('at any single changed byte of its file', () => {
    const bytes = encodeReceipt(receipt);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      const read = decodeReceipt(changed);
      if (read.ok) expect([at, refusal(read.value)]).not.toEqual([at, 'accepted']);
    }
  });
});
