/**
 * Keeps the sockets of a TLS server within bounds that nobody without a certificate can fill: who has not shown one yet
 * makes room for those that come after, oldest first, so that an honest handshake, which takes milliseconds, always gets
 * through; and one identity has so many connections and no more.
 */
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';

export interface ConnectionCapLimits {
  /** Most connections whose handshake is not finished. */
  readonly maxPending: number;
  /** Most connections of one identity; further ones are closed at once. */
  readonly maxPerIdentity: number;
  /** Most connections of all identities together; further ones are closed at once. */
  readonly maxIdentified: number;
}

export class ConnectionCap {
  readonly #limits: ConnectionCapLimits;
  readonly #shed: (cause: 'pending' | 'identity' | 'total') => void;
  /** In order of arrival, by the other end's address. */
  readonly #pending = new Map<string, Socket>();
  readonly #perIdentity = new Map<string, number>();
  #identified = 0;

  constructor(
    limits: ConnectionCapLimits,
    shed: (cause: 'pending' | 'identity' | 'total') => void = () => undefined,
  ) {
    this.#limits = limits;
    this.#shed = shed;
  }

  /** Watches a server that has no connections yet. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#arrived(socket));
    // After the server's own listeners: a session needs a socket that is still open to be made, and ends with it.
    server.on('secureConnection', (socket: TLSSocket) => this.#secured(socket));
  }

  #arrived(socket: Socket): void {
    const key = keyOf(socket);
    this.#pending.set(key, socket);
    socket.once('close', () => {
      if (this.#pending.get(key) === socket) this.#pending.delete(key);
    });
    if (this.#pending.size <= this.#limits.maxPending) return;
    for (const [oldestKey, oldest] of this.#pending) {
      this.#pending.delete(oldestKey);
      oldest.destroy();
      this.#shed('pending');
      return;
    }
  }

  #secured(socket: TLSSocket): void {
    this.#pending.delete(keyOf(socket));
    // Another listener may have refused it already.
    if (socket.destroyed) return;
    const identity = socket.getPeerX509Certificate()?.subjectAltName ?? '';
    const own = this.#perIdentity.get(identity) ?? 0;
    const { maxPerIdentity, maxIdentified } = this.#limits;
    if (own >= maxPerIdentity || this.#identified >= maxIdentified) {
      this.#shed(own >= maxPerIdentity ? 'identity' : 'total');
      socket.destroy();
      return;
    }
    this.#identified++;
    this.#perIdentity.set(identity, own + 1);
    socket.once('close', () => {
      this.#identified--;
      const left = (this.#perIdentity.get(identity) ?? 1) - 1;
      if (left === 0) this.#perIdentity.delete(identity);
      else this.#perIdentity.set(identity, left);
    });
  }
}

const keyOf = (socket: Socket): string => `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
