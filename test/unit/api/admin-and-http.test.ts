import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import { status, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import { startAdminServer, startHttpServer, type AdminPort, type LogLevel } from '../../../src/api/index.js';
import { ApiError } from '../../../src/api/errors.js';
import { loadProtocol } from '../../../src/client/protocol.js';
import type { ProtoGrpcType } from '../../../src/codec/wire/admin_service.js';
import { asDigest, asHeight, asView } from '../../../src/types/index.js';
import { CountingMetrics, grpcCredentials, invoke, TestPki } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';

const open: (() => Promise<void> | void)[] = [];
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
let pki: TestPki;
let node: FakeNode;

beforeAll(async () => {
  pki = await TestPki.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

describe('AdminService', () => {
  let level: LogLevel = 'info';
  let diskIsFull = false;
  let objectsAreDown = false;
  const audited: Parameters<AdminPort['audit']>[0][] = [];
  const admin: AdminPort = {
    nodeInfo: () => ({
      version: '1',
      validator: 'v0',
      index: 0,
      storageEngine: 'leveldb',
      dataDir: '/data',
      pid: 7,
      uptimeMs: 12,
    }),
    peers: () => [
      {
        validator: 'v1',
        address: 'host:1',
        connected: false,
        height: asHeight(3),
        view: asView(1),
        queuedBytes: 10,
        lastError: 'reset',
      },
    ],
    consensusState: () => ({
      view: asView(1),
      viewChangeInProgress: true,
      committedHeight: asHeight(3),
      stableCheckpointHeight: asHeight(0),
      inFlight: [
        { height: asHeight(4), digest: asDigest(new Uint8Array(32)), prepares: 2, commits: 1 },
        { height: asHeight(5), digest: undefined, prepares: 0, commits: 0 },
      ],
    }),
    evidence: () =>
      Promise.resolve({
        evidence: [new Uint8Array([1, 2]), new Uint8Array([3])],
        setChanges: new Uint8Array([4]),
      }),
    mempool: () => ({ pending: 1, inFlight: 2, bytes: 3, members: 1, oldestAgeMs: 4, awaited: 1 }),
    drain: () => Promise.resolve({ primary: 'v1', handedOver: true }),
    resume: () => true,
    handOver: () => Promise.resolve(undefined),
    pruneNow: () =>
      objectsAreDown
        ? Promise.reject(new ApiError('PRUNE_FAILED', 'Object storage does not answer.'))
        : Promise.resolve({
            oldestBlock: asHeight(11),
            oldestState: asHeight(12),
            removedEntries: 5,
            freedBytes: 600,
          }),
    backUpNow: () =>
      objectsAreDown
        ? Promise.reject(new ApiError('BACKUP_FAILED', 'Object storage does not answer.'))
        : Promise.resolve({
            backup: '000000000000007-20260101T000000000Z',
            height: asHeight(7),
            writtenObjects: 3,
            writtenBytes: 400,
            sizeBytes: 5000,
            removedBackups: 1,
          }),
    diagnosis: () => Promise.resolve('{}'),
    audit: (entry) => {
      if (diskIsFull) return Promise.reject(new Error('no space left'));
      audited.push(entry);
      return Promise.resolve();
    },
    setLogLevel: (next) => {
      const previous = level;
      level = next;
      return previous;
    },
  };

  async function call(
    role: 'operator' | 'member',
    method: string,
    body: object,
  ): ReturnType<typeof invoke<object, object>> {
    node = new FakeNode(await FakeChain.create());
    const server = await startAdminServer({
      address: '127.0.0.1:0',
      network: 'testnet',
      tls: await pki.issue('validator', 'v0'),
      health: node,
      log,
      metrics: new CountingMetrics(),
      reflection: true,
      admin,
    });
    open.push(() => server.close(100));
    const { AdminService } = (
      loadProtocol('quaestor/admin/v1/admin_service.proto').types as unknown as ProtoGrpcType
    ).quaestor.admin.v1;
    const client = new AdminService(
      `127.0.0.1:${server.port}`,
      grpcCredentials(await pki.issue(role, 'olga')),
    );
    open.push(() => client.close());
    type Run = (
      body: object,
      options: CallOptions,
      callback: (error: ServiceError | null, response?: object) => void,
    ) => unknown;
    return invoke<object, object>((request_, options, callback) => {
      const run = (client as unknown as Record<string, Run>)[method]!;
      return run.call(client, request_, options, callback);
    }, body);
  }

  it('shows node, peers and consensus to operators', async () => {
    expect((await call('operator', 'getNodeInfo', {})).response).toMatchObject({ validator: 'v0', pid: 7 });
    expect((await call('operator', 'listPeers', {})).response).toMatchObject({
      peers: [{ validator: 'v1', connected: false, queuedBytes: 10, lastError: 'reset' }],
    });
    expect((await call('operator', 'getConsensusState', {})).response).toMatchObject({
      viewChangeInProgress: true,
      inFlight: [
        { height: 4, prepares: 2 },
        { height: 5, digest: Buffer.alloc(0) },
      ],
    });
  });

  it('gives evidence, and what proves the validator sets that it names', async () => {
    expect((await call('operator', 'listEvidence', {})).response).toEqual({
      evidence: [Buffer.from([1, 2]), Buffer.from([3])],
      setChanges: Buffer.from([4]),
    });
    expect((await call('member', 'listEvidence', {})).info!.reason).toBe('ROLE_NOT_ALLOWED');
  });

  it('sets the log level, and refuses unknown ones', async () => {
    expect((await call('operator', 'setLogLevel', { level: 'debug' })).response).toEqual({
      previousLevel: 'info',
    });
    expect(level).toBe('debug');
    const { error, info } = await call('operator', 'setLogLevel', { level: 'loud' });
    expect([error!.code, info!.metadata]).toEqual([status.INVALID_ARGUMENT, { field: 'level' }]);
  });

  it('shows the mempool, drains, and says when there is nothing to hand over', async () => {
    expect((await call('operator', 'getMempool', {})).response).toMatchObject({ pending: 1, awaited: 1 });
    expect((await call('operator', 'drain', {})).response).toEqual({ primary: 'v1', handedOver: true });
    expect((await call('operator', 'resume', {})).response).toEqual({ wasDrained: true });
    expect((await call('operator', 'handOver', {})).info!.reason).toBe('NOT_PRIMARY');
  });

  it('backs up on request of an operator alone, records who it was, and says when it could not', async () => {
    audited.length = 0;
    expect((await call('operator', 'backUpNow', { full: true })).response).toEqual({
      backup: '000000000000007-20260101T000000000Z',
      height: 7,
      writtenObjects: 3,
      writtenBytes: 400,
      sizeBytes: 5000,
      removedBackups: 1,
    });
    expect(audited).toEqual([{ operator: 'olga', act: 'BackUpNow', detail: '{"full":true}' }]);
    expect((await call('member', 'backUpNow', {})).info!.reason).toBe('ROLE_NOT_ALLOWED');
    objectsAreDown = true;
    const { error, info } = await call('operator', 'backUpNow', {});
    objectsAreDown = false;
    expect([error!.code, info!.reason]).toEqual([status.UNAVAILABLE, 'BACKUP_FAILED']);
  });

  it('prunes on request of an operator alone, records who it was, and says when it could not', async () => {
    audited.length = 0;
    expect((await call('operator', 'pruneNow', {})).response).toEqual({
      oldestBlock: 11,
      oldestState: 12,
      removedEntries: 5,
      freedBytes: 600,
    });
    expect(audited).toEqual([{ operator: 'olga', act: 'PruneNow', detail: '{}' }]);
    expect((await call('member', 'pruneNow', {})).info!.reason).toBe('ROLE_NOT_ALLOWED');
    objectsAreDown = true;
    const { error, info } = await call('operator', 'pruneNow', {});
    objectsAreDown = false;
    expect([error!.code, info!.reason]).toEqual([status.UNAVAILABLE, 'PRUNE_FAILED']);
  });

  it('records an act before it is done, and does nothing that it could not record', async () => {
    audited.length = 0;
    await call('operator', 'setLogLevel', { level: 'warn' });
    expect(audited).toEqual([{ operator: 'olga', act: 'SetLogLevel', detail: '{"level":"warn"}' }]);
    diskIsFull = true;
    const { error } = await call('operator', 'setLogLevel', { level: 'error' });
    diskIsFull = false;
    expect(error!.code).toBe(status.INTERNAL);
    expect(level).toBe('warn');
  });

  it('refuses everybody else', async () => {
    const { error, info } = await call('member', 'getNodeInfo', {});
    expect([error!.code, info!.reason]).toEqual([status.PERMISSION_DENIED, 'ROLE_NOT_ALLOWED']);
  });
});

describe('the local HTTP port', () => {
  beforeEach(async () => {
    node = new FakeNode(await FakeChain.create());
  });

  async function get(path: string, method = 'GET'): Promise<{ code: number; body: string; type: string }> {
    const metrics = {
      contentType: 'text/plain; version=0.0.4',
      render: () => (node.defect === undefined ? Promise.resolve('up 1\n') : Promise.reject(node.defect)),
    };
    const server = await startHttpServer({ host: '127.0.0.1', port: 0, health: node, metrics, log });
    open.push(() => server.close());
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: server.port, path, method }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () =>
          resolve({ code: response.statusCode!, body, type: response.headers['content-type']! }),
        );
      })
        .on('error', reject)
        .end();
    });
  }

  it('serves metrics', async () => {
    expect(await get('/metrics')).toEqual({ code: 200, body: 'up 1\n', type: 'text/plain; version=0.0.4' });
  });

  it('says whether the node lives and whether it is ready, and why not', async () => {
    expect((await get('/healthz')).code).toBe(200);
    expect((await get('/readyz')).code).toBe(200);
    node.isReady = false;
    node.isLive = false;
    expect(await get('/readyz')).toMatchObject({ code: 503, body: 'The node is catching up.\n' });
    expect((await get('/healthz')).code).toBe(503);
  });

  it('refuses other paths and methods, and shows no defect', async () => {
    expect((await get('/secret')).code).toBe(404);
    expect((await get('/metrics', 'POST')).code).toBe(405);
    node.defect = new Error('secret detail');
    const { code, body } = await get('/metrics');
    expect(code).toBe(500);
    expect(body).not.toMatch(/secret/);
  });

  it('says which port is in use', async () => {
    const options = {
      host: '127.0.0.1',
      health: node,
      log,
      metrics: { contentType: '', render: () => Promise.resolve('') },
    };
    const first = await startHttpServer({ ...options, port: 0 });
    open.push(() => first.close());
    await expect(startHttpServer({ ...options, port: first.port })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    });
  });
});
