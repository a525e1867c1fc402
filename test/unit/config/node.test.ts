import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { loadNodeConfig, loadSignerConfig } from '../../../src/config/index.js';
import { signerSchema } from '../../../src/config/signer.js';
import type { ConfigError, NodeConfig } from '../../../src/config/index.js';
import { applyEnvironment } from '../../../src/config/environment.js';
import { nodeSchema } from '../../../src/config/node-schema.js';
import { scalarsOf } from '../../../src/config/schema.js';

const minimal = `validator: validator-1
dataDir: data
network: { genesis: genesis.yaml }
tls:
  peer: { ca: ca.pem, cert: peer.pem, key: peer.key }
  client: { ca: ca.pem, cert: client.pem, key: client.key }
key: { file: validator.key, passwordFile: password }
`;

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'quaestor-config-'));
  file = join(folder, 'node.yaml');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text, { mode });
  chmodSync(join(folder, name), mode);
}

function writeAll(config = minimal): void {
  write('node.yaml', config);
  for (const name of ['genesis.yaml', 'ca.pem', 'peer.pem', 'client.pem']) write(name, 'x', 0o644);
  for (const name of ['peer.key', 'client.key', 'validator.key', 'password']) write(name, 'x');
}

async function load(environment: Record<string, string> = {}): Promise<NodeConfig> {
  const result = await loadNodeConfig(file, environment, { checkFiles: false });
  if (!result.ok) throw result.error;
  return result.value;
}

async function failure(environment: Record<string, string> = {}, checkFiles = false): Promise<ConfigError> {
  const result = await loadNodeConfig(file, environment, { checkFiles });
  if (result.ok) throw new Error('The configuration was accepted.');
  return result.error;
}

