/** TLS of the SDK: version 1.3 only, mutual, and bound to the validators' identities instead of host names, so that a
 * validator may move to another address. */
import { createSecureContext, type PeerCertificate } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';

/** PEM texts of the client's side. */
export interface ClientTls {
  /** Certificates of the consortium's authority. */
  readonly caPem: string;
  /** The member's, operator's or validator's certificate. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** Name sent as the server name: addresses are no identities, and IP addresses are not allowed there. */
export const serverName = 'validator.quaestor';

/** Values of the URI names in a subject alternative name text of Node.js, in which values that hold separators are
 * quoted as JSON strings (so that a name can't smuggle in another). */
export function uriNames(subjectAltName: string): readonly string[] {
  const uris: string[] = [];
  const entry = /\s*([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:,|$)/gy;
  for (let match = entry.exec(subjectAltName); match !== null; match = entry.exec(subjectAltName)) {
    const [, type, value] = match;
    if (type === 'URI' && value !== undefined && !value.startsWith('"')) uris.push(value);
    if (entry.lastIndex >= subjectAltName.length) return uris;
  }
  return [];
}

/**
 * Credentials of a channel to a validator or observer of `network`. With an id, only the one of this id is accepted, else
 * any of the network.
 */
export function channelCredentials(
  tls: ClientTls,
  network: string,
  validatorId?: string,
): ChannelCredentials {
  const context = createSecureContext({
    ca: tls.caPem,
    cert: tls.certificatePem,
    key: tls.privateKeyPem,
    minVersion: 'TLSv1.3',
  });
  const places = ['validator', 'observer'].map(
    (role) => `quaestor://${encodeURIComponent(network)}/${role}/`,
  );
  return ChannelCredentials.createFromSecureContext(context, {
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
      const names = uriNames(certificate.subjectaltname ?? '').filter((uri) => uri.startsWith('quaestor:'));
      const [name] = names;
      const own = validatorId === undefined ? undefined : encodeURIComponent(validatorId);
      const accepted =
        names.length === 1 &&
        places.some((place) => (own === undefined ? name?.startsWith(place) === true : name === place + own));
      if (accepted) return undefined;
      return new Error(
        `the server's certificate names ${name ?? 'no identity'}; expected is ${places[0] ?? ''}${own ?? '…'}, or an observer`,
      );
    },
  });
}
