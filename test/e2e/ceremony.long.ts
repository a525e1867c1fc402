/** Four institutions that share nothing but the files that they hand out make a network: docs/operators/ceremony.md. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli, startCli, type CliProcess } from '../helpers/cli.js';
import { eventually } from '../helpers/eventually.js';
import { quaestor } from './command-line.js';
import { publicKeyIn } from './joining.js';
import { claimPorts } from './network.js';

jest.setTimeout(180_000);

const network = 'ceremony';
const members = ['bank-alba', 'bank-borealis', 'custodian-cadence', 'clearing-delta'] as const;
const world = `network: ${network}
members:
${members.map((id) => `  - { id: ${id}, name: ${id} }`).join('\n')}
validators:
${members.map((member, index) => `  - { id: validator-${index + 1}, member: ${member} }`).join('\n')}
assets:
  - { id: EUR, exponent: 2, issuer: clearing-delta, name: Euro }
accounts:
  - { id: A, owner: bank-alba, balances: { EUR: '100.00' } }
  - { id: B, owner: bank-borealis }
`;

let parent: string;
let base: number;
let release: () => void;
const running: CliProcess[] = [];
/** Folder of an institution: nobody else reads it. */
const own = (index: number, ...names: string[]): string => join(parent, members[index]!, ...names);
/** Where what is handed out goes. */
const table = (...names: string[]): string => join(parent, 'handed-out', ...names);
const ports = (
  index: number,
): { readonly peer: number; readonly client: number; readonly http: number; readonly admin: number } => {
  const first = base + 10 * (index + 1);
  return { peer: first, client: first + 1, admin: first + 2, http: first + 3 };
};

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quaestor-ceremony-'));
  const claimed = await claimPorts(members.length);
  base = claimed.base;
  release = () => claimed.claim.close();
  await mkdir(table());
  await writeFile(table('world.yaml'), world);
});

afterAll(async () => {
  for (const process of running) process.kill('SIGKILL');
  await Promise.all(running.map(({ result }) => result));
  release();
  await rm(parent, { recursive: true, force: true });
});

/** Keys, certificates of the own authority, and what is handed out. */
async function prepare(index: number): Promise<void> {
  const member = members[index]!;
  const validator = `validator-${index + 1}`;
  for (const name of ['key', 'keys', 'tls']) await mkdir(own(index, name), { recursive: true, mode: 0o700 });
  await Promise.all([
    quaestor('keys', 'generate', '--out', own(index, 'key', 'validator.key')),
    quaestor('keys', 'generate', '--out', own(index, 'keys', 'member.key')),
    quaestor('keys', 'authority', '--network', network, '--owner', member, '--dir', own(index, 'authority')),
  ]);
  const certify = async (role: string, id: string, name: string, ...hosts: string[]): Promise<void> => {
    const whose = ['--network', network, '--role', role, '--id', id];
    await quaestor('keys', 'request', ...whose, '--out', own(index, 'tls', name));
    await quaestor(
      ...['keys', 'certify', '--authority', own(index, 'authority'), ...whose, ...hosts],
      ...['--request', own(index, 'tls', `${name}.csr.pem`), '--out', own(index, 'tls', `${name}.pem`)],
    );
  };
  await Promise.all([
    certify('validator', validator, 'validator', '--host', '127.0.0.1'),
    certify('member', member, 'client'),
    quaestor(
      ...['genesis', 'request', '--network', network, '--member', member],
      ...['--member-key', own(index, 'keys', 'member.key'), '--validator', validator],
      ...[
        '--validator-key',
        own(index, 'key', 'validator.key'),
        '--address',
        `127.0.0.1:${ports(index).peer}`,
      ],
      ...['--authority', own(index, 'authority', 'ca.pem'), '--out', table(`${member}.yaml`)],
    ),
  ]);
}

const chainIdOf = async (genesis: string): Promise<string> =>
  (JSON.parse(await quaestor('genesis', 'show', '--genesis', genesis, '--json')) as { chainId: string })
    .chainId;

const sign = (index: number, chainId: string, genesis = own(index, 'genesis.yaml')) =>
  runCli([
    ...[
      'genesis',
      'sign',
      '--genesis',
      genesis,
      '--chain-id',
      chainId,
      '--validator',
      `validator-${index + 1}`,
    ],
    ...[
      '--key',
      own(index, 'key', 'validator.key'),
      '--password-file',
      own(index, 'key', 'validator.password'),
    ],
    ...['--out', table(`validator-${index + 1}.signature`)],
  ]);

const signatures = (...indexes: number[]): string[] =>
  indexes.map((index) => table(`validator-${index + 1}.signature`));

const configOf = (index: number, chainId: string): string => `validator: validator-${index + 1}
dataDir: data
network:
  genesis: genesis.yaml
  chainId: '${chainId}'
listen:
  peer: 127.0.0.1:${ports(index).peer}
  client: 127.0.0.1:${ports(index).client}
  admin: 127.0.0.1:${ports(index).admin}
  http: 127.0.0.1:${ports(index).http}
tls:
  peer: { ca: tls/ca.pem, cert: tls/validator.pem, key: tls/validator-key.pem }
  client: { ca: tls/ca.pem, cert: tls/validator.pem, key: tls/validator-key.pem }
key: { file: key/validator.key, passwordFile: key/validator.password }
`;