describe('loadNodeConfig', () => {
  it('fills in defaults, converts units and resolves paths against the folder of the file', async () => {
    write('node.yaml', `${minimal}consensus: { viewTimeout: 1500ms }\nstorage: { cache: 1GiB }\n`);
    const config = await load();
    expect(config.dataDir).toBe(join(folder, 'data'));
    expect(config.tls.peer.key).toBe(join(folder, 'peer.key'));
    expect(config.consensus.viewTimeoutMs).toBe(1500);
    expect(config.consensus.maxViewTimeoutMs).toBe(30_000);
    expect(config.storage).toEqual({
      engine: 'auto',
      cacheBytes: 2 ** 30,
      retain: { blocks: undefined, states: undefined },
      segments: undefined,
    });
    expect(config.listen.admin).toEqual({ host: '127.0.0.1', port: 7070 });
    expect(config.verifier.threads).toBeUndefined();
    expect(config.warnings).toEqual([]);
  });

  it('reports every problem at once, each with line, column, field, what was found and what was expected', async () => {
    write(
      'node.yaml',
      `validator: Validator 1
dataDir: data
network: { genesis: genesis.yaml }
storge: { engine: auto }
storage:
  engine: rocksd
  cache: 64
consensus: { viewTimeout: 1ms, retransmitt: 1s }
mempool: [1, 2]
api: { maxInFlightPerMember: 0, reflection: yes }
listen: { client: "nowhere" }
peers:
  - { validator: v2, address: "v2:70500" }
  - { validator: v3 }
tls: { peer: { ca: a, cert: b, key: c } }
`,
    );
    const { problems } = await failure();
    const places = Object.fromEntries(
      problems.map(({ field, line, column, message }) => [field, `${line}:${column} ${message}`]),
    );
    expect(places).toEqual({
      validator: expect.stringMatching(/^1:12 Found "Validator 1"; expected a validator id: /),
      storge: '4:1 This field is not known here. Did you mean "storage"?',
      'storage.engine':
        '6:11 Found "rocksd"; expected one of auto, rocksdb, leveldb. Did you mean "rocksdb"?',
      'storage.cache': '7:10 Found the number 64; expected a size from 1MiB to 64GiB, such as "64MiB".',
      'consensus.viewTimeout': expect.stringMatching(
        /^8:27 Found "1ms"; expected a duration from 50ms to 10m/,
      ),
      'consensus.retransmitt': '8:32 This field is not known here. Did you mean "retransmit"?',
      mempool: '9:10 Found a list; expected a mapping of fields.',
      'api.maxInFlightPerMember': '10:30 Found the number 0; expected a whole number from 1 to 1000000.',
      'api.reflection': '10:45 Found "yes"; expected true or false.',
      'listen.client': expect.stringMatching(/^11:19 Found "nowhere"; expected an address "host:port"/),
      'peers[0].address': expect.stringMatching(/^13:31 Found "v2:70500"; expected an address/),
      'peers[1].address': expect.stringMatching(/^14:5 Found nothing; expected an address/),
      'tls.client': expect.stringMatching(/^15:6 Found nothing; expected a mapping of fields/),
      key: expect.stringMatching(/^1:1 Found nothing; expected a mapping/),
    });
  });

  it('names file, line and column in the text of the error', async () => {
    write('node.yaml', `${minimal}log: { level: verbose }\n`);
    expect((await failure()).message).toBe(
      `${file}:8:15: log.level: Found "verbose"; expected one of trace, debug, info, warn, error.`,
    );
  });

  it('reports errors of syntax with their place, and a field that is given twice', async () => {
    write('node.yaml', 'validator: [a\ndataDir: x\n');
    expect((await failure()).problems[0]).toMatchObject({ line: 2, field: '' });
    write('node.yaml', `${minimal}dataDir: other\n`);
    expect((await failure()).problems[0]).toMatchObject({ line: 8, column: 1 });
  });

  it('refuses aliases that would fill the memory', async () => {
    const levels = 'abcdefghij'.split('');
    const bomb = levels.map((name, index) => {
      const below = levels[index - 1];
      return `${name}: &${name} [${below === undefined ? 'x' : Array(10).fill(`*${below}`).join(', ')}]`;
    });
    write('node.yaml', `${bomb.join('\n')}\n`);
    expect((await failure()).message).toContain('aliases');
  });

  it('says so when the file does not exist, is a folder, is no text or is empty', async () => {
    expect(await failure()).toMatchObject({ code: 'CONFIG_UNREADABLE' });
    mkdirSync(file);
    expect((await failure()).message).toContain('Found a folder');
    rmSync(file, { recursive: true });
    writeFileSync(file, Uint8Array.of(0xff, 0xfe, 0x00));
    expect((await failure()).message).toContain('UTF-8');
    writeFileSync(file, '');
    expect((await failure()).problems.map(({ field }) => field)).toEqual([
      'validator',
      'dataDir',
      'network',
      'tls',
      'key',
    ]);
  });

  it('checks what fields say about each other', async () => {
    write(
      'node.yaml',
      `${minimal}consensus: { viewTimeout: 10s, maxViewTimeout: 5s }
listen: { peer: "0.0.0.0:9", client: "0.0.0.0:9", admin: "0.0.0.0:10" }
peers:
  - { validator: v2, address: "a:1" }
  - { validator: v2, address: "b:1" }
`,
    );
    expect((await failure()).problems.map(({ field, line }) => `${line} ${field}`)).toEqual([
      '8 consensus.maxViewTimeout',
      '9 listen.client',
      '12 peers[1].validator',
    ]);
  });

  it('leaves its own entry out of the peers', async () => {
    write(
      'node.yaml',
      `${minimal}peers: [{ validator: validator-1, address: "a:1" }, { validator: v2, address: "[::1]:2" }]\n`,
    );
    expect((await load()).peers).toEqual([{ validator: 'v2', address: { host: '::1', port: 2 } }]);
  });
});

