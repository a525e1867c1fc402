/**
 * The signer's port: who calls is the validator whose key this is, by its certificate; what is asked goes through the
 * guard, then to disk, then to the key, then back, in the order of the requests. Never signs what the guard refuses.
 */
import { Server, status, type ServerDuplexStream } from '@grpc/grpc-js';
import { ApiServerCredentials } from '../api/tls.js';
import { bind, capConnections } from '../api/server.js';
import { decodeSignRequest, encodeSignResponse, type SignOutcome } from '../codec/index.js';
import type { Signer } from '../crypto/index.js';
import { readIdentity } from '../network/pki/index.js';
import type { TlsMaterial } from '../network/types.js';
import type { Logger } from '../telemetry/index.js';
import { formatVersionRange, highestCommonVersion, invariant, limits, type ChainId } from '../types/index.js';
import type { RefusalCode, SigningGuard } from './guard.js';
import type { Journal } from './journal.js';
import { loadSignMethod, offeredVersions, signerVersions } from './service.js';

/** What a signer counts. */
export interface SignerCounts {
  signed(kind: 'vote' | 'checkpoint' | 'viewChange' | 'newView' | 'hello'): void;
  refused(code: RefusalCode): void;
  /** From the request to its answer. */
  answered(ms: number): void;
  connections(open: number): void;
  finalHeight(height: number): void;
}

export interface SignerServerOptions {
  /** "host:port"; port 0 takes a free one. */
  readonly address: string;
  readonly network: string;
  /** Id of the validator whose key it is. */
  readonly validator: string;
  readonly chainId: ChainId;
  readonly tls: TlsMaterial;
  readonly key: Signer;
  readonly guard: SigningGuard;
  readonly journal: Journal;
  readonly log: Logger;
  readonly counts: SignerCounts;
  /** Why the key can't be used now, if so: then the validator is told instead of being kept waiting. */
  readonly trouble: () => string | undefined;
  /** Nothing can be signed any more. */
  readonly failed: (error: unknown) => void;
}

export interface RunningSigner {
  readonly port: number;
  /** Throws TLS_MATERIAL_INVALID and keeps the old certificates when these can't be used. */
  reloadTls(material: TlsMaterial): void;
  /** The key can't be used: ends all streams, with the reason. */
  interrupt(reason: string): void;
  close(): Promise<void>;
}

/** Most streams at once: a validator has one; a second is one that is about to be found dead, or a twin. */
const maxStreams = 4;
/** What is read from one stream and not answered yet. */
const maxOpenRequests = 256;
const maxOpenBytes = 2 * limits.maxPeerMessageBytes;

type SignCall = ServerDuplexStream<Buffer, Buffer>;

/** Starts the service. Rejects with LISTEN_FAILED or TLS_MATERIAL_INVALID. */
export async function startSignerServer(options: SignerServerOptions): Promise<RunningSigner> {
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limits.maxPeerMessageBytes,
    'grpc.max_concurrent_streams': maxStreams,
    'grpc.keepalive_time_ms': 5_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  const open = new Set<SignStream>();
  server.addService(
    { Sign: loadSignMethod() },
    {
      Sign: (call: SignCall) => {
        const reason = refusalOf(call, options, open.size);
        if (reason !== undefined) {
          // What is the own trouble was said already.
          options.log[reason.code === status.UNAVAILABLE ? 'debug' : 'warn'](
            { code: 'CONNECTION_REFUSED', from: call.getPeer(), reason: reason.details },
            'A caller was refused.',
          );
          call.emit('error', reason);
          return;
        }
        const stream = new SignStream(call, options);
        open.add(stream);
        options.counts.connections(open.size);
        options.log.info({ code: 'SIGNER_CONNECTED', from: call.getPeer() }, 'The validator has connected.');
        stream.ended.then(() => {
          open.delete(stream);
          options.counts.connections(open.size);
          options.log.warn({ code: 'SIGNER_DISCONNECTED', from: call.getPeer() }, 'The validator has gone.');
        }, options.failed);
      },
    },
  );
  const credentials = new ApiServerCredentials(options.tls);
  const port = await bind(server, options.address, credentials);
  capConnections(server, { maxPending: 64, maxPerIdentity: 16, maxIdentified: 64 });
  return {
    port,
    reloadTls: (material) => credentials.reload(material),
    interrupt: (reason) => {
      for (const stream of open) stream.stop(unusable(reason));
    },
    close: () => {
      for (const stream of open) stream.stop('The signer stops.');
      return shutdown(server);
    },
  };
}

const unusable = (reason: string): string => `The signer's key cannot be used. ${reason}`;

