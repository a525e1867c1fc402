import { X509Certificate, constants, createHash, createPrivateKey } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Result } from '../types/index.js';
import { QuaestorError, err, ok } from '../types/index.js';
import { firstPem, readIdentity } from './pki/index.js';
import type { PeerValidator, TlsMaterial } from './types.js';

/** This validator's side of TLS, ready for use. */
export interface TlsContext {
  readonly options: SecureContextOptions;
  /** SHA-256 of the DER bytes of the own certificate. */
  readonly fingerprint: Uint8Array;
  /** When the own certificate expires, in milliseconds since 1970. */
  readonly expiryMs: number;
}

/** Whom a node's certificate names, whatever validator set has it. */
export interface NamedNode {
  readonly role: 'validator' | 'observer';
  readonly id: string;
}

/** SHA-256 of a certificate's DER bytes. */
export function certificateFingerprint(der: Uint8Array): Uint8Array {
  return createHash('sha256').update(der).digest();
}

/**
 * Checks that the PEM texts belong together, hold now and name this validator. `title` is how errors call the
 * certificate.
 *
 * @throws QuaestorError TLS_MATERIAL_INVALID, TLS_CERTIFICATE_EXPIRED or TLS_IDENTITY_MISMATCH.
 */
export function prepareTls(
  material: TlsMaterial,
  network: string,
  self: Pick<PeerValidator, 'id'>,
  title = 'The TLS certificate',
  role: 'validator' | 'observer' | 'signer' = 'validator',
): TlsContext {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(firstPem(material.certificatePem));
    const key = createPrivateKey(material.privateKeyPem);
    if (!leaf.checkPrivateKey(key)) {
      throw new Error('the private key does not belong to the certificate');
    }
    createSecureContext(tlsOptionsOf(material));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuaestorError(
      'TLS_MATERIAL_INVALID',
      `${title}, its private key or the authority's certificate cannot be used: ${reason}. ` +
        'Check the files named in the configuration.',
      { reason },
      cause,
    );
  }
  const nowMs = Date.now();
  const expiryMs = Date.parse(leaf.validTo);
  if (nowMs < Date.parse(leaf.validFrom) || nowMs > expiryMs) {
    throw new QuaestorError(
      'TLS_CERTIFICATE_EXPIRED',
      `${title} has expired or does not hold yet: it holds from ${leaf.validFrom} to ${leaf.validTo}, and nobody ` +
        'would accept a connection with it. Have a new one issued, or correct the clock of this machine.',
      { validFrom: leaf.validFrom, validTo: leaf.validTo },
    );
  }
  const named = readIdentity(leaf.raw);
  const isOurs = named.ok && named.value.network === network;
  if (!isOurs || named.value.role !== role || named.value.id !== self.id) {
    const found = named.ok
      ? `The certificate names ${named.value.role} "${named.value.id}" of network "${named.value.network}".`
      : named.error.message;
    throw new QuaestorError(
      'TLS_IDENTITY_MISMATCH',
      `${title} must name ${role} "${self.id}" of network "${network}": ${found}`,
      { validator: self.id, network },
    );
  }
  return { options: tlsOptionsOf(material), fingerprint: certificateFingerprint(leaf.raw), expiryMs };
}

/** TLS 1.3 only, and no resumption: every connection shows its certificate. */
export function tlsOptionsOf(material: TlsMaterial): SecureContextOptions {
  return {
    ca: material.caPem,
    cert: material.certificatePem,
    key: material.privateKeyPem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** The node that a certificate names; the error says what it names instead. */
export function namedNode(der: Uint8Array, network: string): Result<NamedNode, string> {
  const identity = readIdentity(der);
  if (!identity.ok) return err(identity.error.message);
  const { network: named, role, id } = identity.value;
  if (named === network && (role === 'validator' || role === 'observer')) return ok({ role, id });
  return err(`The certificate names ${role} "${id}" of network "${named}".`);
}

/** Whether a certificate names this validator; the error says what it names instead. */
export function namesValidator(der: Uint8Array, network: string, id: string): Result<void, string> {
  const named = namedNode(der, network);
  if (!named.ok) return named;
  if (named.value.role === 'validator' && named.value.id === id) return ok(undefined);
  return err(`The certificate names ${named.value.role} "${named.value.id}" of network "${network}".`);
}
