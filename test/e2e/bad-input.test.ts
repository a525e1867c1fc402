/** Everything that clients send wrong, over real connections to real validators: each gets a clear answer, nothing
 * happens by half, and the validators stay as they were. */
import { status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import {
  readSignedTransaction,
  TransactionFailedError,
  type ClientTls,
  type QuaestorClient,
  type SignedTransaction,
} from '../../src/client/index.js';
import type { Operation } from '../../src/codec/index.js';
import type { SubmitResponse__Output } from '../../src/codec/wire/quaestor/ledger/v1/SubmitResponse.js';
import type { SubmitStreamResponse__Output } from '../../src/codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import type { LedgerServiceClient } from '../../src/codec/wire/quaestor/ledger/v1/LedgerService.js';
import { keyPairFromSeed, KeySigner } from '../../src/crypto/native/index.js';
import { createAuthority, issueCertificate, type IdentityRole } from '../../src/network/pki/index.js';
import { asAmount, asChainId, toHex } from '../../src/types/index.js';
import { grpcCredentials, infoOf, invoke, rawClient } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
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
import { routes } from './load.js';
import { TestNetwork, withLogTails, type TestMember } from './network.js';

let network: TestNetwork;
let alba: TestMember;
let borealis: TestMember;
let clearing: TestMember;
/** One connection to each validator with Alba's certificate. */
let raws: LedgerServiceClient[] = [];
let client: QuaestorClient;
/** Transactions that took effect, or failed with a receipt: what must be on the chain in the end, and nothing else. */
const onChain = new Map<string, string>();

const { fromAccount: A, toAccount: B } = routes.alba;
const { fromAccount: othersAccount } = routes.borealis;
/** Bounds a test, not a speed. */
const boundMs = 60_000;

beforeAll(async () => {
  network = await TestNetwork.start();
  [alba, borealis, clearing] = (await Promise.all(
    ['bank-alba', 'bank-borealis', 'clearing-delta'].map((name) => network.member(name)),
  )) as [TestMember, TestMember, TestMember];
  raws = network.validators.map((validator) => rawTo(validator.clientAddress, alba.tls));
  client = network.connect(network.clientOptions(alba.tls));
  // So that heights have passed.
  for (let round = 0; round < 3; round++) await settle(await albaPays(1n), 'OK');
}, boundMs);

afterAll(async () => {
  for (const raw of raws) raw.close();
  await network.close();
});

const rawTo = (address: string, tls: ClientTls): LedgerServiceClient =>
  rawClient(address, grpcCredentials(tls), { 'grpc.ssl_target_name_override': 'localhost' });

let height = 0;
async function until(): Promise<number> {
  height = Math.max(height, await client.currentHeight());
  return height + 500;
}

async function albaPayload(
  operations: readonly Operation[],
  idempotencyKey = freshKey(),
): Promise<Uint8Array> {
  return payloadOf({ sender: 'bank-alba', operations, validUntilHeight: await until(), idempotencyKey });
}

const albaAsks = async (...operations: readonly Operation[]): Promise<Envelope> =>
  sealed(await albaPayload(operations), alba.signer, network.chainId);

const albaPays = (amount: bigint): Promise<Envelope> => albaAsks(transferOf(A, B, 'EUR', amount));

const signed = (envelope: Envelope): SignedTransaction => {
  const read = readSignedTransaction(envelopeBytes(envelope), network.chainId);
  if (!read.ok) throw read.error;
  return read.value;
};

/** Submits what ends up in a block, and checks how it ends. */
async function settle(envelope: Envelope, code: string, by = client): Promise<void> {
  const transaction = signed(envelope);
  onChain.set(toHex(transaction.txId), code);
  if (code === 'OK') {
    expect((await by.submit(transaction)).code).toBe('OK');
    return;
  }
  const failure: unknown = await by.submit(transaction).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TransactionFailedError);
  expect((failure as TransactionFailedError).transaction.code).toBe(code);
  expect((failure as TransactionFailedError).message).toContain(code);
}

interface Answer {
  readonly response?: SubmitResponse__Output;
  readonly error?: ServiceError;
  readonly info?: { readonly reason: string };
}

