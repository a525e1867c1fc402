/** Real servers of the api on loopback with mTLS, on fake nodes; and certificates for everybody. */
import { credentials, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import type { CallOptions } from '@grpc/grpc-js';
import { startLedgerServer, type LedgerServerLimits, type RunningLedgerServer } from '../../src/api/index.js';
import type { ApiMetrics, RefusalReason } from '../../src/api/index.js';
import { buildTransaction, signTransaction, type SignedTransaction } from '../../src/client/index.js';
import { loadProtocol } from '../../src/client/protocol.js';
import { decodeErrorInfo, statusDetailsKey, type ErrorInfo } from '../../src/client/rpc-status.js';
import type { Operation } from '../../src/codec/model.js';
import type { ProtoGrpcType } from '../../src/codec/wire/ledger_service.js';
import type { LedgerServiceClient } from '../../src/codec/wire/quaestor/ledger/v1/LedgerService.js';
import {
  createAuthority,
  issueCertificate,
  type IdentityRole,
  type KeyAndCertificate,
} from '../../src/network/pki/index.js';
import type { TlsMaterial } from '../../src/network/types.js';
import { asAmount, asHeight } from '../../src/types/index.js';
import { createSecureContext } from 'node:tls';
import { memberKeys, type FakeChain, type FakeNode } from './fake-ledger.js';

const validity = { nowMs: Date.now(), days: 30 };

/** A consortium's authority and what it issued, by "role/name". */
export class TestPki {
  readonly network: string;
  readonly #authority: KeyAndCertificate;
  readonly #issued = new Map<string, TlsMaterial>();

  private constructor(network: string, authority: KeyAndCertificate) {
    this.network = network;
    this.#authority = authority;
  }

  static async create(network = 'testnet'): Promise<TestPki> {
    return new TestPki(network, await createAuthority(network, validity));
  }

  get caPem(): string {
    return this.#authority.certificatePem;
  }

  /** TLS material of an identity: the same each time. */
  async issue(role: IdentityRole, name: string, network = this.network): Promise<TlsMaterial> {
    const key = `${network}/${role}/${name}`;
    let material = this.#issued.get(key);
    if (material === undefined) {
      const subject = { identity: { network, role, id: name }, hosts: ['127.0.0.1'] };
      const issued = await issueCertificate(this.#authority, subject, validity);
      material = { caPem: this.caPem, ...issued };
      this.#issued.set(key, material);
    }
    return material;
  }
}

/** What a server counted. */
export class CountingMetrics implements ApiMetrics {
  readonly calls: { method: string; code: string }[] = [];
  readonly refusals = new Map<RefusalReason, number>();
  /** "method cause" */
  readonly sheds = new Map<string, number>();
  helds = 0;
  open = 0;
  inFlight = 0;
  maxInFlight = 0;

  callEnded(method: string, code: string, durationMs: number): void {
    if (!(durationMs >= 0)) throw new Error('a duration is not negative');
    this.calls.push({ method, code });
  }
  openCalls(_method: string, change: 1 | -1): void {
    this.open += change;
  }
  submissionsInFlight(change: number): void {
    this.inFlight += change;
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
  }
  shed(method: string, cause: string, count: number): void {
    const name = `${method.replace('LedgerService/', '')} ${cause}`;
    this.sheds.set(name, (this.sheds.get(name) ?? 0) + count);
  }
  held(): void {
    this.helds++;
  }
  refused(reason: RefusalReason, count: number): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + count);
  }
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface TestServer {
  readonly node: FakeNode;
  readonly address: string;
  readonly server: RunningLedgerServer;
  readonly metrics: CountingMetrics;
  readonly log: readonly LogLine[];
}

/** Starts the ledger's service for a fake node. */
export async function serve(
  node: FakeNode,
  pki: TestPki,
  limits: Partial<LedgerServerLimits> = {},
  address = '127.0.0.1:0',
): Promise<TestServer> {
  const metrics = new CountingMetrics();
  const log: LogLine[] = [];
  const logAt =
    (level: LogLine['level']) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      log.push({ level, fields, message });
    };
  const server = await startLedgerServer({
    address,
    network: node.chain.genesis.network,
    tls: await pki.issue('validator', `v${node.index}`),
    ledger: node,
    reads: node,
    health: node,
    metrics,
    log: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    reflection: true,
    limits,
  });
  return { node, address: `127.0.0.1:${server.port}`, server, metrics, log };
}

/** gRPC credentials of an identity. */
export function grpcCredentials(tls: TlsMaterial): ChannelCredentials {
  return credentials.createFromSecureContext(
    createSecureContext({ ca: tls.caPem, cert: tls.certificatePem, key: tls.privateKeyPem }),
  );
}

const protocol = loadProtocol('quaestor/ledger/v1/ledger_service.proto');

/** A plain gRPC client, as another language's would be. */
export function rawClient(
  address: string,
  channelCredentials: ChannelCredentials,
  options: Record<string, number | string> = {},
): LedgerServiceClient {
  const { LedgerService } = (protocol.types as unknown as ProtoGrpcType).quaestor.ledger.v1;
  return new LedgerService(address, channelCredentials, { 'grpc.use_local_subchannel_pool': 1, ...options });
}

/** Calls a unary method; resolves with the answer or the error. */
export function invoke<Request, Response>(
  method: (
    request: Request,
    options: CallOptions,
    callback: (error: ServiceError | null, response?: Response) => void,
  ) => unknown,
  request: Request,
  timeoutMs = 5000,
): Promise<{ response?: Response; error?: ServiceError; info?: ErrorInfo }> {
  return new Promise((resolve) => {
    method(request, { deadline: Date.now() + timeoutMs }, (error, response) => {
      if (error === null) resolve({ response: response! });
      else resolve({ error, ...infoOf(error) });
    });
  });
}

/** The ErrorInfo of a gRPC error. */
export function infoOf(error: ServiceError): { info?: ErrorInfo } {
  const [details] = error.metadata.get(statusDetailsKey);
  const info = details === undefined ? undefined : decodeErrorInfo(details as Buffer);
  return info === undefined ? {} : { info };
}

/** A transfer of alpha's from A1 to B1. */
export const transfer = (amount: bigint, toAccount = 'B1', fromAccount = 'A1'): Operation => ({
  kind: 'transfer',
  fromAccount,
  toAccount,
  asset: 'CHF',
  amount: asAmount(amount),
  endToEndId: '',
  memo: '',
});

let serial = 0;

/** A signed transfer of alpha's, different each time. */
export function signedTransfer(
  chain: FakeChain,
  options: {
    amount?: bigint;
    sender?: 'alpha' | 'beta';
    signer?: 'alpha' | 'beta';
    validFor?: number;
    to?: string;
  } = {},
): Promise<SignedTransaction> {
  const idempotencyKey = new Uint8Array(16);
  new DataView(idempotencyKey.buffer).setUint32(0, ++serial);
  const sender = options.sender ?? 'alpha';
  const payload = buildTransaction({
    sender,
    operations: [transfer(options.amount ?? 1n, options.to)],
    validUntilHeight: asHeight(chain.head.height + (options.validFor ?? 100)),
    idempotencyKey,
  });
  return signTransaction(payload, [memberKeys[options.signer ?? sender]], chain.chainId);
}
