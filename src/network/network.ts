import type { ServerWritableStream } from '@grpc/grpc-js';
import { status as grpcStatus } from '@grpc/grpc-js';
import type { PeerStatus, ValidatorSetChange } from '../codec/model.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';
import type { Result } from '../types/index.js';
import { QuaestorError, invariant } from '../types/index.js';
import type { InboundConnection, ObserverConnection } from './acceptor.js';
import { Acceptor } from './acceptor.js';
import { splitBodies } from './bodies-assembly.js';
import { fetchBulk, refuse } from './bulk.js';
import { Connections } from './connections.js';
import type { FetchMethod } from './definition.js';
import { loadPeerService } from './definition.js';
import type { DialerOptions } from './dialer.js';
import { PeerClient } from './dialer.js';
import { serveFetch } from './fetch-blocks.js';
import { Following } from './following.js';
import { messageBytes } from './link.js';
import { Observers } from './observers.js';
import type { Piece } from './outbox.js';
import type { Peer } from './peer.js';
import { Relay } from './relay.js';
import type { TlsContext } from './tls.js';
import { prepareTls } from './tls.js';
import type {
  FetchBlocksOptions,
  FetchSetChangesOptions,
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
import { decodeFetchedSetChange, encodeFetchSetChangesRequest } from './wire/set-changes.js';
import { decodeFetchedState, encodeFetchStateRequest } from './wire/state.js';
import { defaultPeerLimits, defaultPeerTimeouts } from './types.js';
import { encodeConsensusFrame, encodeEvidenceFrame, encodeStatusFrame } from './wire/frames.js';
import { peerVersions } from './wire/versions.js';

/**
 * Makes the network of one node; nothing happens before `start`.
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
  readonly #connections: Connections;
  readonly #following: Following;
  /** Undefined for an observer. */
  readonly #acceptor: Acceptor | undefined;
  readonly #dialing: DialerOptions;
  readonly #relay: Relay;
  /** Calls that are open, by the caller's name: `observers` stands for all of them. */
  readonly #fetching = new Map<string, number>();
  readonly #observers: Observers;
  readonly #stopping = new AbortController();
  #tls: TlsContext;
  #state: 'new' | 'running' | 'stopped' = 'new';
  #status: Buffer | undefined;
  #flush: NodeJS.Immediate | undefined;
  #followTimer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    const { network, self, handlers, logger, metrics } = options;
    this.#limits = { ...defaultPeerLimits, ...options.limits };
    this.#timeouts = { ...defaultPeerTimeouts, ...options.timeouts };
    const [limits, timeouts] = [this.#limits, this.#timeouts];
    this.#tls = this.#prepare(options.tls);
    const service = loadPeerService();
    const versions = options.versions ?? peerVersions;
    this.#dialing = { network, limits, timeouts, service, versions };
    const tls = (): TlsContext => this.#tls;
    this.#observers = new Observers(options, limits, timeouts);
    this.#following = new Following({ dialing: this.#dialing, tls, handlers, logger, metrics });
    this.#relay = new Relay({
      schedule: () => this.#schedule(),
      send: (piece) => this.#relayPiece(piece),
    });
    this.#connections = new Connections({
      network: options,
      dialing: this.#dialing,
      tls,
      opening: (peer) => this.#following.follow(this.#toFollow(peer)),
      opened: ({ outbox }) => {
        if (this.#status !== undefined) outbox.setStatus({ bytes: this.#status, count: 1 });
      },
      ended: () => this.#refreshFollowing(),
    });
    this.#connections.setValidators(options.validators);
    this.#acceptor =
      options.listen &&
      new Acceptor(
        {
          network,
          validator: (id) => {
            const validator = this.#connections.byId(id)?.validator;
            return validator?.publicKey === undefined ? undefined : validator;
          },
          self,
          listen: options.listen,
          limits,
          timeouts,
          service,
          versions,
          refuse: (peer) => this.#connections.refusal(peer),
          onRefused: (peer, reason, detail) => this.#connections.refused(peer, 'in', { reason, detail }),
          onConnect: (call, connection) => this.#connections.accept(call, connection),
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
      await this.#acceptor?.start();
    } catch (error) {
      this.#state = 'stopped';
      throw error;
    }
    this.#connections.start();
    this.#refreshFollowing();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#state = 'stopped';
    this.#stopping.abort();
    clearImmediate(this.#flush);
    clearTimeout(this.#followTimer);
    this.#relay.stop();
    this.#connections.stop();
    this.#following.follow([]);
    this.#observers.stop();
    await this.#acceptor?.stop();
  }

  port(): number {
    return this.#acceptor?.port ?? 0;
  }

  setValidators(validators: readonly PeerValidator[]): void {
    if (this.#state === 'stopped') return;
    this.#connections.setValidators(validators);
    this.#refreshFollowing();
  }

  sendConsensus(to: ValidatorIndex | 'all', message: Uint8Array): void {
    if (this.#state === 'stopped' || !this.#connections.isMember) return;
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
    this.#following.relay(envelopes);
    if (this.#connections.isMember) this.#relay.add(envelopes);
  }

  requestBodies(to: ValidatorIndex, digest: Digest, transactionHashes: readonly Hash[]): void {
    const peer = this.#connections.peers.get(to);
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
    const peer = this.#connections.peers.get(to);
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
    return [...this.#connections.peers.values()].map((peer) => {
      const own = peer.state();
      const followed = this.#following.state(own.index);
      if (own.connected || followed === undefined) return own;
      const { status, queuedBytes } = followed;
      const lastFailure = this.#connections.isMember ? own.lastFailure : followed.lastFailure;
      return { ...own, connected: status !== undefined, status, queuedBytes, lastFailure };
    });
  }

  fetchBlocks(from: ValidatorIndex, options: FetchBlocksOptions): AsyncIterable<FetchedBlock> {
    const request = encodeFetchBlocksRequest(options);
    return this.#fetch(from, 'FetchBlocks', request, decodeFetchedBlock, options);
  }

  fetchState(from: ValidatorIndex, options: FetchStateOptions): AsyncIterable<FetchedState> {
    const request = encodeFetchStateRequest(options);
    return this.#fetch(from, 'FetchState', request, decodeFetchedState, options);
  }

  fetchSetChanges(from: ValidatorIndex, options: FetchSetChangesOptions): AsyncIterable<ValidatorSetChange> {
    const request = encodeFetchSetChangesRequest(options.knownEpoch);
    return this.#fetch(from, 'FetchSetChanges', request, decodeFetchedSetChange, options);
  }

  async *#fetch<T>(
    from: ValidatorIndex,
    method: FetchMethod,
    request: Buffer,
    decode: (message: Buffer) => Result<T, string>,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<T, void, undefined> {
    const peer = this.#connections.peers.get(from);
    const target = peer?.target();
    // Where there are no votes that bulk could hold up, it takes the connection that is there.
    const kept = peer?.link === undefined ? this.#following.state(from)?.client : undefined;
    if (target === undefined || (kept === undefined && !this.#connections.isMember)) {
      throw new QuaestorError('FETCH_FAILED', 'There is no connection to the validator.');
    }
    const stopping = this.#stopping.signal;
    let answered = false;
    try {
      for await (const item of fetchBulk({
        open: () => kept ?? new PeerClient(this.#dialing, target, this.#tls),
        keep: kept !== undefined,
        start: (client) => client.fetch(method, request, options.deadlineMs),
        decode,
        peer: target,
        signal: options.signal === undefined ? stopping : AbortSignal.any([stopping, options.signal]),
      })) {
        answered = true;
        yield item;
      }
    } catch (error) {
      const isFailure = error instanceof QuaestorError && error.code === 'FETCH_FAILED';
      if (isFailure && !answered && peer?.link === undefined) peer?.missed();
      throw error;
    }
  }

  reloadTls(material: TlsMaterial): void {
    this.#tls = this.#prepare(material);
    this.#acceptor?.reloadTls(this.#tls);
    this.#options.logger.info({}, 'TLS certificate and authority were reloaded for new connections.');
  }

  #prepare(material: TlsMaterial): TlsContext {
    const { network, self, role } = this.#options;
    return prepareTls(material, network, { id: self }, 'The TLS certificate', role);
  }

  // ---- sending ----

  #each(to: ValidatorIndex | 'all', push: (peer: Peer) => void): void {
    const { peers } = this.#connections;
    if (to === 'all') {
      // Who is only followed has no link, and nothing waits for it.
      for (const peer of peers.values()) if (peer.validator.publicKey !== undefined) push(peer);
    } else {
      const peer = peers.get(to);
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

  #relayPiece(piece: Piece): void {
    for (const peer of this.#connections.peers.values()) {
      if (peer.link !== undefined && !peer.outbox.pushRelay(piece)) {
        this.#options.metrics.shed(peer.validator.index, 'out', 'transactions', piece.count);
      }
    }
  }

  /** Everything that is sent within one turn of the event loop leaves together. */
  #schedule(): void {
    if (this.#state !== 'running') return;
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#relay.flush();
      for (const peer of this.#connections.peers.values()) peer.link?.pump();
    });
  }

  // ---- following ----

  /**
   * Whom to follow: who is no validator itself follows all of them, and a validator those that it cannot connect to as
   * an equal, for it may be the one that does not know who the validators are by now.
   */
  #toFollow(opening?: Peer): readonly PeerValidator[] {
    const { isMember, peers } = this.#connections;
    const sinceMs = performance.now() - this.#timeouts.followAfterMs;
    const isAlone = opening === undefined && [...peers.values()].every((peer) => peer.link === undefined);
    return [...peers.values()]
      .filter((peer) => {
        if (!isMember) return true;
        if (peer === opening || peer.link !== undefined) return false;
        if (peer.validator.publicKey === undefined && !isAlone) return false;
        // What is followed already is followed until the link is there.
        const isHeard = this.#following.state(peer.validator.index)?.status !== undefined;
        const isRefused = peer.lastFailure === 'stranger' || peer.lastFailure === 'proof';
        return isHeard || isRefused || peer.aloneSinceMs <= sinceMs;
      })
      .map(({ validator }) => validator);
  }

  #refreshFollowing(): void {
    clearTimeout(this.#followTimer);
    if (this.#state !== 'running') return;
    this.#following.follow(this.#toFollow());
    const { isMember, peers } = this.#connections;
    if (!isMember) return;
    const nowMs = performance.now();
    const waitsMs = [...peers.values()]
      .filter((peer) => peer.link === undefined)
      .map(({ aloneSinceMs }) => aloneSinceMs + this.#timeouts.followAfterMs - nowMs)
      .filter((waitMs) => waitMs > 0);
    if (waitsMs.length === 0) return;
    this.#followTimer = setTimeout(() => this.#refreshFollowing(), Math.ceil(Math.min(...waitsMs)));
  }

  // ---- serving ----

  async #serve(
    method: FetchMethod,
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
    await serveFetch[method](call, caller, handlers, logger);
    this.#fetching.set(key, (this.#fetching.get(key) ?? 1) - 1);
  }
}
