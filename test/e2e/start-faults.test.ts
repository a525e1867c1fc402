/** What goes wrong when a validator is started: it says so in a sentence, ends with the right code, and changes nothing. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, copyFile, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { TestNetwork, withLogTails } from './network.js';
import { ValidatorProcess, type ProcessEnd, type StartOptions } from './validator-process.js';

const boundMs = 60_000;
/** As in the help of the command line. */
const failed = 1;
const usage = 2;

/** Two validators, of which only the first is started, unless a test needs both. */
let network: TestNetwork;
let first: ValidatorProcess;
let second: ValidatorProcess;

beforeAll(async () => {
  network = await TestNetwork.create({ validators: 2 });
  [first, second] = network.validators as [ValidatorProcess, ValidatorProcess];
}, boundMs);

afterAll(() => network.close());

/** Starts it and expects that it ends by itself, with a sentence and without the inside of the program. */
async function refusal(validator: ValidatorProcess, options: StartOptions = {}): Promise<ProcessEnd> {
  validator.start(options);
  const end = await validator.ended().finally(() => validator.kill());
  expect(end.signal).toBeNull();
  expect(end.output).not.toMatch(/^\s+at .*:\d+|DEFECT|This should not have happened|undefined/m);
  expect(end.output).toMatch(/error: .{20,}/s);
  return end;
}

