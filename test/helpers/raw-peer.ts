/** A party that speaks the transport of peers but keeps to none of its rules: what an attacker would write. */
import type { ClientDuplexStream, ServerDuplexStream, ServiceError } from '@grpc/grpc-js';
import { ChannelCredentials, Client, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import type { SecureContextOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { loadPeerService } from '../../src/network/definition.js';
import type { TlsMaterial } from '../../src/network/index.js';
import type { Signer } from '../../src/crypto/types.js';
import type { ChainId } from '../../src/types/index.js';
import { helloSigningBytes } from '../../src/network/handshake.js';
import { certificateFingerprint } from '../../src/network/tls.js';
import type { Hello } from '../../src/network/wire/connect.js';
import { decodeConnectMessage, encodeHello, encodeProof } from '../../src/network/wire/connect.js';

const service = loadPeerService();

export interface RawCall {
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  readonly received: Buffer[];
  /** Next message, or the error that the call ended with. */
  next(): Promise<Buffer>;
  readonly ended: Promise<ServiceError | undefined>;
  close(): void;
}

/** Opens Connect on a port with any TLS context. */
export function rawDial(port: number, context: SecureContextOptions, metadata = new Metadata()): RawCall {
  const client = new Client(
    `127.0.0.1:${port}`,
    ChannelCredentials.createFromSecureContext(createSecureContext(context), {
      checkServerIdentity: () => undefined,
    }),
    {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.ssl_target_name_override': 'x.internal',
      'grpc.max_send_message_length': -1,
    },
  );
  const { path, requestSerialize, responseDeserialize } = service.Connect;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  const received: Buffer[] = [];
  const waiting: { resolve: (message: Buffer) => void; reject: (error: unknown) => void }[] = [];
  let failure: ServiceError | undefined;
  call.on('data', (message: Buffer) => {
    const waiter = waiting.shift();
    if (waiter === undefined) received.push(message);
    else waiter.resolve(message);
  });
  const ended = new Promise<ServiceError | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => {
      failure = error;
      for (const { reject } of waiting.splice(0)) reject(error);
      resolve(error);
    });
    call.on('end', () => resolve(failure));
  });
  return {
    call,
    received,
    ended,
    next: () => {
      const message = received.shift();
      if (message !== undefined) return Promise.resolve(message);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    close() {
      call.cancel();
      client.close();
    },
  };
}

export const contextOf = (tls: TlsMaterial): SecureContextOptions => ({
  ca: tls.caPem,
  cert: tls.certificatePem,
  key: tls.privateKeyPem,
});

export interface Greeting {
  readonly chainId: ChainId;
  readonly validator: string;
  readonly peer: string;
  readonly signer: Signer;
  /** Replaces parts of the Hello. */
  readonly hello?: Partial<Hello>;
  /** Certificate that the proof is about, if it is not the one of the connection. */
  readonly certificateDer?: Uint8Array;
}

/** Goes through the dialing side of the handshake, honestly but for what `greeting` changes. Resolves with the first
 * message after the own proof; rejects with the error that ended the call. */
export async function rawHandshake(raw: RawCall, ownDer: Uint8Array, greeting: Greeting): Promise<Buffer> {
  const nonce = new Uint8Array(32).fill(7);
  const { chainId, validator, peer, signer } = greeting;
  raw.call.write(encodeHello({ protocolVersion: 1, chainId, validator, peer, nonce, ...greeting.hello }));
  const answer = decodeConnectMessage(await raw.next());
  if (!answer.ok || answer.value.kind !== 'hello') throw new Error('no hello came back');
  const serverDer = raw.call.getAuthContext()?.sslPeerCertificate?.raw;
  if (serverDer === undefined) throw new Error('the server showed no certificate');
  const signature = await signer.sign(
    helloSigningBytes({
      chainId,
      nonceReceived: answer.value.hello.nonce,
      nonceSent: nonce,
      signerFingerprint: certificateFingerprint(greeting.certificateDer ?? ownDer),
      receiverFingerprint: certificateFingerprint(serverDer),
    }),
  );
  raw.call.write(encodeProof(signature));
  return raw.next();
}

/** A server that shows any certificate and handles Connect in any way. */
export async function rawServer(
  tls: TlsMaterial,
  onConnect: (call: ServerDuplexStream<Buffer, Buffer>) => void,
): Promise<{ readonly port: number; stop(): void }> {
  const server = new Server();
  server.addService({ ...service }, { Connect: onConnect });
  const credentials = ServerCredentials.createSsl(
    Buffer.from(tls.caPem),
    [{ cert_chain: Buffer.from(tls.certificatePem), private_key: Buffer.from(tls.privateKeyPem) }],
    false,
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  return { port, stop: () => server.forceShutdown() };
}
