/** `quaestor devnet run` and the commands of clients, as a user meets them: processes, files, exit codes. */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli, startCli, type CliProcess, type CliResult } from '../helpers/cli.js';
import { eventually } from '../helpers/eventually.js';
import { CheckedXml } from '../helpers/xml-schema.js';

jest.setTimeout(240_000);

const treasury = fileURLToPath(new URL('../../configs/payments/treasury-2026-11.xml', import.meta.url));
const sample = fileURLToPath(new URL('../../configs/payments/sample.csv', import.meta.url));
const [alba, albaToo] = ['IT17M9990101600000000100001', 'IT91N9990101600000000100002'];
const transfer = ['submit', '--from', alba, '--to', albaToo, '--asset', 'EUR'];

interface Summary {
  readonly total: number;
  readonly paid: number;
  readonly paidEarlier: number;
  readonly elapsedMs: number;
}
interface Document {
  readonly resumed: boolean;
  readonly height: number;
  readonly stateRoot: string;
  readonly summary: Summary;
  readonly payments: readonly Record<string, unknown>[];
  readonly validators: readonly { readonly id: string; readonly pid: number; readonly start: string }[];
}
const documentOf = ({ stdout }: Pick<CliResult, 'stdout'>): Document => JSON.parse(stdout) as Document;

let parent: string;
let dir: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quaestor-devnet-'));
  dir = join(parent, 'network');
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const running = new Set<CliProcess>();
afterEach(async () => {
  for (const process of running) process.kill('SIGTERM');
  await Promise.all([...running].map(({ result }) => result));
  running.clear();
});
const start = (args: readonly string[]): CliProcess => {
  const process = startCli(args);
  running.add(process);
  return process;
};
const profile = (member: string): string[] => ['--profile', join(dir, 'clients', member), '--json'];

