import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect as connectTls } from 'node:tls';
import { connect as connectHttp2 } from 'node:http2';
import {
  credentials,
  loadPackageDefinition,
  makeGenericClientConstructor,
  status,
  type Client,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  grpcCredentials,
  invoke,
  rawClient,
  serve,
  TestPki,
  type TestServer,
} from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let pki: TestPki;
let chain: FakeChain;
let server: TestServer;
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create();
  chain = await FakeChain.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(): Promise<void> {
  server = await serve(new FakeNode(chain), pki);
  open.push(() => server.server.close(100));
}

/** Calls GetStatus with these credentials. */
async function status1(
  channel: ReturnType<typeof grpcCredentials>,
): ReturnType<typeof invoke<object, object>> {
  const client = rawClient(server.address, channel);
  open.push(() => client.close());
  return invoke<object, object>((body, options, callback) => client.getStatus(body, options, callback), {});
}

describe('authentication', () => {
  it('serves members, operators and validators of the network', async () => {
    await start();
    for (const [role, name] of [
      ['member', 'alpha'],
      ['operator', 'olga'],
      ['validator', 'v2'],
    ] as const) {
      expect((await status1(grpcCredentials(await pki.issue(role, name)))).response).toBeDefined();
    }
  });

  it('refuses a client without a certificate and one of a foreign authority in the TLS handshake', async () => {
    await start();
    const without = credentials.createSsl(Buffer.from(pki.caPem));
    expect((await status1(without)).error!.code).toBe(status.UNAVAILABLE);
    const foreign = await (await TestPki.create()).issue('member', 'alpha');
    const { error } = await status1(grpcCredentials({ ...foreign, caPem: pki.caPem }));
    expect(error!.code).toBe(status.UNAVAILABLE);
    expect(server.metrics.calls).toEqual([]);
  });

  it('refuses a certificate of the authority that names another network', async () => {
    await start();
    const other = await pki.issue('member', 'alpha', 'othernet');
    const { error, info } = await status1(grpcCredentials(other));
    expect([error!.code, info!.reason]).toEqual([status.UNAUTHENTICATED, 'CERTIFICATE_UNKNOWN']);
  });

  it('lets only members submit', async () => {
    await start();
    for (const role of ['operator', 'validator'] as const) {
      const client = rawClient(server.address, grpcCredentials(await pki.issue(role, 'alpha')));
      open.push(() => client.close());
      const { error, info } = await invoke(
        (body, options, callback) => client.submit(body, options, callback),
        {},
      );
      expect([error!.code, info!.reason]).toEqual([status.PERMISSION_DENIED, 'ROLE_NOT_ALLOWED']);
    }
  });

  it('speaks TLS 1.3 only', async () => {
    await start();
    const tls = await pki.issue('member', 'alpha');
    const attempt = (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls({
          host: '127.0.0.1',
          port: server.server.port,
          ca: tls.caPem,
          cert: tls.certificatePem,
          key: tls.privateKeyPem,
          ALPNProtocols: ['h2'],
          minVersion: 'TLSv1.2',
          maxVersion,
          checkServerIdentity: () => undefined,
        });
        socket.on('secureConnect', () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.on('error', () => resolve('refused'));
      });
    expect(await attempt('TLSv1.2')).toBe('refused');
    expect(await attempt('TLSv1.3')).toBe('TLSv1.3');
  });

  it('uses new certificates for new connections without a restart', async () => {
    await start();
    const later = await TestPki.create();
    server.server.reloadTls(await later.issue('validator', 'v0'));
    expect((await status1(grpcCredentials(await later.issue('member', 'alpha')))).response).toBeDefined();
    expect((await status1(grpcCredentials(await pki.issue('member', 'alpha')))).error!.code).toBe(
      status.UNAVAILABLE,
    );
  });
});

describe('certificates that can not be used', () => {
  it('are refused, and the old ones stay in use', async () => {
    await start();
    const [left, right] = [await pki.issue('validator', 'v0'), await pki.issue('validator', 'v1')];
    expect(() => server.server.reloadTls({ ...left, privateKeyPem: right.privateKeyPem })).toThrow(
      expect.objectContaining({ code: 'TLS_MATERIAL_INVALID' }),
    );
    expect((await status1(grpcCredentials(await pki.issue('member', 'alpha')))).response).toBeDefined();
  });
});

