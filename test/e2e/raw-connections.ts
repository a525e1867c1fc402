/** Connections below gRPC: what no library would do. */
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { ClientTls } from '../../src/client/index.js';
import { eventually } from '../helpers/eventually.js';

/** Calls a method with bytes that end before their message does. */
export function halfCall(
  address: string,
  tls: ClientTls,
  method: string,
  bytes: Uint8Array,
): Promise<{ readonly status: number; readonly body: number }> {
  const session = connectHttp2(`https://${address}`, {
    ca: tls.caPem,
    cert: tls.certificatePem,
    key: tls.privateKeyPem,
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
export function tlsOutcome(port: number, options: ConnectionOptions): Promise<string> {
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
export async function sendNoise(port: number, noise: Uint8Array): Promise<void> {
  let closed = false;
  const socket = connectTcp(port, '127.0.0.1', () => socket.end(noise));
  socket.on('error', () => undefined);
  socket.resume();
  socket.on('close', () => (closed = true));
  await eventually(`port ${port} closes the connection`, () => closed);
}
