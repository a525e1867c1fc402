/**
 * The network of an observer: one connection to each validator, on which it hears where the validator stands, fetches
 * blocks and state, and relays transactions. Nobody connects to an observer, and it has nothing to say in consensus.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { PeerStatus } from '../codec/model.js';
import type { Result, ValidatorIndex } from '../types/index.js';
import { QuaestorError, invariant } from '../types/index.js';
import { fetchBulk } from './bulk.js';
import { loadPeerService } from './definition.js';
import { PeerClient, type DialerOptions } from './dialer.js';
import type { LinkFailure } from './link.js';
import { messageBytes } from './link.js';
import { Peer } from './peer.js';
import type { TlsContext } from './tls.js';
import { prepareTls } from './tls.js';
import type {
  FetchBlocksOptions,
  FetchStateOptions,
  FetchedBlock,
  FetchedState,
  PeerNetwork,
  PeerNetworkOptions,
  PeerState,
  TlsMaterial,
} from './types.js';
import { defaultPeerLimits, defaultPeerTimeouts } from './types.js';
import { decodeFetchedBlock, encodeFetchBlocksRequest } from './wire/blocks.js';
import { decodeObserveResponse, encodeObserveRequest } from './wire/observe.js';
import { decodeFetchedState, encodeFetchStateRequest } from './wire/state.js';

export interface ObserverNetworkOptions extends Pick<
  PeerNetworkOptions,
  'network' | 'validators' | 'tls' | 'logger' | 'metrics' | 'limits' | 'timeouts'
> {
  /** Id in the observer's certificate. */
  readonly observer: string;
  readonly handlers: Pick<PeerNetworkOptions['handlers'], 'onStatus' | 'onConnected' | 'onDisconnected'>;
}

/**
 * Makes the network of an observer; nothing happens before `start`.
 *
 * @throws QuaestorError TLS_MATERIAL_INVALID or TLS_IDENTITY_MISMATCH when the certificate cannot be used.
 */
export function createObserverNetwork(options: ObserverNetworkOptions): PeerNetwork {
  return new ObserverNetwork(options);
}

interface Connection {
  readonly client: PeerClient;
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  /** Undefined until the validator has answered. */
  status: PeerStatus | undefined;
}

class Followed {
  readonly peer: Peer;
  connection: Connection | undefined;

  constructor(peer: Peer) {
    this.peer = peer;
  }
}

class ObserverNetwork implements PeerNetwork {
  readonly #options: ObserverNetworkOptions;
  readonly #dialing: DialerOptions;
  readonly #followed = new Map<ValidatorIndex, Followed>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  #tls: TlsContext;

  constructor(options: ObserverNetworkOptions) {
    this.#options = options;
    const limits = { ...defaultPeerLimits, ...options.limits };
    const timeouts = { ...defaultPeerTimeouts, ...options.timeouts };
    this.#dialing = { network: options.network, limits, timeouts, service: loadPeerService() };
    this.#tls = this.#prepare(options.tls);
    for (const validator of options.validators) {
      this.#followed.set(validator.index, new Followed(new Peer(validator, limits, timeouts)));
    }
  }

  start(): Promise<void> {
    for (const followed of this.#followed.values()) this.#dial(followed);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { connection } of this.#followed.values()) {
      connection?.call.cancel();
      connection?.client.close();
    }
    return Promise.resolve();
  }

  /** Nobody connects to an observer. */
  port(): number {
    return 0;
  }

  relayTransactions(envelopes: readonly Uint8Array[]): void {
    if (envelopes.length === 0) return;
    const messages: { readonly bytes: Buffer; readonly count: number }[] = [];
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (const [index, envelope] of envelopes.entries()) {
      batch.push(envelope);
      bytes += envelope.length;
      if (bytes < messageBytes && index + 1 < envelopes.length) continue;
      messages.push({ bytes: encodeObserveRequest(batch), count: batch.length });
      batch = [];
      bytes = 0;
    }
    const { maxRelayQueueBytes } = this.#dialing.limits;
    for (const { peer, connection } of this.#followed.values()) {
      if (connection?.status === undefined) continue;
      for (const message of messages) {
        if (connection.call.writableLength + message.bytes.length > maxRelayQueueBytes) {
          // What is lost here is relayed again when it has waited for too long.
          this.#options.metrics.shed(peer.validator.index, 'out', 'transactions', message.count);
        } else connection.call.write(message.bytes);
      }
    }
  }

  connected(): readonly ValidatorIndex[] {
    return this.peers()
      .filter((peer) => peer.connected)
      .map((peer) => peer.index);
  }