describe('requests that are no messages', () => {
  /** Calls a method of the service with these bytes as the request. */
  async function sendBytes(method: string, bytes: Uint8Array): Promise<ServiceError> {
    const tls = grpcCredentials(await pki.issue('member', 'alpha'));
    const Raw = makeGenericClientConstructor({}, 'Raw');
    const client: Client = new Raw(server.address, tls);
    open.push(() => client.close());
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        `/quaestor.ledger.v1.LedgerService/${method}`,
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => value,
        bytes,
        (error) => resolve(error!),
      );
    });
  }

  it.each([
    ['a truncated field', Uint8Array.of(0x0a, 100, 1)],
    ['an unfinished varint', Uint8Array.of(0x08, 0xff)],
    ['rubbish', new Uint8Array(100).fill(0xff)],
  ])('refuses %s with INVALID_ARGUMENT and goes on', async (_what, bytes) => {
    await start();
    for (const method of ['GetAccount', 'Submit', 'GetBlock']) {
      const error = await sendBytes(method, bytes);
      expect(error.code).toBe(status.INVALID_ARGUMENT);
      expect(`${error.details}${error.message}`).not.toMatch(/\.(ts|js)\b/);
    }
    expect((await status1(grpcCredentials(await pki.issue('member', 'alpha')))).response).toBeDefined();
  });

  it('survives a connection that is cut off within a request', async () => {
    await start();
    const tls = await pki.issue('member', 'alpha');
    const session = connectHttp2(`https://${server.address}`, {
      ca: tls.caPem,
      cert: tls.certificatePem,
      key: tls.privateKeyPem,
      checkServerIdentity: () => undefined,
    });
    session.on('error', () => undefined);
    const request = session.request({
      ':method': 'POST',
      ':path': '/quaestor.ledger.v1.LedgerService/SubmitStream',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    request.on('error', () => undefined);
    request.write(Buffer.of(0, 0, 0, 4, 0, 1, 2, 3));
    await until(() => server.metrics.open === 1);
    session.destroy();
    await until(() => server.metrics.open === 0);
    expect((await status1(grpcCredentials(tls))).response).toBeDefined();
  });
});

describe('health', () => {
  it('says whether the node is ready, for the server and its service', async () => {
    await start();
    const Health = makeGenericClientConstructor(healthService, 'Health');
    const client = new Health(server.address, grpcCredentials(await pki.issue('operator', 'olga')));
    open.push(() => client.close());
    const seen: string[] = [];
    const stream = (
      client as unknown as { watch(request: object): NodeJS.EventEmitter & { cancel(): void } }
    ).watch({ service: 'quaestor.ledger.v1.LedgerService' });
    stream.on('data', (response: { status: string }) => seen.push(response.status));
    stream.on('error', () => undefined);
    await until(() => seen.length === 1);
    server.node.isReady = false;
    await until(() => seen.length === 2);
    stream.cancel();
    expect(seen).toEqual(['SERVING', 'NOT_SERVING']);
  });
});

describe('reflection', () => {
  it('lists the services and describes them with their files', async () => {
    await start();
    const root = join(dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')));
    const definition = loadSync('grpc/reflection/v1/reflection.proto', {
      includeDirs: [join(root, 'build/proto')],
    });
    const { grpc } = loadPackageDefinition(definition) as unknown as {
      grpc: { reflection: { v1: { ServerReflection: new (address: string, channel: unknown) => Client } } };
    };
    const client = new grpc.reflection.v1.ServerReflection(
      server.address,
      grpcCredentials(await pki.issue('operator', 'olga')),
    );
    open.push(() => client.close());
    const stream = (
      client as unknown as {
        serverReflectionInfo(): NodeJS.EventEmitter & { write(request: object): void; end(): void };
      }
    ).serverReflectionInfo();
    interface Answer {
      listServicesResponse?: { service: { name: string }[] };
      fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
    }
    const answers: Answer[] = [];
    stream.on('data', (answer: Answer) => answers.push(answer));
    stream.write({ listServices: '' });
    stream.write({ fileContainingSymbol: 'quaestor.ledger.v1.LedgerService' });
    stream.write({ fileContainingSymbol: 'grpc.health.v1.HealthListResponse' });
    stream.write({ fileContainingSymbol: 'google.rpc.ErrorInfo' });
    await until(() => answers.length === 4);
    stream.end();
    expect(answers[0]!.listServicesResponse!.service.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['quaestor.ledger.v1.LedgerService', 'grpc.health.v1.Health']),
    );
    const text = ({ fileDescriptorResponse }: Answer): string =>
      Buffer.concat(fileDescriptorResponse!.fileDescriptorProto).toString('latin1');
    // Names as in the .proto files, which is what clients write in JSON.
    expect(text(answers[1]!)).toMatch(/include_proof/);
    // The entry types of maps as the protobuf compiler names them, or grpcurl refuses the whole file.
    expect(text(answers[2]!).match(/StatusesEntry/g)).toHaveLength(2);
    expect(text(answers[3]!).match(/MetadataEntry/g)).toHaveLength(2);
  });
});

describe('start', () => {
  it('says which address is in use', async () => {
    await start();
    await expect(serve(new FakeNode(chain), pki, {}, server.address)).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      details: { address: server.address },
    });
  });
});
