import type { Extension, ExtendedKeyUsage as Usage, X509Certificate as Certificate } from '@peculiar/x509';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { toHex } from '../../types/index.js';
import type { CertificateIdentity } from './identity.js';
import { PkiError, firstPem, identityUri } from './identity.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from './x509.js';

/** A certificate and its private key as PEM texts (the key in PKCS #8). Whoever writes the key to a file makes that
 * file readable by its owner only. */
export interface KeyAndCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** Span of time in which a certificate holds. */
export interface Validity {
  /** Milliseconds since 1970-01-01 UTC. Certificates hold from five minutes earlier, since clocks differ. */
  readonly nowMs: number;
  readonly days: number;
}

/** What a certificate is issued for. */
export interface CertificateSubject {
  readonly identity: CertificateIdentity;
  /** DNS names and IP addresses under which a server is reached; for clients of other software than ours. */
  readonly hosts: readonly string[];
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const clockSkewMs = 5 * 60_000;
/** Whose certificates are for servers, too. */
const servingRoles: ReadonlySet<string> = new Set(['validator', 'observer', 'signer']);

/** Makes a certificate authority for a consortium: ECDSA P-256, self-signed, may issue end certificates only. */
export async function createAuthority(
  network: string,
  validity: Validity,
  owner = 'consortium',
): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      ...period(validity),
      serialNumber: serialNumber(),
      name: [{ CN: [`${network} ${owner} authority`] }, { O: [network] }],
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
}

/** Makes a key and issues a certificate for it: for servers and clients when it is a validator's, an observer's or a signer's, else for clients. */
export async function issueCertificate(
  authority: KeyAndCertificate,
  subject: CertificateSubject,
  validity: Validity,
): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  return {
    certificatePem: await issue(authority, keys.publicKey, subject, validity),
    privateKeyPem: await exportKey(keys.privateKey),
  };
}

/** Makes a key and a request for a certificate (PKCS #10), so that the key never leaves its institution. */
export async function createCertificateRequest(
  identity: CertificateIdentity,
): Promise<{ readonly requestPem: string; readonly privateKeyPem: string }> {
  const keys = await generateKeys();
  const request = await Pkcs10CertificateRequestGenerator.create(
    { name: subjectName(identity), keys, signingAlgorithm: algorithm },
    webcrypto,
  );
  return {
    requestPem: `${request.toString('pem')}\n`,
    privateKeyPem: await exportKey(keys.privateKey),
  };
}

/**
 * Issues a certificate for the key of a request. Only the key is taken from it: whom the certificate names, the
 * authority decides.
 *
 * @throws PkiError REQUEST_INVALID when the request is not readable or not signed by its own key.
 */
export async function issueForRequest(
  authority: KeyAndCertificate,
  requestPem: string,
  subject: CertificateSubject,
  validity: Validity,
): Promise<string> {
  try {
    const request = new Pkcs10CertificateRequest(requestPem);
    if (await request.verify(webcrypto)) {
      const key = await webcrypto.subtle.importKey('spki', request.publicKey.rawData, algorithm, true, [
        'verify',
      ]);
      return await issue(authority, key, subject, validity);
    }
  } catch (cause) {
    if (cause instanceof PkiError) throw cause;
    throw invalidRequest(cause);
  }
  throw invalidRequest();
}

function invalidRequest(cause?: unknown): PkiError {
  return new PkiError(
    'REQUEST_INVALID',
    'The certificate request is not a PKCS #10 request for an ECDSA P-256 key, signed by that key.',
    {},
    cause,
  );
}

async function issue(
  authority: KeyAndCertificate,
  publicKey: webcrypto.CryptoKey,
  subject: CertificateSubject,
  validity: Validity,
): Promise<string> {
  const issuer = new X509Certificate(firstPem(authority.certificatePem));
  const usages: Usage[] = [ExtendedKeyUsage.clientAuth];
  const { role } = subject.identity;
  if (servingRoles.has(role)) usages.push(ExtendedKeyUsage.serverAuth);
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(usages),
    new SubjectAlternativeNameExtension([
      { type: 'url', value: identityUri(subject.identity) },
      ...subject.hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }) as const),
    ]),
    await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
    await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
  ];
  const certificate = await X509CertificateGenerator.create(
    {
      ...period(validity),
      serialNumber: serialNumber(),
      subject: subjectName(subject.identity),
      issuer: issuer.subjectName.toJSON(),
      publicKey,
      signingKey: await importKey(authority.privateKeyPem),
      signingAlgorithm: algorithm,
      extensions,
    },
    webcrypto,
  );
  return pem(certificate);
}

function subjectName(identity: CertificateIdentity): Record<string, string[]>[] {
  return [{ CN: [identity.id] }, { OU: [identity.role] }, { O: [identity.network] }];
}

function period({ nowMs, days }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - clockSkewMs), notAfter: new Date(nowMs + days * dayMs) };
}

/** 16 random bytes, positive and not zero (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return toHex(bytes);
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${PemConverter.encode(bytes, PemConverter.PrivateKeyTag)}\n`;
}

async function importKey(privateKeyPem: string): Promise<webcrypto.CryptoKey> {
  try {
    const bytes = PemConverter.decodeFirst(privateKeyPem);
    return await webcrypto.subtle.importKey('pkcs8', bytes, algorithm, false, ['sign']);
  } catch (cause) {
    throw new PkiError(
      'AUTHORITY_KEY_UNREADABLE',
      "The authority's private key is not an ECDSA P-256 key in PKCS #8 PEM; check that the file is complete.",
      {},
      cause,
    );
  }
}

function pem(certificate: Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