  peers(): readonly PeerState[] {
    return [...this.#followed.values()].map(({ peer, connection }) => ({
      ...peer.state(),
      connected: connection?.status !== undefined,
      status: connection?.status,
      queuedBytes: connection?.call.writableLength ?? 0,
    }));
  }

  fetchBlocks(from: ValidatorIndex, options: FetchBlocksOptions): AsyncIterable<FetchedBlock> {
    return this.#fetch(from, 'FetchBlocks', encodeFetchBlocksRequest(options), decodeFetchedBlock, options);
  }

  fetchState(from: ValidatorIndex, options: FetchStateOptions): AsyncIterable<FetchedState> {
    return this.#fetch(from, 'FetchState', encodeFetchStateRequest(options), decodeFetchedState, options);
  }

  reloadTls(material: TlsMaterial): void {
    this.#tls = this.#prepare(material);
    this.#options.logger.info({}, 'TLS certificate and authority were reloaded for new connections.');
  }

  /** Observers say nothing to each other, and nothing in consensus. */
  sendConsensus(): void {
    return;
  }

  sendStatus(): void {
    return;
  }

  tellObservers(): void {
    return;
  }

  requestBodies(): void {
    return;
  }

  sendBodies(): void {
    return;
  }

  sendEvidence(): void {
    return;
  }

  #prepare(material: TlsMaterial): TlsContext {
    const { network, observer } = this.#options;
    return prepareTls(material, network, { id: observer }, 'The TLS certificate', 'observer');
  }

  /** On the connection that is there: there are no votes on it that bulk could hold up. */
  async *#fetch<T>(
    from: ValidatorIndex,
    method: 'FetchBlocks' | 'FetchState',
    request: Buffer,
    decode: (message: Buffer) => Result<T, string>,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<T, void, undefined> {
    const followed = this.#followed.get(from);
    invariant(followed !== undefined, 'what is missing is fetched from a validator');
    const { peer, connection } = followed;
    const { validator } = peer;
    if (connection === undefined) {
      throw new QuaestorError('FETCH_FAILED', `There is no connection to validator "${validator.id}".`, {
        validator: validator.id,
      });
    }
    const stopping = this.#stopping.signal;
    yield* fetchBulk({
      open: () => connection.client,
      keep: true,
      start: (client) => client.fetch(method, request, options.deadlineMs),
      decode,
      peer: validator,
      signal: options.signal === undefined ? stopping : AbortSignal.any([stopping, options.signal]),
    });
  }

  #dial(followed: Followed): void {
    if (this.#stopping.signal.aborted) return;
    const { validator } = followed.peer;
    const client = new PeerClient(this.#dialing, validator, this.#tls);
    const call = client.connect('Observe');
    const connection: Connection = { client, call, status: undefined };
    followed.connection = connection;
    let ended = false;
    const end = (failure: LinkFailure): void => {
      if (ended) return;
      ended = true;
      call.cancel();
      client.close();
      this.#ended(followed, connection, failure);
    };
    call.on('data', (message: Buffer) => {
      if (ended) return;
      const status = decodeObserveResponse(message);
      if (!status.ok)
        end({ reason: 'garbage', detail: `it sent a message that cannot be read: ${status.error}` });
      else this.#heard(followed, connection, status.value);
    });
    call.on('error', (error: unknown) => end(client.explain(error)));
    call.on('end', () => end({ reason: 'closed', detail: 'the validator ended the stream' }));
  }

  #heard(followed: Followed, connection: Connection, status: PeerStatus): void {
    const { handlers, logger, metrics } = this.#options;
    const { id, index } = followed.peer.validator;
    const isFirst = connection.status === undefined;
    connection.status = status;
    if (isFirst) {
      followed.peer.reached(performance.now());
      logger.info({ peer: id }, 'Connected to a validator.');
      metrics.connected(index);
      handlers.onConnected(index);
    }
    handlers.onStatus(index, status);
  }

  #ended(followed: Followed, connection: Connection, failure: LinkFailure): void {
    const { handlers, logger, metrics } = this.#options;
    const { peer } = followed;
    const { id, index } = peer.validator;
    const wasOpen = connection.status !== undefined;
    followed.connection = undefined;
    if (this.#stopping.signal.aborted) return;
    peer.failed(failure.reason, wasOpen, performance.now());
    if (wasOpen) {
      logger.info({ peer: id, ...failure }, 'Disconnected from a validator.');
      metrics.disconnected(index, failure.reason);
      handlers.onDisconnected(index);
    } else {
      logger.debug({ peer: id, ...failure }, 'No connection to a validator.');
      metrics.refused(index, 'out', failure.reason);
    }
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#dial(followed);
      },
      peer.nextDelayMs(performance.now(), Math.random()),
    );
    this.#timers.add(timer);
  }
}
