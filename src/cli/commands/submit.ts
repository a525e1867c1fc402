import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { join } from 'node:path';
import { isId, type ValidatorSetChange } from '../../codec/index.js';
import { formatAmount, parseAmount } from '../../config/index.js';
import { paymentIdempotencyKey, type Payment } from '../../payments/index.js';
import { limits } from '../../types/index.js';
import {
  openProfiles,
  profileOption,
  type OpenProfile,
  type ProfileOptions,
} from '../client/open-profile.js';
import { define, durationOption, parse, type CommandContext } from '../command.js';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { CommandError, usageError } from '../command-error.js';
import { count } from '../output.js';
import type { Payer } from '../payments/payer.js';
import {
  checkPaymentsFile,
  paymentsOf,
  requireSubmittable,
  writeRejectsFile,
} from '../payments/payments-file.js';
import {
  exitCodeOf,
  paymentsDocument,
  showPayments,
  showSummary,
  tallyOf,
  type PaymentsResult,
} from '../payments/report.js';
import { Rejects, ownersOf, runPayments, runWith, withPayers } from '../payments/run-payments.js';
import { saveReceipts } from '../payments/save-receipts.js';
import { writeStatusReportFile } from '../payments/status-report.js';

interface SubmitOptions extends ProfileOptions {
  readonly from?: string;
  readonly to?: string;
  readonly amount?: string;
  readonly asset?: string;
  readonly memo?: string;
  readonly endToEndId?: string;
  readonly payments?: string;
  readonly skipInvalid?: boolean;
  readonly rejects?: string;
  readonly saveReceipts?: string;
  readonly statusReport?: string;
  readonly inFlight: number;
  readonly wait: number;
}

/** Rows that a table on a screen may have. */
const maxRows = 1000;

/** `quaestor submit`. */
export function submitCommand(): Command {
  const command = new Command('submit')
    .description(
      'Submits one transfer, or the payments of a file (ISO 20022 pain.001.001.09 or CSV), waits until each is final, ' +
        'and verifies its receipt against the genesis. Safe to be run again: what was submitted before is recognised ' +
        'and never paid twice.',
    )
    .addOption(profileOption())
    .option('--from <account>', 'account that pays')
    .option('--to <account>', 'account that is paid')
    .option('--amount <amount>', 'amount in major units, for example 12.50')
    .option('--asset <asset>', 'asset, for example EUR')
    .option('--memo <text>', 'remittance information')
    .option(
      '--end-to-end-id <id>',
      'id of the payment; with the same id it is made once, however often this is run',
    )
    .option('--payments <file>', 'payments file, instead of a single transfer')
    .option('--skip-invalid', 'leave out invalid payments of the file')
    .option(
      '--rejects <file>',
      'where the left out payments are written, with reasons (default: FILE.rejects.csv)',
    )
    .option(
      '--status-report <file>',
      'write what became of each payment of a pain.001 file as an ISO 20022 status report (pain.002.001.12)',
    )
    .option('--save-receipts <folder>', 'keep receipts and transactions, for "quaestor verify-receipt"')
    .option('--in-flight <number>', 'payments in progress at once', parse.integer(1, 1000), 64)
    .addOption(durationOption('--wait', 'how long each payment is waited for', 30_000));
  return define<SubmitOptions>(
    command,
    'quaestor submit --from IT17M9990101600000000100001 --to CH4699701000000200002 --amount 12.50 --asset EUR --profile data/devnet/clients/bank-alba\n' +
      'quaestor submit --payments configs/payments/treasury-2026-11.xml --profile data/devnet/clients',
    async (context, options) => {
      if (options.payments !== undefined) return submitFile(context, options, options.payments);
      return submitOne(context, options);
    },
  );
}

