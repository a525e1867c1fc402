import { describe, expect, it } from '@jest/globals';
import { verify } from 'node:crypto';
import {
  buildTransaction,
  cosignTransaction,
  readSignedTransaction,
  readTransaction,
  signTransaction,
} from '../../../src/client/index.js';
import { decodeTransactionEnvelope, decodeTransactionPayload } from '../../../src/codec/index.js';
import { transactionSigningBytes, verifyZip215 } from '../../../src/crypto/index.js';
import { asAmount, asChainId, asHeight, compareBytes } from '../../../src/types/index.js';
import { testKey } from '../../helpers/fake-ledger.js';
import { transfer } from '../../helpers/api-servers.js';

const chainId = asChainId(new Uint8Array(32).fill(1));
const draft = { sender: 'alpha', operations: [transfer(5n)], validUntilHeight: asHeight(10) };

describe('building and signing', () => {
  it('gives a signed envelope whose payload is what was drafted, signed by every signer in order of key', async () => {
    const signers = ['one', 'two', 'three'].map(testKey);
    const signed = await signTransaction(buildTransaction(draft), signers, chainId);
    const envelope = decodeTransactionEnvelope(signed.bytes);
    if (!envelope.ok) throw envelope.error;
    const payload = decodeTransactionPayload(envelope.value.payload);
    expect(payload.ok && payload.value).toMatchObject(draft);
    const { signatures } = envelope.value;
    expect(signatures).toHaveLength(3);
    for (const { publicKey, signature } of signatures) {
      expect(verifyZip215(publicKey, transactionSigningBytes(signed.txId), signature)).toBe(true);
    }
    const keys = signatures.map(({ publicKey }) => publicKey);
    expect([...keys].sort(compareBytes)).toEqual(keys);
    expect(typeof verify).toBe('function');
  });

  it('draws another idempotency key each time unless one is given', () => {
    const [left, right] = [buildTransaction(draft), buildTransaction(draft)];
    expect(left.idempotencyKey).toHaveLength(16);
    expect(left.idempotencyKey).not.toEqual(right.idempotencyKey);
    const key = new Uint8Array(20).fill(3);
    expect(buildTransaction({ ...draft, idempotencyKey: key }).idempotencyKey).toBe(key);
  });

  it('is signed by others after they have read it, once by each key, up to 16 of them', async () => {
    const [one, two] = [testKey('one'), testKey('two')];
    const first = await signTransaction(buildTransaction(draft), [one], chainId);
    const content = readTransaction(first.bytes, chainId);
    expect(content).toMatchObject({
      ok: true,
      value: { ...draft, txId: first.txId, signedBy: [one.publicKey] },
    });
    const both = await cosignTransaction(first.bytes, [two], chainId);
    expect(both.txId).toEqual(first.txId);
    const at = buildTransaction({ ...draft, idempotencyKey: new Uint8Array(16) });
    const together = await signTransaction(at, [one, two], chainId);
    const inTurn = await signTransaction(at, [two], chainId).then(({ bytes }) =>
      cosignTransaction(bytes, [one, two], chainId),
    );
    expect(inTurn).toEqual(together);
    const many = Array.from({ length: 16 }, (_, index) => testKey(`key ${index}`));
    await expect(cosignTransaction(first.bytes, many, chainId)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(readTransaction(first.bytes.subarray(1), chainId).ok).toBe(false);
  });

  it('gives other transaction ids on other chains', async () => {
    const payload = buildTransaction(draft);
    const here = await signTransaction(payload, [testKey('one')], chainId);
    const there = await signTransaction(payload, [testKey('one')], asChainId(new Uint8Array(32).fill(2)));
    expect(here.txId).not.toEqual(there.txId);
  });

  it('reads kept bytes back, and refuses damaged ones', async () => {
    const signed = await signTransaction(buildTransaction(draft), [testKey('one')], chainId);
    const read = readSignedTransaction(signed.bytes, chainId);
    expect(read.ok && read.value.txId).toEqual(signed.txId);
    expect(readSignedTransaction(signed.bytes.subarray(1), chainId).ok).toBe(false);
  });

  it.each([
    ['a zero amount', { ...draft, operations: [{ ...transfer(1n), amount: asAmount(0n) }] }],
    ['an amount of 2^128', { ...draft, operations: [{ ...transfer(1n), amount: asAmount(2n ** 128n) }] }],
    ['a negative amount', { ...draft, operations: [{ ...transfer(1n), amount: asAmount(-1n) }] }],
    ['no operation', { ...draft, operations: [] }],
    ['an account id with a slash', { ...draft, operations: [transfer(1n, 'a/b')] }],
    ['a short idempotency key', { ...draft, idempotencyKey: new Uint8Array(15) }],
  ])('refuses to sign %s', async (_what, bad) => {
    await expect(signTransaction(buildTransaction(bad), [testKey('one')], chainId)).rejects.toThrow(
      /TransactionPayload|Transfer|amount|operations|account|idempotency/,
    );
  });
});
