/** TLS of the api's ports: version 1.3 only, a client certificate is required, and certificates can be replaced while
 * the server runs. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { TlsMaterial } from '../network/types.js';
import { QuaestorError } from '../types/index.js';

/** A client that takes longer to show its certificate is cut off. */
const handshakeTimeoutMs = 10_000;

/** Credentials of a gRPC server. */
export class ApiServerCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    const options: TlsOptions = {
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      handshakeTimeout: handshakeTimeoutMs,
    };
    super(options, checkedContext(material));
  }

  /** Uses other certificates for connections that are made from now on. Throws TLS_MATERIAL_INVALID and keeps the old
   * ones when they can't be used. */
  reload(material: TlsMaterial): void {
    this.updateSecureContextOptions(checkedContext(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function checkedContext({ caPem, certificatePem, privateKeyPem }: TlsMaterial): SecureContextOptions {
  const options: SecureContextOptions = {
    ca: caPem,
    cert: certificatePem,
    key: privateKeyPem,
    minVersion: 'TLSv1.3',
    // No resumption: every connection shows its certificate, also after these were replaced.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuaestorError(
      'TLS_MATERIAL_INVALID',
      `The TLS certificate, its private key or the authority's certificate can't be used: ${reason}. Check the files named in the configuration.`,
      { reason },
      cause,
    );
  }
  return options;
}
