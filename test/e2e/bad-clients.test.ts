/** Clients that break off, speak nonsense or are not who they say, on real connections to real validators: nothing happens
 * by half, and the validators stay as they were. */
import { status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClientTls } from '../../src/client/index.js';
import { createAuthority, issueCertificate } from '../../src/network/pki/index.js';
import { infoOf, invoke } from '../helpers/api-servers.js';
import { A, B, Desk, expectSentence, rawTo, streamTo, submitTo } from './desk.js';
import { envelopeBytes, lengthDelimited } from './envelopes.js';
import { withLogTails } from './network.js';
import { halfCall, sendNoise, tlsOutcome } from './raw-connections.js';

/** Bounds a test, not a speed. */
const boundMs = 60_000;
let desk: Desk;

beforeAll(async () => {
  desk = await Desk.open();
}, boundMs);

afterAll(() => desk.close());

describe('a stream', () => {
  it(
    'with good and bad envelopes mixed answers each by its number',
    withLogTails(async () => {
      const good = await Promise.all([desk.pays(1n), desk.pays(1n), desk.pays(1n)]);
      for (const envelope of good) desk.expectOnChain(envelope);
      const [first, second, third] = good.map(envelopeBytes) as [Uint8Array, Uint8Array, Uint8Array];
      const outcomes = await streamTo(desk.raws[2]!, [
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
      const before = [await desk.balance(A, 'EUR'), await desk.balance(B, 'EUR')] as const;
      const envelopes = await Promise.all(Array.from({ length: 60 }, () => desk.pays(1n)));
      for (const envelope of envelopes) desk.expectOnChain(envelope);
      const bytes = envelopes.map((envelope) => Buffer.from(envelopeBytes(envelope)));
      for (let start = 0; start < bytes.length; start += 20) {
        const raw = rawTo(desk.network.validators[start / 20]!.clientAddress, desk.alba.tls);
        const call = raw.submitStream();
        call.on('error', () => undefined);
        call.write({ envelopes: bytes.slice(start, start + 20), firstNumber: start });
        if (start === 0) call.cancel();
        else await new Promise((resolve) => setImmediate(resolve));
        raw.close();
        call.cancel();
      }
      // Who asks again learns the outcome of each, and pays none twice.
      for (const envelope of envelopes)
        expect((await desk.client.submit(desk.signed(envelope))).code).toBe('OK');
      expect([await desk.balance(A, 'EUR'), await desk.balance(B, 'EUR')]).toEqual([
        before[0] - 60n,
        before[1] + 60n,
      ]);
    }),
    boundMs,
  );

  it(
    'that is cut off in the middle of a message has no effect',
    withLogTails(async () => {
      const before = await desk.balance(A, 'EUR');
      const message = lengthDelimited(1, envelopeBytes(await desk.pays(13n)));
      const frame = Buffer.alloc(5 + message.length);
      frame.writeUInt32BE(message.length, 1);
      frame.set(message, 5);
      const cut = frame.subarray(0, frame.length - 10);
      const address = desk.network.validators[1]!.clientAddress;
      // The library drops what is no whole message; a stream ends then without any outcome.
      expect((await halfCall(address, desk.alba.tls, 'SubmitStream', cut)).body).toBe(0);
      const unary = await halfCall(address, desk.alba.tls, 'Submit', cut);
      expect(unary.body).toBe(0);
      expect(unary.status).toBeGreaterThan(status.OK);
      await desk.settle(await desk.pays(1n), 'OK');
      expect(await desk.balance(A, 'EUR')).toBe(before - 1n);
    }),
    boundMs,
  );

  it(
    'with too many envelopes in a message is ended with the reason',
    withLogTails(async () => {
      const bytes = envelopeBytes(await desk.pays(1n));
      const failure: unknown = await streamTo(
        desk.raws[3]!,
        Array.from({ length: 1001 }, () => bytes),
      ).catch((error: unknown) => error);
      expect(infoOf(failure as ServiceError).info?.reason).toBe('INVALID_FIELD');
    }),
    boundMs,
  );
});

describe('a client', () => {
  it(
    'without a certificate, or with one of a foreign authority, gets no connection',
    withLogTails(async () => {
      const foreign = await createAuthority(desk.network.genesis.network, { nowMs: Date.now(), days: 1 });
      const identity = { network: desk.network.genesis.network, role: 'member', id: 'bank-alba' } as const;
      const fake = await issueCertificate(foreign, { identity, hosts: [] }, { nowMs: Date.now(), days: 1 });
      const { caPem } = desk.alba.tls;
      for (const { clientAddress, ports } of desk.network.validators) {
        for (const port of [ports.client, ports.peer]) {
          expect(await tlsOutcome(port, { ca: caPem })).not.toBe('open');
          expect(
            await tlsOutcome(port, { ca: caPem, cert: fake.certificatePem, key: fake.privateKeyPem }),
          ).not.toBe('open');
          const { certificatePem: cert, privateKeyPem: key } = desk.alba.tls;
          expect(await tlsOutcome(port, { ca: caPem, cert, key, maxVersion: 'TLSv1.2' })).not.toBe('open');
        }
        const raw = rawTo(clientAddress, { caPem, ...fake });
        const answer = await submitTo(raw, await desk.pays(1n));
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
        [
          await desk.network.issue('member', 'bank-alba', { network: 'another-network' }),
          'CERTIFICATE_UNKNOWN',
        ],
        [await desk.network.issue('operator', 'operator'), 'ROLE_NOT_ALLOWED'],
        [await desk.network.issue('validator', 'validator-1'), 'ROLE_NOT_ALLOWED'],
      ];
      for (const [tls, reason] of cases) {
        const raw = rawTo(desk.network.validators[0]!.clientAddress, tls);
        const answer = await submitTo(raw, await desk.pays(1n));
        raw.close();
        expect(answer.info?.reason).toBe(reason);
        expectSentence(answer.error!.details);
      }
      // Nor is a member let in where the validators talk.
      const { certificatePem: cert, privateKeyPem: key, caPem: ca } = desk.alba.tls;
      expect(await tlsOutcome(desk.network.validators[0]!.ports.peer, { ca, cert, key })).toBe('closed');
    }),
    boundMs,
  );

  it(
    'that speaks another protocol, or asks for nonsense, disturbs nobody',
    withLogTails(async () => {
      const { ports } = desk.network.validators[0]!;
      const noise = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 131) % 256));
      for (const port of [ports.client, ports.peer, ports.admin, ports.http]) await sendNoise(port, noise);
      const raw = desk.raws[0]!;
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

it(
  'after all that the validators work as before, and hold what was acknowledged and nothing else',
  withLogTails(() => desk.expectUntouched()),
  boundMs,
);
