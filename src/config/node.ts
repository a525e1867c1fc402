import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { err, ok } from '../types/index.js';
import type { ChainId, Result } from '../types/index.js';
import type { Address } from './address.js';
import { readConfigDocument, readFailure } from './document.js';
import { applyEnvironment } from './environment.js';
import type { Environment } from './environment.js';
import { keyProblem, keySourceOf, type KeyFields, type KeySource } from './key-source.js';
import { nodeSchema } from './node-schema.js';
import type { NodeFile } from './node-schema.js';
import { ConfigError } from './problems.js';
import type { ConfigProblem } from './problems.js';
import { problemsOf } from './schema.js';
import { secretFileProblem } from './secret-file.js';

/** Absolute paths of PEM files. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** How one node runs. Paths are absolute, durations in milliseconds, sizes in bytes. */
type TrafficFile = NodeFile['api']['limits']['perMember'];

export interface NodeConfig {
  /** Absolute path of the file that it came from. */
  readonly file: string;
  /** Sentences that the operator should read at start. */
  readonly warnings: readonly string[];
  /** An observer follows, executes and serves, but never votes. */
  readonly role: 'validator' | 'observer';
  /** Id of this validator; of an observer, the id in its certificates. */
  readonly validator: string;
  /** The genesis need not name this validator, or may name it with another key: it follows until a validator set has it. */
  readonly joins: boolean;
  readonly dataDir: string;
  readonly network: {
    readonly genesisFile: string;
    /** The chain that the genesis must be of; undefined: any. */
    readonly chainId: ChainId | undefined;
    readonly maxQueuePerPeerBytes: number;
    readonly minReconnectDelayMs: number;
    readonly maxReconnectDelayMs: number;
  };
  /** Addresses of the other validators; this one's own entry, if the file has it, is left out. */
  readonly peers: readonly { readonly validator: string; readonly address: Address }[];
  readonly listen: {
    readonly peer: Address;
    readonly client: Address;
    readonly admin: Address;
    readonly http: Address;
  };
  readonly tls: { readonly peer: TlsFiles; readonly client: TlsFiles };
  /** Undefined for an observer. */
  readonly key: KeySource | undefined;
  /** Key that is to follow `key`, while it is rotated. */
  readonly nextKey: KeySource | undefined;
  readonly storage: {
    readonly engine: 'auto' | 'rocksdb' | 'leveldb';
    readonly cacheBytes: number;
    /** File outside of the data folder that remembers how far the store was written. */
    readonly witnessFile?: string;
    /** How many heights below the head are kept; undefined is all. */
    readonly retain: { readonly blocks: number | undefined; readonly states: number | undefined };
    /** Where old blocks are sealed, and in segments of how many; undefined is nowhere. */
    readonly segments: { readonly location: string; readonly blocks: number } | undefined;
  };
  /** Where backups go, how often by itself (undefined is never), and how many are kept; undefined is nowhere. */
  readonly backup:
    { readonly target: string; readonly everyMs: number | undefined; readonly keep: number } | undefined;
  /** As in ConsensusConfig.timeouts. */
  readonly consensus: {
    readonly viewTimeoutMs: number;
    readonly maxViewTimeoutMs: number;
    readonly retransmitMs: number;
    readonly primarySilenceMs: number;
  };
  readonly mempool: {
    readonly maxTransactions: number;
    readonly maxBytes: number;
    readonly maxMemberTransactions: number;
    readonly maxMemberBytes: number;
    readonly overdueAfterMs: number;
  };
  readonly api: {
    readonly maxInFlightPerMember: number;
    readonly maxInFlightBytesPerMember: number;
    readonly maxInFlightPerStream: number;
    readonly maxStreamsPerClient: number;
    readonly defaultDeadlineMs: number;
    readonly maxDeadlineMs: number;
    readonly reflection: boolean;
    /** As TrafficLimits of src/api. */
    readonly limits: { readonly perMember: TrafficFile; readonly perConnection: TrafficFile };
  };
  readonly sync: {
    readonly maxBlocksPerRequest: number;
    readonly maxBlocksAhead: number;
    readonly requestTimeoutMs: number;
    /** 0: never copy a state. */
    readonly snapshotThresholdBlocks: number;
  };
  /** `threads` undefined: by the number of processors. */
  readonly verifier: { readonly threads: number | undefined };
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'json' | 'pretty';
  };
}

