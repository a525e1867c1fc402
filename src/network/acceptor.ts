/**
 * The listening side: TLS is terminated here, so that whoever is no node by certificate never reaches the
 * HTTP/2 and gRPC layers. It knows connections, not the protocol.
 */
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { createServer } from 'node:tls';
import { highestCommonVersion, limits as protocolLimits, QuaestorError } from '../types/index.js';
import type { VersionRange } from '../types/index.js';
import { refuse } from './bulk.js';
import type { FetchMethod, PeerServiceDefinition } from './definition.js';
import { ConnectionCap } from './connection-cap.js';
import { receiveWindowBytes } from './dialer.js';
import type { TlsContext } from './tls.js';
import { certificateFingerprint, namedNode } from './tls.js';
import type { DisconnectReason, PeerLimits, PeerTimeouts, PeerValidator } from './types.js';
import { noCommonVersion, offeredVersions, versionsMetadata } from './wire/versions.js';

/** A TLS connection from a validator. */
export interface InboundConnection {
  readonly peer: PeerValidator;
  readonly ownFingerprint: Uint8Array;
  readonly peerFingerprint: Uint8Array;
  /** Ends the connection at once. */
  destroy(): void;
}

/** A TLS connection from a node that only follows: an observer, or a validator that no known set has. */
export interface ObserverConnection {
  readonly observer: string;
  destroy(): void;
}

export interface AcceptorOptions {
  readonly network: string;
  /** The validator of that id, if a validator set that is known now has it. */
  validator(id: string): PeerValidator | undefined;
  /** Own id. */
  readonly self: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly limits: PeerLimits;
  readonly timeouts: PeerTimeouts;
  readonly service: PeerServiceDefinition;
  /** What this node speaks. */
  readonly versions: VersionRange;
  /** A reason not to let this validator in now. */
  refuse(peer: PeerValidator): DisconnectReason | undefined;
  onRefused(peer: PeerValidator | undefined, reason: DisconnectReason, detail: string): void;
  /** The caller may be no validator any more. */
  onConnect(call: ServerDuplexStream<Buffer, Buffer>, connection: InboundConnection): void;
  onFetch(
    method: FetchMethod,
    call: ServerWritableStream<Buffer, Buffer>,
    connection: InboundConnection | ObserverConnection,
  ): void;
  /** A reason not to let this observer in now. */
  refuseObserver(observer: string): DisconnectReason | undefined;
  onObserve(call: ServerDuplexStream<Buffer, Buffer>, connection: ObserverConnection): void;
}

/** What is looked at of a call without a handshake. */
type FollowerCall = Pick<ServerDuplexStream<Buffer, Buffer>, 'metadata' | 'getPeer' | 'emit'>;

