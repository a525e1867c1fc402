import { describe, expect, it } from '@jest/globals';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import {
  createAuthority,
  createCertificateRequest,
  identityUri,
  issueCertificate,
  issueForRequest,
  parseIdentityUri,
  readIdentity,
} from '../../../src/network/pki/index.js';

const validity = { nowMs: Date.UTC(2026, 0, 1), days: 365 };
const validator = { network: 'eurobank', role: 'validator', id: 'bank-a' } as const;

describe('certificates of a consortium', () => {
  it('are issued by the authority, for the key that comes with them', async () => {
    const authority = await createAuthority('eurobank', validity);
    const issued = await issueCertificate(
      authority,
      { identity: validator, hosts: ['localhost', '127.0.0.1', '::1'] },
      validity,
    );
    const ca = new X509Certificate(authority.certificatePem);
    const certificate = new X509Certificate(issued.certificatePem);
    expect(ca.ca).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(ca)).toBe(true);
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(issued.privateKeyPem))).toBe(true);
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(new Date(certificate.validFrom).getTime()).toBe(validity.nowMs - 300_000);
    expect(new Date(certificate.validTo).getTime()).toBe(validity.nowMs + 365 * 86_400_000);
  });

  it('allow serving only to validators', async () => {
    const authority = await createAuthority('eurobank', validity);
    const usage = async (role: 'validator' | 'member' | 'operator') => {
      const identity = { network: 'eurobank', role, id: 'x' };
      const issued = await issueCertificate(authority, { identity, hosts: [] }, validity);
      return new X509Certificate(issued.certificatePem).keyUsage;
    };
    expect(await usage('validator')).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
    expect(await usage('member')).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(await usage('operator')).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('name whom they stand for', async () => {
    const authority = await createAuthority('Euro Bänk/1', validity);
    for (const role of ['validator', 'member', 'operator'] as const) {
      const identity = { network: 'Euro Bänk/1', role, id: 'a, URI:quaestor://x/validator/"b"' };
      const issued = await issueCertificate(authority, { identity, hosts: [] }, validity);
      expect(readIdentity(issued.certificatePem)).toEqual({ ok: true, value: identity });
      expect(readIdentity(new X509Certificate(issued.certificatePem).raw)).toEqual({
        ok: true,
        value: identity,
      });
    }
  });

  it('of an authority name nobody', async () => {
    const authority = await createAuthority('eurobank', validity);
    expect(readIdentity(authority.certificatePem)).toMatchObject({
      ok: false,
      error: { code: 'CERTIFICATE_WITHOUT_IDENTITY' },
    });
    expect(readIdentity(new Uint8Array([1, 2, 3]))).toMatchObject({
      ok: false,
      error: { code: 'CERTIFICATE_UNREADABLE' },
    });
  });

  it('are issued for a request without the private key, and name whom the authority says', async () => {
    const authority = await createAuthority('eurobank', validity);
    const request = await createCertificateRequest({ ...validator, id: 'somebody-else' });
    const pem = await issueForRequest(
      authority,
      request.requestPem,
      { identity: validator, hosts: [] },
      validity,
    );
    expect(readIdentity(pem)).toEqual({ ok: true, value: validator });
    expect(new X509Certificate(pem).checkPrivateKey(createPrivateKey(request.privateKeyPem))).toBe(true);
  });

  it('are not issued for a request that is damaged', async () => {
    const authority = await createAuthority('eurobank', validity);
    const { requestPem } = await createCertificateRequest(validator);
    const lines = requestPem.trim().split('\n');
    const body = Buffer.from(lines.slice(1, -1).join(''), 'base64');
    body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 1;
    const damaged = [lines[0], body.toString('base64'), lines.at(-1)].join('\n');
    await expect(
      issueForRequest(authority, damaged, { identity: validator, hosts: [] }, validity),
    ).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

describe('identity URIs', () => {
  it.each([
    'quaestor://net/validator/',
    'quaestor://net/validator/a/b',
    'quaestor://net/banker/a',
    'quaestor:///validator/a',
    'quaestor://net/validator/%61',
    'quaestor://net/validator/%',
    'Quaestor://net/validator/a',
    'spiffe://net/validator/a',
  ])('refuse %s', (uri) => {
    expect(parseIdentityUri(uri)).toBeUndefined();
  });

  it('read back what was written', () => {
    const identity = { network: 'a/b', role: 'operator', id: 'ops é' } as const;
    expect(parseIdentityUri(identityUri(identity))).toEqual(identity);
  });
});