export interface LoadOptions {
  /** Whether the files that the configuration names must be there and be safe to use. Default true. */
  readonly checkFiles?: boolean;
}

const maxFileBytes = 1024 * 1024;

/**
 * Reads a node's configuration, puts the QUAESTOR_* variables of `environment` in, and checks all of it.
 *
 * @returns the configuration, or an error that lists every problem with file, line, column and field, or variable.
 */
export async function loadNodeConfig(
  path: string,
  environment: Environment,
  options: LoadOptions = {},
): Promise<Result<NodeConfig, ConfigError>> {
  const read = await readConfigDocument(path, maxFileBytes);
  if (!read.ok) return read;
  const document = read.value;
  const { data, variables, warnings } = applyEnvironment(nodeSchema, document.data ?? {}, environment);
  const parsed = nodeSchema.safeParse(data);
  const problems = parsed.success ? [] : problemsOf(nodeSchema, parsed.error.issues, document, data);
  const report: Report = (field, message) => problems.push(document.problemAt(field, message));
  checkKey(data, report);
  if (parsed.success) {
    checkTogether(parsed.data, report);
    if (options.checkFiles !== false) await checkFiles(parsed.data, dirname(resolve(path)), report);
  }
  if (problems.length > 0 || !parsed.success) {
    return err(new ConfigError('CONFIG_INVALID', problems.map(nameVariable(variables))));
  }
  return ok(configOf(parsed.data, resolve(path), warnings));
}

type Report = (field: readonly PropertyKey[], message: string) => void;

/** Names the variable in place of the file's line where the value came from one. */
function nameVariable(variables: ReadonlyMap<string, string>): (problem: ConfigProblem) => ConfigProblem {
  return (problem) => {
    const variable = variables.get(problem.field);
    if (variable === undefined) return problem;
    return { file: problem.file, variable, field: problem.field, message: problem.message };
  };
}

/** Only an observer has no key. Told with all other problems, so by what the file says before it is known to be right. */
function checkKey(data: unknown, report: Report): void {
  if (typeof data !== 'object' || data === null) return;
  const { role, key } = data as { readonly role?: unknown; readonly key?: unknown };
  if (role === 'observer' || key !== undefined) return;
  report(
    ['key'],
    'Found nothing; expected a mapping of the key of this validator: "file" and "passwordFile", or "pkcs11", or "remote".',
  );
}

/** What no field can be blamed for alone. */
function checkTogether(file: NodeFile, report: Report): void {
  const { consensus, api, network, listen } = file;
  const atLeast = (group: string, low: string, lowValue: number, high: string, highValue: number) => {
    if (highValue >= lowValue) return;
    report([group, high], `Found less than ${group}.${low}; expected at least as much.`);
  };
  atLeast('consensus', 'viewTimeout', consensus.viewTimeout, 'maxViewTimeout', consensus.maxViewTimeout);
  atLeast('consensus', 'retransmit', consensus.retransmit, 'viewTimeout', consensus.viewTimeout);
  atLeast('api', 'defaultDeadline', api.defaultDeadline, 'maxDeadline', api.maxDeadline);
  atLeast(
    'network',
    'minReconnectDelay',
    network.minReconnectDelay,
    'maxReconnectDelay',
    network.maxReconnectDelay,
  );
  const surfaces = new Map<string, string>();
  for (const surface of ['peer', 'client', 'admin', 'http'] as const) {
    const { host, port } = listen[surface];
    const taken = surfaces.get(`${host} ${port}`);
    if (port !== 0 && taken !== undefined) {
      report(['listen', surface], `Found the same address as listen.${taken}; expected one of its own.`);
    }
    surfaces.set(`${host} ${port}`, surface);
  }
  for (const [name, key] of keysIn(file)) {
    const problem = keyProblem(key);
    if (problem !== undefined) report([name], problem);
  }
  const peers = new Set<string>();
  for (const [index, { validator }] of file.peers.entries()) {
    if (peers.has(validator)) {
      report(['peers', index, 'validator'], `Found "${validator}" a second time; expected each once.`);
    }
    peers.add(validator);
  }
}

