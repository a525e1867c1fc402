/**
 * One stream to one validator: first the handshake, then traffic both ways. It ends once, for one reason, and decides
 * nothing about what comes after.
 */
import type { Duplex } from 'node:stream';
import type { PeerStatus } from '../codec/model.js';
import type { PublicKey } from '../types/index.js';
import { BodiesAssembly } from './bodies-assembly.js';
import type { HandshakeContext } from './handshake.js';
import { Handshake } from './handshake.js';
import type { Outbox } from './outbox.js';
import { ReadGate } from './read-gate.js';
import type { DisconnectReason, PeerHandlers, PeerLimits, PeerMetrics, PeerValidator } from './types.js';
import { decodeConnectMessage, encodeFrames } from './wire/connect.js';
import type { Frame } from './wire/frames.js';

/** Why a link ended. */
export interface LinkFailure {
  readonly reason: DisconnectReason;
  readonly detail: string;
}

export interface LinkOptions {
  readonly side: 'dialing' | 'accepting';
  /** A gRPC stream that carries messages as bytes. */
  readonly stream: Duplex;
  readonly handshake: Omit<HandshakeContext, 'send' | 'finish'>;
  readonly handshakeMs: number;
  readonly peer: PeerValidator;
  readonly outbox: Outbox;
  readonly limits: PeerLimits;
  readonly handlers: PeerHandlers;
  readonly metrics: PeerMetrics;
  /** What the end of the stream means, if the transport knows better than "closed". */
  explain(error: unknown): LinkFailure;
  /** Ends the transport and tells the peer why, if that is possible. */
  terminate(reason: DisconnectReason): void;
  onOpen(link: Link): void;
  onEnd(link: Link, failure: LinkFailure): void;
}

/** Small frames are gathered into messages of about this size. */
export const messageBytes = 128 * 1024;
/** While so many bytes have not left for the operating system, further ones wait in the outbox, in order of urgency. */
const maxInFlightBytes = 2 * messageBytes;

export class Link {
  readonly peer: PeerValidator;
  readonly assembly = new BodiesAssembly();
  status: PeerStatus | undefined;
  readonly #options: LinkOptions;
  readonly #stream: Duplex;
  readonly #gate: ReadGate;
  readonly #handshake: Handshake;
  readonly #timer: NodeJS.Timeout;
  #stage: 'handshake' | 'open' | 'ended' = 'handshake';
  #inFlightBytes = 0;
  #relayBacklogBytes = 0;

