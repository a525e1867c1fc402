import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Duplex } from 'node:stream';
import type { PeerStatus } from '../codec/model.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';
import type { Result } from '../types/index.js';
import { invariant } from '../types/index.js';
import type { InboundConnection, ObserverConnection } from './acceptor.js';
import { Acceptor } from './acceptor.js';
import { splitBodies } from './bodies-assembly.js';
import { loadPeerService } from './definition.js';
import type { DialerOptions } from './dialer.js';
import { PeerClient, callFingerprint } from './dialer.js';
import { fetchBulk, refuse } from './bulk.js';
import { serveFetchBlocks, serveFetchState } from './fetch-blocks.js';
import type { LinkFailure } from './link.js';
import { Link, messageBytes } from './link.js';
import { Observers } from './observers.js';
import { Peer } from './peer.js';
import { LogThrottle } from './log-throttle.js';
import type { TlsContext } from './tls.js';
import { prepareTls } from './tls.js';
import type {
  DisconnectReason,
  FetchBlocksOptions,
  FetchStateOptions,
  FetchedBlock,
  FetchedState,
  PeerLimits,
  PeerNetwork,
  PeerNetworkOptions,
  PeerState,
  PeerTimeouts,
  PeerValidator,
  TlsMaterial,
} from './types.js';
import { decodeFetchedBlock, encodeFetchBlocksRequest } from './wire/blocks.js';
import { decodeFetchedState, encodeFetchStateRequest } from './wire/state.js';
import { defaultPeerLimits, defaultPeerTimeouts } from './types.js';
import {
  encodeConsensusFrame,
  encodeEvidenceFrame,
  encodeStatusFrame,
  encodeTransactionsFrame,
} from './wire/frames.js';

/** How long a connection that is refused may stay open for the reason to arrive. */
const lingerMs = 1000;
/**
 * Under load, relayed transactions leave so often at most: a message costs about 15 µs on either side, however small it
 * is, and a transaction in a full one about 1 µs. The first one after a pause does not wait.
 */
const relayIntervalMs = 8;

/**
 * Makes the network of one validator; nothing happens before `start`.
 *
 * @throws QuaestorError TLS_MATERIAL_INVALID or TLS_IDENTITY_MISMATCH when the certificate cannot be used.
 */
export function createPeerNetwork(options: PeerNetworkOptions): PeerNetwork {
  return new GrpcPeerNetwork(options);
}

