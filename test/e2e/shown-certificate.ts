import { connect as connectTls } from 'node:tls';
import type { ClientTls } from '../../src/client/index.js';

/** Fingerprint of the certificate that a server shows. */
export function shownCertificate(port: number, tls: ClientTls): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      {
        port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: tls.caPem,
        cert: tls.certificatePem,
        key: tls.privateKeyPem,
        ALPNProtocols: ['h2'],
      },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}