describe('QUAESTOR_* variables', () => {
  it('override every field that is no list', async () => {
    write('node.yaml', minimal);
    const config = await load({
      QUAESTOR_VALIDATOR: 'validator-9',
      QUAESTOR_STORAGE_ENGINE: 'leveldb',
      QUAESTOR_LISTEN_CLIENT: '[::]:1234',
      QUAESTOR_CONSENSUS_VIEW_TIMEOUT: '3s',
      QUAESTOR_API_REFLECTION: 'false',
      QUAESTOR_VERIFIER_THREADS: '3',
      QUAESTOR_TLS_PEER_KEY: '/run/secrets/peer.key',
      QUAESTOR_LOG_LEVEL: '',
    });
    expect(config).toMatchObject({
      validator: 'validator-9',
      storage: { engine: 'leveldb' },
      listen: { client: { host: '::', port: 1234 } },
      consensus: { viewTimeoutMs: 3000 },
      api: { reflection: false },
      verifier: { threads: 3 },
      tls: { peer: { key: '/run/secrets/peer.key' } },
      log: { level: 'info' },
    });
  });

  it('are validated as the file is, and named in the error', async () => {
    write('node.yaml', minimal);
    const error = await failure({
      QUAESTOR_STORAGE_ENGINE: 'rocks',
      QUAESTOR_MEMPOOL_MAX_TRANSACTIONS: 'many',
    });
    expect(error.message.split('\n').sort()).toEqual([
      'environment variable QUAESTOR_MEMPOOL_MAX_TRANSACTIONS: mempool.maxTransactions: Found "many"; expected a whole number from 1 to 10000000.',
      expect.stringMatching(
        /^environment variable QUAESTOR_STORAGE_ENGINE: storage.engine: Found "rocks"; expected one of/,
      ),
    ]);
  });

  it('can give everything that a file lacks', async () => {
    write('node.yaml', '');
    const variables = Object.fromEntries(
      ['CA', 'CERT', 'KEY'].flatMap((part) => [
        [`QUAESTOR_TLS_PEER_${part}`, 'p'],
        [`QUAESTOR_TLS_CLIENT_${part}`, 'c'],
      ]),
    );
    const config = await load({
      ...variables,
      QUAESTOR_VALIDATOR: 'v',
      QUAESTOR_DATA_DIR: 'd',
      QUAESTOR_NETWORK_GENESIS: 'g',
      QUAESTOR_KEY_FILE: 'k',
      QUAESTOR_KEY_PASSWORD_FILE: 'p',
    });
    expect(config.validator).toBe('v');
  });

  it('warn when they name nothing, except what Kubernetes sets for services', async () => {
    write('node.yaml', minimal);
    const config = await load({
      QUAESTOR_STORAGE_ENGIN: 'leveldb',
      QUAESTOR_SERVICE_HOST: '10.0.0.1',
      QUAESTOR_PORT: 'tcp://10.0.0.1:7060',
      QUAESTOR_PORT_7060_TCP_ADDR: '10.0.0.1',
    });
    expect(config.warnings).toEqual([
      'The environment variable QUAESTOR_STORAGE_ENGIN names no setting. Did you mean "QUAESTOR_STORAGE_ENGINE"?',
    ]);
  });

  it('do not change the data that they are applied to', () => {
    const data = { log: { level: 'info' } };
    applyEnvironment(nodeSchema, data, { QUAESTOR_LOG_LEVEL: 'debug' });
    expect(data).toEqual({ log: { level: 'info' } });
  });
});

describe('files that the configuration names', () => {
  it('are accepted when they are there and safe', async () => {
    writeAll();
    expect(await loadNodeConfig(file, {})).toMatchObject({ ok: true });
  });

  it('are named with the field when they are missing, unsafe or no files', async () => {
    writeAll();
    rmSync(join(folder, 'genesis.yaml'));
    chmodSync(join(folder, 'password'), 0o644);
    chmodSync(join(folder, 'peer.key'), 0o640);
    rmSync(join(folder, 'ca.pem'));
    mkdirSync(join(folder, 'ca.pem'));
    write(
      'node.yaml',
      `${minimal}storage: { witness: data/witness, retain: { blocks: 5000, states: 6000 } }\n`,
    );
    write('data', '');
    const { problems } = await failure({}, true);
    const text = (name: string) => problems.find(({ field }) => field === name)?.message;
    expect(text('network.genesis')).toContain('does not exist');
    expect(text('storage.retain.states')).toContain('expected at most storage.retain.blocks, 5000');
    expect(text('key.passwordFile')).toContain('mode 0644');
    expect(text('tls.peer.key')).toContain('chmod 600');
    expect(text('tls.peer.ca')).toContain('Found no file');
    expect(text('dataDir')).toContain('expected a folder');
    expect(text('storage.witness')).toContain('not put back together with it');
    expect(problems).toHaveLength(8);
  });
});