/** Calls Submit. A validator that is catching up sends clients elsewhere; here it is waited for instead. */
async function submitTo(raw: LedgerServiceClient, envelope: Envelope): Promise<Answer> {
  let answer: Answer = {};
  await eventually('the validator takes transactions', async () => {
    const request = { envelope: { ...envelope, signatures: [...envelope.signatures] } };
    answer = await invoke(raw.submit.bind(raw) as never, request, 20_000);
    return answer.info?.reason !== 'NOT_READY';
  });
  return answer;
}

let turn = 0;
/** Submits to the validators in turn, by Submit and by SubmitStream, and expects the same refusal from both. */
async function expectRefused(envelope: Envelope, reason: string, code: status): Promise<void> {
  const raw = raws[turn++ % raws.length]!;
  const answer = await submitTo(raw, envelope);
  expect({ reason: answer.info?.reason, code: answer.error?.code }).toEqual({ reason, code });
  expectSentence(answer.error!.details);
  const [streamed] = await stream(raw, [envelopeBytes(envelope)]);
  expect(streamed).toMatchObject({ outcome: reason, statusCode: code });
  expectSentence(streamed!.message);
}

/** Says something to people, perhaps of a field, and nothing of the inside. */
function expectSentence(text: string): void {
  expect(text).toMatch(/^([A-Z]|[a-z_]+\b).{15,}\.$/s);
  expect(text).not.toMatch(/\bat .*\.[jt]s:|undefined|\[object|Error:/);
}

interface StreamOutcome {
  readonly number: number;
  readonly outcome: string;
  readonly statusCode: number;
  readonly message: string;
}

/** Submits bytes over one stream; resolves with all outcomes in order of the numbers. */
function stream(
  raw: LedgerServiceClient,
  envelopes: readonly Uint8Array[],
): Promise<readonly StreamOutcome[]> {
  return new Promise((resolve, reject) => {
    const call = raw.submitStream();
    const outcomes: StreamOutcome[] = [];
    call.on('data', ({ refused, finalized }: SubmitStreamResponse__Output) => {
      for (const { number, reason, statusCode, message } of refused) {
        outcomes.push({ number, outcome: reason, statusCode, message });
      }
      for (const { transactions } of finalized) {
        for (const { number } of transactions) {
          outcomes.push({ number, outcome: 'FINAL', statusCode: 0, message: '' });
        }
      }
      if (outcomes.length === envelopes.length) call.end();
    });
    call.on('error', reject);
    call.on('end', () => resolve(outcomes.sort((left, right) => left.number - right.number)));
    call.write({ envelopes: envelopes.map((bytes) => Buffer.from(bytes)), firstNumber: 0 });
  });
}

/** What an account holds once all that was submitted is final everywhere: other connections than the client's submit. */
async function balance(account: string, asset: string): Promise<bigint> {
  await network.agreed();
  const state = await client.getAccount(account, { assets: [asset] });
  return state.balances.find((holding) => holding.asset === asset)?.amount ?? 0n;
}

describe('an envelope', () => {
  it(
    'that is malformed is refused as such',
    withLogTails(async () => {
      const good = await albaPayload([transferOf(A, B, 'EUR', 1n)]);
      const tampered: readonly (readonly [string, Uint8Array])[] = [
        ['cut short', good.subarray(0, good.length - 1)],
        ['with an unknown field', Uint8Array.from([...good, 0x7a, 1, 0])],
        ['with a field twice', Uint8Array.from([...good, ...good])],
        ['with a long varint', Uint8Array.from([...good, 0x18, 0x81, 0x80, 0x00])],
        ['without operations', payloadOf({ sender: 'bank-alba', operations: [], validUntilHeight: 100 })],
        ['with a short key', await albaPayload([transferOf(A, B, 'EUR', 1n)], new Uint8Array(15))],
        ['with an account that is no id', await albaPayload([transferOf(A, 'B/../C', 'EUR', 1n)])],
        [
          'with invalid UTF-8',
          Uint8Array.from(withText(good, 'EUR', 'XXX'), (byte) => (byte === 0x58 ? 0xff : byte)),
        ],
      ];
      for (const [, payload] of tampered) {
        const envelope = await sealed(payload, alba.signer, network.chainId);
        await expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const sender = lengthDelimited(1, new TextEncoder().encode('bank-alba'));
      for (const payload of [
        new Uint8Array(0),
        sender,
        Uint8Array.from([...sender, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        new Uint8Array(500).fill(0x55),
      ]) {
        const envelope = await sealed(payload, alba.signer, network.chainId);
        await expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const without = await invoke(raws[0]!.submit.bind(raws[0]) as never, {}, 5000);
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
        const payload = await albaPayload([transferOf(A, B, 'EUR', amount)]);
        const envelope = await sealed(
          withText(payload, amount.toString(), written),
          alba.signer,
          network.chainId,
        );
        await expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
      const one = await albaPayload([transferOf(A, B, 'EUR', 7n)]);
      for (const digit of ['0', '-', ' ']) {
        const envelope = await sealed(
          withText(one, 'EUR"\u00017', `EUR"\u0001${digit}`),
          alba.signer,
          network.chainId,
        );
        await expectRefused(envelope, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      }
    }),
    boundMs,
  );

  it(
    'that is too large is refused, and a message beyond the limit of gRPC as well',
    withLogTails(async () => {
      const payload = lengthDelimited(1, new TextEncoder().encode('bank-alba'));
      const large = Uint8Array.from([...payload, ...lengthDelimited(4, new Uint8Array(66_000))]);
      await expectRefused(
        await sealed(large, alba.signer, network.chainId),
        'ENVELOPE_TOO_LARGE',
        status.INVALID_ARGUMENT,
      );
      const larger = { payload: new Uint8Array(5 * 1024 * 1024), signatures: [] };
      expect((await submitTo(raws[0]!, larger)).error?.code).toBe(status.RESOURCE_EXHAUSTED);
    }),
    boundMs,
  );

  it(
    'that is unsigned, wrongly signed, or signed for another chain is refused',
    withLogTails(async () => {
      const payload = await albaPayload([transferOf(A, B, 'EUR', 1n)]);
      await expectRefused({ payload, signatures: [] }, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
      const right = await sealed(payload, alba.signer, network.chainId);
      const [{ publicKey, signature } = { publicKey: payload, signature: payload }] = right.signatures;
      const flipped = Uint8Array.from(signature, (byte, index) => (index === 40 ? byte ^ 1 : byte));
      const otherChain = await sealed(payload, alba.signer, asChainId(new Uint8Array(32).fill(7)));
      const changed = withText(payload, 'EUR', 'USD');
      for (const envelope of [
        { payload, signatures: [{ publicKey, signature: flipped }] },
        { payload, signatures: [{ publicKey, signature: new Uint8Array(64) }] },
        { payload, signatures: [{ publicKey: borealis.signer.publicKey, signature }] },
        { payload: changed, signatures: right.signatures },
        otherChain,
      ]) {
        await expectRefused(envelope, 'SIGNATURE_INVALID', status.INVALID_ARGUMENT);
      }
      // A signature that holds, of somebody who may not sign.
      const stranger = new KeySigner(keyPairFromSeed(new Uint8Array(32).fill(9)));
      for (const signer of [stranger, borealis.signer]) {
        const envelope = await sealed(payload, signer, network.chainId);
        await expectRefused(envelope, 'SENDER_NOT_AUTHORIZED', status.PERMISSION_DENIED);
      }
      const twice = { payload, signatures: [...right.signatures, ...right.signatures] };
      await expectRefused(twice, 'ENVELOPE_MALFORMED', status.INVALID_ARGUMENT);
    }),
    boundMs,
  );

  it(
    'that has expired, or is valid for too long, is refused',
    withLogTails(async () => {
      const valid = async (validUntilHeight: number): Promise<Envelope> => {
        const operations = [transferOf(A, B, 'EUR', 1n)];
        const payload = payloadOf({ sender: 'bank-alba', operations, validUntilHeight });
        return sealed(payload, alba.signer, network.chainId);
      };
      await expectRefused(await valid(1), 'EXPIRED', status.FAILED_PRECONDITION);
      const height_ = await client.currentHeight();
      await expectRefused(await valid(height_ + 5000), 'VALIDITY_TOO_LONG', status.FAILED_PRECONDITION);
      await expectRefused(await valid(2 ** 48 - 1), 'VALIDITY_TOO_LONG', status.FAILED_PRECONDITION);
    }),
    boundMs,
  );

  it(
    'of another member, or of somebody who is no member, is refused',
    withLogTails(async () => {
      const operations = [transferOf(othersAccount, B, 'CHF', 1n)];
      const payload = payloadOf({ sender: 'bank-borealis', operations, validUntilHeight: await until() });
      // Borealis signed it, but it is Alba's connection: a member's quota is its own.
      const envelope = await sealed(payload, borealis.signer, network.chainId);
      await expectRefused(envelope, 'SENDER_MISMATCH', status.PERMISSION_DENIED);
      const ghost = payloadOf({
        sender: 'bank-ghost',
        operations: [transferOf(A, B, 'EUR', 1n)],
        validUntilHeight: await until(),
      });
      const raw = rawTo(network.validators[0]!.clientAddress, await issued('member', 'bank-ghost'));
      const answer = await submitTo(raw, await sealed(ghost, alba.signer, network.chainId));
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
      const before = await balance(A, 'EUR');
      const envelope = await albaPays(11n);
      onChain.set(toHex(signed(envelope).txId), 'OK');
      const together = await Promise.all([...raws, ...raws].map((raw) => submitTo(raw, envelope)));
      const later = await Promise.all(raws.map((raw) => submitTo(raw, envelope)));
      const receipts = [...together, ...later].map(({ response, error }) => {
        expect(error).toBeUndefined();
        const { header, result, index, path } = response!.receipt!;
        return JSON.stringify({ header, result, index, path });
      });
      expect(new Set(receipts).size).toBe(1);
      expect(await balance(A, 'EUR')).toBe(before - 11n);
    }),
    boundMs,
  );

  it(
    'with the same key and another payload is refused, whether the first is pending or final',
    withLogTails(async () => {
      const key = freshKey();
      const first = await sealed(
        await albaPayload([transferOf(A, B, 'EUR', 1n)], key),
        alba.signer,
        network.chainId,
      );
      const second = await sealed(
        await albaPayload([transferOf(A, B, 'EUR', 2n)], key),
        alba.signer,
        network.chainId,
      );
      const outcomes = await stream(raws[0]!, [envelopeBytes(first), envelopeBytes(second)]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['FINAL', 'IDEMPOTENCY_KEY_REUSED']);
      onChain.set(toHex(signed(first).txId), 'OK');
      for (let round = 0; round < raws.length; round++) {
        await expectRefused(second, 'IDEMPOTENCY_KEY_REUSED', status.ALREADY_EXISTS);
      }
    }),
    boundMs,
  );

  it(
    'as two payloads of one key at two validators at once takes effect at most once',
    withLogTails(async () => {
      for (let round = 0; round < 8; round++) {
        const before = await balance(A, 'EUR');
        const key = freshKey();
        const amounts = [3n, 5n, 7n, 9n];
        const rivals = await Promise.all(
          amounts.map(async (amount) =>
            sealed(await albaPayload([transferOf(A, B, 'EUR', amount)], key), alba.signer, network.chainId),
          ),
        );
        const answers = await Promise.all(rivals.map((rival, index) => submitTo(raws[index]!, rival)));
        const winners = answers.flatMap(({ response }, index) => (response === undefined ? [] : [index]));
        expect(winners).toHaveLength(1);
        const [winner = 0] = winners;
        onChain.set(toHex(signed(rivals[winner]!).txId), 'OK');
        for (const [index, { info }] of answers.entries()) {
          if (index !== winner) expect(info?.reason).toBe('IDEMPOTENCY_KEY_REUSED');
        }
        expect(await balance(A, 'EUR')).toBe(before - amounts[winner]!);
      }
    }),
    boundMs,
  );
});

describe('a transaction that the rules refuse', () => {
  it(
    'is final without any effect, and its receipt says why',
    withLogTails(async () => {
      const [mine, theirs] = [await balance(A, 'EUR'), await balance(B, 'EUR')];
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
              policy: { threshold: 1, keys: [{ publicKey: alba.signer.publicKey, weight: 1 }] },
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
      for (const [code, operations] of refused) await settle(await albaAsks(...operations), code);
      expect([await balance(A, 'EUR'), await balance(B, 'EUR')]).toEqual([mine, theirs]);
      expect((await client.getAccount('HALF-DONE')).account).toBeUndefined();
      expect((await client.getAccount('NOBODY')).account).toBeUndefined();
    }),
    boundMs,
  );

  it(
    'overflows no supply, at the last unit',
    withLogTails(async () => {
      const issuer = network.connect(network.clientOptions(clearing.tls));
      const account = 'DE92999900010000400002';
      const asks = async (...operations: readonly Operation[]): Promise<Envelope> => {
        const payload = payloadOf({ sender: 'clearing-delta', operations, validUntilHeight: await until() });
        return sealed(payload, clearing.signer, network.chainId);
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
      await settle(await asks(asset, mint(2n ** 128n - 2n)), 'OK', issuer);
      await settle(await asks(mint(2n)), 'AMOUNT_OVERFLOW', issuer);
      await settle(await asks(mint(2n ** 128n - 1n)), 'AMOUNT_OVERFLOW', issuer);
      await settle(await asks(mint(1n)), 'OK', issuer);
      await settle(await asks(mint(1n)), 'AMOUNT_OVERFLOW', issuer);
      expect(await balance(account, 'XMAX')).toBe(2n ** 128n - 1n);
    }),
    boundMs,
  );
});

describe('a stream', () => {
  it(
    'with good and bad envelopes mixed answers each by its number',
    withLogTails(async () => {
      const good = await Promise.all([albaPays(1n), albaPays(1n), albaPays(1n)]);
      for (const envelope of good) onChain.set(toHex(signed(envelope).txId), 'OK');
      const [first, second, third] = good.map(envelopeBytes) as [Uint8Array, Uint8Array, Uint8Array];
      const outcomes = await stream(raws[2]!, [
        first,
        new Uint8Array(0),
        second,
        new Uint8Array(100).fill(1),
        second.subarray(0, 50),
        third,
      ]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual([
        'FINAL',
        'ENVELOPE_MALFORMED',
        'FINAL',
        'ENVELOPE_MALFORMED',
        'ENVELOPE_MALFORMED',
        'FINAL',
      ]);
    }),
    boundMs,
  );

  it(
    'whose client vanishes in the middle of a batch leaves each payment done or not done, and never half',
    withLogTails(async () => {
      const before = [await balance(A, 'EUR'), await balance(B, 'EUR')] as const;
      const envelopes = await Promise.all(Array.from({ length: 60 }, () => albaPays(1n)));
      for (const envelope of envelopes) onChain.set(toHex(signed(envelope).txId), 'OK');
      const bytes = envelopes.map((envelope) => Buffer.from(envelopeBytes(envelope)));
      for (let start = 0; start < bytes.length; start += 20) {
        const raw = rawTo(network.validators[start / 20]!.clientAddress, alba.tls);
        const call = raw.submitStream();
        call.on('error', () => undefined);
        call.write({ envelopes: bytes.slice(start, start + 20), firstNumber: start });
        if (start === 0) call.cancel();
        else await new Promise((resolve) => setImmediate(resolve));
        raw.close();
        call.cancel();
      }
      // Who asks again learns the outcome of each, and pays none twice.
      for (const envelope of envelopes) expect((await client.submit(signed(envelope))).code).toBe('OK');
      expect([await balance(A, 'EUR'), await balance(B, 'EUR')]).toEqual([before[0] - 60n, before[1] + 60n]);
    }),
    boundMs,
  );

  it(
    'that is cut off in the middle of a message has no effect',
    withLogTails(async () => {
      const before = await balance(A, 'EUR');
      const message = lengthDelimited(1, envelopeBytes(await albaPays(13n)));
      const frame = Buffer.alloc(5 + message.length);
      frame.writeUInt32BE(message.length, 1);
      frame.set(message, 5);
      const cut = frame.subarray(0, frame.length - 10);
      // The library drops what is no whole message; a stream ends then without any outcome.
      expect((await halfCall('SubmitStream', cut)).body).toBe(0);
      const unary = await halfCall('Submit', cut);
      expect(unary.body).toBe(0);
      expect(unary.status).toBeGreaterThan(status.OK);
      await settle(await albaPays(1n), 'OK');
      expect(await balance(A, 'EUR')).toBe(before - 1n);
    }),
    boundMs,
  );

  it(
    'with too many envelopes in a message is ended with the reason',
    withLogTails(async () => {
      const bytes = envelopeBytes(await albaPays(1n));
      const failure: unknown = await stream(
        raws[3]!,
        Array.from({ length: 1001 }, () => bytes),
      ).catch((error: unknown) => error);
      expect(infoOf(failure as ServiceError).info?.reason).toBe('INVALID_FIELD');
    }),
    boundMs,
  );
});

/** Certificate of the network's own authority for an identity. */
async function issued(role: IdentityRole, id: string, name = network.genesis.network): Promise<ClientTls> {
  const folder = join(network.dir, 'network', 'authority');
  const [certificatePem, privateKeyPem] = (await Promise.all(
    ['ca.pem', 'ca-key.pem'].map((file) => readFile(join(folder, file), 'utf8')),
  )) as [string, string];
  const subject = { identity: { network: name, role, id }, hosts: [] };
  const validity = { nowMs: Date.now(), days: 1 };
  const made = await issueCertificate({ certificatePem, privateKeyPem }, subject, validity);
  return { caPem: certificatePem, ...made };
}

describe('a client', () => {
  it(
    'without a certificate, or with one of a foreign authority, gets no connection',
    withLogTails(async () => {
      const foreign = await createAuthority(network.genesis.network, { nowMs: Date.now(), days: 1 });
      const identity = { network: network.genesis.network, role: 'member', id: 'bank-alba' } as const;
      const fake = await issueCertificate(foreign, { identity, hosts: [] }, { nowMs: Date.now(), days: 1 });
      const { caPem } = alba.tls;
      for (const { clientAddress, ports } of network.validators) {
        for (const port of [ports.client, ports.peer]) {
          expect(await tlsOutcome(port, { ca: caPem })).not.toBe('open');
          expect(
            await tlsOutcome(port, { ca: caPem, cert: fake.certificatePem, key: fake.privateKeyPem }),
          ).not.toBe('open');
          const { certificatePem: cert, privateKeyPem: key } = alba.tls;
          expect(await tlsOutcome(port, { ca: caPem, cert, key, maxVersion: 'TLSv1.2' })).not.toBe('open');
        }
        const raw = rawTo(clientAddress, { caPem, ...fake });
        const answer = await submitTo(raw, await albaPays(1n));
        raw.close();
        expect(answer.error?.code).toBe(status.UNAVAILABLE);
      }
    }),
    boundMs,
  );

  it(
    'whose certificate is of another network or role may not submit',
    withLogTails(async () => {
      const cases: readonly (readonly [ClientTls, string])[] = [
        [await issued('member', 'bank-alba', 'another-network'), 'CERTIFICATE_UNKNOWN'],
        [await issued('operator', 'operator'), 'ROLE_NOT_ALLOWED'],
        [await issued('validator', 'validator-1'), 'ROLE_NOT_ALLOWED'],
      ];
      for (const [tls, reason] of cases) {
        const raw = rawTo(network.validators[0]!.clientAddress, tls);
        const answer = await submitTo(raw, await albaPays(1n));
        raw.close();
        expect(answer.info?.reason).toBe(reason);
        expectSentence(answer.error!.details);
      }
      // Nor is a member let in where the validators talk.
      const { certificatePem: cert, privateKeyPem: key, caPem: ca } = alba.tls;
      expect(await tlsOutcome(network.validators[0]!.ports.peer, { ca, cert, key })).toBe('closed');
    }),
    boundMs,
  );

  it(
    'that speaks another protocol, or asks for nonsense, disturbs nobody',
    withLogTails(async () => {
      const { ports } = network.validators[0]!;
      const noise = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 131) % 256));
      for (const port of [ports.client, ports.peer, ports.admin, ports.http]) await sendNoise(port, noise);
      const raw = raws[0]!;
      const answers = await Promise.all([
        invoke(raw.getTransaction.bind(raw) as never, { txId: new Uint8Array(3) }),
        invoke(raw.getBlock.bind(raw) as never, { height: 2 ** 53 }),
        invoke(raw.getBlock.bind(raw) as never, { height: 1_000_000 }),
        invoke(raw.getAccount.bind(raw) as never, { account: '../../etc/passwd' }),
        invoke(raw.getAccount.bind(raw) as never, { account: 'NOBODY' }),
        invoke(raw.listAccounts.bind(raw) as never, { pageSize: -1 }),
        invoke(raw.listAccounts.bind(raw) as never, { pageToken: 'AAAA' }),
        invoke(raw.listAccountHistory.bind(raw) as never, { account: '' }),
      ]);
      expect(answers.map(({ info }) => info?.reason)).toEqual([
        'INVALID_FIELD',
        'INVALID_FIELD',
        'BLOCK_NOT_FOUND',
        'INVALID_FIELD',
        'ACCOUNT_NOT_FOUND',
        'INVALID_FIELD',
        'PAGE_TOKEN_INVALID',
        'INVALID_FIELD',
      ]);
      for (const { error } of answers) expectSentence(error!.details);
    }),
    boundMs,
  );
});

describe('after all that', () => {
  it(
    'the validators are ready, logged no defect, and the chain holds what was acknowledged and nothing else',
    withLogTails(async () => {
      for (const validator of network.validators) {
        expect(await validator.http('/readyz')).toMatchObject({ status: 200 });
      }
      await settle(await albaPays(1n), 'OK');
      await network.agreed();
      await network.stopAll();
      expect(network.logTails(100_000)).not.toMatch(/ ERROR |DEFECT|EQUIVOCATION|PEER_MISBEHAVED/);
      for (const chain of await auditStores(network)) {
        expect(chain.faults).toEqual([]);
        const found = [...chain.transactions].map(([id, places]) => [id, places.map(({ code }) => code)]);
        expect(new Map(found as [string, string[]][])).toEqual(
          new Map([...onChain].map(([id, code]) => [id, [code]])),
        );
      }
    }),
    boundMs,
  );
});

/** Calls a method with bytes that end before their message does. */
function halfCall(
  method: string,
  bytes: Uint8Array,
): Promise<{ readonly status: number; readonly body: number }> {
  const session = connectHttp2(`https://${network.validators[1]!.clientAddress}`, {
    ca: alba.tls.caPem,
    cert: alba.tls.certificatePem,
    key: alba.tls.privateKeyPem,
    servername: 'localhost',
  });
  return new Promise((resolve, reject) => {
    const request = session.request({
      ':method': 'POST',
      ':path': `/quaestor.ledger.v1.LedgerService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let code = -1;
    let body = 0;
    const read = (headers: Readonly<Record<string, unknown>>): void => {
      if ('grpc-status' in headers) code = Number(headers['grpc-status']);
    };
    request.on('response', read);
    request.on('trailers', read);
    request.on('data', (chunk: Uint8Array) => (body += chunk.length));
    request.on('error', reject);
    request.on('close', () => {
      session.destroy();
      resolve({ status: code, body });
    });
    request.end(bytes);
  });
}

/** How a TLS client fares: `open` when it may talk, else why not. In TLS 1.3 a refusal comes after the handshake. */
function tlsOutcome(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({
      ...options,
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    });
    socket.once('error', (error: Error) => resolve(error.message));
    socket.once('close', () => resolve('closed'));
    // A server that lets somebody in greets with its settings.
    socket.once('data', () => {
      resolve('open');
      socket.destroy();
    });
  });
}

/** Sends bytes that mean nothing; resolves when the other side has closed. */
async function sendNoise(port: number, noise: Uint8Array): Promise<void> {
  let closed = false;
  const socket = connectTcp(port, '127.0.0.1', () => socket.end(noise));
  socket.on('error', () => undefined);
  socket.resume();
  socket.on('close', () => (closed = true));
  await eventually(`port ${port} closes the connection`, () => closed);
}
