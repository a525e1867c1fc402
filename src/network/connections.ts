/**
 * The validators that this node connects with as an equal: at most one stream to each, which the one dials whose id comes
 * first. It makes streams, ends them and makes them again; what passes over them it does not know.
 */
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Duplex } from 'node:stream';
import type { ValidatorIndex, VersionRange } from '../types/index.js';
import { equalBytes } from '../types/index.js';
import type { InboundConnection } from './acceptor.js';
import { refuse } from './bulk.js';
import type { DialerOptions } from './dialer.js';
import { PeerClient, callFingerprint } from './dialer.js';
import { keysOf } from './handshake.js';
import type { LinkFailure } from './link.js';
import { Link } from './link.js';
import { LogThrottle } from './log-throttle.js';
import { Peer } from './peer.js';
import type { TlsContext } from './tls.js';
import type { DisconnectReason, PeerNetworkOptions, PeerValidator } from './types.js';
import { offeredVersions, versionsMetadata } from './wire/versions.js';

/** How long a connection that is refused may stay open for the reason to arrive. */
const lingerMs = 1000;

export interface ConnectionsOptions {
  readonly network: PeerNetworkOptions;
  readonly dialing: DialerOptions;
  /** For the next connection. */
  tls(): TlsContext;
  /** A link is about to open: what it replaces has to go. */
  opening(peer: Peer): void;
  opened(peer: Peer): void;
  /** A link or an attempt at one ended. */
  ended(peer: Peer): void;
}

interface Transport {
  /** What the peer says that it speaks. */
  offered(): VersionRange | undefined;
  readonly ownFingerprint: Uint8Array;
  peerFingerprint(): Uint8Array | undefined;
  explain(error: unknown): LinkFailure;
  terminate(reason: DisconnectReason): void;
}