/** A copy of the first validator's configuration with a change, beside it. */
async function configWith(change: (text: string) => string): Promise<string> {
  const path = join(first.dir, 'changed.yaml');
  const text = await readFile(first.config, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  await writeFile(path, changed);
  return path;
}

/** Does something to a file of the first validator, and puts the file back afterwards. */
async function withFile(
  name: string,
  damage: (path: string) => Promise<unknown>,
  body: () => Promise<void>,
): Promise<void> {
  const path = join(first.dir, name);
  const kept = `${path}.kept`;
  await copyFile(path, kept);
  try {
    await damage(path);
    await body();
  } finally {
    await rm(path, { force: true });
    await copyFile(kept, path);
    await chmod(path, 0o600);
    await rm(kept);
  }
}

describe('a configuration', () => {
  it(
    'with a wrong type, a wrong value and an unknown key is refused with the place of each and what is expected',
    withLogTails(async () => {
      const config = await configWith(
        (text) => `${text.replace('dataDir: data', 'dataDir: [data]')}
mempool: { overdueAfter: soon, maxTransactions: -1 }
storrage: { engine: auto }
`,
      );
      const { code, output } = await refusal(first, { config });
      expect(code).toBe(usage);
      const lines = (await readFile(config, 'utf8')).split('\n');
      for (const field of ['dataDir', 'overdueAfter', 'storrage', 'maxTransactions']) {
        const line = 1 + lines.findIndex((text) => text.includes(field));
        expect(output).toMatch(new RegExp(`changed\\.yaml:${line}:\\d+.*${field}`));
      }
      expect(output).toContain('storage');
    }),
    boundMs,
  );

  it(
    'with a wrong variable of the environment is refused with its name',
    withLogTails(async () => {
      const environment = { QUAESTOR_CONSENSUS_VIEW_TIMEOUT: '5 parsecs' };
      const { code, output } = await refusal(first, { environment });
      expect(code).toBe(usage);
      expect(output).toContain('QUAESTOR_CONSENSUS_VIEW_TIMEOUT');
    }),
    boundMs,
  );

  it(
    'that is missing, empty, or no YAML is refused',
    withLogTails(async () => {
      const missing = await refusal(first, { config: join(first.dir, 'nothing.yaml') });
      expect(missing.code).toBe(usage);
      expect(missing.output).toContain('nothing.yaml');
      for (const text of ['', '\u0000\u0001', 'validator: [', '- 1\n- 2\n']) {
        const { code } = await refusal(first, { config: await configWith(() => text) });
        expect(code).toBe(usage);
      }
    }),
    boundMs,
  );

  it(
    'of a validator that the genesis does not have is refused, as is one without the address of a peer',
    withLogTails(async () => {
      const stranger = await configWith((text) =>
        text.replace('validator: validator-1\n', 'validator: validator-9\n'),
      );
      const strange = await refusal(first, { config: stranger });
      expect(strange.code).toBeGreaterThan(0);
      expect(strange.output).toMatch(/validator-9.*validator-1, validator-2/s);
      const alone = await configWith((text) => text.replace(/ {2}- \{ validator: validator-2,.*\n/, ''));
      const lonely = await refusal(first, { config: alone });
      expect(lonely.code).toBeGreaterThan(0);
      expect(lonely.output).toContain('validator-2');
    }),
    boundMs,
  );
});

describe('a port that is in use', () => {
  for (const surface of ['peer', 'client', 'admin', 'http'] as const) {
    it(
      `for "${surface}" is named, and the process ends`,
      withLogTails(async () => {
        const port = first.ports[surface];
        const server = await occupied(port);
        try {
          const { code, output } = await refusal(first);
          expect(code).toBe(failed);
          expect(output).toContain(String(port));
        } finally {
          await new Promise((resolve) => server.close(resolve));
        }
      }),
      boundMs,
    );
  }
});

describe('a key or certificate', () => {
  it.each([
    ['key/validator.key', 'key.file'],
    ['key/validator.password', 'key.passwordFile'],
    ['tls/validator.pem', 'tls.peer.cert'],
    ['tls/validator-key.pem', 'tls.peer.key'],
    ['tls/ca.pem', 'tls.peer.ca'],
    ['genesis.yaml', 'network.genesis'],
  ])(
    'that is missing is named with its field: %s',
    async (name, field) => {
      await withLogTails(() =>
        withFile(name, rm, async () => {
          const { code, output } = await refusal(first);
          expect(code).toBe(usage);
          expect(output).toContain(name);
          expect(output).toContain(field);
        }),
      )();
    },
    boundMs,
  );

  it.each(['key/validator.key', 'key/validator.password', 'tls/validator-key.pem'])(
    'that others may read is refused: %s',
    async (name) => {
      await withLogTails(() =>
        withFile(
          name,
          (path) => chmod(path, 0o644),
          async () => {
            const { code, output } = await refusal(first);
            expect(code).toBeGreaterThan(0);
            expect(output).toContain(name);
            expect(output).toMatch(/chmod|0600|mode/);
          },
        ),
      )();
    },
    boundMs,
  );

  it(
    'is not opened by a wrong password, nor when it is damaged',
    withLogTails(async () => {
      const wrong = (path: string): Promise<void> => writeFile(path, 'not the password\n');
      await withFile('key/validator.password', wrong, async () => {
        const { code, output } = await refusal(first);
        expect(code).toBe(failed);
        expect(output).toMatch(/password/);
        expect(output).not.toContain('not the password');
      });
      const cut = async (path: string): Promise<void> => {
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.slice(0, text.length / 2));
      };
      for (const name of [
        'key/validator.key',
        'tls/validator.pem',
        'tls/validator-key.pem',
        'genesis.yaml',
      ]) {
        await withFile(name, cut, async () => {
          expect((await refusal(first)).code).toBeGreaterThan(0);
        });
      }
    }),
    boundMs,
  );

  it(
    'of another validator is refused, each by itself',
    withLogTails(async () => {
      const take = (name: string) => (path: string) => copyFile(join(second.dir, name), path);
      await withFile('key/validator.key', take('key/validator.key'), () =>
        withFile('key/validator.password', take('key/validator.password'), async () => {
          const { code, output } = await refusal(first);
          expect(code).toBe(failed);
          expect(output).toMatch(/validator\.key.*validator-1/s);
        }),
      );
      await withFile('tls/validator-key.pem', take('tls/validator-key.pem'), async () => {
        expect((await refusal(first)).code).toBe(failed);
        await withFile('tls/validator.pem', take('tls/validator.pem'), async () => {
          const { code, output } = await refusal(first);
          expect(code).toBe(failed);
          expect(output).toMatch(/certificate.*validator-1.*validator-2/s);
        });
      });
    }),
    boundMs,
  );

  it(
    'of another validator is refused towards clients too',
    withLogTails(async () => {
      const theirs = join(second.dir, 'tls');
      const config = await configWith((text) =>
        text.replace(
          / {2}client: \{.*\n/,
          `  client: { ca: tls/ca.pem, cert: ${theirs}/validator.pem, key: ${theirs}/validator-key.pem }\n`,
        ),
      );
      const { code, output } = await refusal(first, { config });
      expect(code).toBe(failed);
      expect(output).toMatch(/certificate.*validator-1/s);
    }),
    boundMs,
  );

  it(
    'that has expired is refused, since nobody would talk to it',
    withLogTails(async () => {
      const validity = { nowMs: Date.now() - 10 * 86_400_000, days: 5 };
      const old = await network.issue('validator', first.id, { validity });
      await withFile(
        'tls/validator.pem',
        (path) => writeFile(path, old.certificatePem),
        () =>
          withFile(
            'tls/validator-key.pem',
            (path) => writeFile(path, old.privateKeyPem),
            async () => {
              const { code, output } = await refusal(first);
              expect(code).toBe(failed);
              expect(output).toMatch(/certificate.*expired/);
            },
          ),
      );
    }),
    boundMs,
  );
});

it(
  'a validator that the others do not reach lives and is not ready, says after a while that the quorum is missing, and is ready when it has heard from one',
  withLogTails(async () => {
    first.start();
    await eventually('it says so', () =>
      /QUORUM_LOST Only 1 of 2 validators are connected; 2 are needed/.test(first.logTail(5)),
    );
    expect(await first.http('/healthz')).toMatchObject({ status: 200 });
    const { status, body } = await first.http('/readyz');
    expect(status).toBe(503);
    expect(body).toMatch(/heard from too few validators since its start .*: 1 of 2, itself included/);
    // Neither was ready before they met.
    second.start();
    await Promise.all([first.ready(), second.ready()]);
    // It knows where the others are, and answers clients, who hear that there is no quorum.
    await second.stop();
    await eventually(
      'it notices',
      async () => (await first.metric('quaestor_network_peers_connected')) === 0,
    );
    await first.ready();
    expect(await first.stop()).toMatchObject({ code: 0 });
  }),
  boundMs,
);

describe('a data folder', () => {
  it(
    'that later software has written is refused, with what to do, and left as it is',
    withLogTails(async () => {
      const data = join(second.dir, 'data');
      const store = join(data, 'store');
      // What tests before this one made.
      await mkdir(data, { recursive: true });
      await rename(data, `${data}.kept`);
      const marker =
        `format: 90\ncompatible-since: 88\nsoftware: 7.1.0\nengine: leveldb\nchain: ${'0'.repeat(64)}\n` +
        `validator: ${second.id}\n`;
      await mkdir(join(store, 'leveldb'), { recursive: true });
      await writeFile(join(store, 'QUAESTOR-STORE'), marker);
      try {
        const { code, output } = await refusal(second);
        expect(code).toBe(failed);
        expect(output).toMatch(
          /format 90, given to it by version 7\.1\.0 .*needs software that knows format 88/,
        );
        expect(output).toMatch(/Nothing was changed\..*docs\/upgrades\.md/);
        expect(await readFile(join(store, 'QUAESTOR-STORE'), 'utf8')).toBe(marker);
        expect((await readdir(store)).sort()).toEqual(['QUAESTOR-STORE', 'leveldb']);
        expect(await readdir(join(store, 'leveldb'))).toEqual([]);
      } finally {
        await rm(data, { recursive: true });
        await rename(`${data}.kept`, data);
      }
    }),
    boundMs,
  );

  it(
    'that another process uses is left alone',
    withLogTails(async () => {
      await network.startAll();
      const twin = new ValidatorProcess({
        ...network.processOptions(first),
        logFile: join(network.dir, 'twin.log'),
      });
      const ports = Object.fromEntries(
        ['PEER', 'CLIENT', 'ADMIN', 'HTTP'].map((surface) => [`QUAESTOR_LISTEN_${surface}`, '127.0.0.1:0']),
      );
      const { code, output } = await refusal(twin, { environment: ports });
      expect(code).toBe(failed);
      expect(output).toMatch(/in use by another process/);
      await network.whole();
      await network.stopAll();
    }),
    boundMs,
  );

  it(
    'of another chain, or of another validator, is refused and left as it is',
    withLogTails(async () => {
      const other = await TestNetwork.start({ validators: 1 });
      try {
        await other.stopAll();
        await moved(other.validators[0]!, first, async (files) => {
          const { code, output } = await refusal(first);
          expect(code).toBe(failed);
          expect(output).toMatch(/belongs to chain .*genesis/);
          expect(await filesOf(first.storeDir)).toEqual(files);
        });
        await moved(second, first, async (files) => {
          const { code, output } = await refusal(first);
          expect(code).toBe(failed);
          expect(output).toMatch(/validator-2/);
          expect(await filesOf(first.storeDir)).toEqual(files);
        });
      } finally {
        await other.close();
      }
    }),
    boundMs,
  );

  it(
    'that is a file, or holds something else, is refused',
    withLogTails(async () => {
      const file = join(first.dir, 'a-file');
      await writeFile(file, 'text');
      const asFile = await refusal(first, { environment: { QUAESTOR_DATA_DIR: file } });
      expect(asFile.code).toBe(usage);
      const folder = join(first.dir, 'a-folder');
      await mkdir(join(folder, 'store'), { recursive: true });
      await writeFile(join(folder, 'store', 'letters.txt'), 'text');
      const asFolder = await refusal(first, { environment: { QUAESTOR_DATA_DIR: folder } });
      expect(asFolder.code).toBe(failed);
      expect(await readdir(join(folder, 'store'))).toEqual(['letters.txt']);
    }),
    boundMs,
  );
});

it(
  'after all that the validators start and see each other',
  withLogTails(async () => {
    await network.startAll();
    await network.stopAll();
  }),
  boundMs,
);

/** Puts a copy of one validator's data in the place of another's while the body runs. */
async function moved(
  from: ValidatorProcess,
  to: ValidatorProcess,
  body: (files: readonly string[]) => Promise<void>,
): Promise<void> {
  const kept = `${to.storeDir}-kept`;
  await cp(to.storeDir, kept, { recursive: true });
  await rm(to.storeDir, { recursive: true });
  await cp(from.storeDir, to.storeDir, { recursive: true });
  try {
    await body(await filesOf(to.storeDir));
  } finally {
    await rm(to.storeDir, { recursive: true });
    await cp(kept, to.storeDir, { recursive: true });
  }
}

/** Files with their sizes, without those that any opening touches. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  const contents = await Promise.all(
    names.map(
      async (name) => `${name} ${await readFile(join(folder, name), 'base64').catch(() => 'folder')}`,
    ),
  );
  return contents.filter((text) => !/\/(LOG|LOCK)/.test(text)).sort();
}

function occupied(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
}
