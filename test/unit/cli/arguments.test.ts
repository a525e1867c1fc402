import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../helpers/cli.js';

const commands = [
  ['init'],
  ['keys'],
  ['keys', 'generate'],
  ['keys', 'show'],
  ['keys', 'request'],
  ['keys', 'certify'],
  ...['request', 'assemble', 'show', 'sign', 'verify'].map((name) => ['genesis', name]),
  ['keys', 'authority'],
  ['start'],
  ['devnet', 'run'],
  ['submit'],
  ['payments', 'validate'],
  ['accounts', 'list'],
  ['accounts', 'show'],
  ['accounts', 'history'],
  ['accounts', 'statement'],
  ['blocks', 'list'],
  ['blocks', 'show'],
  ['blocks', 'follow'],
  ['status'],
  ['verify', 'chain'],
  ['verify', 'receipt'],
  ['verify-receipt'],
];

// Each case starts processes; on a busy machine that takes its time.
jest.setTimeout(120_000);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quaestor-cli-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the command line', () => {
  it('lists every command and the exit codes', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const [name] of commands) expect(stdout).toContain(`\n  ${name!}`);
    expect(stdout).toContain('Exit codes:');
  });

  it('explains each command with an example', async () => {
    const results = await Promise.all(commands.map((words) => runCli([...words, '--help'])));
    for (const [index, { code, stdout }] of results.entries()) {
      const words = commands[index]!;
      expect([words, code]).toEqual([words, 0]);
      expect(stdout).toContain(`Usage: quaestor ${words.join(' ')}`);
      if (words.join() !== 'keys') expect(stdout).toContain(`Example:\n  quaestor ${words.join(' ')}`);
    }
  });

  it('tells its version', async () => {
    expect(await runCli(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it.each([
    [['strat'], 'Did you mean start?'],
    [['status', '--bogus'], "unknown option '--bogus'"],
    [['status'], 'QUAESTOR_PROFILE'],
    [['status', '--profile', '/no/such/folder'], 'There is no profile /no/such/folder.'],
    [['status', '--timeout', '3'], 'Expected a duration with a unit'],
    [['start'], "required option '-c, --config <file>'"],
    [['start', '--config', '/no/such/file.yaml'], '/no/such/file.yaml: The file does not exist.'],
    [['init', '--validators', '0'], 'Expected a whole number from 1 to 64.'],
    [['init', '--base-port', '64999', '--dir', 'x'], 'The base port is 64999; expected at most'],
    [
      ['init', '--world', '/no/such/world.yaml', '--dir', 'x'],
      '/no/such/world.yaml: The file does not exist.',
    ],
    [['blocks', 'show', 'first', '--profile', 'x'], 'Expected a height or "latest".'],
    [['payments', 'validate', '/no/such/payments.xml'], 'There is no payments file /no/such/payments.xml.'],
    [['submit', '--from', 'A', '--profile', 'x'], 'Expected --from, --to, --amount and --asset'],
    [['submit', '--payments', 'f', '--memo', 'm', '--profile', 'x'], 'exclude each other'],
    [['devnet', 'run', '--payments', '/no/such/payments.xml'], 'There is no payments file'],
  ] as const)('refuses %j with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args, { cwd: dir });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('says errors as JSON when JSON is wanted, and where they come from only with --debug', async () => {
    const plain = await runCli(['status', '--json', '--profile', '/no/such/folder']);
    expect(JSON.parse(plain.stdout)).toEqual({
      error: { code: 'USAGE', message: 'There is no profile /no/such/folder.' },
    });
    const debug = await runCli(['status', '--debug', '--profile', '/no/such/folder']);
    expect(debug.code).toBe(2);
    expect(debug.stderr).toMatch(/\n\s+at /);
  });
});

describe('quaestor payments validate', () => {
  const validate = (text: string) => async () => {
    const file = join(dir, 'payments.csv');
    await writeFile(file, text);
    return runCli(['payments', 'validate', '--json', file]);
  };
  const header = 'end_to_end_id,debtor_account,creditor_account,currency,amount\n';

  it('accepts a good file', async () => {
    const { code, stdout } = await validate(`${header}A-1,ACC-1,ACC-2,EUR,12.50\n`)();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      format: 'csv',
      payments: 1,
      submittable: 'all',
      totals: [{ currency: 'EUR', payments: 1, amount: '12.50' }],
    });
  });

  it('names line and field of what is wrong', async () => {
    const { code, stdout } = await validate(`${header}A-1,ACC-1,ACC-2,EUR,12.505\n`)();
    expect(code).toBe(1);
    const { problems } = JSON.parse(stdout) as { problems: string[] };
    expect(problems.join()).toMatch(/line 2.*amount/);
  });
});
