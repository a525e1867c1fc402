/**
 * What every call goes through: who calls, whether that role may, measuring, errors as statuses, and the end of calls
 * when the server stops. Handlers see none of gRPC's plumbing.
 */
import { randomUUID } from 'node:crypto';
import { status, type StatusObject } from '@grpc/grpc-js';
import type {
  handleUnaryCall,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { ApiError, statusOf } from './errors.js';
import { identifyCaller, type Caller, type CallerRole } from './identity.js';
import type { ApiLog, ApiMetrics } from './ports.js';
import { chargeRequest, ShedError, type Payers } from './traffic.js';

/** Charges requests to who sends them. Absent on servers without limits. */
export interface Charging {
  /** Who pays for calls of the connection with this other end. */
  payersOf(peer: string): Payers;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** What calls share within one server. */
export interface CallEnvironment {
  /** Name in the identities of client certificates. */
  readonly network: string;
  readonly log: ApiLog;
  readonly metrics: ApiMetrics;
  readonly openCalls: OpenCalls;
  readonly charging?: Charging;
}

/** What a handler knows about its call. */
export interface CallInfo {
  readonly caller: Caller;
  /** When the client stops waiting, in milliseconds since 1970; undefined when it gave no deadline. */
  readonly deadlineMs: number | undefined;
  /** Aborted when the client is gone or has its answer, and, with an ApiError as its reason, when the server stops. */
  readonly signal: AbortSignal;
}

/** The calls that run, so that a stopping server can end them with an answer. */
export class OpenCalls {
  readonly #ends = new Set<(error: ApiError) => void>();
  #stopping: ApiError | undefined;

  /** Registers a call; throws when the server stops. Gives the function that removes it. */
  add(end: (error: ApiError) => void): () => void {
    if (this.#stopping !== undefined) throw this.#stopping;
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  /** Ends all open calls with SHUTTING_DOWN, and refuses new ones. */
  stop(): void {
    this.#stopping = new ApiError(
      'SHUTTING_DOWN',
      'The node stops. A submitted transaction may still commit: submit the same envelope to another validator to learn its outcome.',
    );
    for (const end of [...this.#ends]) end(this.#stopping);
  }
}

/** What the kinds of calls have in common. */
type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, 'getDeadline' | 'getAuthContext' | 'getPeer'>;
type StreamCall = AnyCall & {
  on(event: 'cancelled', listener: () => void): unknown;
  emit(event: 'error', status: StatusObject): boolean;
  end(): void;
};

const statusNames = new Map<number, string>(
  Object.entries(status).flatMap(([name, code]) => (typeof code === 'number' ? [[code, name]] : [])),
);

function deadlineOf(call: AnyCall): number | undefined {
  const deadline = call.getDeadline();
  const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(atMs) ? atMs : undefined;
}

/** Who calls, if that role may call this. */
function admit(environment: CallEnvironment, call: AnyCall, roles: readonly CallerRole[]): Caller {
  const caller = identifyCaller(call.getAuthContext().sslPeerCertificate, environment.network);
  if (caller === undefined) {
    throw new ApiError(
      'CERTIFICATE_UNKNOWN',
      `The client certificate names no identity of the network "${environment.network}"; it needs a SAN URI like quaestor://${environment.network}/member/ID.`,
    );
  }
  if (!roles.includes(caller.role)) {
    throw new ApiError(
      'ROLE_NOT_ALLOWED',
      `A ${caller.role} may not call this method; it is for: ${roles.join(', ')}.`,
      { role: caller.role },
    );
  }
  return caller;
}

/** The status of a call that failed. Defects are logged under an id, and only the id goes to the client. */
function failureStatus(environment: CallEnvironment, method: string, error: unknown): StatusObject {
  if (error instanceof ApiError) return statusOf(error);
  const errorId = randomUUID();
  environment.log.error(
    { err: error, method, errorId, code: 'API_DEFECT' },
    'A request failed by a defect of this node.',
  );
  return statusOf(
    new ApiError('INTERNAL', `The node failed to answer; its log has the details under ${errorId}.`, {
      errorId,
    }),
  );
}

/** Measures a call from now until the returned function is called with its code. */
function measure(metrics: ApiMetrics, method: string): (code: number) => void {
  const startedMs = performance.now();
  metrics.openCalls(method, 1);
  return (code) => {
    metrics.openCalls(method, -1);
    metrics.callEnded(method, statusNames.get(code) ?? 'UNKNOWN', performance.now() - startedMs);
  };
}

/** A request as it arrived. It is decoded only after its sender was charged for it. */
export class Undecoded<Request> {
  readonly bytes: Uint8Array;
  readonly #decode: (bytes: Uint8Array) => Request;

  constructor(bytes: Uint8Array, decode: (bytes: Uint8Array) => Request) {
    this.bytes = bytes;
    this.#decode = decode;
  }

  /** Throws MALFORMED_REQUEST. */
  decode(): Request {
    try {
      return this.#decode(this.bytes);
    } catch {
      throw new ApiError('MALFORMED_REQUEST', 'The request is not a valid protobuf message of its type.');
    }
  }
}

/** What `hardened` puts in the place of requests: gRPC's types do not know. */
export const undecoded = <Request>(request: Request): Undecoded<Request> =>
  request as unknown as Undecoded<Request>;

/** Charges the sender for a request, and decodes it. Throws a ShedError or MALFORMED_REQUEST. */
function takeIn<Request>(
  { charging, metrics }: CallEnvironment,
  method: string,
  call: AnyCall,
  request: Request,
  transactions: number,
): Request {
  const arrived = undecoded(request);
  if (charging !== undefined) {
    try {
      chargeRequest(charging.payersOf(call.getPeer()), arrived.bytes.length, transactions, charging.now());
    } catch (error) {
      if (error instanceof ShedError) metrics.shed(method, error.shed, 1);
      throw error;
    }
  }
  return arrived.decode();
}

/** Makes gRPC's handler of a unary method. `method` is "Service/Method"; a request brings so many transactions. */
export function unary<Request, Response>(
  environment: CallEnvironment,
  method: string,
  roles: readonly CallerRole[],
  handle: (request: Request, info: CallInfo) => Promise<Response>,
  transactions = 0,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const ended = measure(environment.metrics, method);
    const controller = new AbortController();
    let open = true;
    let remove: (() => void) | undefined;
    const finish = (outcome: { error: unknown } | { response: Response }): void => {
      if (!open) return;
      open = false;
      remove?.();
      controller.abort();
      if ('response' in outcome) {
        ended(status.OK);
        callback(null, outcome.response);
      } else {
        const failure = failureStatus(environment, method, outcome.error);
        ended(failure.code);
        callback(failure);
      }
    };
    call.on('cancelled', () => {
      if (!open) return;
      open = false;
      remove?.();
      ended(status.CANCELLED);
      controller.abort();
    });
    try {
      remove = environment.openCalls.add((error) => finish({ error }));
      const caller = admit(environment, call, roles);
      const info = { caller, deadlineMs: deadlineOf(call), signal: controller.signal };
      const request = takeIn(environment, method, call, call.request, transactions);
      handle(request, info).then(
        (response) => finish({ response }),
        (error: unknown) => finish({ error }),
      );
    } catch (error) {
      finish({ error });
    }
  };
}

/** The life of one streaming call. */
export interface StreamLife {
  readonly info: CallInfo;
  /** Ends the call: with OK, or with the status of an error. Only the first end counts. */
  readonly end: (error?: unknown) => void;
}

function runStream(
  environment: CallEnvironment,
  method: string,
  roles: readonly CallerRole[],
  call: StreamCall,
  start: (life: StreamLife) => void,
): void {
  const ended = measure(environment.metrics, method);
  const controller = new AbortController();
  let open = true;
  let remove: (() => void) | undefined;
  const close = (code: number): void => {
    open = false;
    remove?.();
    ended(code);
    controller.abort();
  };
  const end = (error?: unknown): void => {
    if (!open) return;
    if (error === undefined) {
      close(status.OK);
      call.end();
    } else {
      const failure = failureStatus(environment, method, error);
      close(failure.code);
      call.emit('error', failure);
    }
  };
  call.on('cancelled', () => {
    if (open) close(status.CANCELLED);
  });
  try {
    remove = environment.openCalls.add(end);
    const caller = admit(environment, call, roles);
    start({ info: { caller, deadlineMs: deadlineOf(call), signal: controller.signal }, end });
  } catch (error) {
    end(error);
  }
}

/** Makes gRPC's handler of a method that answers with a stream. `handle` may reject; the stream ends with it. */
export function serverStream<Request, Response>(
  environment: CallEnvironment,
  method: string,
  roles: readonly CallerRole[],
  handle: (request: Request, call: ServerWritableStream<Request, Response>, info: CallInfo) => Promise<void>,
): (call: ServerWritableStream<Request, Response>) => void {
  return (call) =>
    runStream(environment, method, roles, call, ({ info, end }) => {
      handle(takeIn(environment, method, call, call.request, 0), call, info).then(
        () => end(),
        (error: unknown) => end(error),
      );
    });
}

/** Makes gRPC's handler of a method with streams in both directions. */
export function duplexStream<Request, Response>(
  environment: CallEnvironment,
  method: string,
  roles: readonly CallerRole[],
  start: (call: ServerDuplexStream<Request, Response>, life: StreamLife) => void,
): (call: ServerDuplexStream<Request, Response>) => void {
  return (call) => runStream(environment, method, roles, call, (life) => start(call, life));
}