/** The keys that the configuration names, by field. */
function keysIn(file: NodeFile): readonly (readonly [field: 'key' | 'nextKey', key: KeyFields])[] {
  return (['key', 'nextKey'] as const).flatMap((name) => {
    const key = file[name];
    return key === undefined ? [] : [[name, key] as const];
  });
}

type NamedFile = readonly [field: readonly string[], path: string];

/** Files of a key: those that are read, and those that hold secrets. */
function filesOf(
  name: string,
  { file, passwordFile, pkcs11, remote }: KeyFields,
): {
  readonly readable: readonly NamedFile[];
  readonly secret: readonly NamedFile[];
} {
  const readable: NamedFile[] = [];
  const secret: NamedFile[] = [];
  // Its mode is judged where it is opened: by the keystore.
  if (file !== undefined) readable.push([[name, 'file'], file]);
  if (passwordFile !== undefined) secret.push([[name, 'passwordFile'], passwordFile]);
  if (pkcs11 !== undefined) {
    readable.push([[name, 'pkcs11', 'module'], pkcs11.module]);
    secret.push([[name, 'pkcs11', 'pinFile'], pkcs11.pinFile]);
  }
  if (remote !== undefined) {
    const { ca, cert, key } = remote.tls;
    readable.push([[name, 'remote', 'tls', 'ca'], ca], [[name, 'remote', 'tls', 'cert'], cert]);
    secret.push([[name, 'remote', 'tls', 'key'], key]);
  }
  return { readable, secret };
}

async function checkFiles(file: NodeFile, folder: string, report: Report): Promise<void> {
  const keys = keysIn(file).map(([name, key]) => filesOf(name, key));
  const readable: readonly NamedFile[] = [
    [['network', 'genesis'], file.network.genesis],
    [['tls', 'peer', 'ca'], file.tls.peer.ca],
    [['tls', 'peer', 'cert'], file.tls.peer.cert],
    [['tls', 'client', 'ca'], file.tls.client.ca],
    [['tls', 'client', 'cert'], file.tls.client.cert],
    ...keys.flatMap((files) => files.readable),
  ];
  for (const [field, path] of readable) {
    try {
      const full = resolve(folder, path);
      await access(full, constants.R_OK);
      if (!(await stat(full)).isFile()) report(field, `${full}: Found no file; expected one.`);
    } catch (error) {
      report(field, `${resolve(folder, path)}: ${readFailure(error)}`);
    }
  }
  const secret: readonly NamedFile[] = [
    [['tls', 'peer', 'key'], file.tls.peer.key],
    [['tls', 'client', 'key'], file.tls.client.key],
    ...keys.flatMap((files) => files.secret),
  ];
  for (const [field, path] of secret) {
    const problem = await secretFileProblem(resolve(folder, path));
    if (problem !== undefined) report(field, problem);
  }
  const dataDir = resolve(folder, file.dataDir);
  const existing = await stat(dataDir).catch(() => undefined);
  if (existing !== undefined && !existing.isDirectory()) {
    report(['dataDir'], `${dataDir}: Found a file; expected a folder, or nothing, to be made.`);
  }
  const { witness, retain } = file.storage;
  if (retain.blocks !== undefined && (retain.states ?? retain.blocks) > retain.blocks) {
    report(
      ['storage', 'retain', 'states'],
      `Found ${retain.states}; expected at most storage.retain.blocks, ${retain.blocks}: a state is proven by a block.`,
    );
  }
  checkBackup(file, folder, dataDir, report);
  if (witness !== undefined && resolve(folder, witness).startsWith(`${dataDir}${sep}`)) {
    report(
      ['storage', 'witness'],
      `${resolve(folder, witness)}: Found a file in the data folder; expected one that is not put back together with it.`,
    );
  }
}

