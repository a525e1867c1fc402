/** The local HTTP port: metrics for Prometheus, liveness and readiness for the orchestrator. Plain text, no secrets,
 * no TLS: it stays within the host or pod. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { QuaestorError } from '../types/index.js';
import type { ApiLog, HealthPort, MetricsPort } from './ports.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly health: HealthPort;
  readonly metrics: MetricsPort;
  readonly log: ApiLog;
}

export interface RunningHttpServer {
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const plain = 'text/plain; charset=utf-8';

/** Serves /metrics, /healthz and /readyz. Rejects with LISTEN_FAILED when the address can't be used. */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    void respond(options, request, response);
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new QuaestorError(
          'LISTEN_FAILED',
          `Can't listen on ${options.host}:${options.port}: is the port used by another process, or the host not one of this machine?`,
          { address: `${options.host}:${options.port}` },
          cause,
        ),
      ),
    );
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function respond(
  options: HttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let answer: Answer;
  try {
    answer = await answerTo(options, request);
  } catch (error) {
    options.log.error({ err: error, code: 'API_DEFECT' }, 'A request to the local HTTP port failed.');
    answer = { status: 500, type: plain, body: 'The node failed to answer; its log has the details.\n' };
  }
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

async function answerTo({ health, metrics }: HttpServerOptions, request: IncomingMessage): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, type: plain, body: 'Only GET is served here.\n' };
  }
  switch (request.url?.split('?', 1)[0]) {
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.render() };
    case '/healthz':
      return health.live()
        ? { status: 200, type: plain, body: 'ok\n' }
        : { status: 503, type: plain, body: 'The node has stopped working; see its log.\n' };
    case '/readyz': {
      const { ready, reasons } = health.ready();
      return ready
        ? { status: 200, type: plain, body: 'ok\n' }
        : { status: 503, type: plain, body: `${reasons.join('\n')}\n` };
    }
    default:
      return { status: 404, type: plain, body: 'Here are /metrics, /healthz and /readyz.\n' };
  }
}
