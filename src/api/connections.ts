/** The connections of a server, who they are of, and what each of them and each identity uses. */
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { identifyCaller } from './identity.js';
import { TrafficAccount, type ClientLimits, type Payers } from './traffic.js';

/** Identities whose use is remembered; each has a certificate of the network. */
const maxIdentities = 4096;

export class Connections {
  readonly #network: string;
  readonly #now: () => number;
  #limits: ClientLimits;
  /** By the other end's "address:port", as long as the connection is open. */
  readonly #payers = new Map<string, Payers>();
  readonly #identities = new LRUCache<string, TrafficAccount>({ max: maxIdentities });

  /** `now` is a monotonic clock in milliseconds. */
  constructor(network: string, limits: ClientLimits, now: () => number) {
    this.#network = network;
    this.#limits = limits;
    this.#now = now;
  }

  get limits(): ClientLimits {
    return this.#limits;
  }

  /** Watches a server that has no connections yet. */
  watch(server: TlsServer): void {
    server.on('secureConnection', (socket: TLSSocket) => {
      const key = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
      const payers = this.#open(socket);
      this.#payers.set(key, payers);
      socket.once('close', () => {
        if (this.#payers.get(key) === payers) this.#payers.delete(key);
      });
    });
  }

  /** Who pays for a call of the connection with this other end; nobody when it has just been closed. */
  payersOf(peer: string): Payers {
    return this.#payers.get(peer) ?? [];
  }

  /** Other limits from now on, for connections that are open too. */
  use(limits: ClientLimits): void {
    this.#limits = limits;
    for (const account of this.#identities.values()) account.use(limits.perMember);
    for (const [, connection] of this.#payers.values()) connection?.use(limits.perConnection);
  }

  #open(socket: TLSSocket): Payers {
    const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
    const caller = identifyCaller(certificate?.raw === undefined ? undefined : certificate, this.#network);
    // Whoever is not known is refused by every method; until then all of them share one account.
    const name = caller === undefined ? 'Unknown' : `${caller.role} "${caller.name}"`;
    let identity = this.#identities.get(name);
    if (identity === undefined) {
      const shown = name.slice(0, 1).toUpperCase() + name.slice(1);
      identity = new TrafficAccount(shown, this.#limits.perMember, this.#now());
      this.#identities.set(name, identity);
    }
    return [identity, new TrafficAccount('This connection', this.#limits.perConnection, this.#now())];
  }
}