export class Connections {
  /** The other validators, connected or not. */
  readonly peers = new Map<ValidatorIndex, Peer>();
  readonly #options: ConnectionsOptions;
  readonly #strangers: LogThrottle;
  readonly #links = new Set<Link>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isMember = false;
  #running = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#strangers = new LogThrottle(options.network.logger, 'Refused connections from strangers.');
  }

  /** Whether this node is one of the validators. */
  get isMember(): boolean {
    return this.#isMember;
  }

  byId(id: string): Peer | undefined {
    for (const peer of this.peers.values()) if (peer.validator.id === id) return peer;
    return undefined;
  }

  start(): void {
    this.#running = true;
    for (const peer of this.peers.values()) this.#dialIfDue(peer);
  }

  stop(): void {
    this.#running = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const link of [...this.#links]) link.end('stopped', 'this node stops');
    for (const timer of this.#timers) clearTimeout(timer);
    this.#strangers.stop();
  }

  /** See PeerNetwork. */
  setValidators(validators: readonly PeerValidator[]): void {
    const { self, role } = this.#options.network;
    const { limits, timeouts } = this.#options.dialing;
    const others = validators.filter(({ id }) => role === 'observer' || id !== self);
    this.#isMember = others.length < validators.length;
    const wanted = new Map(others.map((validator) => [validator.index, validator]));
    for (const [index, peer] of this.peers) {
      if (wanted.has(index)) continue;
      peer.removed = true;
      this.peers.delete(index);
    }
    for (const [index, validator] of wanted) {
      const known = this.peers.get(index);
      if (known === undefined)
        this.peers.set(index, new Peer(validator, limits, timeouts, performance.now()));
      else known.validator = validator;
    }
    for (const link of [...this.#links]) {
      const validator = wanted.get(link.peer.index);
      const { provenKey } = link;
      if (validator?.publicKey === undefined || !this.#isMember)
        link.end('stranger', 'one of both is no validator any more');
      else if (provenKey !== undefined && !keysOf(validator).some((key) => equalBytes(key, provenKey)))
        link.end('proof', 'the key that it has proven is not its key any more');
    }
    for (const peer of this.peers.values()) this.#dialIfDue(peer);
  }

  /** A stream that another validator opened. */
  accept(call: ServerDuplexStream<Buffer, Buffer>, connection: InboundConnection): void {
    const { versions } = this.#options.dialing;
    const peer = this.peers.get(connection.peer.index);
    const terminate = (reason: DisconnectReason): void => {
      refuse(call, grpcStatus.FAILED_PRECONDITION, reason, versionsMetadata(versions));
      if (reason === 'stopped' || reason === 'closed') connection.destroy();
      else this.#later(lingerMs, () => connection.destroy());
    };
    if (peer?.validator.publicKey === undefined || !this.#isMember) {
      // Others may know of a change before this node does, or this node before them: so it is no news.
      this.refused(connection.peer, 'in', { reason: 'stranger', detail: 'one of both is no validator' });
      terminate('stranger');
      return;
    }
    if (this.#dials(connection.peer) || !this.#running) {
      const detail = 'it is not the side that dials';
      this.refused(connection.peer, 'in', { reason: 'identity', detail });
      terminate('identity');
      return;
    }
    call.sendMetadata(versionsMetadata(versions));
    this.#link(peer, 'accepting', call as unknown as Duplex, {
      offered: () => offeredVersions(call.metadata),
      ownFingerprint: connection.ownFingerprint,
      peerFingerprint: () => connection.peerFingerprint,
      explain: () => ({ reason: 'closed', detail: 'the connection ended' }),
      terminate,
    });
  }

  /** A reason not to let a validator in now. */
  refusal(peer: PeerValidator): DisconnectReason | undefined {
    const penalised = this.peers.get(peer.index)?.isPenalised(performance.now()) === true;
    return penalised ? 'penalty' : undefined;
  }

  /** Notes that an attempt failed; `peer` is unknown for a stranger. */
  refused(peer: PeerValidator | undefined, direction: 'in' | 'out', failure: LinkFailure): void {
    const { metrics, logger } = this.#options.network;
    metrics.refused(peer?.index, direction, failure.reason);
    if (peer === undefined) {
      this.#strangers.warn({ code: 'CONNECTION_REFUSED', ...failure });
      return;
    }
    // A peer that is down is no news at every attempt.
    const level = unsurprising.has(failure.reason) ? 'debug' : 'warn';
    logger[level](
      { code: 'CONNECTION_REFUSED', peer: peer.id, direction, ...failure },
      'No connection to a validator.',
    );
  }

  /** The one whose id comes first dials: ids stay when places in the validator set change. */
  #dials(validator: PeerValidator): boolean {
    return this.#options.network.self < validator.id;
  }

  #dialIfDue(peer: Peer): void {
    if (!this.#running || !this.#isMember || peer.removed || peer.connecting) return;
    if (peer.link !== undefined || !this.#dials(peer.validator)) return;
    if (peer.validator.publicKey === undefined) return;
    const target = peer.target();
    if (target === undefined) return;
    peer.connecting = true;
    const client = new PeerClient(this.#options.dialing, target, this.#options.tls());
    const call = client.connect();
    let offered: VersionRange | undefined;
    call.on('metadata', (metadata: Metadata) => (offered = offeredVersions(metadata)));
    this.#link(peer, 'dialing', call as unknown as Duplex, {
      offered: () => offered,
      ownFingerprint: client.ownFingerprint,
      peerFingerprint: () => callFingerprint(call),
      explain: (error) => client.explain(error),
      terminate: () => {
        call.cancel();
        client.close();
      },
    });
  }

  #link(peer: Peer, side: 'dialing' | 'accepting', stream: Duplex, transport: Transport): void {
    const { chainId, signer, handlers, metrics, self } = this.#options.network;
    const { limits, timeouts, versions } = this.#options.dialing;
    if (signer === undefined) {
      transport.terminate('stranger');
      return;
    }
    const link = new Link({
      side,
      stream,
      handshake: {
        chainId,
        versions,
        offered: () => transport.offered(),
        self,
        peer: peer.validator,
        peerKeys: () => keysOf(peer.validator),
        signer,
        ownFingerprint: transport.ownFingerprint,
        peerFingerprint: () => transport.peerFingerprint(),
      },
      handshakeMs: timeouts.handshakeMs,
      peer: peer.validator,
      outbox: peer.outbox,
      limits,
      handlers,
      metrics,
      explain: (error) => transport.explain(error),
      terminate: (reason) => transport.terminate(reason),
      onOpen: (opened) => this.#onOpen(peer, opened),
      onEnd: (ended, failure) => this.#onEnd(peer, side, ended, failure),
    });
    this.#links.add(link);
  }

  #onOpen(peer: Peer, link: Link): void {
    const { logger, metrics, handlers } = this.#options.network;
    peer.link?.end('replaced', 'a newer connection took over');
    this.#options.opening(peer);
    peer.opened(link, performance.now());
    this.#options.opened(peer);
    const { id, index } = peer.validator;
    logger.info({ code: 'PEER_CONNECTED', peer: id, protocol: link.version }, 'Connected to a validator.');
    metrics.connected(index);
    handlers.onConnected(index);
  }

  #onEnd(peer: Peer, side: 'dialing' | 'accepting', link: Link, failure: LinkFailure): void {
    const { logger, metrics, handlers } = this.#options.network;
    this.#links.delete(link);
    const wasOpen = peer.link === link;
    const nowMs = performance.now();
    peer.failed(failure.reason, wasOpen, nowMs);
    if (wasOpen) {
      const { id, index } = peer.validator;
      peer.closed(nowMs);
      const level = failure.reason === 'garbage' ? 'warn' : 'info';
      logger[level]({ code: 'PEER_DISCONNECTED', peer: id, ...failure }, 'Disconnected from a validator.');
      metrics.disconnected(index, failure.reason);
      handlers.onDisconnected(index);
    } else if (failure.reason !== 'stopped') {
      this.refused(peer.validator, side === 'dialing' ? 'out' : 'in', failure);
    }
    if (side === 'dialing' && this.#running && !peer.removed) {
      this.#later(peer.nextDelayMs(nowMs, Math.random()), () => {
        peer.connecting = false;
        this.#dialIfDue(peer);
      });
    }
    this.#options.ended(peer);
  }

  #later(delayMs: number, callback: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    this.#timers.add(timer);
  }
}

/** Failures that are no news at every attempt. */
const unsurprising: ReadonlySet<DisconnectReason> = new Set(['unreachable', 'penalty', 'stranger']);
