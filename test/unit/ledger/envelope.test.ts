import { describe, expect, it } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import {
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type KeySignature,
  type TransactionPayload,
} from '../../../src/codec/index.js';
import {
  idempotencyHash,
  merkleLeafHash,
  transactionId,
  transactionSigningBytes,
  verifyZip215,
} from '../../../src/crypto/index.js';
import {
  authorizationReads,
  authorize,
  decodeTransaction,
  markVerified,
  type EnvelopeError,
} from '../../../src/ledger/index.js';
import {
  asChainId,
  asHeight,
  asPublicKey,
  asSignature,
  compareBytes,
  limits,
  type ChainId,
} from '../../../src/types/index.js';
import {
  policyOf,
  testChainId,
  testGenesis,
  TestLedger,
  transactionOf,
  transferOf,
} from '../../helpers/ledger.js';

const secrets = [1, 2].map((seed) => new Uint8Array(32).fill(seed));

const payload: TransactionPayload = {
  sender: 'alpha',
  idempotencyKey: new Uint8Array(16).fill(3),
  validUntilHeight: asHeight(5),
  operations: [transferOf('alpha-1', 'beta-1', 12n)],
};

function sign(payloadBytes: Uint8Array, chainId: ChainId, keys = secrets): KeySignature[] {
  const message = transactionSigningBytes(transactionId(chainId, payloadBytes));
  return keys
    .map((secret) => ({
      publicKey: asPublicKey(ed25519.getPublicKey(secret)),
      signature: asSignature(ed25519.sign(message, secret)),
    }))
    .sort((a, b) => compareBytes(a.publicKey, b.publicKey));
}

/** Both stages, with real checks in between. */
function check(bytes: Uint8Array, chainId = testChainId): EnvelopeError['code'] | 'OK' {
  const decoded = decodeTransaction(bytes, chainId);
  if (!decoded.ok) return decoded.error.code;
  const outcomes = decoded.value.checks.map((one) => verifyZip215(one.publicKey, one.message, one.signature));
  const checked = markVerified(decoded.value, outcomes);
  return checked.ok ? 'OK' : checked.error.code;
}

const payloadBytes = encodeTransactionPayload(payload);
const envelope = { payload: payloadBytes, signatures: sign(payloadBytes, testChainId) };
const bytes = encodeTransactionEnvelope(envelope);

/** The envelope with its payload's text replaced by another of the same length, and signed. */
function withText(from: string, to: string): Uint8Array {
  expect(to).toHaveLength(from.length);
  const changed = payloadBytes.slice();
  const text = Array.from(changed, (byte) => String.fromCharCode(byte)).join('');
  const at = text.indexOf(from);
  expect(at).toBeGreaterThan(0);
  for (let index = 0; index < to.length; index++) changed[at + index] = to.charCodeAt(index);
  return encodeTransactionEnvelope({ payload: changed, signatures: sign(changed, testChainId) });
}