async function submitFile(context: CommandContext, options: SubmitOptions, path: string): Promise<ExitCode> {
  const { output, signal } = context;
  for (const name of ['from', 'to', 'amount', 'asset', 'memo', 'endToEndId'] as const) {
    if (options[name] !== undefined)
      throw usageError('A payments file and a single transfer exclude each other.');
  }
  const file = await checkPaymentsFile(path);
  const { statusReport } = options;
  if (statusReport !== undefined && file.summary.format !== 'pain001')
    throw usageError('A status report (pain.002) is about a pain.001 file; this one is CSV.');
  requireSubmittable(file, options.skipInvalid ?? false);
  const rejects = new Rejects();
  const { result, changes } = await withProfiles(options, async (profiles) => ({
    result: await runPayments({
      profiles,
      payments: paymentsOf(file, rejects.add),
      total: file.summary.valid,
      timeoutMs: options.wait,
      maxInFlight: options.inFlight,
      signal,
      output,
    }),
    changes: changesKnownTo(profiles),
  }));
  const document = paymentsDocument(result);
  if (rejects.payments.length > 0) {
    const rejectsPath = options.rejects ?? `${path}.rejects.csv`;
    await writeRejectsFile(rejectsPath, rejects.payments);
    output.line(`${count(rejects.payments.length, 'payment')} left out: ${rejectsPath} says why`);
    document['rejects'] = rejectsPath;
  }
  if (statusReport !== undefined) {
    await writeStatusReportFile(statusReport, result.reports, rejects.payments);
    output.line(`Status report: ${statusReport}`);
    document['statusReport'] = statusReport;
  }
  return finish(context, options, result, changes, document);
}

async function submitOne(context: CommandContext, options: SubmitOptions): Promise<ExitCode> {
  const { output, signal } = context;
  const draft = draftOf(options);
  return withProfiles(options, async (profiles) => {
    const [first] = profiles;
    if (first === undefined) throw usageError('No profile was given.');
    const owner = await ownersOf(first)(draft.from);
    const paying = profiles.filter(({ profile }) => profile.member === owner);
    const used = paying.length > 0 ? paying : profiles;
    return withPayers(used, signal, async (payers) => {
      const payment = await paymentOf(draft, options, first, payers);
      const result = await runWith(payers, {
        profiles: used,
        payments: once(payment),
        total: 1,
        timeoutMs: options.wait,
        maxInFlight: 1,
        signal,
        output,
      });
      const [report] = result.reports;
      const outcome = report?.outcome.kind;
      if (outcome === 'final' || outcome === 'failed' || outcome === 'refused') {
        await payers.get(report?.member ?? '')?.settle(payment);
      }
      return finish(context, options, result, changesKnownTo(used), paymentsDocument(result));
    });
  });
}

interface Draft {
  readonly from: string;
  readonly to: string;
  readonly amount: string;
  readonly asset: string;
}

function draftOf({ from, to, amount, asset, memo, endToEndId }: SubmitOptions): Draft {
  if (from === undefined || to === undefined || amount === undefined || asset === undefined) {
    throw usageError('Expected --from, --to, --amount and --asset for a transfer, or --payments FILE.');
  }
  for (const [name, account] of [
    ['--from', from],
    ['--to', to],
  ] as const) {
    if (!isId('account', account)) {
      throw usageError(
        `${name} is ${JSON.stringify(account)}; expected an account id, for example an IBAN without spaces.`,
      );
    }
  }
  if (from === to) throw usageError('--from and --to are the same account.');
  if (!isId('asset', asset))
    throw usageError(`--asset is ${JSON.stringify(asset)}; expected an asset id such as EUR.`);
  if (Buffer.byteLength(memo ?? '') > limits.maxMemoBytes) {
    throw usageError(`--memo is longer than ${limits.maxMemoBytes} bytes.`);
  }
  if (endToEndId !== undefined && !/^[\x21-\x7e]{1,64}$/.test(endToEndId)) {
    throw usageError('--end-to-end-id: expected 1 to 64 printable characters of ASCII without spaces.');
  }
  return { from, to, amount, asset };
}

/** Ids that are made here, for transfers without one. */
const madeId = /^CLI-\d{8}-[0-9a-f]{12}$/;

