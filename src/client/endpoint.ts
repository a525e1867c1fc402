/** One validator as the client sees it: its channel, its calls, and how it has behaved lately. */
import {
  connectivityState,
  Metadata,
  status,
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import type { ProtoGrpcType } from '../codec/wire/ledger_service.js';
import type { LedgerServiceClient } from '../codec/wire/quaestor/ledger/v1/LedgerService.js';
import type { SubmitStreamRequest } from '../codec/wire/quaestor/ledger/v1/SubmitStreamRequest.js';
import type { SubmitStreamResponse__Output } from '../codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import type { SubscribeRequest } from '../codec/wire/quaestor/ledger/v1/SubscribeRequest.js';
import type { SubscribeResponse__Output } from '../codec/wire/quaestor/ledger/v1/SubscribeResponse.js';
import { limits } from '../types/index.js';
import type { VerificationError } from './errors.js';
import { loadProtocol } from './protocol.js';
import { errorDomain, isReason, type Reason } from './reasons.js';
import { decodeErrorInfo, decodeRetryDelayMs, statusDetailsKey } from './rpc-status.js';
import { channelCredentials, serverName, type ClientTls } from './tls.js';

/** Where a validator is reached. */
export interface ValidatorAddress {
  /** "host:port" of its LedgerService. */
  readonly address: string;
  /** Its id: when given, only this validator is accepted at the address. */
  readonly id?: string;
}

/** A call that a validator did not answer with a result. */
export interface CallFailure {
  readonly statusCode: number;
  readonly message: string;
  /** Absent when the answer did not come from the node itself (connection lost, deadline passed). */
  readonly reason: Reason | undefined;
  readonly details: Readonly<Record<string, string>>;
  /** When the validator, which has too much to do, says to try again; undefined when it says nothing. */
  readonly retryDelayMs: number | undefined;
  readonly error: ServiceError;
}

/** The generated signature of a unary method, as the client calls it. */
export type UnaryMethod<Request, Response> = (
  client: LedgerServiceClient,
  request: Request,
  metadata: Metadata,
  options: CallOptions,
  callback: (error: ServiceError | null, response?: Response) => void,
) => ClientUnaryCall;

const minBackoffMs = 100;
const maxBackoffMs = 5_000;
/** A validator that sent something false is not asked again for so long. */
const distrustMs = 300_000;

const protocol = loadProtocol('quaestor/ledger/v1/ledger_service.proto');
const { LedgerService } = (protocol.types as unknown as ProtoGrpcType).quaestor.ledger.v1;

export class Endpoint {
  readonly address: string;
  readonly id: string | undefined;
  readonly #network: string;
  #client: LedgerServiceClient;
  #failures = 0;
  #restUntilMs = 0;
  #lie: VerificationError | undefined;

  constructor({ address, id }: ValidatorAddress, tls: ClientTls, network: string) {
    this.address = address;
    this.id = id;
    this.#network = network;
    this.#client = this.#open(tls);
  }

  #open(tls: ClientTls): LedgerServiceClient {
    return new LedgerService(this.address, channelCredentials(tls, this.#network, this.id), {
      'grpc.ssl_target_name_override': serverName,
      // Blocks are at most maxBlockBytes, with results and framing.
      'grpc.max_receive_message_length': 4 * limits.maxBlockBytes,
      'grpc.max_send_message_length': limits.maxClientMessageBytes,
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 3_000,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.service_config_disable_resolution': 1,
    });
  }

  /** When it may be asked again after failures; 0 when at once. */
  get restUntilMs(): number {
    return this.#restUntilMs;
  }

  /** Whether the channel is known to be broken now. */
  get disconnected(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE;
  }

  /** Notes an answer. */
  succeeded(): void {
    this.#failures = 0;
    if (this.#lie === undefined) this.#restUntilMs = 0;
  }

  /** Notes that it could not answer: it rests for a doubling, jittered while. */
  failed(nowMs: number): void {
    const backoffMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + backoffMs * (0.5 + Math.random() / 2));
  }

  /** Notes that it asked to be left alone for a while: it is, and a random part longer, so that its clients do not come
   * back all at once. */
  shed(nowMs: number, retryDelayMs: number): void {
    this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + withJitter(retryDelayMs));
  }

  /** Notes that it sent something false: it is not asked again for minutes. */
  lied(error: VerificationError, nowMs: number): void {
    this.#lie = error;
    this.#restUntilMs = nowMs + distrustMs;
  }

  /** What it sent that was false, while it is not asked for that reason. */
  lie(nowMs: number): VerificationError | undefined {
    if (this.#restUntilMs <= nowMs) this.#lie = undefined;
    return this.#lie;
  }

  /** Calls a unary method. Rejects with the signal's reason when aborted. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly response: Response } | { readonly failure: CallFailure }> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const aborted = (): void => {
        call.cancel();
        reject(signal.reason as Error);
      };
      const call = method(
        this.#client,
        request,
        new Metadata(),
        { deadline: deadlineMs },
        (error, response) => {
          signal.removeEventListener('abort', aborted);
          if (error === null && response !== undefined) resolve({ response });
          else if (error !== null) resolve({ failure: this.noteFailure(error) });
        },
      );
      signal.addEventListener('abort', aborted, { once: true });
    });
  }

  /** What the error of a call says; its hint when to come back is kept to. */
  noteFailure(error: ServiceError): CallFailure {
    const failure = callFailure(error);
    if (failure.retryDelayMs !== undefined) this.shed(Date.now(), failure.retryDelayMs);
    return failure;
  }

  submitStream(): ClientDuplexStream<SubmitStreamRequest, SubmitStreamResponse__Output> {
    return this.#client.submitStream();
  }

  subscribe(request: SubscribeRequest): ClientReadableStream<SubscribeResponse__Output> {
    return this.#client.subscribe(request);
  }

  /** Uses other certificates for calls from now on; calls that run are not disturbed. */
  reloadTls(tls: ClientTls): void {
    const former = this.#client;
    this.#client = this.#open(tls);
    former.close();
  }

  close(): void {
    this.#client.close();
  }
}

/** A pause that is asked for, longer by a random part of up to a half. */
export function withJitter(delayMs: number): number {
  return delayMs * (1 + Math.random() / 2);
}

/** What a gRPC error says. */
export function callFailure(error: ServiceError): CallFailure {
  const [details] = (error.metadata as Metadata | undefined)?.get(statusDetailsKey) ?? [];
  const bytes = typeof details === 'string' ? undefined : details;
  const info = bytes === undefined ? undefined : decodeErrorInfo(bytes);
  const known = info?.domain === errorDomain && isReason(info.reason) ? info : undefined;
  return {
    statusCode: error.code,
    message: error.details === '' ? error.message : error.details,
    reason: known === undefined ? undefined : (known.reason as Reason),
    details: known?.metadata ?? {},
    retryDelayMs: known === undefined || bytes === undefined ? undefined : decodeRetryDelayMs(bytes),
    error,
  };
}

const unavailableCodes: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.INTERNAL,
  status.UNKNOWN,
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
]);

const exhausted: number = status.RESOURCE_EXHAUSTED;

/** Whether the validator has too much to do: another one may have less, and this one later. */
export function isShed({ statusCode, reason }: CallFailure): boolean {
  return reason !== undefined && statusCode === exhausted;
}

/** Whether the call got no answer to the request itself, so that another validator may give one. */
export function isUnavailable({ statusCode }: CallFailure): boolean {
  return unavailableCodes.has(statusCode);
}
