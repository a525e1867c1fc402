/**
 * The validator's side of a remote signer: one stream, requests one behind the other without waiting for answers, and
 * when the signer is away, everything that was not answered again on the next stream, in order.
 */
import {
  ChannelCredentials,
  Client,
  status,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { createSecureContext, type PeerCertificate } from 'node:tls';
import {
  decodeSignResponse,
  encodeSignRequest,
  type CommitCertificate,
  type SignContent,
  type SignOutcome,
  type SignerInfo,
  type ValidatorSetChange,
} from '../codec/index.js';
import type { Signer } from '../crypto/index.js';
import { readIdentity } from '../network/pki/index.js';
import { tlsOptionsOf } from '../network/tls.js';
import type { TlsMaterial } from '../network/types.js';
import type { Logger } from '../telemetry/index.js';
import {
  equalBytes,
  formatVersionRange,
  highestCommonVersion,
  limits,
  QuaestorError,
  toHex,
  type ChainId,
  type PublicKey,
  type Signature,
  type VersionRange,
} from '../types/index.js';
import { contentOf } from './content.js';
import { loadSignMethod, signerVersions, versionsMetadata, type SignMethod } from './service.js';

/** What a validator counts of its signer. */
export interface RemoteSignerCounts {
  /** From the request to the signature, the time without a connection included. */
  signed(ms: number): void;
  refused(code: string): void;
  waiting(requests: number): void;
}

export interface RemoteSignerOptions {
  /** "host:port". */
  readonly address: string;
  readonly network: string;
  /** Own id: the signer's certificate names it. */
  readonly validator: string;
  readonly chainId: ChainId;
  /** Versions of the protocol that it speaks; default: those that this software knows. */
  readonly versions?: VersionRange;
  /** The key that the signer must hold. */
  readonly publicKey: PublicKey;
  readonly tls: TlsMaterial;
  /** A signer that leaves a request unanswered for so long is given up, and dialled again. */
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly counts: RemoteSignerCounts;
  /** Asks for `final` with the latest there is: the signer knows too little to answer. */
  readonly prove: () => Promise<void>;
  /** The signer answers, or does not: `reason` says why. */
  readonly changed: (ready: boolean, reason: string | undefined) => void;
}

/** Most requests that wait for the signer; beyond it the oldest are given up. Many times what is in flight at once. */
const maxWaiting = 2048;
const minReconnectMs = 50;
const maxReconnectMs = 2_000;
/** A connection that is silent for so long is checked. */
const keepaliveMs = 5_000;

/** Refusals that may be for want of a proof. */
const lackOfKnowledge: ReadonlySet<string> = new Set(['WRONG_VALIDATOR_SET', 'TOO_FAR_AHEAD']);

interface Request {
  readonly id: number;
  readonly content: SignContent;
  readonly askedMs: number;
  readonly resolve: (outcome: SignOutcome) => void;
  readonly reject: (error: QuaestorError) => void;
}

type SignCall = ClientDuplexStream<Buffer, Buffer>;

/** A key that another process holds. `sign` rejects with SIGNER_REFUSED, SIGNER_UNAVAILABLE or SIGNER_CLOSED. */
export class RemoteSigner implements Signer {
  readonly publicKey: PublicKey;
  readonly #options: RemoteSignerOptions;
  readonly #method: SignMethod = loadSignMethod();
  /** In the order in which they were asked, unanswered. */
  readonly #waiting = new Map<number, Request>();
  #tls: TlsMaterial;
  #nextId = 1;
  #call: SignCall | undefined;
  #client: Client | undefined;
  #info: SignerInfo | undefined;
  #reconnectMs = minReconnectMs;
  #timer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #lastReason = '';
  /** The latest facts: a signer that was away is told them first. */
  #entered: Uint8Array | undefined;
  #closed = false;

  constructor(options: RemoteSignerOptions) {
    this.#options = options;
    this.publicKey = options.publicKey;
    this.#tls = options.tls;
    this.#connect();
  }

  /** Whether the signer answers. */
  get ready(): boolean {
    return this.#info !== undefined;
  }

  async sign(message: Uint8Array): Promise<Signature> {
    const content = contentOf(message);
    // A handshake is not worth waiting: it is tried again.
    if (content.kind === 'hello' && !this.ready) throw unavailable('it is not connected');
    const startedMs = performance.now();
    let outcome = await this.#ask(content);
    if (outcome.kind === 'refusal' && lackOfKnowledge.has(outcome.code)) {
      await this.#options.prove();
      outcome = await this.#ask(content);
    }
    if (outcome.kind === 'signature' && outcome.signature.length === 64) {
      this.#options.counts.signed(performance.now() - startedMs);
      return outcome.signature;
    }
    if (outcome.kind === 'refusal') {
      this.#options.counts.refused(outcome.code);
      throw new QuaestorError('SIGNER_REFUSED', outcome.message, {
        refusal: outcome.code,
        kind: content.kind,
      });
    }
    throw unavailable('it answered what was not asked');
  }

  /** The validator has entered a view by this canonical SignedNewView. */
  entered(newView: Uint8Array): void {
    this.#entered = newView;
    if (this.ready) this.#tell({ kind: 'entered', bytes: newView });
  }

  /** Everything up to the block of this certificate is on the validator's disk. */
  final(certificate: CommitCertificate, setChanges: readonly ValidatorSetChange[]): void {
    if (this.ready) this.#tell({ kind: 'finality', finality: { certificate, setChanges } });
  }

  /** Uses other certificates, on a new connection. */
  reloadTls(tls: TlsMaterial): void {
    this.#tls = tls;
    this.#lost('its certificates are replaced');
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop();
    for (const { reject } of this.#waiting.values()) {
      reject(new QuaestorError('SIGNER_CLOSED', 'The key can no longer sign: it was closed.'));
    }
    this.#waiting.clear();
  }

  #tell(content: SignContent): void {
    this.#ask(content).then(
      (outcome) => {
        if (outcome.kind !== 'refusal') return;
        this.#options.counts.refused(outcome.code);
        this.#options.log.warn(
          { code: 'SIGNER_REFUSED', refusal: outcome.code, kind: content.kind },
          `The signer does not believe what it was told: ${outcome.message}`,
        );
      },
      () => undefined,
    );
  }

  #ask(content: SignContent): Promise<SignOutcome> {
    if (this.#closed) {
      return Promise.reject(new QuaestorError('SIGNER_CLOSED', 'The key can no longer sign: it was closed.'));
    }
    return new Promise((resolve, reject) => {
      const request = { id: this.#nextId++, content, askedMs: performance.now(), resolve, reject };
      this.#waiting.set(request.id, request);
      this.#options.counts.waiting(this.#waiting.size);
      for (const [id, oldest] of this.#waiting) {
        if (this.#waiting.size <= maxWaiting) break;
        this.#waiting.delete(id);
        oldest.reject(unavailable('too much waits for it'));
      }
      if (this.ready) this.#send(request);
    });
  }

  #send({ id, content }: Request): void {
    this.#call?.write(Buffer.from(encodeSignRequest({ id, content })));
  }

  #connect(): void {
    if (this.#closed) return;
    const { address, network, validator } = this.#options;
    let wrongIdentity: string | undefined;
    let credentials: ChannelCredentials;
    try {
      credentials = ChannelCredentials.createFromSecureContext(createSecureContext(tlsOptionsOf(this.#tls)), {
        checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
          const identity = readIdentity(certificate.raw);
          if (identity.ok) {
            const { role, id, network: named } = identity.value;
            if (role === 'signer' && id === validator && named === network) return undefined;
            wrongIdentity = `its certificate names ${role} "${id}" of network "${named}", not signer "${validator}" of "${network}"`;
          } else wrongIdentity = identity.error.message;
          return new Error(wrongIdentity);
        },
      });
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
      return;
    }
    const client = new Client(address, credentials, {
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_send_message_length': limits.maxPeerMessageBytes,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveMs,
      // Identity is by certificate, not by host: the name only keeps an IP address out of the TLS server name.
      'grpc.ssl_target_name_override': 'signer.quaestor.internal',
    });
    this.#client = client;
    const { path, requestSerialize, responseDeserialize } = this.#method;
    const metadata = versionsMetadata(this.#options.versions ?? signerVersions);
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    this.#call = call;
    const ended = (reason: string): void => {
      if (call === this.#call) this.#lost(wrongIdentity ?? reason);
    };
    call.on('data', (bytes: Buffer) => {
      if (call === this.#call) this.#receive(bytes);
    });
    call.on('error', (error: ServiceError) =>
      ended(error.code === status.CANCELLED ? 'the call ended' : error.details),
    );
    call.on('end', () => ended('it closed the connection'));
    const { timeoutMs } = this.#options;
    const connectedMs = performance.now();
    this.#watch = setInterval(
      () => {
        const [oldest] = this.#waiting.values();
        const sinceMs = this.ready ? Math.max(oldest?.askedMs ?? Infinity, this.#readyMs) : connectedMs;
        if (performance.now() - sinceMs > timeoutMs) ended(`it did not answer within ${timeoutMs} ms`);
      },
      Math.max(50, timeoutMs / 4),
    );
    this.#watch.unref();
  }

  #readyMs = 0;

  #receive(bytes: Buffer): void {
    const decoded = decodeSignResponse(bytes);
    if (!decoded.ok) {
      this.#lost(`it answers what is not understood: ${decoded.error.message}`);
      return;
    }
    const { id, outcome } = decoded.value;
    if (outcome.kind === 'info') {
      this.#greeted(outcome.info);
      return;
    }
    // Any answer shows that it is at work.
    this.#readyMs = performance.now();
    const request = this.#waiting.get(id);
    if (request === undefined) return;
    this.#waiting.delete(id);
    this.#options.counts.waiting(this.#waiting.size);
    // A view of the buffer that it came in would keep that alive.
    request.resolve(
      outcome.kind === 'signature'
        ? { ...outcome, signature: outcome.signature.slice() as Signature }
        : outcome,
    );
  }

  #greeted(info: SignerInfo): void {
    const { publicKey, chainId, versions = signerVersions } = this.#options;
    const said = { oldest: info.protocolVersion, newest: info.protocolVersion };
    if (highestCommonVersion(versions, said) === undefined) {
      this.#lost(
        `it speaks version ${info.protocolVersion} of the signer protocol, this validator ` +
          formatVersionRange(versions),
      );
    } else if (!equalBytes(info.publicKey, publicKey)) {
      this.#lost(`it holds key ${toHex(info.publicKey)}, not ${toHex(publicKey)} (key.remote.publicKey)`);
    } else if (!equalBytes(info.chainId, chainId)) {
      this.#lost(`it signs for chain ${toHex(info.chainId)}, not ${toHex(chainId)}`);
    } else {
      this.#info = { ...info };
      this.#readyMs = performance.now();
      this.#reconnectMs = minReconnectMs;
      this.#lastReason = '';
      const unanswered = [...this.#waiting.values()];
      // First what it has to know, then what it was asked.
      if (this.#entered !== undefined) this.#tell({ kind: 'entered', bytes: this.#entered });
      this.#options.changed(true, undefined);
      for (const request of unanswered) this.#send(request);
    }
  }

  #lost(reason: string): void {
    const wasReady = this.ready;
    this.#drop();
    if (this.#closed) return;
    if (wasReady || reason !== this.#lastReason) this.#options.changed(false, reason);
    this.#lastReason = reason;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#reconnectMs);
    this.#reconnectMs = Math.min(maxReconnectMs, this.#reconnectMs * 2);
  }

  #drop(): void {
    clearInterval(this.#watch);
    const call = this.#call;
    const client = this.#client;
    this.#call = undefined;
    this.#client = undefined;
    this.#info = undefined;
    call?.on('error', () => undefined);
    call?.cancel();
    client?.close();
  }
}

function unavailable(reason: string): QuaestorError {
  return new QuaestorError(
    'SIGNER_UNAVAILABLE',
    `The remote signer cannot be asked: ${reason}. The validator does not vote until it can.`,
  );
}
