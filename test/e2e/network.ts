/**
 * A network of real validator processes for the end-to-end tests: made by `quaestor init`, run by `quaestor start`, on
 * ports of its own. Processes are children with a channel, so that they stop by themselves when the test's process dies.
 * The commands run from dist, which `npm test` builds first; E2E_SOFTWARE names the folder of another build.
 */
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { QuaestorClient, type ClientOptions, type ClientTls } from '../../src/client/index.js';
import type { Genesis } from '../../src/codec/index.js';
import { loadGenesis } from '../../src/config/index.js';
import { openKeyFile } from '../../src/crypto/native/index.js';
import type { Signer } from '../../src/crypto/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { issueCertificate, type IdentityRole, type Validity } from '../../src/network/pki/index.js';
import type { ChainId } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { programOf, quaestorOf, softwareFolder } from './command-line.js';
import { prepareJoining } from './joining.js';
import {
  ValidatorProcess,
  type Environment,
  type ValidatorPlace,
  type ValidatorPorts,
  type ValidatorProcessOptions,
} from './validator-process.js';

/** Timeouts short enough for tests to see view changes, long enough for a machine that runs several networks. */
const testEnvironment: Environment = {
  QUAESTOR_CONSENSUS_VIEW_TIMEOUT: '1s',
  QUAESTOR_CONSENSUS_MAX_VIEW_TIMEOUT: '8s',
  QUAESTOR_CONSENSUS_PRIMARY_SILENCE: '2s',
  QUAESTOR_NETWORK_MAX_RECONNECT_DELAY: '500ms',
  QUAESTOR_VERIFIER_THREADS: '1',
  QUAESTOR_LOG_FORMAT: 'pretty',
};

export interface NetworkOptions {
  /** Default 4. */
  readonly validators?: number;
  /** Default 0. They are not started with the network. */
  readonly observers?: number;
  /** Default 0. Validators that the genesis does not have, beside those that it has; not started with the network. */
  readonly joining?: number;
  /** Changes to the text of the world file, configs/devnet.yaml. */
  readonly world?: (text: string) => string;
  /** Changes to the text of the genesis before anything uses it. */
  readonly genesis?: (text: string) => string;
  /** Folder of the build that makes and runs it. Default: the one under test. */
  readonly software?: string;
  /** More variables for all validators. */
  readonly environment?: Environment;
}

interface InitDocument {
  readonly genesis: string;
  readonly validators: readonly {
    readonly id: string;
    readonly config: string;
    readonly ports: ValidatorPorts;
  }[];
  readonly observers: InitDocument['validators'];
  readonly profiles: Readonly<Record<string, string>>;
  readonly operatorProfile: string;
}

/** Identity of a member or operator: what it connects and signs with. */
export interface TestMember {
  readonly member: string;
  readonly tls: ClientTls;
  readonly signer: Signer;
}

const openNetworks = new Set<TestNetwork>();

export class TestNetwork {
  readonly dir: string;
  readonly genesis: Genesis;
  readonly chainId: ChainId;
  readonly validators: readonly ValidatorProcess[];
  readonly observers: readonly ValidatorProcess[];
  readonly #document: InitDocument;
  readonly #environment: Environment;
  readonly #program: string;
  readonly #claim: Server;
  readonly #clients: QuaestorClient[] = [];
  readonly #members = new Map<string, Promise<TestMember>>();

