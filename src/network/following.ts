/**
 * The validators that this node only follows: one connection to each, on which it hears where the validator stands,
 * fetches blocks and state, and relays transactions. It says nothing in consensus there, and proves no validator's key.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { PeerStatus } from '../codec/model.js';
import type { ValidatorIndex } from '../types/index.js';
import { PeerClient, type DialerOptions } from './dialer.js';
import type { LinkFailure } from './link.js';
import { messageBytes } from './link.js';
import { Peer } from './peer.js';
import type { TlsContext } from './tls.js';
import type { PeerHandlers, PeerNetworkOptions, PeerValidator } from './types.js';
import { decodeObserveResponse, encodeObserveRequest } from './wire/observe.js';

export interface FollowingOptions {
  readonly dialing: DialerOptions;
  /** For the next connection. */
  tls(): TlsContext;
  readonly handlers: Pick<PeerHandlers, 'onStatus' | 'onConnected' | 'onDisconnected'>;
  readonly logger: PeerNetworkOptions['logger'];
  readonly metrics: PeerNetworkOptions['metrics'];
}

interface Connection {
  readonly client: PeerClient;
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  /** Undefined until the validator has answered. */
  status: PeerStatus | undefined;
  end(failure: LinkFailure): void;
}

interface Followed {
  readonly peer: Peer;
  connection: Connection | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** How a followed validator is doing. */
export interface FollowedState {
  /** It has answered. */
  readonly status: PeerStatus | undefined;
  readonly queuedBytes: number;
  readonly lastFailure: Peer['lastFailure'];
  /** The connection, for other calls. */
  readonly client: PeerClient | undefined;
}

export class Following {
  readonly #options: FollowingOptions;
  readonly #followed = new Map<ValidatorIndex, Followed>();

  constructor(options: FollowingOptions) {
    this.#options = options;
  }

  /** Follows these validators, and nobody else any more. */
  follow(validators: readonly PeerValidator[]): void {
    const wanted = new Map(validators.map((validator) => [validator.index, validator]));
    for (const index of this.#followed.keys()) if (!wanted.has(index)) this.#leave(index);
    const { limits, timeouts } = this.#options.dialing;
    for (const [index, validator] of wanted) {
      const known = this.#followed.get(index);
      if (known === undefined) {
        const peer = new Peer(validator, limits, timeouts, performance.now());
        const followed: Followed = { peer, connection: undefined, timer: undefined };
        this.#followed.set(index, followed);
        this.#dial(followed);
      } else {
        known.peer.validator = validator;
        if (known.connection === undefined && known.timer === undefined) this.#dial(known);
      }
    }
  }

  /** Whether anything is heard of a validator here; undefined when it is not followed. */
  state(index: ValidatorIndex): FollowedState | undefined {
    const followed = this.#followed.get(index);
    if (followed === undefined) return undefined;
    const { connection, peer } = followed;
    return {
      status: connection?.status,
      queuedBytes: connection?.call.writableLength ?? 0,
      lastFailure: peer.lastFailure,
      client: connection?.client,
    };
  }

  /** Passes canonical envelopes on to all that are connected. */
  relay(envelopes: readonly Uint8Array[]): void {
    const open = [...this.#followed.values()].filter(({ connection }) => connection?.status !== undefined);
    if (envelopes.length === 0 || open.length === 0) return;
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
    const { maxRelayQueueBytes } = this.#options.dialing.limits;
    for (const { peer, connection } of open) {
      for (const message of messages) {
        if (
          connection === undefined ||
          connection.call.writableLength + message.bytes.length > maxRelayQueueBytes
        ) {
          // What is lost here is relayed again when it has waited for too long.
          this.#options.metrics.shed(peer.validator.index, 'out', 'transactions', message.count);
        } else connection.call.write(message.bytes);
      }
    }
  }

  #dial(followed: Followed): void {
    const target = followed.peer.target();
    if (target === undefined) return;
    const client = new PeerClient(this.#options.dialing, target, this.#options.tls());
    const call = client.connect('Observe');
    let ended = false;
    const end = (failure: LinkFailure): void => {
      if (ended) return;
      ended = true;
      call.cancel();
      client.close();
      this.#ended(followed, connection, failure);
    };
    const connection: Connection = { client, call, status: undefined, end };
    followed.connection = connection;
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

  #leave(index: ValidatorIndex): void {
    const followed = this.#followed.get(index);
    if (followed === undefined) return;
    clearTimeout(followed.timer);
    this.#followed.delete(index);
    followed.connection?.end({ reason: 'closed', detail: 'it is not followed any more' });
  }

  #heard(followed: Followed, connection: Connection, status: PeerStatus): void {
    const { handlers, logger, metrics } = this.#options;
    const { id, index } = followed.peer.validator;
    const isFirst = connection.status === undefined;
    connection.status = status;
    if (isFirst) {
      followed.peer.reached(performance.now());
      logger.info({ peer: id }, 'Following a validator.');
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
    const isFollowed = this.#followed.get(index) === followed;
    followed.connection = undefined;
    peer.failed(failure.reason, wasOpen, performance.now());
    if (wasOpen) {
      logger.info({ peer: id, ...failure }, 'A validator is not followed any more.');
      metrics.disconnected(index, failure.reason);
      handlers.onDisconnected(index);
    } else if (isFollowed) {
      logger.debug({ peer: id, ...failure }, 'No connection to a validator.');
      metrics.refused(index, 'out', failure.reason);
    }
    if (!isFollowed) return;
    followed.timer = setTimeout(
      () => {
        followed.timer = undefined;
        this.#dial(followed);
      },
      peer.nextDelayMs(performance.now(), Math.random()),
    );
  }
}