describe('configs/validator.yaml', () => {
  const text = readFileSync('configs/validator.yaml', 'utf8');

  it('is valid', async () => {
    expect(await loadNodeConfig('configs/validator.yaml', {}, { checkFiles: false })).toMatchObject({
      ok: true,
    });
  });

  it('has every field, each under a comment, with its real default', () => {
    const example: unknown = parse(text);
    const parsed = nodeSchema.parse(example);
    for (const { path } of scalarsOf(nodeSchema)) {
      // Another place for a key has an example of its own.
      if (['pkcs11', 'remote'].includes(path[1] ?? '')) continue;
      let value: unknown = example;
      for (const part of path) value = (value as Record<string, unknown>)[part];
      expect([path.join('.'), value]).not.toEqual([path.join('.'), undefined]);
    }
    const { validator, dataDir, network, tls, key, nextKey, storage, backup } = parsed;
    const bare = nodeSchema.parse({
      validator,
      dataDir,
      network: {
        genesis: network.genesis,
        chainId: (example as { network: { chainId: string } }).network.chainId,
      },
      tls,
      key,
      nextKey,
      storage: {
        witness: storage.witness,
        retain: storage.retain,
        segments: { location: storage.segments.location },
      },
      backup: { target: backup.target, every: '24h' },
      verifier: { threads: 2 },
    });
    expect({ ...parsed, peers: [] }).toEqual(bare);
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      if (/^ +(?!address)\w+: \S/.test(line)) expect(lines[index - 1]).toMatch(/^ *#/);
    }
  });
});

describe('other places for a key', () => {
  const example = parse(readFileSync('configs/validator.yaml', 'utf8')) as object;

  it.each(['pkcs11', 'remote'])('are explained field by field in configs/key-%s.yaml', (kind) => {
    const text = readFileSync(`configs/key-${kind}.yaml`, 'utf8');
    const { key } = parse(text) as { readonly key: Record<string, unknown> };
    expect(nodeSchema.safeParse({ ...example, key, nextKey: key })).toMatchObject({ success: true });
    for (const { path } of scalarsOf(nodeSchema).filter(
      ({ path: [name, at] }) => name === 'key' && at === kind,
    )) {
      let value: unknown = { key };
      for (const part of path) value = (value as Record<string, unknown>)[part];
      expect([path.join('.'), value]).not.toEqual([path.join('.'), undefined]);
    }
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      if (/^ {4,}\w+: \S/.test(line)) expect(lines[index - 1]).toMatch(/^ *#/);
    }
  });

  it('are exactly one', async () => {
    write('node.yaml', minimal.replace('passwordFile: password', 'pkcs11: {}, passwordFile: p'));
    expect((await failure()).message).toMatch(/key\.pkcs11\.module: Found nothing/);
    write('node.yaml', minimal.replace(/key: \{ file: validator.key.*/, 'key: { passwordFile: p }'));
    expect((await failure()).message).toMatch(/key: Found none of "file", "pkcs11" and "remote"/);
  });
});

describe('configs/signer.yaml', () => {
  it('has every field, each under a comment, with its real default', async () => {
    const text = readFileSync('configs/signer.yaml', 'utf8');
    const example = parse(text) as Record<string, unknown>;
    const loaded = await loadSignerConfig('configs/signer.yaml', {});
    expect(loaded).toMatchObject({ ok: true, value: { key: { kind: 'file' }, warnings: [] } });
    for (const { path } of scalarsOf(signerSchema).filter(({ path: [, at] }) => at !== 'pkcs11')) {
      let value: unknown = example;
      for (const part of path) value = (value as Record<string, unknown>)[part];
      expect([path.join('.'), value]).not.toEqual([path.join('.'), undefined]);
    }
    const { validator, genesis, stateDir, tls, key } = example;
    expect(signerSchema.parse(example)).toEqual(
      signerSchema.parse({ validator, genesis, stateDir, tls, key }),
    );
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      if (/^ +\w+: \S/.test(line)) expect(lines[index - 1]).toMatch(/^ *#/);
    }
  });

  it('names every problem of a file with its place', async () => {
    write(
      'signer.yaml',
      'validator: v1\ngenesis: g\nstateDir: s\ntls: { ca: a, cert: b, key: c }\nkey: { password: x }\n',
    );
    const loaded = await loadSignerConfig(join(folder, 'signer.yaml'), {});
    expect(loaded).toMatchObject({ ok: false, error: { code: 'CONFIG_INVALID' } });
    expect(!loaded.ok && loaded.error.message).toMatch(
      /signer.yaml:5:8: key.password: This field is not known here/,
    );
  });
});