  /** Makes the folder of a network. Nothing runs yet. */
  static async create(options: NetworkOptions = {}): Promise<TestNetwork> {
    const count = options.validators ?? 4;
    const dir = await mkdtemp(join(tmpdir(), 'quaestor-e2e-'));
    const observers = options.observers ?? 0;
    const joining = options.joining ?? 0;
    const software = options.software ?? softwareFolder;
    const { base, claim } = await claimPorts(count + observers + joining);
    try {
      const world = await readFile(join(software, 'configs', 'devnet.yaml'), 'utf8');
      const worldFile = join(dir, 'world.yaml');
      await writeFile(worldFile, options.world?.(world) ?? world);
      const made = ['--dir', join(dir, 'network'), '--world', worldFile, '--validators', String(count)];
      if (observers > 0) made.push('--observers', String(observers));
      const output = await quaestorOf(software, 'init', ...made, '--base-port', String(base), '--json');
      const document = JSON.parse(output) as InitDocument;
      if (options.genesis !== undefined) await changeGenesis(join(dir, 'network'), options.genesis);
      const genesis = await loadGenesis(document.genesis);
      if (!genesis.ok) throw genesis.error;
      const joiners: ValidatorPlace[] = [];
      for (let index = count; index < count + joining; index++) {
        const offset = index + observers;
        const first = base + 10 * (offset + 1);
        const ports = { peer: first, client: first + 1, admin: first + 2, http: first + 3 };
        joiners.push(
          await prepareJoining(join(dir, 'network'), genesis.value.network, count, index, offset, ports),
        );
      }
      const environment = options.environment ?? {};
      return new TestNetwork(dir, document, joiners, genesis.value, claim, environment, software);
    } catch (error) {
      claim.close();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Makes a network and starts it; resolves when all validators are ready and see each other. */
  static async start(options: NetworkOptions = {}): Promise<TestNetwork> {
    const network = await TestNetwork.create(options);
    try {
      await network.startAll();
    } catch (error) {
      await network.close();
      throw withLogs(error, [network]);
    }
    return network;
  }

  private constructor(
    dir: string,
    document: InitDocument,
    joining: readonly ValidatorPlace[],
    genesis: Genesis,
    claim: Server,
    environment: Environment,
    software: string,
  ) {
    this.dir = dir;
    this.#program = programOf(software);
    this.#document = document;
    this.#claim = claim;
    this.genesis = genesis;
    this.chainId = genesisChainId(genesis);
    this.#environment = { ...testEnvironment, ...environment };
    const founders = document.validators.map((place, index): ValidatorPlace => ({ ...place, index }));
    this.validators = [...founders, ...joining].map(
      (place) => new ValidatorProcess(this.processOptions(place)),
    );
    this.observers = document.observers.map(
      (place, index) =>
        new ValidatorProcess(this.processOptions({ ...place, index: this.validators.length + index })),
    );
    openNetworks.add(this);
  }

  /** What runs a validator of this network: for a second process of one. */
  processOptions(place: ValidatorPlace): ValidatorProcessOptions {
    const { id, index, config, ports } = place;
    const logFile = join(this.dir, `${id}.log`);
    return { program: this.#program, id, index, config, ports, logFile, environment: this.#environment };
  }

  /** Starts the validators that do not run; resolves when all are ready and connected to each other. */
  async startAll(): Promise<void> {
    for (const validator of this.validators) if (!validator.running) validator.start();
    await this.whole();
  }

  /** Resolves when all validators are ready and connected to each other. */
  async whole(): Promise<void> {
    const operator = await this.operator();
    await Promise.all(this.validators.map((validator) => validator.ready()));
    await eventually('all validators are connected to each other', async () => {
      const statuses = await operator.getStatusOfAll({ timeoutMs: 2000 });
      return statuses.every(
        (item) => 'status' in item && item.status.connectedValidators === this.validators.length,
      );
    });
  }

  validator(id: string): ValidatorProcess {
    const found = this.validators.find((validator) => validator.id === id);
    if (found === undefined) throw new Error(`there is no validator ${id}`);
    return found;
  }

  /** Certificates and keys of a member. */
  member(member: string): Promise<TestMember> {
    let found = this.#members.get(member);
    if (found === undefined) {
      const folder = this.#document.profiles[member];
      if (folder === undefined) throw new Error(`there is no member ${member}`);
      found = (async () => ({
        member,
        tls: await readTls(folder),
        signer: await openKeyFile(
          join(folder, 'keys', 'member.key'),
          join(folder, 'keys', 'member.password'),
        ),
      }))();
      this.#members.set(member, found);
    }
    return found;
  }

  /** A certificate of the network's own authority. */
  async issue(
    role: IdentityRole,
    id: string,
    options: { readonly network?: string; readonly validity?: Validity } = {},
  ): Promise<ClientTls> {
    const folder = join(this.dir, 'network', 'authority');
    const [certificatePem, privateKeyPem] = (await Promise.all(
      ['ca.pem', 'ca-key.pem'].map((name) => readFile(join(folder, name), 'utf8')),
    )) as [string, string];
    const identity = { network: options.network ?? this.genesis.network, role, id };
    const subject = { identity, hosts: ['127.0.0.1', 'localhost'] };
    const validity = options.validity ?? { nowMs: Date.now(), days: 2 };
    const issued = await issueCertificate({ certificatePem, privateKeyPem }, subject, validity);
    return { caPem: certificatePem, ...issued };
  }

  /** Puts a new certificate in the place of a validator's, and tells it; gives the certificate. */
  async renewCertificateOf(validator: ValidatorProcess, validity?: Validity): Promise<ClientTls> {
    const renewed = await this.issue('validator', validator.id, validity === undefined ? {} : { validity });
    await this.putCertificateOf(validator, renewed);
    return renewed;
  }

  /** Puts a certificate in the place of a validator's, whatever it is, and tells it. */
  async putCertificateOf(validator: ValidatorProcess, renewed: ClientTls): Promise<void> {
    for (const [name, text] of [
      ['validator.pem', renewed.certificatePem],
      ['validator-key.pem', renewed.privateKeyPem],
    ] as const) {
      const path = join(validator.dir, 'tls', name);
      await writeFile(`${path}.new`, text, { mode: 0o600 });
      await rename(`${path}.new`, path);
    }
    validator.signal('SIGHUP');
  }

  /** Options of a client that knows all validators, or those of the given indexes. */
  clientOptions(tls: ClientTls, indexes = this.validators.map(({ index }) => index)): ClientOptions {
    const validators = indexes.map((index) => {
      const { id, clientAddress } = this.validators[index]!;
      return { id, address: clientAddress };
    });
    return { validators, tls, genesis: this.genesis, preferredValidator: 0, attemptTimeoutMs: 3000 };
  }

  /** A client that is closed with the network. */
  connect(options: ClientOptions): QuaestorClient {
    const client = QuaestorClient.connect(options);
    this.#clients.push(client);
    return client;
  }

  #operator: Promise<QuaestorClient> | undefined;

  /** A client with the operator's certificate. */
  operator(): Promise<QuaestorClient> {
    this.#operator ??= readTls(this.#document.operatorProfile).then((tls) =>
      this.connect(this.clientOptions(tls)),
    );
    return this.#operator;
  }

  /** Folder of the operator's profile, or of a member's. */
  profile(member?: string): string {
    const folder = member === undefined ? this.#document.operatorProfile : this.#document.profiles[member];
    if (folder === undefined) throw new Error(`there is no member ${member ?? ''}`);
    return folder;
  }

  operatorTls(): Promise<ClientTls> {
    return readTls(this.#document.operatorProfile);
  }

  /** Resolves when all running validators have the same last block; gives its height. */
  async agreed(): Promise<number> {
    const operator = await this.operator();
    let height = 0;
    await eventually('all running validators have the same last block', async () => {
      const answers = await operator.getStatusOfAll({ timeoutMs: 2000 });
      const statuses = answers.flatMap((item) => ('status' in item ? [item.status] : []));
      const running = this.validators.filter((validator) => validator.running).length;
      const heads = new Set(
        statuses.map(({ height: at, digest, pendingTransactions }) =>
          [at, Buffer.from(digest).toString('hex'), pendingTransactions].join(' '),
        ),
      );
      height = statuses[0]?.height ?? 0;
      return statuses.length === running && heads.size === 1 && statuses[0]?.pendingTransactions === 0;
    });
    return height;
  }

  /** Genesis file of the network. */
  get genesisFile(): string {
    return this.#document.genesis;
  }

  /** Stops all processes cleanly. */
  async stopAll(): Promise<void> {
    await Promise.all(this.validators.filter(({ running }) => running).map((validator) => validator.stop()));
  }

  /** Kills what still runs and removes the folder. */
  async close(): Promise<void> {
    openNetworks.delete(this);
    for (const client of this.#clients) client.close();
    await Promise.all([...this.validators, ...this.observers].map((validator) => validator.kill()));
    this.#claim.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** The last lines of all logs. */
  logTails(lines = 15): string {
    return [...this.validators, ...this.observers].map((node) => node.logTail(lines)).join('\n');
  }
}

/** Changes every copy of the genesis in a folder. */
async function changeGenesis(dir: string, change: (text: string) => string): Promise<void> {
  for (const name of await readdir(dir, { recursive: true })) {
    if (basename(name) !== 'genesis.yaml') continue;
    const path = join(dir, name);
    await writeFile(path, change(await readFile(path, 'utf8')));
  }
}

async function readTls(folder: string): Promise<ClientTls> {
  const [caPem, certificatePem, privateKeyPem] = await Promise.all(
    ['ca.pem', 'client.pem', 'client-key.pem'].map((name) => readFile(join(folder, 'tls', name), 'utf8')),
  );
  return { caPem: caPem!, certificatePem: certificatePem!, privateKeyPem: privateKeyPem! };
}

/** Above those that `quaestor init` chooses, below those that systems give to outgoing connections. */
const firstBase = 14_000;
const lastBase = 31_000;
const rangeOfPorts = 100;

/**
 * A base port whose range is free. The base itself, which no validator uses, is listened on: test processes that run at
 * the same time can't take the same range.
 */
export async function claimPorts(
  validators: number,
): Promise<{ readonly base: number; readonly claim: Server }> {
  const ranges = Math.floor((lastBase - firstBase) / rangeOfPorts);
  for (let turn = 0, range = process.pid; turn < ranges; turn++, range++) {
    const base = firstBase + rangeOfPorts * (range % ranges);
    const claim = await listen(base);
    if (claim === undefined) continue;
    const others = Array.from({ length: 10 * validators }, (_, offset) => base + 10 + offset);
    if (await allFree(others)) return { base, claim };
    claim.close();
  }
  throw new Error('there is no free range of ports');
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === undefined) return false;
    await new Promise((resolve) => server.close(resolve));
  }
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.unref();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}

/** Body of a test: when it fails, the error carries the last lines of the logs of all networks that are open. */
export function withLogTails(body: () => Promise<void>): () => Promise<void> {
  return async () => {
    try {
      await body();
    } catch (error) {
      throw withLogs(error, openNetworks);
    }
  };
}

function withLogs(error: unknown, networks: Iterable<TestNetwork>): unknown {
  if (!(error instanceof Error)) return error;
  const tails = [...networks].map((network) => network.logTails()).join('\n');
  const cause = error.cause instanceof Error ? `\n(${error.cause.message})` : '';
  error.message = `${error.message}${cause}\n\nLogs of the validators, last lines:\n${tails}`;
  return error;
}