function checkBackup({ backup, storage }: NodeFile, folder: string, dataDir: string, report: Report): void {
  const { every } = backup;
  if (every !== undefined && backup.target === undefined) {
    report(['backup', 'every'], 'Found a schedule; expected backup.target as well: where backups go.');
  }
  if (backup.target === undefined) return;
  const target = placeIn(folder, backup.target);
  if (target === dataDir || target.startsWith(`${dataDir}${sep}`)) {
    report(
      ['backup', 'target'],
      `${target}: Found a place in the data folder; expected one that is not lost together with it.`,
    );
  }
  const { location } = storage.segments;
  if (location !== undefined && target === placeIn(folder, location)) {
    report(
      ['backup', 'target'],
      `${target}: Found the place of the sealed segments; expected one of its own.`,
    );
  }
}

/** A place in object storage: an address as it is, a folder from the one of the configuration. */
const placeIn = (folder: string, place: string): string =>
  /^[a-z0-9]+:\/\//.test(place) ? place : resolve(folder, place);

function configOf(file: NodeFile, path: string, warnings: readonly string[]): NodeConfig {
  const folder = dirname(path);
  const tls = (files: TlsFiles): TlsFiles => ({
    ca: resolve(folder, files.ca),
    cert: resolve(folder, files.cert),
    key: resolve(folder, files.key),
  });
  return {
    file: path,
    warnings,
    role: file.role,
    validator: file.validator,
    joins: file.joins,
    dataDir: resolve(folder, file.dataDir),
    network: {
      genesisFile: resolve(folder, file.network.genesis),
      chainId: file.network.chainId,
      maxQueuePerPeerBytes: file.network.maxQueuePerPeer,
      minReconnectDelayMs: file.network.minReconnectDelay,
      maxReconnectDelayMs: file.network.maxReconnectDelay,
    },
    peers: file.peers.filter((peer) => peer.validator !== file.validator),
    listen: file.listen,
    tls: { peer: tls(file.tls.peer), client: tls(file.tls.client) },
    key: file.key && keySourceOf(file.key, folder),
    nextKey: file.nextKey && keySourceOf(file.nextKey, folder),
    storage: {
      engine: file.storage.engine,
      cacheBytes: file.storage.cache,
      ...(file.storage.witness !== undefined && { witnessFile: resolve(folder, file.storage.witness) }),
      retain: { blocks: file.storage.retain.blocks, states: file.storage.retain.states },
      segments:
        file.storage.segments.location === undefined
          ? undefined
          : {
              location: placeIn(folder, file.storage.segments.location),
              blocks: file.storage.segments.blocks,
            },
    },
    backup:
      file.backup.target === undefined
        ? undefined
        : {
            target: placeIn(folder, file.backup.target),
            everyMs: file.backup.every,
            keep: file.backup.keep,
          },
    consensus: {
      viewTimeoutMs: file.consensus.viewTimeout,
      maxViewTimeoutMs: file.consensus.maxViewTimeout,
      retransmitMs: file.consensus.retransmit,
      primarySilenceMs: file.consensus.primarySilence,
    },
    mempool: {
      maxTransactions: file.mempool.maxTransactions,
      maxBytes: file.mempool.maxBytes,
      maxMemberTransactions: file.mempool.maxMemberTransactions,
      maxMemberBytes: file.mempool.maxMemberBytes,
      overdueAfterMs: file.mempool.overdueAfter,
    },
    api: {
      maxInFlightPerMember: file.api.maxInFlightPerMember,
      maxInFlightBytesPerMember: file.api.maxInFlightBytesPerMember,
      maxInFlightPerStream: file.api.maxInFlightPerStream,
      maxStreamsPerClient: file.api.maxStreamsPerClient,
      defaultDeadlineMs: file.api.defaultDeadline,
      maxDeadlineMs: file.api.maxDeadline,
      reflection: file.api.reflection,
      limits: file.api.limits,
    },
    sync: {
      maxBlocksPerRequest: file.sync.maxBlocksPerRequest,
      maxBlocksAhead: file.sync.maxBlocksAhead,
      requestTimeoutMs: file.sync.requestTimeout,
      snapshotThresholdBlocks: file.sync.snapshotThreshold,
    },
    verifier: { threads: file.verifier.threads },
    log: file.log,
  };
}