describe('decodeTransaction and markVerified', () => {
  it('accept a signed envelope and derive its hashes once', () => {
    expect(check(bytes)).toBe('OK');
    const decoded = decodeTransaction(bytes, testChainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    const { transaction, checks } = decoded.value;
    expect(transaction.payload).toEqual(payload);
    expect(transaction.txId).toEqual(transactionId(testChainId, payloadBytes));
    expect(transaction.leafHash).toEqual(merkleLeafHash(bytes));
    expect(transaction.idempotencyHash).toEqual(idempotencyHash('alpha', payload.idempotencyKey));
    expect(checks).toHaveLength(2);
  });

  it('keep a copy of bytes that are part of something larger', () => {
    const message = new Uint8Array(100_000);
    message.set(bytes, 500);
    const decoded = decodeTransaction(message.subarray(500, 500 + bytes.length), testChainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    message.fill(0);
    expect(decoded.value.transaction.envelopeBytes).toEqual(bytes);
    expect(decoded.value.transaction.envelope.payload.buffer.byteLength).toBeLessThanOrEqual(4096);
    const own = bytes.slice();
    const kept = decodeTransaction(own, testChainId);
    expect(kept.ok && kept.value.transaction.envelopeBytes).toBe(own);
  });

  it('SIGNATURE_INVALID: one wrong signature among good ones, a changed payload, another chain', () => {
    const [first, second] = envelope.signatures;
    const crossed = [
      { publicKey: first!.publicKey, signature: second!.signature },
      { publicKey: second!.publicKey, signature: second!.signature },
    ];
    expect(check(encodeTransactionEnvelope({ payload: payloadBytes, signatures: crossed }))).toBe(
      'SIGNATURE_INVALID',
    );
    const other = encodeTransactionPayload({ ...payload, validUntilHeight: asHeight(6) });
    expect(check(encodeTransactionEnvelope({ ...envelope, payload: other }))).toBe('SIGNATURE_INVALID');
    expect(check(bytes, asChainId(new Uint8Array(32).fill(8)))).toBe('SIGNATURE_INVALID');
  });

  it('UNSIGNED', () => {
    expect(check(encodeTransactionEnvelope({ payload: payloadBytes, signatures: [] }))).toBe('UNSIGNED');
  });

  it('TOO_LARGE: envelope, payload, number of signatures or operations', () => {
    expect(check(new Uint8Array(limits.maxEnvelopeBytes + 1))).toBe('TOO_LARGE');
    const memo = { ...transferOf('alpha-1', 'beta-1', 1n), memo: 'x'.repeat(limits.maxMemoBytes + 1) };
    const sized = (change: Partial<TransactionPayload>) => {
      const big = encodeTransactionPayload({ ...payload, ...change });
      return check(encodeTransactionEnvelope({ payload: big, signatures: envelope.signatures }));
    };
    expect(sized({ operations: [memo as never] })).toBe('TOO_LARGE');
    expect(
      sized({ operations: Array.from({ length: limits.maxOperations + 1 }, () => transferOf('a', 'b', 1n)) }),
    ).toBe('TOO_LARGE');
    const many = Array.from({ length: limits.maxSignatures + 1 }, (_, index) => ({
      publicKey: asPublicKey(new Uint8Array(32).fill(index)),
      signature: asSignature(new Uint8Array(64)),
    }));
    expect(check(encodeTransactionEnvelope({ payload: payloadBytes, signatures: many }))).toBe('TOO_LARGE');
  });

  it('MALFORMED: nothing, rubbish, every truncation, an added byte', () => {
    expect(check(new Uint8Array())).toBe('MALFORMED');
    expect(check(new Uint8Array(200).fill(0xff))).toBe('MALFORMED');
    // Without its last signature an envelope is whole, and another one: which signatures are needed is for the ledger.
    const withoutLast = encodeTransactionEnvelope({
      ...envelope,
      signatures: envelope.signatures.slice(0, 1),
    });
    for (let length = 1; length < bytes.length; length++) {
      const code = check(bytes.subarray(0, length));
      if (length === withoutLast.length) expect(code).toBe('OK');
      else expect(['MALFORMED', 'UNSIGNED']).toContain(code);
    }
    expect(check(Uint8Array.of(...bytes, 0))).toBe('MALFORMED');
  });

  it('MALFORMED: signatures out of order or twice', () => {
    const { signatures } = envelope;
    expect(
      check(encodeTransactionEnvelope({ payload: payloadBytes, signatures: [...signatures].reverse() })),
    ).toBe('MALFORMED');
    expect(
      check(
        encodeTransactionEnvelope({ payload: payloadBytes, signatures: [signatures[0]!, signatures[0]!] }),
      ),
    ).toBe('MALFORMED');
  });

  it('MALFORMED: amounts that are zero, negative, not canonical, or above 2^128 - 1', () => {
    // The amount "12" follows its tag (4 << 3 | 2) and length.
    for (const amount of ['00', '-1', '+1', '01', '1.', ' 1', '1e', '0x', '1 ']) {
      expect(check(withText('"\x0212', `"\x02${amount}`))).toBe('MALFORMED');
    }
    const huge = (amount: string) => {
      const big = encodeTransactionPayload({
        ...payload,
        operations: [transferOf('alpha-1', 'beta-1', 10n ** 38n)],
      });
      const text = Array.from(big, (byte) => String.fromCharCode(byte))
        .join('')
        .replace((10n ** 38n).toString(), amount);
      const changed = Uint8Array.from(text, (character) => character.charCodeAt(0));
      return check(encodeTransactionEnvelope({ payload: changed, signatures: sign(changed, testChainId) }));
    };
    expect(huge((2n ** 128n - 1n).toString())).toBe('OK');
    expect(huge((2n ** 128n).toString())).toBe('MALFORMED');
    expect(huge('9'.repeat(39))).toBe('MALFORMED');
  });

  it('MALFORMED: ids outside their character sets', () => {
    expect(check(withText('alpha-1', 'alpha/1'))).toBe('MALFORMED');
    expect(check(withText('alpha', 'Alpha'))).toBe('MALFORMED');
    expect(check(withText('CHF', 'chf'))).toBe('MALFORMED');
  });

  it('never accepts an outcome for a signature that was not checked', () => {
    const decoded = decodeTransaction(bytes, testChainId);
    if (!decoded.ok) throw new Error(decoded.error.message);
    const unverified = decoded.value;
    expect(() => markVerified(unverified, [true])).toThrow(/every signature was checked/);
    expect(() => markVerified(unverified, [])).toThrow(/every signature was checked/);
  });
});

describe('authorize: the check at the door', () => {
  const genesis = testGenesis({
    accounts: [
      { account: 'alpha-1', owner: 'alpha', openedHeight: asHeight(0) },
      { account: 'alpha-2', owner: 'alpha', policy: policyOf(2, 'a', 'b', 'c'), openedHeight: asHeight(0) },
      { account: 'beta-1', owner: 'beta', openedHeight: asHeight(0) },
    ],
  });
  const { state } = new TestLedger(genesis);
  const judge = (sender: string, from: string, ...signers: string[]) => {
    const transaction = transactionOf({ sender, operations: [transferOf(from, 'beta-1', 1n)], signers });
    const declared = authorizationReads(transaction);
    return authorize(transaction, {
      get: (key) => {
        expect(declared).toContain(key);
        return state.get(key);
      },
    });
  };

  it('asks for the signatures of the sender and of the account that pays', () => {
    expect(judge('nobody', 'alpha-1', 'nobody')).toBe('UNKNOWN_SENDER');
    expect(judge('alpha', 'alpha-1', 'beta')).toBe('SENDER_NOT_AUTHORIZED');
    expect(judge('alpha', 'alpha-1', 'alpha')).toBe('OK');
    expect(judge('alpha', 'alpha-2', 'alpha', 'a')).toBe('ACCOUNT_NOT_AUTHORIZED');
    expect(judge('alpha', 'alpha-2', 'alpha', 'a', 'c')).toBe('OK');
  });

  it('leaves to the block what it cannot know', () => {
    expect(judge('alpha', 'alpha-9', 'alpha')).toBe('OK');
    expect(judge('beta', 'alpha-2', 'beta')).toBe('OK');
  });
});