/** Whether a process of this number runs. */
const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('quaestor devnet run', () => {
  it('pays a file once, however often it is run, with the receipts to prove it', async () => {
    const once = ['devnet', 'run', '--once', '--dir', dir, '--json'];
    const first = await runCli(once);
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
    const paid = documentOf(first);
    expect(paid).toMatchObject({
      resumed: false,
      summary: { total: 240, paid: 240, paidEarlier: 0, failed: 0, refused: 0, unknown: 0 },
    });
    expect(paid.payments.every(({ outcome, verified }) => outcome === 'final' && verified === true)).toBe(
      true,
    );
    for (const { pid } of paid.validators) expect(runs(pid)).toBe(false);

    const again = await runCli(once);
    expect(again.code).toBe(0);
    const resumed = documentOf(again);
    expect(resumed).toMatchObject({
      resumed: true,
      height: paid.height,
      stateRoot: paid.stateRoot,
      summary: { total: 240, paid: 0, paidEarlier: 240 },
    });
    const receipts = ({ payments }: Document) => payments.map(({ txId, height }) => [txId, height]);
    expect(receipts(resumed)).toEqual(receipts(paid));
  });

  it('submits nothing of an invalid file, and the rest of it when asked to', async () => {
    const text = await readFile(sample, 'utf8');
    const bad = join(parent, 'bad.csv');
    await writeFile(bad, text.replace('106744.05', '106744.055').replaceAll('CSV-20261103', 'CSV-BAD'));
    const refused = await runCli(['devnet', 'run', '--once', '--dir', dir, '--payments', bad]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/payment 1 \(line 2\).*\n.*Nothing was submitted/);
    const args = ['devnet', 'run', '--once', '--dir', dir, '--payments', bad, '--skip-invalid', '--json'];
    const rest = await runCli(args);
    expect(rest.code).toBe(0);
    expect(documentOf(rest).summary).toMatchObject({ total: 11, paid: 11 });
    expect(await readFile(join(dir, 'logs', 'rejects.csv'), 'utf8')).toContain('AMOUNT_DECIMALS');
  });

  it('serves clients, survives kill -9, says when there is no quorum, and pays what was open exactly once', async () => {
    const network = start(['devnet', 'run', '--dir', dir, '--no-payments', '--json']);
    await eventually('the network runs', () => network.stdout().trimEnd().endsWith('}'));
    const { validators } = documentOf({ stdout: network.stdout() });

    const twice = await runCli(['devnet', 'run', '--dir', dir, '--once']);
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('runs already') });

    // A profile that never paid: what the others paid for the member is on the ledger.
    const copy = join(parent, 'copies');
    await cp(join(dir, 'clients'), copy, { recursive: true });
    for (const name of await readdir(copy, { recursive: true })) {
      if (name.endsWith('.jsonl')) await rm(join(copy, name));
    }
    const report = join(parent, 'status.xml');
    const again = ['submit', '--payments', treasury, '--profile', copy, '--status-report', report, '--json'];
    const known = await runCli(again);
    expect(known.code).toBe(0);
    const statusReport = new CheckedXml(await readFile(report, 'utf8'));
    expect(statusReport.problem('pain.002.001.12')).toBeUndefined();
    expect(statusReport.texts('OrgnlGrpInfAndSts/GrpSts')).toEqual(['ACSC']);
    expect(statusReport.texts('TxInfAndSts/TxSts')).toHaveLength(240);
    expect(documentOf(known).summary).toMatchObject({ total: 240, paid: 0, paidEarlier: 240 });

    const receipts = join(parent, 'receipts');
    const pay = [...transfer, '--amount', '12.50', '--end-to-end-id', 'INV-1', ...profile('bank-alba')];
    const one = await runCli([...pay, '--save-receipts', receipts]);
    expect(one.code).toBe(0);
    expect(documentOf(one).payments).toMatchObject([{ outcome: 'final', earlier: false, amount: '12.50' }]);
    expect(documentOf(await runCli(pay)).payments).toMatchObject([{ outcome: 'final', earlier: true }]);
    const changed = await runCli(pay.map((word) => (word === '12.50' ? '12.51' : word)));
    expect(changed.code).toBe(1);
    expect(documentOf(changed).payments).toMatchObject([
      { outcome: 'refused', code: 'IDEMPOTENCY_KEY_REUSED' },
    ]);

    const verify = (receipt: string, genesis = join(dir, 'genesis.yaml')): Promise<CliResult> =>
      runCli([
        'verify-receipt',
        ...['--genesis', genesis, '--receipt', receipt, '--transaction', join(receipts, 'INV-1.transaction')],
        '--json',
      ]);
    const verified = await verify(join(receipts, 'INV-1.receipt'));
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ holds: true, code: 'OK' });
    const forged = await readFile(join(receipts, 'INV-1.receipt'));
    forged[forged.length - 1]! ^= 1;
    await writeFile(join(receipts, 'forged.receipt'), forged);
    expect((await verify(join(receipts, 'forged.receipt'))).code).toBe(4);
    expect((await runCli(['init', '--dir', join(parent, 'other')])).code).toBe(0);
    const foreign = await verify(join(receipts, 'INV-1.receipt'), join(parent, 'other', 'genesis.yaml'));
    expect(foreign.code).toBe(4);

    const account = await runCli(['accounts', 'show', alba, ...profile('bank-alba')]);
    expect(JSON.parse(account.stdout)).toMatchObject({ owner: 'bank-alba', proven: true });
    expect(await runCli(['accounts', 'show', 'NOBODY', ...profile('bank-alba')])).toMatchObject({ code: 1 });
    const history = await runCli(['accounts', 'history', alba, '--limit', '1', ...profile('bank-alba')]);
    expect(JSON.parse(history.stdout)).toMatchObject([
      { operations: [{ endToEndId: 'INV-1' }], verified: true },
    ]);
    const statement = join(parent, 'statement.xml');
    const period = ['--asset', 'EUR', '--from', '2026-01-01', '--until', '2100-01-01'];
    const written = await runCli([
      ...['accounts', 'statement', alba, ...period, '--format', 'camt.052', '--out', statement],
      ...profile('bank-alba'),
    ]);
    expect(written).toMatchObject({ code: 0 });
    const camt = new CheckedXml(await readFile(statement, 'utf8'));
    expect(camt.problem('camt.052.001.08')).toBeUndefined();
    expect(camt.texts('Ntry/NtryDtls/TxDtls/Refs/EndToEndId').at(-1)).toBe('INV-1');
    expect(await runCli(['accounts', 'statement', alba, ...period, ...profile('bank-alba')])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"isClosed": false'),
    });
    const followed = await runCli([
      'blocks',
      'follow',
      '--from',
      '1',
      '--count',
      '2',
      ...profile('bank-fuyu'),
    ]);
    expect(
      followed.stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { height: number }).height),
    ).toEqual([1, 2]);

    // Two of four are too many.
    const [, , third, fourth] = validators;
    for (const { pid } of [third!, fourth!]) process.kill(pid, 'SIGKILL');
    await eventually('the deaths are reported', () => network.stderr().split('was killed').length === 3);
    expect(network.stderr()).toContain(third!.start);
    const open = [...transfer, '--amount', '7.00', '--wait', '4s', ...profile('bank-alba')];
    const without = await runCli(open);
    expect(without.code).toBe(3);
    expect(without.stderr).toContain('may still commit');
    expect(without.stderr).toContain('same command again');
    expect(documentOf(without).payments).toMatchObject([
      { outcome: 'unknown', code: 'NO_QUORUM', message: expect.stringContaining('no quorum') },
    ]);
    const status = await runCli(['status', ...profile('bank-alba')]);
    expect(status.code).toBe(3);
    expect(JSON.parse(status.stdout)).toMatchObject({ verdict: expect.stringContaining('no quorum') });

    // Started again with the command that was shown.
    for (const { start: command } of [third!, fourth!]) start(command.split(' ').slice(2));
    await eventually(
      'the network says that both are back',
      () => network.stderr().split('is back').length === 3,
    );
    const settled = await runCli([...open, '--wait', '60s']);
    expect(settled.code).toBe(0);
    expect(documentOf(settled).payments).toMatchObject([{ outcome: 'final' }]);
    const sums = await runCli(['accounts', 'history', alba, '--limit', '5', ...profile('bank-alba')]);
    const sevens = (JSON.parse(sums.stdout) as { operations: { amount: string }[] }[]).filter(
      ({ operations }) => operations[0]?.amount === '700',
    );
    expect(sevens).toHaveLength(1);
    await eventually('all agree', async () => {
      const { code, stdout } = await runCli(['status', ...profile('bank-alba')]);
      const { validators: all } = JSON.parse(stdout) as {
        validators: { height: number; stateRoot: string }[];
      };
      return code === 0 && new Set(all.map(({ height, stateRoot }) => `${height} ${stateRoot}`)).size === 1;
    });

    network.kill('SIGINT');
    expect((await network.result).code).toBe(0);
    expect(network.stderr()).toContain('still run: stop them where they were started');
    for (const { pid } of validators) expect(runs(pid)).toBe(false);
    const audited = await runCli([
      ...['verify', 'chain', '--config', join(dir, 'validators', 'validator-1', 'validator.yaml')],
      ...['--work', join(parent, 'work'), '--json'],
    ]);
    expect(audited.code).toBe(0);
    expect(JSON.parse(audited.stdout)).toMatchObject({ holds: true, validator: 'validator-1', evidence: 0 });
  });

  it('leaves no process behind when it is stopped while it starts, or killed', async () => {
    const validatorsOf = async ({ pid }: CliProcess): Promise<number[]> => {
      const state = JSON.parse(await readFile(join(dir, 'running.json'), 'utf8')) as {
        pid: number;
        validators: { pid: number }[];
      };
      if (state.pid !== pid) throw new Error('It has not written its state yet.');
      return state.validators.map((validator) => validator.pid);
    };
    const starting = start(['devnet', 'run', '--dir', dir, '--no-payments']);
    let children: number[] = [];
    await eventually('it has started processes', async () => {
      children = await validatorsOf(starting);
      return children.length === 4;
    });
    starting.kill('SIGINT');
    expect((await starting.result).code).toBe(130);
    for (const pid of children) expect(runs(pid)).toBe(false);

    const killed = start(['devnet', 'run', '--dir', dir, '--no-payments']);
    await eventually('the network runs', () => killed.stdout().includes('Ctrl-C stops'));
    children = await validatorsOf(killed);
    killed.kill('SIGKILL');
    await eventually('its validators have stopped', () => !children.some(runs));
    // The folder is free again.
    expect((await runCli(['devnet', 'run', '--dir', dir, '--once', '--no-payments'])).code).toBe(0);
  });
});
