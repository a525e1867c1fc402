import { CsvError, parse } from 'csv-parse';
import { Readable, pipeline } from 'node:stream';
import { didYouMean } from '../config/suggest.js';
import { InstructionChecker, quote } from './instruction.js';
import type { FieldNames } from './instruction.js';
import { UnfitFile, textOf } from './text-source.js';
import { defaultReadOptions } from './types.js';
import type { PaymentOrError, PaymentProblem, PaymentsSource, ReadOptions } from './types.js';

/** Columns of a payments file in CSV; those with `true` have to be there. */
export const csvColumns = {
  message_id: false,
  end_to_end_id: true,
  debtor_account: true,
  debtor_name: false,
  creditor_account: true,
  creditor_name: false,
  creditor_agent_bic: false,
  currency: true,
  amount: true,
  remittance: false,
  requested_date: false,
} as const satisfies Record<string, boolean>;
type Column = keyof typeof csvColumns;

const names: FieldNames = {
  endToEndId: 'end_to_end_id',
  debtorAccount: 'debtor_account',
  creditorAccount: 'creditor_account',
  currency: 'currency',
  amount: 'amount',
  remittance: 'remittance',
  requestedDate: 'requested_date',
  creditorAgentBic: 'creditor_agent_bic',
  uetr: 'uetr',
};

/** Longest row. */
const maxRecordLength = 16 * 1024;

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * Reads payments from CSV (RFC 4180, UTF-8, a header row, separated by commas, or by semicolons when the header is) as
 * a stream. As with readPain001, each payment comes checked or rejected, and a problem of the file ends it. Never
 * throws on input.
 *
 * Without a column message_id all rows belong to one message without a name: an end-to-end id is then never paid
 * twice, not even by another file.
 */
export async function* readPaymentsCsv(
  source: PaymentsSource,
  options: ReadOptions = {},
): AsyncGenerator<PaymentOrError, void, undefined> {
  const maxPayments = options.maxPayments ?? defaultReadOptions.maxPayments;
  let line = 1;
  let count = 0;
  try {
    const text = textOf(source, options.maxBytes ?? defaultReadOptions.maxBytes, () => line);
    const checker = new InstructionChecker(names);
    let columns: readonly Column[] | undefined;
    for await (const row of rowsOf(text)) {
      // The parser counts up to the end of a row; a field in quotes may hold line breaks.
      line = row.info.lines - row.record.reduce((breaks, text) => breaks + text.split('\n').length - 1, 0);
      if (columns === undefined) {
        columns = columnsOf(row.record, line);
        continue;
      }
      if (++count > maxPayments) {
        throw new UnfitFile('TOO_LARGE', line, `Found more than ${maxPayments} payments; split the file.`);
      }
      yield checker.check(instructionOf(row.record, columns, count, line));
    }
    if (count === 0)
      throw new UnfitFile('EMPTY', line, 'Found no payment; expected a header row and one row each.');
  } catch (error) {
    if (!(error instanceof UnfitFile)) throw error;
    yield { kind: 'file', problem: error.problem };
  }
}

/** Records of a CSV text. The parser is fed as fast as records are taken, no faster. */
async function* rowsOf(text: AsyncGenerator<string, void, undefined>): AsyncGenerator<Row, void, undefined> {
  let start = '';
  while (start.length < maxRecordLength && !start.includes('\n')) {
    const next = await text.next();
    if (next.done === true) break;
    start += next.value;
  }
  const header = start.split('\n', 1)[0] ?? '';
  const parser = parse({
    delimiter: header.includes(';') && !header.includes(',') ? ';' : ',',
    bom: true,
    info: true,
    trim: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxRecordLength,
  });
  const source = Readable.from(joined(start, text), { objectMode: true, highWaterMark: 1 });
  const failed = new Promise<unknown>((resolve) => pipeline(source, parser, (error) => resolve(error)));
  try {
    for await (const row of parser) yield row as Row;
  } catch (error) {
    // The parser is told of an error of its source as well: the source's is the one that says why.
    const cause = (await failed) ?? error;
    if (cause instanceof UnfitFile) throw cause;
    throw unfitCsv(cause);
  } finally {
    source.destroy();
  }
}

async function* joined(
  start: string,
  rest: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  yield start;
  yield* rest;
}

/** The parser's error as one of the file; others (of the disk, defects) stay what they are. */
function unfitCsv(error: unknown): unknown {
  if (!(error instanceof CsvError)) return error;
  const line = Number(error['lines'] ?? 1);
  // Its type lists fewer codes than it has.
  const code: string = error.code;
  switch (code) {
    case 'CSV_MAX_RECORD_SIZE':
      return new UnfitFile(
        'TOO_LARGE',
        line,
        `Found a row of more than ${maxRecordLength} characters; a closing quote may be missing.`,
      );
    case 'CSV_QUOTE_NOT_CLOSED':
      return new UnfitFile('MALFORMED', line, 'Found a quote that is never closed.');
    default:
      return new UnfitFile(
        'MALFORMED',
        line,
        'Found a quote in the wrong place; expected fields with quotes to be in quotes, and quotes in them doubled.',
      );
  }
}

/** The columns of a header row. Throws UnfitFile with all that is wrong with it. */
function columnsOf(header: readonly string[], line: number): Column[] {
  const known = Object.keys(csvColumns);
  const lower = header.map((name) => name.toLowerCase());
  const faults = [
    ...lower
      .filter((name) => !known.includes(name))
      .map((name) => `The column ${quote(name)} is not known.${didYouMean(name, known)}`),
    ...lower
      .filter((name, index) => lower.indexOf(name) !== index)
      .map((name) => `The column ${quote(name)} comes twice.`),
    ...Object.entries(csvColumns)
      .filter(([name, required]) => required && !lower.includes(name))
      .map(([name]) => `The column ${quote(name)} is missing.`),
  ];
  if (faults.length > 0) {
    throw new UnfitFile(
      'HEADER',
      line,
      `${faults.slice(0, 20).join(' ')} Known columns: ${known.join(', ')}.`,
    );
  }
  return lower as Column[];
}

function instructionOf(
  record: readonly string[],
  columns: readonly Column[],
  position: number,
  line: number,
) {
  const value = (column: Column): string | undefined => {
    const index = columns.indexOf(column);
    const text = index < 0 ? undefined : record[index];
    return text === '' ? undefined : text;
  };
  const problems: PaymentProblem[] = [];
  if (record.length !== columns.length) {
    problems.push({
      code: 'STRUCTURE',
      field: 'row',
      message: `Found ${record.length} fields; expected ${columns.length}, one for each column.`,
    });
  }
  const messageId = value('message_id') ?? '';
  if (messageId.length > 35) {
    problems.push({ code: 'TOO_LONG', field: 'message_id', message: 'Expected at most 35 characters.' });
  }
  const account = (column: Column) => {
    const text = value(column);
    return text === undefined ? undefined : ({ kind: 'either', text } as const);
  };
  const remittance = value('remittance');
  return {
    position,
    line,
    messageId,
    paymentInformationId: '',
    endToEndId: value('end_to_end_id') ?? '',
    debtor: account('debtor_account'),
    creditor: account('creditor_account'),
    debtorName: value('debtor_name'),
    creditorName: value('creditor_name'),
    creditorAgentBic: value('creditor_agent_bic'),
    currency: value('currency') ?? '',
    amount: value('amount') ?? '',
    remittance: remittance === undefined ? [] : [remittance],
    creditorReferences: [],
    requestedDate: value('requested_date'),
    problems,
    warnings: [],
  };
}
