import { Command, InvalidArgumentError, Option } from 'commander';
import { formatAmount } from '../../config/index.js';
import { readStatement, type AccountStatement } from '../../client/index.js';
import { writeCamt, writeStatementCsv, type CamtKind, type StatementEntry } from '../../payments/index.js';
import { openProfile, profileOption, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption } from '../command.js';
import { usageError } from '../command-error.js';
import { count, groupDigits, printable } from '../output.js';
import { writeWholeFile } from '../whole-file.js';

const formats = ['camt.053', 'camt.052', 'camt.054', 'csv'] as const;

interface StatementCommandOptions extends ProfileOptions {
  readonly asset: string;
  readonly from: number;
  readonly until: number;
  readonly format: CamtKind | 'csv' | undefined;
  readonly out?: string;
  readonly messageId?: string;
}

/** `quaestor accounts statement`. */
export function statementCommand(): Command {
  const command = new Command('statement')
    .summary('statement of an account over a period')
    .description(
      'Gives the movements of an account in one asset over a period of ledger time, from the opening to the closing balance: ' +
        'on the screen, as CSV, or as an ISO 20022 message for the customer (camt.053 statement, camt.052 interim report, ' +
        'camt.054 notification; version 001.08). Both balances are proven against the genesis, each movement by its receipt, and ' +
        'they have to add up.',
    )
    .argument('<account>', 'account id')
    .addOption(profileOption())
    .requiredOption('--asset <asset>', 'asset, for example EUR')
    .requiredOption(
      '--from <time>',
      'beginning of the period: a date, or a time with its zone (UTC for dates)',
      instant,
    )
    .requiredOption('--until <time>', 'end of the period, exclusive', instant)
    .addOption(new Option('--format <format>', 'what to write').choices(formats))
    .option('--out <file>', 'where to write it')
    .option(
      '--message-id <id>',
      'id of the message, at most 35 characters (default: account, asset and height)',
    )
    .addOption(durationOption('--timeout', 'how long an answer is waited for'));
  return define<StatementCommandOptions, [account: string]>(
    command,
    'quaestor accounts statement IT17M9990101600000000100001 --asset EUR --from 2026-11-01 --until 2026-12-01 --format camt.053 --out november.xml --profile data/devnet/clients/bank-alba',
    async ({ output, signal }, options, account) => {
      const { asset, format, out } = options;
      if ((format === undefined) !== (out === undefined))
        throw usageError('Name both a format and a file, or neither.');
      if (options.until <= options.from)
        throw usageError('The period ends before it begins: --until is exclusive.');
      const { client } = await openProfile(options);
      try {
        const statement = await readStatement(client, {
          account,
          asset,
          fromMs: options.from,
          toMs: options.until,
          signal,
        });
        const { head } = statement;
        const entries: StatementEntry[] = [];
        let number = 0;
        const counted = watched(statement.entries, (entry) => {
          output.progress(count(++number, 'movement'));
          if (out === undefined) entries.push(entry);
        });
        if (format === undefined || out === undefined) {
          for await (const _entry of counted);
        } else {
          const messageId = options.messageId ?? `${account}-${asset}-${head.closing.height}`.slice(-35);
          await writeWholeFile(out, textOf(format, { head, entries: counted }, messageId));
        }
        output.progressDone();
        const amount = (minor: bigint): string => groupDigits(formatAmount(minor, head.exponent));
        if (out === undefined) {
          output.table(
            ['time', '>amount', 'other account', 'end-to-end id', '>height'],
            entries.map((entry) => [
              new Date(entry.timeMs).toISOString().slice(0, 19).replace('T', ' '),
              amount(entry.amount),
              entry.otherAccount ?? entry.kind,
              printable(entry.endToEndId),
              String(entry.height),
            ]),
          );
          output.line();
        }
        output.line(
          `Opening balance  ${amount(head.opening.amount)} ${asset} at height ${head.opening.height}, proven`,
        );
        output.line(`Movements        ${count(number, 'movement')}, each with its receipt`);
        output.line(
          `Closing balance  ${amount(head.closing.amount)} ${asset} at height ${head.closing.height}, proven`,
        );
        if (!head.isClosed) output.note('The period is still open: more may be booked into it.');
        if (out !== undefined) output.line(`Written to       ${out}`);
        output.document({ ...head, movements: number, ...(out === undefined ? { entries } : { file: out }) });
      } finally {
        client.close();
      }
      return undefined;
    },
  );
}

function textOf(
  format: CamtKind | 'csv',
  { head, entries }: AccountStatement,
  messageId: string,
): AsyncIterable<string> {
  if (format === 'csv') return writeStatementCsv(head, entries);
  return writeCamt(head, entries, { kind: format, messageId, createdMs: Date.now() });
}

async function* watched<T>(items: AsyncIterable<T>, see: (item: T) => void): AsyncGenerator<T> {
  for await (const item of items) {
    see(item);
    yield item;
  }
}

function instant(text: string): number {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const ms = isDate || isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError(
      'Expected a date such as 2026-11-01, or a time with its zone such as 2026-11-01T08:00:00Z.',
    );
  }
  return ms;
}
