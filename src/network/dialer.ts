/**
 * The dialing side: gRPC clients whose TLS connection goes to exactly one validator, whatever its address is.
 */
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { ChannelCredentials, Client, status } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { FetchMethod, PeerServiceDefinition, RawMethod } from './definition.js';
import type { LinkFailure } from './link.js';
import type { VersionRange } from '../types/index.js';
import type { TlsContext } from './tls.js';
import { certificateFingerprint, namesValidator } from './tls.js';
import type { DisconnectReason, PeerLimits, PeerTimeouts, PeerValidator } from './types.js';
import { noCommonVersion, offeredVersions, versionsMetadata } from './wire/versions.js';

export interface DialerOptions {
  readonly network: string;
  readonly limits: PeerLimits;
  readonly timeouts: PeerTimeouts;
  readonly service: PeerServiceDefinition;
  /** What this node speaks. */
  readonly versions: VersionRange;
}

/** Window for data in flight towards this node: what a peer may send within one round trip. */
export const receiveWindowBytes = 1024 * 1024;

const reasons: ReadonlySet<string> = new Set<DisconnectReason>([
  'identity',
  'chain',
  'version',
  'proof',
  'stranger',
  'timeout',
  'garbage',
  'penalty',
  'replaced',
  'stopped',
]);

/** A client of one validator, for one connection. */
export class PeerClient {
  readonly ownFingerprint: Uint8Array;
  readonly #client: Client;
  readonly #service: PeerServiceDefinition;
  readonly #versions: VersionRange;
  #wrongIdentity: string | undefined;

  constructor(options: DialerOptions, peer: PeerValidator, tls: TlsContext) {
    this.ownFingerprint = tls.fingerprint;
    this.#service = options.service;
    this.#versions = options.versions;
    const credentials = ChannelCredentials.createFromSecureContext(createSecureContext(tls.options), {
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
        const named = namesValidator(certificate.raw, options.network, peer.id);
        if (named.ok) return undefined;
        this.#wrongIdentity = named.error;
        return new Error(named.error);
      },
    });
    this.#client = new Client(peer.address, credentials, {
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': options.limits.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': options.timeouts.keepaliveMs,
      'grpc.keepalive_timeout_ms': options.timeouts.keepaliveTimeoutMs,
      'grpc-node.flow_control_window': receiveWindowBytes,
      // Identity is by certificate, not by host: the name only keeps an IP address out of the TLS server name.
      'grpc.ssl_target_name_override': 'validator.quaestor.internal',
    });
  }

  connect(method: 'Connect' | 'Observe' = 'Connect'): ClientDuplexStream<Buffer, Buffer> {
    const { path, requestSerialize, responseDeserialize }: RawMethod = this.#service[method];
    const metadata = versionsMetadata(this.#versions);
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  }

  fetch(method: FetchMethod, request: Buffer, deadlineMs: number): ClientReadableStream<Buffer> {
    const { path, requestSerialize, responseDeserialize }: RawMethod = this.#service[method];
    return this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      versionsMetadata(this.#versions),
      { deadline: Date.now() + deadlineMs },
    );
  }

  /** What the end of a call means. */
  explain(error: unknown): LinkFailure {
    if (this.#wrongIdentity !== undefined) return { reason: 'identity', detail: this.#wrongIdentity };
    const { code, details = '', metadata } = (error ?? {}) as Partial<ServiceError>;
    if (code === undefined || code === status.OK) return { reason: 'closed', detail: 'the peer closed' };
    if (code === status.FAILED_PRECONDITION && reasons.has(details)) {
      // What it holds against this node is nothing to hold against it.
      const reason = details === 'garbage' ? 'penalty' : (details as DisconnectReason);
      const theirs = reason === 'version' ? offeredVersions(metadata) : undefined;
      const why = theirs === undefined ? details : noCommonVersion(this.#versions, theirs);
      return { reason, detail: `the peer refuses this node: ${why}` };
    }
    const tls = /certificate|alert|ssl|tls/i.test(details);
    return { reason: tls ? 'tls' : 'unreachable', detail: details };
  }

  close(): void {
    this.#client.close();
  }
}

/** Fingerprint of the certificate that the other side of a call showed. */
export function callFingerprint(call: ClientDuplexStream<Buffer, Buffer>): Uint8Array | undefined {
  const raw = call.getAuthContext()?.sslPeerCertificate?.raw;
  return raw === undefined ? undefined : certificateFingerprint(raw);
}