function refusalOf(
  call: SignCall,
  { network, validator, trouble }: SignerServerOptions,
  openStreams: number,
): { readonly code: status; readonly details: string } | undefined {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  const identity = raw === undefined ? undefined : readIdentity(raw);
  if (identity?.ok !== true) {
    return { code: status.UNAUTHENTICATED, details: 'The certificate names nobody of a network.' };
  }
  const { role, id, network: named } = identity.value;
  if (named !== network || role !== 'validator' || id !== validator) {
    return {
      code: status.PERMISSION_DENIED,
      details: `This signer serves validator "${validator}" of network "${network}"; the certificate names ${role} "${id}" of "${named}".`,
    };
  }
  const theirs = offeredVersions(call.metadata);
  if (highestCommonVersion(signerVersions, theirs) === undefined) {
    const older = theirs.newest < signerVersions.oldest ? 'validator' : 'signer';
    return {
      code: status.FAILED_PRECONDITION,
      details:
        `The validator speaks version ${formatVersionRange(theirs)} of the signer protocol, the signer ` +
        `${formatVersionRange(signerVersions)}: the ${older} has to be upgraded (docs/upgrades.md).`,
    };
  }
  const reason = trouble();
  if (reason !== undefined) return { code: status.UNAVAILABLE, details: unusable(reason) };
  if (openStreams < maxStreams) return undefined;
  return { code: status.RESOURCE_EXHAUSTED, details: `There are ${maxStreams} streams already.` };
}

/** One open call. */
class SignStream {
  /** Resolves when the call is over. Rejects when nothing can be signed any more. */
  readonly ended: Promise<void>;
  readonly #call: SignCall;
  readonly #options: SignerServerOptions;
  #last: Promise<void> = Promise.resolve();
  #openRequests = 0;
  #openBytes = 0;
  #over = false;
  #end: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(call: SignCall, options: SignerServerOptions) {
    this.#call = call;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    const over = (): void => {
      this.#over = true;
      this.#end();
    };
    call.on('data', (bytes: Buffer) => this.#receive(bytes));
    call.on('end', () => {
      call.end();
      over();
    });
    call.on('cancelled', over);
    call.on('error', over);
    const { chainId, key, guard } = options;
    const finalHeight = guard.state.final;
    const protocolVersion = highestCommonVersion(signerVersions, offeredVersions(call.metadata));
    invariant(protocolVersion !== undefined, 'a call without a common version is refused before');
    this.#answer(0, {
      kind: 'info',
      info: { protocolVersion, publicKey: key.publicKey, chainId, finalHeight },
    });
  }

  /** Ends the call: the validator dials again, or waits. */
  stop(details: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.emit('error', { code: status.UNAVAILABLE, details });
    this.#end();
  }

  #receive(bytes: Buffer): void {
    if (this.#over) return;
    const receivedMs = performance.now();
    const decoded = decodeSignRequest(bytes);
    if (!decoded.ok) {
      this.#over = true;
      this.#options.log.warn(
        { code: 'SIGNER_REFUSED', reason: decoded.error.message },
        'A request is malformed.',
      );
      this.#call.emit('error', { code: status.INVALID_ARGUMENT, details: decoded.error.message });
      this.#end();
      return;
    }
    const { guard, journal, key, counts, log } = this.#options;
    const { id, content } = decoded.value;
    this.#openRequests += 1;
    this.#openBytes += bytes.length;
    if (this.#isFull()) this.#call.pause();
    const verdict = guard.judge(content);
    let outcome: Promise<SignOutcome>;
    if (verdict.ok) {
      const { sign, changes } = verdict.value;
      // Also what changes nothing waits: it may be signed for the second time, and the first is not on disk yet.
      outcome = journal.append(changes).then(async () => {
        if (sign === undefined) return { kind: 'taken' };
        const signature = await key.sign(sign);
        if (content.kind !== 'entered' && content.kind !== 'finality') counts.signed(content.kind);
        return { kind: 'signature', signature };
      });
      if (content.kind === 'finality') counts.finalHeight(guard.state.final);
    } else {
      const { code, message } = verdict.error;
      counts.refused(code);
      log.error({ code: 'SIGNER_REFUSED', refusal: code, kind: content.kind }, message);
      outcome = Promise.resolve({ kind: 'refusal', code, message });
    }
    this.#last = Promise.all([outcome, this.#last]).then(
      ([settled]) => {
        this.#openRequests -= 1;
        this.#openBytes -= bytes.length;
        counts.answered(performance.now() - receivedMs);
        this.#answer(id, settled);
        if (!this.#over && this.#call.isPaused() && !this.#isFull()) this.#call.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #isFull(): boolean {
    return this.#openRequests >= maxOpenRequests || this.#openBytes >= maxOpenBytes;
  }

  #answer(id: number, outcome: SignOutcome): void {
    if (!this.#over) this.#call.write(Buffer.from(encodeSignResponse({ id, outcome })));
  }
}

/** A connection that does not end by itself in this time is cut. */
const graceMs = 500;

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