describe('a genesis ceremony', () => {
  it('gives every institution the same genesis, signed by all, and a network that pays', async () => {
    await Promise.all(members.map((_, index) => prepare(index)));
    const requests = members.map((member) => table(`${member}.yaml`));
    const assemble = (dir: string, files: readonly string[]) =>
      runCli([
        ...[
          'genesis',
          'assemble',
          '--world',
          table('world.yaml'),
          '--time',
          '2026-11-01T08:00:00Z',
          '--dir',
          dir,
        ],
        ...['--request', ...files],
      ]);
    // Each puts it together by itself, whatever order the files come in.
    for (const [index] of members.entries()) {
      const files = index % 2 === 0 ? requests : [...requests].reverse();
      expect(await assemble(own(index), files)).toMatchObject({ code: 0 });
    }
    const ids = await Promise.all(members.map((_, index) => chainIdOf(own(index, 'genesis.yaml'))));
    expect(new Set(ids).size).toBe(1);
    const [chainId] = ids as [string];
    expect(await assemble(own(0), requests.slice(1))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('There is no key for member bank-alba, validator validator-1'),
    });

    // Nobody signs what was not compared, or has another key in it.
    expect(
      await sign(
        0,
        chainId.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
      ),
    ).toMatchObject({ code: 4 });
    await quaestor('keys', 'generate', '--out', own(1, 'key', 'other.key'));
    const [mine, another] = await Promise.all([
      publicKeyIn(own(0, 'key', 'validator.key')),
      publicKeyIn(own(1, 'key', 'other.key')),
    ]);
    const swapped = (await readFile(own(0, 'genesis.yaml'), 'utf8')).replaceAll(mine, another);
    await writeFile(own(0, 'swapped.yaml'), swapped);
    expect(await sign(0, await chainIdOf(own(0, 'swapped.yaml')), own(0, 'swapped.yaml'))).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('Nothing was signed'),
    });

    for (const index of [0, 1, 2]) expect(await sign(index, chainId)).toMatchObject({ code: 0 });
    const verify = (...indexes: number[]) =>
      runCli([
        'genesis',
        'verify',
        '--genesis',
        own(3, 'genesis.yaml'),
        '--signatures',
        ...signatures(...indexes),
      ]);
    expect(await verify(0, 1, 2)).toMatchObject({
      code: 4,
      stdout: expect.stringContaining('has not signed'),
    });
    expect(await sign(3, chainId)).toMatchObject({ code: 0 });
    expect(await verify(0, 1, 2, 3)).toMatchObject({ code: 0 });
    const text = await readFile(table('validator-1.signature'), 'utf8');
    await writeFile(
      table('validator-1.signature'),
      text.replace(/.\n$/, (end) => (end === '0\n' ? '1\n' : '0\n')),
    );
    expect(await verify(0, 1, 2, 3)).toMatchObject({
      code: 4,
      stdout: expect.stringContaining('does not hold'),
    });

    // The configuration names the chain: with another genesis a node does not start, and makes no store.
    const peers = await readFile(own(0, 'peers.yaml'), 'utf8');
    for (const [index] of members.entries()) {
      await copyFile(own(index, 'ca.pem'), own(index, 'tls', 'ca.pem'));
      await writeFile(own(index, 'validator.yaml'), configOf(index, chainId) + peers);
    }
    await writeFile(
      own(0, 'wrong.yaml'),
      (configOf(0, chainId) + peers).replace('genesis.yaml', 'swapped.yaml'),
    );
    const wrong = await runCli(['start', '--config', own(0, 'wrong.yaml')]);
    expect(wrong.code).not.toBe(0);
    expect(wrong.stdout + wrong.stderr).toContain('which network.chainId of the configuration names');
    await expect(readFile(own(0, 'data', 'store', 'QUAESTOR-STORE'))).rejects.toMatchObject({
      code: 'ENOENT',
    });

    for (const [index] of members.entries())
      running.push(startCli(['start', '--config', own(index, 'validator.yaml')]));
    await writeFile(
      own(0, 'profile.yaml'),
      `member: bank-alba
genesis: genesis.yaml
validators:
${members.map((_, index) => `  - { id: validator-${index + 1}, address: "127.0.0.1:${ports(index).client}" }`).join('\n')}
tls: { ca: tls/ca.pem, cert: tls/client.pem, key: tls/client-key.pem }
keys:
  - { file: keys/member.key, passwordFile: keys/member.password }
`,
    );
    const profile = ['--profile', own(0)];
    await eventually('all validators answer', async () => {
      const { code } = await runCli(['status', ...profile, '--json']);
      return code === 0;
    });
    const paid = await runCli([
      'submit',
      '--from',
      'A',
      '--to',
      'B',
      '--amount',
      '12.50',
      '--asset',
      'EUR',
      ...profile,
    ]);
    expect(paid).toMatchObject({ code: 0 });
  });
});