async function paymentOf(
  { from, to, amount, asset }: Draft,
  options: SubmitOptions,
  profile: OpenProfile,
  payers: ReadonlyMap<string, Payer>,
): Promise<Payment> {
  const exponent = await exponentOf(asset, from, profile);
  const minor = parseAmount(amount, exponent);
  if (!minor.ok || minor.value === 0n) {
    const example = formatAmount(1250n, exponent);
    throw usageError(
      `--amount is ${JSON.stringify(amount)}; expected an amount of ${asset} above zero with at most ${exponent} decimal places, such as "${example}".`,
    );
  }
  const payment = {
    position: 1,
    line: 1,
    messageId: '',
    paymentInformationId: '',
    debtorAccount: from,
    creditorAccount: to,
    currency: asset,
    exponent,
    amountMinor: minor.value,
    remittance: options.memo ?? '',
    warnings: [],
  };
  const withId = (endToEndId: string): Payment => ({
    ...payment,
    endToEndId,
    // No message of a bank is called so: the ids of files and those of single transfers don't meet.
    idempotencyKey: paymentIdempotencyKey('quaestor submit', '', endToEndId),
  });
  if (options.endToEndId !== undefined) return withId(options.endToEndId);
  // The same command again, after one whose outcome was not learned, goes on with that payment.
  for (const payer of payers.values()) {
    const open = payer.openLike(withId(''), madeId);
    if (open !== undefined) return withId(open);
  }
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  return withId(`CLI-${day}-${randomBytes(6).toString('hex')}`);
}

/** Decimal places of an asset: the genesis', or for a later one what the ledger says of the account that holds it. */
async function exponentOf(asset: string, account: string, { genesis, client }: OpenProfile): Promise<number> {
  const known = genesis.assets.find((entry) => entry.asset === asset);
  if (known !== undefined) return known.exponent;
  const { balances } = await client.getAccount(account, { assets: [asset] });
  const holding = balances.find((balance) => balance.asset === asset);
  if (holding !== undefined) return holding.exponent;
  throw new CommandError('ASSET_NOT_HELD', `The account ${account} holds no ${asset}.`);
}

// eslint-disable-next-line @typescript-eslint/require-await -- the engine takes streams
async function* once(payment: Payment): AsyncGenerator<Payment> {
  yield payment;
}

/** The changes of the validator set that were followed to check the receipts. */
function changesKnownTo(profiles: readonly OpenProfile[]): readonly ValidatorSetChange[] {
  return profiles
    .map(({ client }) => client.validatorSetChanges)
    .reduce((most, changes) => (changes.length > most.length ? changes : most), []);
}

async function finish(
  { output }: CommandContext,
  options: SubmitOptions,
  result: PaymentsResult,
  changes: readonly ValidatorSetChange[],
  document: Record<string, unknown>,
): Promise<ExitCode> {
  const { reports } = result;
  if (reports.length <= maxRows) showPayments(output, result);
  output.line();
  showSummary(output, result);
  if (options.saveReceipts !== undefined) {
    const saved = await saveReceipts(options.saveReceipts, reports, changes);
    output.line(`${count(saved, 'receipt')} in ${options.saveReceipts}`);
    const [first] = reports;
    if (first !== undefined && saved === 1) {
      output.line(
        `Verify it anywhere: quaestor verify-receipt --genesis genesis.yaml --receipt ${join(options.saveReceipts, `${first.payment.endToEndId}.receipt`)}`,
      );
    }
  }
  output.document(document);
  const exitCode = exitCodeOf(tallyOf(reports));
  if (exitCode === exitCodes.unreachable) {
    output.note(
      `${output.colours.yellow('open:')} not all payments were seen final; those that are open may still commit. Run the same command again to learn what became of them: nothing is paid twice.`,
    );
  }
  return exitCode;
}

async function withProfiles<T>(
  options: ProfileOptions,
  work: (profiles: readonly OpenProfile[]) => Promise<T>,
): Promise<T> {
  const profiles = await openProfiles(options);
  try {
    return await work(profiles);
  } finally {
    for (const { client } of profiles) client.close();
  }
}
