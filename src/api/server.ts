/** Starts and stops the gRPC servers of a node. */
import type { Server as TlsServer } from 'node:tls';
import {
  Server,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import { loadDescriptors, loadProtocol } from '../client/protocol.js';
import { ConnectionCap, type ConnectionCapLimits } from '../network/connection-cap.js';
import type { TlsMaterial } from '../network/types.js';
import { limits, QuaestorError } from '../types/index.js';
import { adminHandlers } from './admin.js';
import { Budgets, type BudgetLimits } from './budget.js';
import { callGate } from './call-gate.js';
import { OpenCalls, Undecoded, type Charging } from './calls.js';
import { Connections } from './connections.js';
import { repairMapEntries } from './descriptors.js';
import { ledgerHandlers } from './ledger-service.js';
import { defaultLoopLag, LoopLag } from './loop-lag.js';
import type { AdminPort, ApiLog, ApiMetrics, HealthPort, LedgerPort, ReadPort } from './ports.js';
import { ApiServerCredentials } from './tls.js';
import { defaultClientLimits, type ClientLimits } from './traffic.js';

/** What both servers need. */
export interface ServerOptions {
  /** "host:port"; port 0 takes a free one. */
  readonly address: string;
  /** Name in the identities of client certificates: the genesis' network. */
  readonly network: string;
  readonly tls: TlsMaterial;
  readonly health: HealthPort;
  readonly log: ApiLog;
  readonly metrics: ApiMetrics;
  /** Whether gRPC reflection tells clients (grpcurl) the protocol. */
  readonly reflection: boolean;
}

/** Bounds of the ledger's service. */
export interface LedgerServerLimits extends BudgetLimits {
  /** Most transactions of one SubmitStream that wait for an outcome. */
  readonly maxInFlightPerStream: number;
  /** How long Submit waits for a client that gives no deadline. */
  readonly defaultSubmitWaitMs: number;
  /** Longest that Submit waits, whatever the deadline. */
  readonly maxSubmitWaitMs: number;
  /** Pause after which Subscribe sends a heartbeat. */
  readonly heartbeatMs: number;
  /** What one member, and one connection, may send. */
  readonly traffic: ClientLimits;
}

/** The limits that can be changed while a server runs. */
export type ChangeableLimits = BudgetLimits & Pick<LedgerServerLimits, 'maxInFlightPerStream' | 'traffic'>;

/** The ledger's server while it runs. */
export interface RunningLedgerServer extends RunningServer {
  /** Other limits from now on, for calls that are open too. */
  useLimits(limits: ChangeableLimits): void;
}

/** Limits that suit most nodes. */
export const defaultLedgerServerLimits: LedgerServerLimits = {
  maxInFlightPerMember: 20_000,
  maxInFlightBytesPerMember: 32 * 1024 * 1024,
  maxStreamsPerIdentity: 32,
  maxInFlightPerStream: 10_000,
  defaultSubmitWaitMs: 30_000,
  maxSubmitWaitMs: 600_000,
  heartbeatMs: 5_000,
  traffic: defaultClientLimits,
};

export interface LedgerServerOptions extends ServerOptions {
  readonly ledger: LedgerPort;
  readonly reads: ReadPort;
  readonly limits?: Partial<LedgerServerLimits>;
}

export interface AdminServerOptions extends ServerOptions {
  readonly admin: AdminPort;
}

/** A server that runs. */
export interface RunningServer {
  /** Port that it listens on. */
  readonly port: number;
  /** Uses other certificates for connections from now on; throws TLS_MATERIAL_INVALID when they can't be used. */
  reloadTls(material: TlsMaterial): void;
  /** Ends open calls with UNAVAILABLE and stops; connections that are still there after `graceMs` are cut. */
  close(graceMs?: number): Promise<void>;
}

const healthPollMs = 1000;
const errorDetailsFile = 'google/rpc/error_details.proto';

/** Starts LedgerService with health and reflection. Rejects with LISTEN_FAILED when the address can't be used. */
export async function startLedgerServer(options: LedgerServerOptions): Promise<RunningLedgerServer> {
  const bounds = { ...defaultLedgerServerLimits, ...options.limits };
  const { network, log, metrics } = options;
  const openCalls = new OpenCalls();
  const now = (): number => performance.now();
  const connections = new Connections(network, bounds.traffic, now);
  const lag = new LoopLag(defaultLoopLag, now);
  const budgets = new Budgets(bounds, now);
  const charging: Charging = { payersOf: (peer) => connections.payersOf(peer), now };
  const context = {
    ledger: options.ledger,
    reads: options.reads,
    health: options.health,
    metrics,
    budgets,
    defaultWaitMs: bounds.defaultSubmitWaitMs,
    maxWaitMs: bounds.maxSubmitWaitMs,
    charging,
    maxInFlightPerStream: bounds.maxInFlightPerStream,
    heartbeatMs: bounds.heartbeatMs,
  };
  const service = 'quaestor.ledger.v1.LedgerService';
  const server = await start(options, openCalls, {
    file: 'quaestor/ledger/v1/ledger_service.proto',
    service,
    handlers: ledgerHandlers({ network, log, metrics, openCalls, charging }, context),
    interceptors: [callGate({ connections, lag, metrics, service: `/${service}/`, now })],
    watch: (listening) => connections.watch(listening),
  });
  lag.start();
  return {
    ...server,
    useLimits(limits) {
      connections.use(limits.traffic);
      budgets.use(limits);
      context.maxInFlightPerStream = limits.maxInFlightPerStream;
    },
    close(graceMs) {
      lag.stop();
      return server.close(graceMs);
    },
  };
}

/** Starts AdminService with health and reflection. Rejects with LISTEN_FAILED when the address can't be used. */
export function startAdminServer(options: AdminServerOptions): Promise<RunningServer> {
  const openCalls = new OpenCalls();
  const { network, log, metrics } = options;
  return start(options, openCalls, {
    file: 'quaestor/admin/v1/admin_service.proto',
    service: 'quaestor.admin.v1.AdminService',
    handlers: adminHandlers({ network, log, metrics, openCalls }, options.admin),
  });
}

interface ServiceParts {
  readonly file: string;
  readonly service: string;
  readonly handlers: object;
  readonly interceptors?: ServerInterceptor[];
  /** Called with what listens, before the first connection. */
  readonly watch?: (listening: TlsServer) => void;
}

async function start(
  options: ServerOptions,
  openCalls: OpenCalls,
  { file, service, handlers, interceptors = [], watch }: ServiceParts,
): Promise<RunningServer> {
  const server = new Server({
    interceptors,
    'grpc.max_receive_message_length': limits.maxClientMessageBytes,
    'grpc.max_concurrent_streams': 256,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const { definition } = loadProtocol(file);
  server.addService(
    hardened(definition[service] as ServiceDefinition),
    handlers as UntypedServiceImplementation,
  );
  const stopHealth = addHealth(server, service, options.health);
  if (options.reflection) {
    new ReflectionService(descriptorsOf(file, healthProtoPath, errorDetailsFile)).addToServer(server);
  }
  const credentials = new ApiServerCredentials(options.tls);
  let port: number;
  try {
    port = await bind(server, options.address, credentials);
  } catch (error) {
    stopHealth();
    throw error;
  }
  capConnections(server);
  if (watch !== undefined) for (const listening of tlsServersOf(server)) watch(listening);
  return {
    port,
    reloadTls: (material) => credentials.reload(material),
    close: async (graceMs = 2000) => {
      stopHealth();
      openCalls.stop();
      await shutdown(server, graceMs);
    },
  };
}

/** The service with requests that are decoded only when their sender has been charged for them. */
function hardened(service: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => [
      name,
      {
        ...method,
        requestDeserialize: (bytes: Buffer): unknown =>
          new Undecoded(bytes, (arrived) => method.requestDeserialize(arrived as Buffer) as unknown),
      },
    ]),
  );
}

/** What reflection tells about these files. */
function descriptorsOf(...files: readonly string[]): PackageDefinition {
  return Object.fromEntries(
    files
      .flatMap((file) => Object.entries(loadDescriptors(file)))
      .map(([name, definition]) => {
        const { fileDescriptorProtos } = definition as { fileDescriptorProtos?: Buffer[] };
        const repaired = fileDescriptorProtos?.map((bytes) => Buffer.from(repairMapEntries(bytes)));
        return [
          name,
          { ...definition, ...(repaired === undefined ? {} : { fileDescriptorProtos: repaired }) },
        ];
      }),
  ) as PackageDefinition;
}

/** Serves grpc.health.v1 for the server ("") and its service, from the node's readiness. */
function addHealth(server: Server, service: string, health: HealthPort): () => void {
  const implementation = new HealthImplementation();
  let last: boolean | undefined;
  const update = (): void => {
    const { ready } = health.ready();
    if (ready === last) return;
    last = ready;
    for (const name of ['', service]) implementation.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
  };
  update();
  implementation.addToServer(server);
  const timer = setInterval(update, healthPollMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    for (const name of ['', service]) implementation.setStatus(name, 'NOT_SERVING');
  };
}

/** Opens the port of a server; resolves with its number. Rejects with a QuaestorError LISTEN_FAILED. */
export function bind(server: Server, address: string, credentials: ApiServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else {
        server.forceShutdown();
        reject(
          new QuaestorError(
            'LISTEN_FAILED',
            `Can't listen on ${address}: is the port used by another process, or the host not one of this machine?`,
            { address },
            error,
          ),
        );
      }
    });
  });
}

/** Bounds of one port's connections: many times what members with several applications need. */
export const connectionLimits: ConnectionCapLimits = {
  maxPending: 256,
  maxPerIdentity: 64,
  maxIdentified: 2048,
};

/** What listens of a server. grpc-js hands its HTTP/2 servers to nobody, so this reaches for them; a test notices when a
 * later version keeps them elsewhere. */
function tlsServersOf(server: Server): readonly TlsServer[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<TlsServer, unknown> };
  return [...(http2Servers?.keys() ?? [])];
}

/** Bounds the connections of a server that has just begun to listen; grpc-js has no option for it. */
export function capConnections(server: Server, bounds = connectionLimits): void {
  const cap = new ConnectionCap(bounds);
  for (const listening of tlsServersOf(server)) cap.watch(listening);
}

function shutdown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