class GrpcPeerNetwork implements PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #limits: PeerLimits;
  readonly #timeouts: PeerTimeouts;
  readonly #self: PeerValidator;
  readonly #peers = new Map<ValidatorIndex, Peer>();
  readonly #acceptor: Acceptor;
  readonly #dialing: DialerOptions;
  readonly #strangers: LogThrottle;
  readonly #links = new Set<Link>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Calls that are open, by the caller's name: `observers` stands for all of them. */
  readonly #fetching = new Map<string, number>();
  readonly #observers: Observers;
  readonly #stopping = new AbortController();
  #tls: TlsContext;
  #state: 'new' | 'running' | 'stopped' = 'new';
  #status: Buffer | undefined;
  #relay: Uint8Array[] = [];
  #relayBytes = 0;
  #relayedMs = 0;
  #relayTimer: NodeJS.Timeout | undefined;
  #flush: NodeJS.Immediate | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#limits = { ...defaultPeerLimits, ...options.limits };
    this.#timeouts = { ...defaultPeerTimeouts, ...options.timeouts };
    options.validators.forEach((validator, index) =>
      invariant(Number(validator.index) === index, 'validators are in order of index'),
    );
    const self = options.validators[options.self];
    invariant(self !== undefined, 'this validator is one of the validators');
    this.#self = self;
    for (const validator of options.validators) {
      if (validator !== self) {
        this.#peers.set(validator.index, new Peer(validator, this.#limits, this.#timeouts));
      }
    }
    this.#observers = new Observers(options, this.#limits, this.#timeouts);
    this.#tls = prepareTls(options.tls, options.network, self);
    const service = loadPeerService();
    const { network, validators } = options;
    const [limits, timeouts] = [this.#limits, this.#timeouts];
    this.#dialing = { network, limits, timeouts, service };
    this.#strangers = new LogThrottle(options.logger, 'Refused connections from strangers.');
    this.#acceptor = new Acceptor(
      {
        network,
        validators,
        self,
        listen: options.listen,
        limits,
        timeouts,
        service,
        refuse: (peer) => this.#refusal(peer),
        onRefused: (peer, reason, detail) => this.#refused(peer, 'in', { reason, detail }),
        onConnect: (call, connection) => this.#accept(call, connection),
        onFetch: (method, call, connection) => void this.#serve(method, call, connection),
        refuseObserver: (observer) => this.#observers.refusal(observer),
        onObserve: (call, connection) => this.#observers.accept(call, connection),
      },
      this.#tls,
    );
  }

  async start(): Promise<void> {
    invariant(this.#state === 'new', 'a network is started once');
    this.#state = 'running';
    try {
      await this.#acceptor.start();
    } catch (error) {
      this.#state = 'stopped';
      throw error;
    }
    for (const peer of this.#peers.values()) if (this.#dials(peer.validator)) this.#dial(peer);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#state = 'stopped';
    this.#stopping.abort();
    clearImmediate(this.#flush);
    clearTimeout(this.#relayTimer);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const link of [...this.#links]) link.end('stopped', 'this node stops');
    this.#observers.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#strangers.stop();
    await this.#acceptor.stop();
  }

  port(): number {
    return this.#acceptor.port;
  }

  sendConsensus(to: ValidatorIndex | 'all', message: Uint8Array): void {
    if (this.#state === 'stopped') return;
    const piece = { bytes: encodeConsensusFrame(message), count: 1 };
    this.#each(to, (peer) => {
      const dropped = peer.outbox.pushConsensus(piece);
      if (dropped > 0) this.#options.metrics.shed(peer.validator.index, 'out', 'consensus', dropped);
    });
  }

  sendStatus(to: ValidatorIndex | 'all', status: PeerStatus): void {
    this.#observers.tell(status);
    const piece = { bytes: encodeStatusFrame(status), count: 1 };
    this.#status = piece.bytes;
    this.#each(to, (peer) => {
      if (peer.link !== undefined) peer.outbox.setStatus(piece);
    });
  }

  tellObservers(status: PeerStatus): void {
    if (this.#state === 'running') this.#observers.tell(status);
  }

  relayTransactions(envelopes: readonly Uint8Array[]): void {
    if (this.#state !== 'running') return;
    for (const envelope of envelopes) {
      this.#relay.push(envelope);
      this.#relayBytes += envelope.length;
    }
    if (this.#relayTimer !== undefined && this.#relayBytes < messageBytes / 2) return;
    this.#schedule();
  }

  requestBodies(to: ValidatorIndex, digest: Digest, transactionHashes: readonly Hash[]): void {
    const peer = this.#peers.get(to);
    if (peer?.link === undefined) return;
    const bytes = peer.link.assembly.request(digest, transactionHashes);
    this.#queueBodies(peer, [bytes]);
  }

  sendBodies(
    to: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): void {
    const peer = this.#peers.get(to);
    if (peer?.link === undefined) return;
    this.#queueBodies(peer, splitBodies({ digest, transactionHashes, envelopes }, messageBytes));
  }

  sendEvidence(to: ValidatorIndex | 'all', evidence: Uint8Array): void {
    if (this.#state === 'stopped') return;
    const piece = { bytes: encodeEvidenceFrame(evidence), count: 1 };
    this.#each(to, (peer) => {
      if (peer.link === undefined || peer.outbox.pushBodies([piece])) return;
      this.#options.metrics.shed(peer.validator.index, 'out', 'evidence', 1);
    });
  }

  connected(): readonly ValidatorIndex[] {
    return this.peers()
      .filter((peer) => peer.connected)
      .map((peer) => peer.index);
  }

  peers(): readonly PeerState[] {
    return [...this.#peers.values()].map((peer) => peer.state());
  }

  fetchBlocks(from: ValidatorIndex, options: FetchBlocksOptions): AsyncIterable<FetchedBlock> {
    const request = encodeFetchBlocksRequest(options);
    return this.#fetch(from, 'FetchBlocks', request, decodeFetchedBlock, options);
  }

  fetchState(from: ValidatorIndex, options: FetchStateOptions): AsyncIterable<FetchedState> {
    const request = encodeFetchStateRequest(options);
    return this.#fetch(from, 'FetchState', request, decodeFetchedState, options);
  }

  #fetch<T>(
    from: ValidatorIndex,
    method: 'FetchBlocks' | 'FetchState',
    request: Buffer,
    decode: (message: Buffer) => Result<T, string>,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): AsyncIterable<T> {
    const peer = this.#peers.get(from);
    invariant(peer !== undefined, 'what is missing is fetched from another validator');
    const stopping = this.#stopping.signal;
    return fetchBulk({
      open: () => new PeerClient(this.#dialing, peer.validator, this.#tls),
      start: (client) => client.fetch(method, request, options.deadlineMs),
      decode,
      peer: peer.validator,
      signal: options.signal === undefined ? stopping : AbortSignal.any([stopping, options.signal]),
    });
  }

  reloadTls(material: TlsMaterial): void {
    this.#tls = prepareTls(material, this.#options.network, this.#self);
    this.#acceptor.reloadTls(this.#tls);
    this.#options.logger.info({}, 'TLS certificate and authority were reloaded for new connections.');
  }

  // ---- sending ----

  #each(to: ValidatorIndex | 'all', push: (peer: Peer) => void): void {
    if (to === 'all') for (const peer of this.#peers.values()) push(peer);
    else {
      const peer = this.#peers.get(to);
      if (peer !== undefined) push(peer);
    }
    this.#schedule();
  }

  #queueBodies(peer: Peer, pieces: readonly Buffer[]): void {
    if (!peer.outbox.pushBodies(pieces.map((bytes) => ({ bytes, count: 1 })))) {
      this.#options.metrics.shed(peer.validator.index, 'out', 'bodies', pieces.length);
    }
    this.#schedule();
  }

  /** Everything that is sent within one turn of the event loop leaves together. */
  #schedule(): void {
    if (this.#state !== 'running') return;
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#flushRelay();
      for (const peer of this.#peers.values()) peer.link?.pump();
    });
  }

  /** Moves relayed transactions to the outboxes, unless they should gather a little longer. */
  #flushRelay(): void {
    if (this.#relay.length === 0) return;
    const nowMs = performance.now();
    const waitMs = this.#relayedMs + relayIntervalMs - nowMs;
    if (waitMs > 0 && this.#relayBytes < messageBytes / 2) {
      this.#relayTimer ??= setTimeout(() => {
        this.#relayTimer = undefined;
        this.#schedule();
      }, waitMs);
      return;
    }
    clearTimeout(this.#relayTimer);
    this.#relayTimer = undefined;
    this.#relayedMs = nowMs;
    this.#encodeRelay();
  }

  /** Encodes relayed transactions once for all peers. */
  #encodeRelay(): void {
    const envelopes = this.#relay;
    this.#relay = [];
    this.#relayBytes = 0;
    let start = 0;
    let bytes = 0;
    for (let index = 0; index < envelopes.length; index++) {
      bytes += envelopes[index]?.length ?? 0;
      const last = index + 1 === envelopes.length;
      if (!last && bytes < messageBytes / 2) continue;
      const batch = envelopes.slice(start, index + 1);
      const piece = { bytes: encodeTransactionsFrame(batch), count: batch.length };
      for (const peer of this.#peers.values()) {
        if (peer.link !== undefined && !peer.outbox.pushRelay(piece)) {
          this.#options.metrics.shed(peer.validator.index, 'out', 'transactions', piece.count);
        }
      }
      start = index + 1;
      bytes = 0;
    }
  }

  // ---- connections ----

  /** The one of the lower index dials. */
  #dials(validator: PeerValidator): boolean {
    return this.#self.index < validator.index;
  }

  #dial(peer: Peer): void {
    if (this.#state !== 'running') return;
    const client = new PeerClient(this.#dialing, peer.validator, this.#tls);
    const call = client.connect();
    this.#link(peer, 'dialing', call as unknown as Duplex, {
      ownFingerprint: client.ownFingerprint,
      peerFingerprint: () => callFingerprint(call),
      explain: (error) => client.explain(error),
      terminate: () => {
        call.cancel();
        client.close();
      },
    });
  }

  #accept(call: ServerDuplexStream<Buffer, Buffer>, connection: InboundConnection): void {
    const peer = this.#peers.get(connection.peer.index);
    const terminate = (reason: DisconnectReason): void => {
      refuse(call, grpcStatus.FAILED_PRECONDITION, reason);
      if (reason === 'stopped' || reason === 'closed') connection.destroy();
      else this.#later(lingerMs, () => connection.destroy());
    };
    if (peer === undefined || this.#dials(connection.peer) || this.#state !== 'running') {
      const detail = 'it is not the side that dials';
      this.#refused(connection.peer, 'in', { reason: 'identity', detail });
      terminate('identity');
      return;
    }
    this.#link(peer, 'accepting', call as unknown as Duplex, {
      ownFingerprint: connection.ownFingerprint,
      peerFingerprint: () => connection.peerFingerprint,
      explain: () => ({ reason: 'closed', detail: 'the connection ended' }),
      terminate,
    });
  }

  #link(
    peer: Peer,
    side: 'dialing' | 'accepting',
    stream: Duplex,
    transport: {
      readonly ownFingerprint: Uint8Array;
      peerFingerprint(): Uint8Array | undefined;
      explain(error: unknown): LinkFailure;
      terminate(reason: DisconnectReason): void;
    },
  ): void {
    const { chainId, signer, handlers, metrics } = this.#options;
    const link = new Link({
      side,
      stream,
      handshake: {
        chainId,
        self: this.#self,
        peer: peer.validator,
        signer,
        ownFingerprint: transport.ownFingerprint,
        peerFingerprint: () => transport.peerFingerprint(),
      },
      handshakeMs: this.#timeouts.handshakeMs,
      peer: peer.validator,
      outbox: peer.outbox,
      limits: this.#limits,
      handlers,
      metrics,
      explain: (error) => transport.explain(error),
      terminate: (reason) => transport.terminate(reason),
      onOpen: (opened) => this.#onOpen(peer, opened),
      onEnd: (ended, failure) => this.#onEnd(peer, ended, failure),
    });
    this.#links.add(link);
  }

  #onOpen(peer: Peer, link: Link): void {
    peer.link?.end('replaced', 'a newer connection took over');
    peer.opened(link, performance.now());
    if (this.#status !== undefined) peer.outbox.setStatus({ bytes: this.#status, count: 1 });
    const { id, index } = peer.validator;
    this.#options.logger.info({ peer: id }, 'Connected to a validator.');
    this.#options.metrics.connected(index);
    this.#options.handlers.onConnected(index);
  }

  #onEnd(peer: Peer, link: Link, failure: LinkFailure): void {
    this.#links.delete(link);
    const wasOpen = peer.link === link;
    peer.failed(failure.reason, wasOpen, performance.now());
    if (wasOpen) {
      const { id, index } = peer.validator;
      peer.closed();
      const level = failure.reason === 'garbage' ? 'warn' : 'info';
      this.#options.logger[level]({ peer: id, ...failure }, 'Disconnected from a validator.');
      this.#options.metrics.disconnected(index, failure.reason);
      this.#options.handlers.onDisconnected(index);
    } else if (failure.reason !== 'stopped') {
      this.#refused(peer.validator, this.#dials(peer.validator) ? 'out' : 'in', failure);
    }
    if (this.#dials(peer.validator) && this.#state === 'running') {
      this.#later(peer.nextDelayMs(performance.now(), Math.random()), () => this.#dial(peer));
    }
  }

  #refusal(peer: PeerValidator): DisconnectReason | undefined {
    const penalised = this.#peers.get(peer.index)?.isPenalised(performance.now()) === true;
    return penalised ? 'penalty' : undefined;
  }

  #refused(peer: PeerValidator | undefined, direction: 'in' | 'out', failure: LinkFailure): void {
    this.#options.metrics.refused(peer?.index, direction, failure.reason);
    if (peer === undefined) {
      this.#strangers.warn({ ...failure });
      return;
    }
    // A peer that is down is no news at every attempt.
    const level = failure.reason === 'unreachable' || failure.reason === 'penalty' ? 'debug' : 'warn';
    this.#options.logger[level]({ peer: peer.id, direction, ...failure }, 'No connection to a validator.');
  }

  #later(delayMs: number, callback: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    this.#timers.add(timer);
  }

  // ---- FetchBlocks and FetchState ----

  async #serve(
    method: 'FetchBlocks' | 'FetchState',
    call: ServerWritableStream<Buffer, Buffer>,
    connection: InboundConnection | ObserverConnection,
  ): Promise<void> {
    const { maxFetchBlocksCalls, maxObserverFetchCalls } = this.#limits;
    const isPeer = 'peer' in connection;
    const caller = isPeer ? connection.peer.id : connection.observer;
    const key = isPeer ? `validator/${caller}` : 'observers';
    const open = this.#fetching.get(key) ?? 0;
    if (open >= (isPeer ? maxFetchBlocksCalls : maxObserverFetchCalls) || this.#state !== 'running') {
      refuse(call, grpcStatus.RESOURCE_EXHAUSTED, 'too many calls for blocks or state are open');
      return;
    }
    this.#fetching.set(key, open + 1);
    const { handlers, logger } = this.#options;
    const serve = method === 'FetchBlocks' ? serveFetchBlocks : serveFetchState;
    await serve(call, caller, handlers, logger);
    this.#fetching.set(key, (this.#fetching.get(key) ?? 1) - 1);
  }
}
