import type { KeySource, NodeConfig, TlsFiles } from '../config/index.js';
import type { Signer } from '../crypto/index.js';
import { finalityLag, openHeldKey, RemoteSigner } from '../signer/index.js';
import type { Store } from '../storage/index.js';
import { readSetChanges } from '../sync/index.js';
import type { HealthState, Logger, Metrics } from '../telemetry/index.js';
import { asHeight, limits, type ChainId } from '../types/index.js';
import { readElectorates } from './electorate.js';
import { readTls } from './validator-settings.js';

export interface NodeSignersOptions {
  readonly config: NodeConfig;
  readonly network: string;
  readonly chainId: ChainId;
  readonly pipelineWindow: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: HealthState;
}

/** A remote signer is told so often, in blocks, how far the validator is. */
const blocksPerProof = 32;

/** The keys of a node, wherever they are: whether they can be used, and what a remote signer has to be told. */
export class NodeSigners {
  readonly #signers: Signer[] = [];
  readonly #options: NodeSignersOptions;
  readonly #remotes: { readonly signer: RemoteSigner; readonly tls: TlsFiles }[] = [];
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #troubles = new Map<string, string | undefined>();
  #store: Store | undefined;

  /** Opens the keys. Rejects with a QuaestorError; a signer or a token that is away is no reason. */
  static async open(options: NodeSignersOptions): Promise<NodeSigners> {
    const { role, key, nextKey } = options.config;
    const sources = role === 'observer' ? [] : Object.entries({ key, nextKey });
    const signers = new NodeSigners(options);
    try {
      for (const [name, source] of sources) {
        if (source !== undefined) signers.#signers.push(await signers.#open(name, source));
      }
    } catch (error) {
      await signers.close();
      throw error;
    }
    return signers;
  }

  private constructor(options: NodeSignersOptions) {
    this.#options = options;
    options.health.update({ signerReady: true });
    options.metrics.signer.ready.set(1);
    // Shown at once: an alert has to tell 0 from a node that says nothing.
    options.metrics.signer.waiting.set(0);
    options.metrics.signer.refusals.with({ code: 'CONFLICT' });
  }

  /** In order: the key, and the one that is to follow it. None for an observer. */
  get signers(): readonly Signer[] {
    return this.#signers;
  }

  /** The store is open: remote signers can be told what is final. */
  use(store: Store): void {
    this.#store = store;
    for (const { signer } of this.#remotes) void this.#prove(signer);
  }

  /** A block is durable. */
  committed(height: number): void {
    if (this.#remotes.length === 0 || height % blocksPerProof !== 0) return;
    for (const { signer } of this.#remotes) void this.#prove(signer);
  }

  async reloadCertificates(): Promise<void> {
    for (const { signer, tls } of this.#remotes) signer.reloadTls(await readTls(tls));
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }

  async #open(name: string, source: KeySource): Promise<Signer> {
    const { config, network, chainId, log, metrics } = this.#options;
    const changed = (ready: boolean, reason: string | undefined): void => this.#changed(name, ready, reason);
    if (source.kind !== 'remote') {
      if (source.kind === 'pkcs11') changed(false, 'The token is being opened.');
      const opened = await openHeldKey(source, changed);
      this.#closers.push(() => opened.close());
      return opened.signer;
    }
    const tls = await readTls(source.tls);
    this.#changed(name, false, 'The signer has not answered yet.');
    const remote: RemoteSigner = new RemoteSigner({
      address: source.address,
      network,
      validator: config.validator,
      chainId,
      publicKey: source.publicKey,
      tls,
      timeoutMs: source.timeoutMs,
      log,
      counts: {
        signed: (ms) => metrics.signer.duration.observe(ms / 1000),
        refused: (code) => metrics.signer.refusals.with({ code }).inc(),
        waiting: (requests) => metrics.signer.waiting.set(requests),
      },
      prove: () => this.#prove(remote),
      changed: (ready, reason) => {
        this.#changed(
          name,
          ready,
          reason && `The signer at ${source.address} cannot be asked: ${reason.replace(/\.$/, '')}.`,
        );
        if (ready) void this.#prove(remote);
      },
    });
    this.#remotes.push({ signer: remote, tls: source.tls });
    this.#closers.push(() => {
      remote.close();
      return Promise.resolve();
    });
    return remote;
  }

  #changed(name: string, ready: boolean, reason: string | undefined): void {
    const { log, health, metrics } = this.#options;
    const before = this.#troubles.get(name);
    this.#troubles.set(name, ready ? undefined : (reason ?? 'It cannot be used.'));
    const trouble = [...this.#troubles.values()].find((each) => each !== undefined);
    health.update({ signerReady: trouble === undefined, signerTrouble: trouble });
    metrics.signer.ready.set(trouble === undefined ? 1 : 0);
    if (ready && before !== undefined) {
      log.info({ code: 'SIGNER_READY', key: name }, 'The validator key can be used.');
    } else if (!ready) {
      log.warn(
        { code: 'SIGNER_NOT_READY', key: name, reason },
        `This validator does not vote for now: ${reason ?? 'its key cannot be used.'}`,
      );
    }
  }

  /** Tells a signer how far this validator is, and which validator sets led there. */
  async #prove(remote: RemoteSigner): Promise<void> {
    const store = this.#store;
    const head = store?.head();
    if (store === undefined || head === undefined || head.height === 0) return;
    try {
      const { current } = await readElectorates(store);
      const last = current.activationHeight - 1;
      const height = asHeight(Math.max(head.height - finalityLag(this.#options.pipelineWindow), last));
      const stored = height < 1 ? undefined : await store.header(height);
      if (stored?.certificate === undefined) return;
      const known =
        current.epoch === 0 ? [] : await readSetChanges(store, height, 0, limits.maxValidatorSetChanges);
      remote.final(stored.certificate, known);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn({ reason }, 'The signer could not be told what is final.');
    }
  }
}