  constructor(options: LinkOptions) {
    const { stream, peer, metrics } = options;
    this.#options = options;
    this.#stream = stream;
    this.peer = peer;
    this.#gate = new ReadGate(stream, options.limits, (cause) => metrics.paused(peer.index, cause));
    this.#handshake = new Handshake(
      {
        chainId: options.handshake.chainId,
        versions: options.handshake.versions,
        offered: () => options.handshake.offered(),
        self: options.handshake.self,
        peer: options.handshake.peer,
        peerKeys: () => options.handshake.peerKeys(),
        signer: options.handshake.signer,
        ownFingerprint: options.handshake.ownFingerprint,
        peerFingerprint: () => options.handshake.peerFingerprint(),
        send: (message) => void stream.write(message),
        finish: (failure) => {
          if (failure === undefined) this.#open();
          else this.end(failure.reason, failure.detail);
        },
      },
      options.side,
    );
    this.#timer = setTimeout(
      () => this.end('timeout', 'the handshake was not finished in time'),
      options.handshakeMs,
    );
    stream.on('data', (message: Buffer) => this.#onMessage(message));
    stream.on('error', (error: unknown) => this.#onTransportEnd(error));
    stream.on('end', () => this.#onTransportEnd(undefined));
    stream.on('close', () => this.#onTransportEnd(undefined));
    stream.on('cancelled', () => this.#onTransportEnd(undefined));
    this.#handshake.start();
  }

  /** The key that the peer has proven, once the link is open. */
  get provenKey(): PublicKey | undefined {
    return this.#handshake.provenKey;
  }

  /** The version of the protocol that is spoken, once the link is open. */
  get version(): number | undefined {
    return this.#handshake.version;
  }

  get isOpen(): boolean {
    return this.#stage === 'open';
  }

  get backlogBytes(): number {
    return this.#gate.backlogBytes + this.#relayBacklogBytes;
  }

  /** Sends what waits in the outbox, as far as the connection takes it. */
  pump(): void {
    const { outbox, metrics } = this.#options;
    while (this.#stage === 'open' && this.#inFlightBytes < maxInFlightBytes && !outbox.empty) {
      // Like Nagle's algorithm: transactions gather while a message is on its way, votes do not wait for it.
      const pieces = outbox.take(messageBytes, this.#inFlightBytes === 0);
      if (pieces.length === 0) return;
      const message = encodeFrames(pieces);
      this.#inFlightBytes += message.length;
      metrics.sent(this.peer.index, message.length, pieces.length);
      this.#stream.write(message, () => {
        this.#inFlightBytes -= message.length;
        this.pump();
      });
    }
  }

  /** Ends the link. Only the first reason counts. */
  end(reason: DisconnectReason, detail: string): void {
    if (this.#stage === 'ended') return;
    this.#stage = 'ended';
    clearTimeout(this.#timer);
    this.#gate.close();
    this.#handshake.cancel();
    this.#options.terminate(reason);
    this.#options.onEnd(this, { reason, detail });
  }

  #open(): void {
    this.#stage = 'open';
    clearTimeout(this.#timer);
    this.#options.onOpen(this);
    this.pump();
  }

  #onTransportEnd(error: unknown): void {
    if (this.#stage === 'ended') return;
    const { reason, detail } = this.#options.explain(error);
    this.end(reason, detail);
  }

  #onMessage(bytes: Buffer): void {
    if (this.#stage === 'ended') return;
    const { versions, offered } = this.#options.handshake;
    const isNewer = (offered()?.newest ?? 0) > versions.newest;
    const decoded = decodeConnectMessage(bytes, isNewer ? 'newer' : undefined);
    if (!decoded.ok) {
      this.end('garbage', `it sent a message that cannot be read: ${decoded.error}`);
      return;
    }
    const message = decoded.value;
    if (this.#stage === 'handshake') {
      this.#handshake.receive(message);
      return;
    }
    if (message.kind !== 'frames') {
      this.end('garbage', `it sent a ${message.kind} message after the handshake`);
      return;
    }
    this.#options.metrics.received(this.peer.index, bytes.length, message.frames.length);
    this.#gate.charge(bytes.length, message.frames.length);
    for (const frame of message.frames) this.#dispatch(frame);
  }

  #dispatch(frame: Frame): void {
    const { handlers } = this.#options;
    const from = this.peer.index;
    switch (frame.kind) {
      case 'consensus':
        this.#hold(frame.message.length, handlers.onConsensus(from, frame.message));
        return;
      case 'transactions':
        this.#relayed(frame.envelopes);
        return;
      case 'status':
        this.status = frame.status;
        handlers.onStatus(from, frame.status);
        return;
      case 'fetchBodies':
        this.#hold(
          32 * (1 + frame.transactionHashes.length),
          handlers.onFetchBodies(from, frame.digest, frame.transactionHashes),
        );
        return;
      case 'bodies':
        for (const bodies of this.assembly.add(frame)) {
          this.#hold(
            totalBytes(bodies.envelopes),
            handlers.onBodies(from, bodies.digest, bodies.transactionHashes, bodies.envelopes),
          );
        }
        return;
      case 'evidence':
        this.#hold(frame.evidence.length, handlers.onEvidence(from, frame.evidence));
        return;
    }
  }

  /** Relayed transactions never hold up the votes behind them: when too many wait, further ones are shed. */
  #relayed(envelopes: readonly Uint8Array[]): void {
    const { handlers, limits, metrics } = this.#options;
    const bytes = totalBytes(envelopes);
    if (this.#relayBacklogBytes + bytes > limits.maxRelayBacklogBytes && this.#relayBacklogBytes > 0) {
      metrics.shed(this.peer.index, 'in', 'transactions', envelopes.length);
      return;
    }
    const work = handlers.onTransactions(this.peer.index, envelopes);
    if (work === undefined) return;
    this.#relayBacklogBytes += bytes;
    void work.finally(() => (this.#relayBacklogBytes -= bytes));
  }

  #hold(bytes: number, work: void | Promise<void>): void {
    if (work !== undefined) this.#gate.hold(bytes, work);
  }
}

function totalBytes(items: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const item of items) bytes += item.length;
  return bytes;
}
