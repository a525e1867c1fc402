/** TLS of the api's ports: version 1.3 only, a client certificate is required, and certificates can be replaced while
 * the server runs. */
import { ServerCredentials } from '@grpc/grpc-js';
import type { TlsMaterial } from '../network/types.js';

/** Credentials of a gRPC server. */
export class ApiServerCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    super({ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, contextOf(material));
  }

  /** Uses other certificates for connections that are made from now on. */
  reload(material: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ caPem, certificatePem, privateKeyPem }: TlsMaterial): {
  ca: string;
  cert: string;
  key: string;
  minVersion: 'TLSv1.3';
} {
  return { ca: caPem, cert: certificatePem, key: privateKeyPem, minVersion: 'TLSv1.3' };
}
