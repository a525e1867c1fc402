import type { SubjectAlternativeNameExtension as AlternativeNames } from '@peculiar/x509';
import type { Result } from '../../types/index.js';
import { QuaestorError, err, ok } from '../../types/index.js';
import { SubjectAlternativeNameExtension, X509Certificate } from './x509.js';

/** What a certificate of the consortium may stand for. */
export type IdentityRole = 'validator' | 'observer' | 'member' | 'operator' | 'signer';

/** Whom a certificate names: by the URI `quaestor://<network>/<role>/<id>` among its subject alternative names. Host
 * names in it say nothing about identity, so that a validator may move to another address. */
export interface CertificateIdentity {
  readonly network: string;
  readonly role: IdentityRole;
  readonly id: string;
}

/** A certificate that cannot be used. Codes: CERTIFICATE_UNREADABLE, CERTIFICATE_WITHOUT_IDENTITY. */
export class PkiError extends QuaestorError {}

const pattern = /^quaestor:\/\/([^/]+)\/(validator|observer|member|operator|signer)\/([^/]+)$/;

/** The URI that names an identity. */
export function identityUri(identity: CertificateIdentity): string {
  return `quaestor://${encodeURIComponent(identity.network)}/${identity.role}/${encodeURIComponent(identity.id)}`;
}

/** The identity that a URI names, or undefined when it is none in exactly the form of `identityUri`. */
export function parseIdentityUri(uri: string): CertificateIdentity | undefined {
  const [, network, role, id] = pattern.exec(uri) ?? [];
  if (network === undefined || role === undefined || id === undefined) return undefined;
  try {
    const identity = {
      network: decodeURIComponent(network),
      role: role as IdentityRole,
      id: decodeURIComponent(id),
    };
    return identityUri(identity) === uri ? identity : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whom a certificate names. It must carry exactly one URI of ours: two would let one certificate act in two roles.
 * Says nothing about who issued it: the TLS layer has checked that.
 *
 * @param certificate DER bytes or PEM text; of a chain in PEM the first one counts.
 */
export function readIdentity(certificate: Uint8Array | string): Result<CertificateIdentity, PkiError> {
  let names: AlternativeNames | null;
  try {
    const parsed = new X509Certificate(
      typeof certificate === 'string' ? firstPem(certificate) : new Uint8Array(certificate),
    );
    names = parsed.getExtension(SubjectAlternativeNameExtension);
  } catch (cause) {
    return err(
      new PkiError('CERTIFICATE_UNREADABLE', 'The certificate is not a valid X.509 certificate.', {}, cause),
    );
  }
  const uris = (names?.names.items ?? [])
    .filter((name) => name.type === 'url' && name.value.startsWith('quaestor:'))
    .map((name) => name.value);
  const identity = uris.length === 1 && uris[0] !== undefined ? parseIdentityUri(uris[0]) : undefined;
  if (identity !== undefined) return ok(identity);
  return err(
    new PkiError(
      'CERTIFICATE_WITHOUT_IDENTITY',
      'The certificate must have exactly one subject alternative name of the form ' +
        `quaestor://<network>/<validator|observer|member|operator|signer>/<id>; it has ${uris.length} that begin like one.`,
      { uris: uris.join(' ') },
    ),
  );
}

/** The first certificate of a PEM text. */
export function firstPem(pem: string): string {
  return /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? pem;
}
