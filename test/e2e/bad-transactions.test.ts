/** Transactions that are wrong in every way, over real connections to real validators: each gets a clear answer, and
 * nothing happens by half. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Operation } from '../../src/codec/index.js';
import { keyPairFromSeed, KeySigner } from '../../src/crypto/native/index.js';
import { asAmount, asChainId } from '../../src/types/index.js';
import { invoke } from '../helpers/api-servers.js';
import { A, B, Desk, expectSentence, othersAccount, rawTo, streamTo, submitTo } from './desk.js';
import {
  envelopeBytes,
  freshKey,
  lengthDelimited,
  payloadOf,
  sealed,
  transferOf,
  withText,
  type Envelope,
} from './envelopes.js';
import { withLogTails } from './network.js';

/** Bounds a test, not a speed. */
const boundMs = 60_000;
let desk: Desk;

beforeAll(async () => {
  desk = await Desk.open();
}, boundMs);

afterAll(() => desk.close());

describe('an envelope', () => {
  it(
    'that is malformed is refused as such',
    withLogTails(async () => {
      const good = await desk.payload([transferOf(A, B, 'EUR', 1n)]);
      const tampered: readonly (readonly [string, Uint8Array])[] = [
        ['cut short', good.subarray(0, good.length - 1)],
        ['with an unknown field', Uint8Array.from([...good, 0x7a, 1, 0])],
        ['with a field twice', Uint8Array.from([...good, ...good])],
        ['with a long varint', Uint8Array.from([...good, 0x18, 0x81, 0x80, 0x00])],
        ['without operations', payloadOf({ sender: 'bank-alba', operations: [], validUntilHeight: 100 })],
        ['with a short key', await desk.payload([transferOf(A, B, 'EUR', 1n)], new Uint8Array(15))],
        ['with an account that is no id', await desk.payload([transferOf(A, 'B/../C', 'EUR', 1n)])],
        [
          'with invalid UTF-8',
          Uint8Array.from(withText(good, 'EUR', 'XXX'), (byte) => (byte === 0x58 ? 0xff : byte)),
        ],
      ];
      for (const [, payload] of tampered) {
        const envelope = await desk.sealed(payload);
        await desk.expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const sender = lengthDelimited(1, new TextEncoder().encode('bank-alba'));
      for (const payload of [
        new Uint8Array(0),
        sender,
        Uint8Array.from([...sender, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        new Uint8Array(500).fill(0x55),
      ]) {
        const envelope = await desk.sealed(payload);
        await desk.expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const without = await invoke(desk.raws[0]!.submit.bind(desk.raws[0]) as never, {}, 5000);
      expect(without).toMatchObject({ info: { reason: 'ENVELOPE_MALFORMED' } });
    }),
    boundMs,
  );

  it(
    'of a negative, zero, non-canonical or too large amount is refused as malformed',
    withLogTails(async () => {
      const most = (2n ** 128n - 1n).toString();
      const wrong: readonly (readonly [amount: bigint, written: string])[] = [
        [1_234_567n, '-234567'],
        [1_234_567n, '+234567'],
        [1_234_567n, '0234567'],
        [1_234_567n, '12345.7'],
        [1_234_567n, '12345e7'],
        [1_234_567n, ' 234567'],
        [1_234_567n, '123456 '],
        [1_234_567n, '0x12345'],
        [1_234_567n, '0000000'],
        [2n ** 128n - 1n, `${most.slice(0, -1)}6`],
        [2n ** 128n - 1n, '9'.repeat(most.length)],
      ];
      for (const [amount, written] of wrong) {
        const payload = await desk.payload([transferOf(A, B, 'EUR', amount)]);
        const envelope = await sealed(
          withText(payload, amount.toString(), written),
          desk.alba.signer,
          desk.network.chainId,
        );
        await desk.expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const one = await desk.payload([transferOf(A, B, 'EUR', 7n)]);
      for (const digit of ['0', '-', ' ']) {
        const envelope = await sealed(
          withText(one, 'EUR"\u00017', `EUR"\u0001${digit}`),
          desk.alba.signer,
          desk.network.chainId,
        );
        await desk.expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
    }),
    boundMs,
  );

  it(
    'that is too large is refused, and a message beyond the limit of gRPC as well',
    withLogTails(async () => {
      const payload = lengthDelimited(1, new TextEncoder().encode('bank-alba'));
      const large = Uint8Array.from([...payload, ...lengthDelimited(4, new Uint8Array(66_000))]);
      await desk.expectRefused(await desk.sealed(large), 'ENVELOPE_TOO_LARGE', status.INVALID_ARGUMENT);
      const larger = { payload: new Uint8Array(5 * 1024 * 1024), signatures: [] };
      expect((await submitTo(desk.raws[0]!, larger)).error?.code).toBe(status.RESOURCE_EXHAUSTED);
    }),
    boundMs,
  );

  it(
    'that is unsigned, wrongly signed, or signed for another chain is refused',
    withLogTails(async () => {
      const payload = await desk.payload([transferOf(A, B, 'EUR', 1n)]);
      await desk.expectRefused({ payload, signatures: [] }, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      const right = await desk.sealed(payload);
      const [{ publicKey, signature } = { publicKey: payload, signature: payload }] = right.signatures;
      const flipped = Uint8Array.from(signature, (byte, index) => (index === 40 ? byte ^ 1 : byte));
      const otherChain = await sealed(payload, desk.alba.signer, asChainId(new Uint8Array(32).fill(7)));
      const changed = withText(payload, 'EUR', 'USD');
      for (const envelope of [
        { payload, signatures: [{ publicKey, signature: flipped }] },
        { payload, signatures: [{ publicKey, signature: new Uint8Array(64) }] },
        { payload, signatures: [{ publicKey: desk.borealis.signer.publicKey, signature }] },
        { payload: changed, signatures: right.signatures },
        otherChain,
      ]) {
        await desk.expectRefused(envelope, 'SIGNATURE_INVALID', status.INVALID_ARGUMENT);
      }
      // A signature that holds, of somebody who may not sign.
      const stranger = new KeySigner(keyPairFromSeed(new Uint8Array(32).fill(9)));
      for (const signer of [stranger, desk.borealis.signer]) {
        const envelope = await sealed(payload, signer, desk.network.chainId);
        await desk.expectRefused(envelope, 'SENDER_NOT_AUTHORIZED', status.PERMISSION_DENIED);
      }
      const twice = { payload, signatures: [...right.signatures, ...right.signatures] };
      await desk.expectRefused(twice, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
    }),
    boundMs,
  );

  it(
    'that has expired, or is valid for too long, is refused',
    withLogTails(async () => {
      const valid = async (validUntilHeight: number): Promise<Envelope> => {
        const operations = [transferOf(A, B, 'EUR', 1n)];
        const payload = payloadOf({ sender: 'bank-alba', operations, validUntilHeight });
        return sealed(payload, desk.alba.signer, desk.network.chainId);
      };
      await desk.expectRefused(await valid(1), 'EXPIRED', status.FAILED_PRECONDITION);
      const height_ = await desk.client.currentHeight();
      await desk.expectRefused(await valid(height_ + 5000), 'VALIDITY_TOO_LONG', status.FAILED_PRECONDITION);
      await desk.expectRefused(await valid(2 ** 48 - 1), 'VALIDITY_TOO_LONG', status.FAILED_PRECONDITION);
    }),
    boundMs,
  );

  it(
    'of another member, or of somebody who is no member, is refused',
    withLogTails(async () => {
      const operations = [transferOf(othersAccount, B, 'CHF', 1n)];
      const payload = payloadOf({
        sender: 'bank-borealis',
        operations,
        validUntilHeight: await desk.until(),
      });
      // Borealis signed it, but it is Alba's connection: a member's quota is its own.
      const envelope = await sealed(payload, desk.borealis.signer, desk.network.chainId);
      await desk.expectRefused(envelope, 'SENDER_MISMATCH', status.PERMISSION_DENIED);
      const ghost = payloadOf({
        sender: 'bank-ghost',
        operations: [transferOf(A, B, 'EUR', 1n)],
        validUntilHeight: await desk.until(),
      });
      const raw = rawTo(
        desk.network.validators[0]!.clientAddress,
        await desk.network.issue('member', 'bank-ghost'),
      );
      const answer = await submitTo(raw, await desk.sealed(ghost));
      raw.close();
      expect(answer).toMatchObject({ info: { reason: 'UNKNOWN_SENDER' } });
      expectSentence(answer.error!.details);
    }),
    boundMs,
  );
});

describe('an envelope that comes again', () => {
  it(
    'is answered with the same receipt, by every validator, at the same time or later',
    withLogTails(async () => {
      const before = await desk.balance(A, 'EUR');
      const envelope = await desk.pays(11n);
      desk.expectOnChain(envelope);
      const together = await Promise.all([...desk.raws, ...desk.raws].map((raw) => submitTo(raw, envelope)));
      const later = await Promise.all(desk.raws.map((raw) => submitTo(raw, envelope)));
      const receipts = [...together, ...later].map(({ response, error }) => {
        expect(error).toBeUndefined();
        const { header, result, index, path } = response!.receipt!;
        return JSON.stringify({ header, result, index, path });
      });
      expect(new Set(receipts).size).toBe(1);
      expect(await desk.balance(A, 'EUR')).toBe(before - 11n);
    }),
    boundMs,
  );

  it(
    'with the same key and another payload is refused, whether the first is pending or final',
    withLogTails(async () => {
      const key = freshKey();
      const first = await desk.sealed(await desk.payload([transferOf(A, B, 'EUR', 1n)], key));
      const second = await desk.sealed(await desk.payload([transferOf(A, B, 'EUR', 2n)], key));
      const outcomes = await streamTo(desk.raws[0]!, [envelopeBytes(first), envelopeBytes(second)]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['FINAL', 'IDEMPOTENCY_KEY_PENDING']);
      desk.expectOnChain(first);
      for (let round = 0; round < desk.raws.length; round++) {
        await desk.expectRefused(second, 'IDEMPOTENCY_KEY_REUSED', status.ALREADY_EXISTS);
      }
    }),
    boundMs,
  );

  it(
    'as two payloads of one key at two validators at once takes effect at most once',
    withLogTails(async () => {
      for (let round = 0; round < 8; round++) {
        const before = await desk.balance(A, 'EUR');
        const key = freshKey();
        const amounts = [3n, 5n, 7n, 9n];
        const rivals = await Promise.all(
          amounts.map(async (amount) =>
            desk.sealed(await desk.payload([transferOf(A, B, 'EUR', amount)], key)),
          ),
        );
        const answers = await Promise.all(rivals.map((rival, index) => submitTo(desk.raws[index]!, rival)));
        const winners = answers.flatMap(({ response }, index) => (response === undefined ? [] : [index]));
        expect(winners).toHaveLength(1);
        const [winner = 0] = winners;
        desk.expectOnChain(rivals[winner]!);
        for (const [index, { info }] of answers.entries()) {
          if (index !== winner) expect(info?.reason).toMatch(/^IDEMPOTENCY_KEY_(REUSED|PENDING)$/);
        }
        expect(await desk.balance(A, 'EUR')).toBe(before - amounts[winner]!);
      }
    }),
    boundMs,
  );
});

describe('a transaction that the rules refuse', () => {
  it(
    'is final without any effect, and its receipt says why',
    withLogTails(async () => {
      const [mine, theirs] = [await desk.balance(A, 'EUR'), await desk.balance(B, 'EUR')];
      const ok = transferOf(A, B, 'EUR', 100n);
      const refused: readonly (readonly [code: string, operations: readonly Operation[]])[] = [
        ['UNKNOWN_ACCOUNT', [transferOf(A, 'NOBODY', 'EUR', 1n)]],
        ['UNKNOWN_ACCOUNT', [transferOf('NOBODY', B, 'EUR', 1n)]],
        ['INSUFFICIENT_FUNDS', [transferOf(A, B, 'EUR', mine + 1n)]],
        ['INSUFFICIENT_FUNDS', [transferOf(A, B, 'EUR', 2n ** 128n - 1n)]],
        ['UNKNOWN_ASSET', [transferOf(A, B, 'XAU', 1n)]],
        ['SAME_ACCOUNT', [transferOf(A, A, 'EUR', 1n)]],
        ['NOT_ACCOUNT_OWNER', [transferOf(othersAccount, A, 'CHF', 1n)]],
        ['ROLE_REQUIRED', [{ kind: 'mint', asset: 'EUR', account: A, amount: asAmount(1n) }]],
        ['ROLE_REQUIRED', [{ kind: 'burn', asset: 'EUR', account: A, amount: asAmount(1n) }]],
        [
          'ROLE_REQUIRED',
          [{ kind: 'createAsset', asset: 'XAU', exponent: 2, issuer: 'bank-alba', name: 'Gold' }],
        ],
        [
          'ROLE_REQUIRED',
          [
            {
              kind: 'registerMember',
              member: 'bank-ghost',
              name: 'Ghost',
              policy: { threshold: 1, keys: [{ publicKey: desk.alba.signer.publicKey, weight: 1 }] },
            },
          ],
        ],
        ['ACCOUNT_EXISTS', [{ kind: 'createAccount', account: B }]],
        // All or none: what came before the operation that is refused did not happen either.
        ['INSUFFICIENT_FUNDS', [ok, ok, transferOf(A, B, 'EUR', mine)]],
        [
          'UNKNOWN_ACCOUNT',
          [{ kind: 'createAccount', account: 'HALF-DONE' }, ok, transferOf(A, 'NOBODY', 'EUR', 1n)],
        ],
      ];
      for (const [code, operations] of refused) await desk.settle(await desk.asks(...operations), code);
      expect([await desk.balance(A, 'EUR'), await desk.balance(B, 'EUR')]).toEqual([mine, theirs]);
      expect((await desk.client.getAccount('HALF-DONE')).account).toBeUndefined();
      expect((await desk.client.getAccount('NOBODY')).account).toBeUndefined();
    }),
    boundMs,
  );

  it(
    'overflows no supply, at the last unit',
    withLogTails(async () => {
      const issuer = desk.network.connect(desk.network.clientOptions(desk.clearing.tls));
      const account = 'DE92999900010000400002';
      const asks = async (...operations: readonly Operation[]): Promise<Envelope> => {
        const payload = payloadOf({
          sender: 'clearing-delta',
          operations,
          validUntilHeight: await desk.until(),
        });
        return sealed(payload, desk.clearing.signer, desk.network.chainId);
      };
      const mint = (amount: bigint): Operation => ({
        kind: 'mint',
        asset: 'XMAX',
        account,
        amount: asAmount(amount),
      });
      const asset = {
        kind: 'createAsset',
        asset: 'XMAX',
        exponent: 0,
        issuer: 'clearing-delta',
        name: 'Most',
      } as const;
      await desk.settle(await asks(asset, mint(2n ** 128n - 2n)), 'OK', issuer);
      await desk.settle(await asks(mint(2n)), 'AMOUNT_OVERFLOW', issuer);
      await desk.settle(await asks(mint(2n ** 128n - 1n)), 'AMOUNT_OVERFLOW', issuer);
      await desk.settle(await asks(mint(1n)), 'OK', issuer);
      await desk.settle(await asks(mint(1n)), 'AMOUNT_OVERFLOW', issuer);
      expect(await desk.balance(account, 'XMAX')).toBe(2n ** 128n - 1n);
    }),
    boundMs,
  );
});

it(
  'after all that the validators work as before, and hold what was acknowledged and nothing else',
  withLogTails(() => desk.expectUntouched()),
  boundMs,
);