/** Most connections of one validator: one for the stream, some for FetchBlocks, some that are about to be found dead. */
const maxConnectionsPerPeer = 16;
/** Most connections that have not shown a certificate yet. */
const maxPendingConnections = 128;
/** The same of one observer, whose identity several processes may share (`Observers`). */
const maxConnectionsPerObserver = 16;

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #grpc: Server;
  readonly #tls: TlsServer;
  /** By "address:port" of the other end, which is how a gRPC call names its connection. */
  readonly #connections = new Map<
    string,
    (InboundConnection | ObserverConnection) & { readonly socket: TLSSocket }
  >();
  readonly #sockets = new Set<Socket>();

  constructor(options: AcceptorOptions, tls: TlsContext) {
    this.#options = options;
    const { limits, timeouts, service } = options;
    this.#grpc = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': limits.maxFetchBlocksCalls + 2,
      'grpc.keepalive_time_ms': timeouts.keepaliveMs,
      'grpc.keepalive_timeout_ms': timeouts.keepaliveTimeoutMs,
    });
    this.#grpc.addService(
      { ...service },
      {
        Connect: (call: ServerDuplexStream<Buffer, Buffer>) =>
          this.#route(call, (validatorCall, connection) => {
            if ('peer' in connection) options.onConnect(validatorCall, connection);
            else {
              const { observer } = connection;
              options.onRefused(undefined, 'stranger', `"${observer}" is in no validator set that is known`);
              refuse(call, status.FAILED_PRECONDITION, 'stranger' satisfies DisconnectReason);
            }
          }),
        Observe: (call: ServerDuplexStream<Buffer, Buffer>) =>
          this.#routeFollower(call, (observerCall, connection) => {
            const observer = followerName(connection);
            options.onObserve(observerCall, { observer, destroy: () => connection.destroy() });
          }),
        FetchBlocks: (call: ServerWritableStream<Buffer, Buffer>) =>
          this.#routeFollower(call, (...arguments_) => options.onFetch('FetchBlocks', ...arguments_)),
        FetchState: (call: ServerWritableStream<Buffer, Buffer>) =>
          this.#routeFollower(call, (...arguments_) => options.onFetch('FetchState', ...arguments_)),
        FetchSetChanges: (call: ServerWritableStream<Buffer, Buffer>) =>
          this.#routeFollower(call, (...arguments_) => options.onFetch('FetchSetChanges', ...arguments_)),
      },
    );
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tls = createServer(
      {
        ...tls.options,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: ['h2'],
        handshakeTimeout: timeouts.handshakeMs,
        noDelay: true,
      },
      (socket) => this.#onSecure(socket, (admitted) => injector.injectConnection(admitted)),
    );
    new ConnectionCap({
      maxPending: maxPendingConnections,
      // Of one validator, the oldest gives way (`#limitConnections`); of strangers with a certificate, all are refused.
      maxPerIdentity: 4 * maxConnectionsPerPeer,
      maxIdentified:
        4 * maxConnectionsPerPeer * (protocolLimits.maxValidators + 1) +
        maxConnectionsPerObserver * limits.maxObservers,
    }).watch(this.#tls);
    this.#tls.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#tls.on('tlsClientError', (error) => options.onRefused(undefined, 'tls', error.message));
  }

  /** Port that it listens on. */
  get port(): number {
    return (this.#tls.address() as AddressInfo).port;
  }

  /** Rejects with QuaestorError LISTEN_FAILED. */
  async start(): Promise<void> {
    const { host, port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      this.#tls.once('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message;
        reject(
          new QuaestorError(
            'LISTEN_FAILED',
            `Cannot listen for other validators on ${host}:${port}: ${why}. Choose another address or port.`,
            { host, port: String(port), code: cause.code ?? '' },
            cause,
          ),
        );
      });
      this.#tls.listen(port, host, resolve);
    });
  }

  /** Stops listening and ends all connections. */
  async stop(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => void socket.once('close', resolve)),
    );
    const unbound = new Promise<void>((resolve) => {
      if (this.#tls.listening) this.#tls.close(() => resolve());
      else resolve();
    });
    for (const connection of this.#connections.values()) connection.socket.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...closed, unbound]);
    this.#grpc.forceShutdown();
  }

  /** Shows another certificate, and trusts another authority, from the next connection on. */
  reloadTls(tls: TlsContext): void {
    this.#tls.setSecureContext(tls.options);
  }

  #onSecure(socket: TLSSocket, inject: (socket: TLSSocket) => void): void {
    socket.on('error', () => undefined);
    const theirs = socket.getPeerX509Certificate()?.raw;
    const ours = socket.getX509Certificate()?.raw;
    if (theirs === undefined || ours === undefined || socket.alpnProtocol !== 'h2') {
      this.#refuse(socket, undefined, 'tls', 'there is no certificate, or the protocol is not HTTP/2');
      return;
    }
    const named = namedNode(theirs, this.#options.network);
    if (!named.ok) {
      this.#refuse(socket, undefined, 'identity', named.error);
      return;
    }
    const { role, id } = named.value;
    if (role === 'observer') {
      this.#admitObserver(socket, id, inject);
      return;
    }
    if (id === this.#options.self) {
      this.#refuse(socket, undefined, 'identity', 'It is the own certificate.');
      return;
    }
    const peer = this.#options.validator(id);
    if (peer === undefined) {
      this.#admitObserver(socket, validatorName(id), inject);
      return;
    }
    const refusal = this.#options.refuse(peer);
    if (refusal !== undefined) {
      this.#refuse(socket, peer, refusal, 'it is shut out for a while');
      return;
    }
    this.#limitConnections(peer);
    this.#keep(socket, {
      peer,
      ownFingerprint: certificateFingerprint(ours),
      peerFingerprint: certificateFingerprint(theirs),
      destroy: () => void socket.destroy(),
    });
    inject(socket);
  }

  #keep(socket: TLSSocket, connection: InboundConnection | ObserverConnection): void {
    const key = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    this.#connections.set(key, { ...connection, socket });
    socket.once('close', () => {
      if (this.#connections.get(key)?.socket === socket) this.#connections.delete(key);
    });
  }

  /** Observers are bounded in number, so that they never take what validators need. */
  #admitObserver(socket: TLSSocket, observer: string, inject: (socket: TLSSocket) => void): void {
    const open = [...this.#connections.values()].flatMap((item) => ('observer' in item ? [item] : []));
    const own = open.filter((connection) => connection.observer === observer);
    const others = new Set(open.map((connection) => connection.observer));
    others.delete(observer);
    const refusal =
      others.size >= this.#options.limits.maxObservers ? 'limit' : this.#options.refuseObserver(observer);
    if (refusal !== undefined) {
      this.#refuse(socket, undefined, refusal, `the observer "${observer}" is not let in`);
      return;
    }
    if (own.length >= maxConnectionsPerObserver) own[0]?.destroy();
    this.#keep(socket, { observer, destroy: () => void socket.destroy() });
    inject(socket);
  }

  #refuse(
    socket: TLSSocket,
    peer: PeerValidator | undefined,
    reason: DisconnectReason,
    detail: string,
  ): void {
    socket.destroy();
    this.#options.onRefused(peer, reason, detail);
  }

  #limitConnections(peer: PeerValidator): void {
    const own = [...this.#connections.values()].filter(
      (connection) => 'peer' in connection && connection.peer.id === peer.id,
    );
    if (own.length >= maxConnectionsPerPeer) own[0]?.destroy();
  }

  #route<Call extends { getPeer(): string }>(
    call: Call,
    handle: (call: Call, connection: InboundConnection | ObserverConnection) => void,
  ): void {
    const connection = this.#connections.get(call.getPeer());
    // Not reachable but by a race with the end of the connection.
    if (connection === undefined) return;
    widenReceiveWindow(call);
    handle(call, connection);
  }

  /** For calls without a handshake, in which the versions would be agreed. */
  #routeFollower<Call extends FollowerCall>(
    call: Call,
    handle: (call: Call, connection: InboundConnection | ObserverConnection) => void,
  ): void {
    this.#route(call, (routed, connection) => {
      const { versions } = this.#options;
      // Who says nothing is from before there was a second version.
      const theirs = offeredVersions(call.metadata) ?? { oldest: 1, newest: 1 };
      if (highestCommonVersion(versions, theirs) !== undefined) {
        handle(routed, connection);
        return;
      }
      const peer = 'peer' in connection ? connection.peer : undefined;
      this.#options.onRefused(
        peer,
        'version',
        `${followerName(connection)}: ${noCommonVersion(versions, theirs)}`,
      );
      const reason: DisconnectReason = 'version';
      refuse(routed, status.FAILED_PRECONDITION, reason, versionsMetadata(versions));
    });
  }
}

const followerName = (connection: InboundConnection | ObserverConnection): string =>
  'peer' in connection ? validatorName(connection.peer.id) : connection.observer;

/** How a validator that only follows is called: as no observer can be. */
const validatorName = (id: string): string => `${id} (validator)`;

/**
 * Lets the client of a call have more than HTTP/2's default of 64 KiB in flight, which over a long distance would be all
 * that it can send in a round trip. grpc-js has an option for it on the client only, so this reaches for the session
 * inside the call; should a later version keep it elsewhere, connections are slower over distance but work.
 */
function widenReceiveWindow(call: unknown): void {
  const inner = call as { call?: { stream?: { session?: ServerHttp2Session } } };
  const session = inner.call?.stream?.session;
  if (session === undefined || session.destroyed) return;
  if ((session.state.effectiveLocalWindowSize ?? receiveWindowBytes) >= receiveWindowBytes) return;
  session.setLocalWindowSize(receiveWindowBytes);
  session.settings({ initialWindowSize: receiveWindowBytes });
}
