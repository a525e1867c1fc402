/** A signer as `quaestor signer start` runs it, in a folder of its own, and validators that call it. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Genesis } from '../../src/codec/index.js';
import { renderGenesisJson, type HeldKey, type SignerConfig } from '../../src/config/index.js';
import { keyPairFromSeed, writeKeystore } from '../../src/crypto/native/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import {
  createAuthority,
  issueCertificate,
  type CertificateIdentity,
  type KeyAndCertificate,
} from '../../src/network/pki/index.js';
import type { TlsMaterial } from '../../src/network/types.js';
import { initSigner, RemoteSigner, startSigner, type RunningSignerProcess } from '../../src/signer/index.js';
import { createLogger } from '../../src/telemetry/index.js';
import type { PublicKey, VersionRange } from '../../src/types/index.js';
import { eventually } from './eventually.js';

const validity = { nowMs: Date.now(), days: 2 };

export class SignerPlace {
  readonly dir: string;
  readonly genesis: Genesis;
  readonly publicKey: PublicKey;
  readonly lines: string[] = [];
  readonly refused: string[] = [];
  config: SignerConfig;
  process: RunningSignerProcess | undefined;
  readonly #authority: KeyAndCertificate;
  readonly #remotes: RemoteSigner[] = [];

  /** A signer of validator "v0" of a genesis, whose key is made of `seed`. */
  static async make(genesis: Genesis, seed: Uint8Array): Promise<SignerPlace> {
    const dir = await mkdtemp(join(tmpdir(), 'quaestor-signer-'));
    const authority = await createAuthority(genesis.network, validity);
    const pair = keyPairFromSeed(seed);
    const place = new SignerPlace(dir, genesis, pair.publicKey, authority);
    await writeFile(place.config.genesisFile, renderGenesisJson(genesis));
    const file = join(dir, 'v0.key');
    const written = await writeKeystore(file, pair, 'password', { scryptCost: { n: 2 ** 14, r: 8, p: 1 } });
    if (!written.ok) throw written.error;
    await writeFile(join(dir, 'password'), 'password\n', { mode: 0o600 });
    await mkdir(join(dir, 'tls'));
    const tls = await place.issue('signer', 'v0');
    for (const [name, text] of [
      ['ca', tls.caPem],
      ['cert', tls.certificatePem],
      ['key', tls.privateKeyPem],
    ] as const) {
      await writeFile(join(dir, 'tls', name), text);
      await chmod(join(dir, 'tls', name), 0o600);
    }
    return place;
  }

  private constructor(dir: string, genesis: Genesis, publicKey: PublicKey, authority: KeyAndCertificate) {
    this.dir = dir;
    this.genesis = genesis;
    this.publicKey = publicKey;
    this.#authority = authority;
    const key: HeldKey = { kind: 'file', file: join(dir, 'v0.key'), passwordFile: join(dir, 'password') };
    const tls = { ca: join(dir, 'tls/ca'), cert: join(dir, 'tls/cert'), key: join(dir, 'tls/key') };
    this.config = {
      file: join(dir, 'signer.yaml'),
      warnings: [],
      validator: 'v0',
      genesisFile: join(dir, 'genesis.json'),
      stateDir: join(dir, 'state'),
      listen: { validator: { host: '127.0.0.1', port: 0 }, http: { host: '127.0.0.1', port: 0 } },
      tls,
      key,
      log: { level: 'info', format: 'json' },
    };
  }

  async issue(role: CertificateIdentity['role'], id: string): Promise<TlsMaterial> {
    const identity = { network: this.genesis.network, role, id };
    const issued = await issueCertificate(this.#authority, { identity, hosts: [] }, validity);
    return { caPem: this.#authority.certificatePem, ...issued };
  }

  init(from = { height: 0, view: 0 }): Promise<void> {
    return initSigner(this.config, from);
  }

  async start(): Promise<RunningSignerProcess> {
    const log = createLogger({
      level: 'info',
      format: 'json',
      sink: { write: (line: string) => this.lines.push(line) > 0 },
    });
    const process = await startSigner({ config: this.config, log, version: 'test' });
    this.process = process;
    // Started again, it is where it was.
    const { validator: port } = process.ports;
    this.config = {
      ...this.config,
      listen: { ...this.config.listen, validator: { host: '127.0.0.1', port } },
    };
    return process;
  }

  async stop(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  /** A validator's side, connected if `awaited`. */
  async connect(
    tls?: TlsMaterial,
    publicKey = this.publicKey,
    awaited = true,
    versions?: VersionRange,
  ): Promise<RemoteSigner> {
    const reasons: string[] = [];
    const remote = new RemoteSigner({
      address: `127.0.0.1:${this.config.listen.validator.port}`,
      network: this.genesis.network,
      validator: 'v0',
      chainId: genesisChainId(this.genesis),
      publicKey,
      ...(versions !== undefined && { versions }),
      tls: tls ?? (await this.issue('validator', 'v0')),
      timeoutMs: 2000,
      log: createLogger({ level: 'error', format: 'json' }),
      counts: {
        signed: () => undefined,
        refused: (code) => this.refused.push(code),
        waiting: () => undefined,
      },
      prove: () => Promise.resolve(),
      changed: (_ready, reason) => {
        if (reason !== undefined) reasons.push(reason);
      },
    });
    this.#remotes.push(remote);
    this.reasons = reasons;
    if (awaited) await eventually('the signer answers', () => remote.ready);
    return remote;
  }

  /** Why the latest connection is none. */
  reasons: readonly string[] = [];

  async close(): Promise<void> {
    for (const remote of this.#remotes) remote.close();
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
