import { describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import {
  detectFormat,
  readPayments,
  readValidatedPayments,
  rejectsHeader,
  validatePaymentsFile,
  writeRejects,
} from '../../../src/payments/index.js';
import type { PaymentOrError, PaymentsSource, RejectedPayment } from '../../../src/payments/index.js';
import {
  block,
  creditorIban,
  debtorIban,
  file,
  namespace,
  pieces,
  short,
  transaction,
} from './pain001-file.js';

const csvHeader = 'end_to_end_id,debtor_account,creditor_account,currency,amount,remittance\n';
const csvRow = (id: string, amount: string, remittance = '') =>
  `${id},${debtorIban},${creditorIban},EUR,${amount},${remittance}\n`;

async function all(items: AsyncIterable<PaymentOrError>): Promise<PaymentOrError[]> {
  const found: PaymentOrError[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('detectFormat', () => {
  it.each([
    ['<?xml version="1.0"?>', 'pain001'],
    ['\uFEFF\n <Document/>', 'pain001'],
    [csvHeader, 'csv'],
    ['"amount";"End_To_End_Id"\r\n', 'csv'],
    ['{"a":1}', undefined],
    ['', undefined],
    ['amount,end_to_end_identity\n', undefined],
  ])('%j', (text, format) => {
    expect(detectFormat(text)).toBe(format);
    expect(detectFormat(new TextEncoder().encode(text))).toBe(format);
  });
});

describe('readPayments', () => {
  it('tells the format by the start, however small the pieces are', async () => {
    const xml = file([block([transaction()])]);
    expect(short(await all(readPayments(pieces(xml, 1))))).toEqual(['payment 1 EUR 1050']);
    expect(short(await all(readPayments(pieces(csvHeader + csvRow('a', '1'), 1))))).toEqual([
      'payment 1 EUR 100',
    ]);
  });

  it('refuses what is neither, and what is empty', async () => {
    expect(short(await all(readPayments(pieces('PK\u0003\u0004'))))).toEqual([
      'file WRONG_FORMAT Found neither XML nor a header row of CSV; expected pain.001.001.09 or CSV.',
    ]);
    expect(short(await all(readPayments(pieces(''))))).toEqual(['file EMPTY The file is empty.']);
  });

  it('closes the source when the reader stops early', async () => {
    let closed = 0;
    const source: PaymentsSource = {
      async *[Symbol.asyncIterator]() {
        try {
          yield csvHeader;
          for (let n = 0; n < 1_000_000; n++) yield await Promise.resolve(csvRow(`e${n}`, '1'));
        } finally {
          closed++;
        }
      },
    };
    for await (const item of readPayments(source)) {
      expect(item.kind).toBe('payment');
      break;
    }
    expect(closed).toBe(1);
  });
});

describe('validatePaymentsFile', () => {
  it('sums up a good file', async () => {
    const text = csvHeader + csvRow('a', '1.10') + csvRow('b', '2.20');
    const summary = await validatePaymentsFile(() => pieces(text));
    expect(summary).toMatchObject({
      format: 'csv',
      bytes: text.length,
      payments: 2,
      valid: 2,
      rejected: 0,
      totals: new Map([['EUR', { payments: 2, amountMinor: 330n, exponent: 2 }]]),
      submittable: 'all',
    });
  });

  it('lets the good payments of a file with bad ones be submitted on demand', async () => {
    const text = file([
      block([transaction(), transaction({ amount: '-1' }), transaction({ currency: 'ABC', amount: '0' })]),
    ]);
    const summary = await validatePaymentsFile(() => pieces(text));
    expect(summary).toMatchObject({ payments: 3, valid: 1, rejected: 2, submittable: 'valid' });
    expect(summary.rejects).toEqual([
      expect.stringMatching(/^payment 2 \(PmtInf 1, line \d+\): Amt\/InstdAmt: Found "-1"; /),
      expect.stringMatching(
        /^payment 3 \(PmtInf 1, line \d+\): Amt\/InstdAmt\/@Ccy: Found "ABC"; .* Amt\/InstdAmt: Found zero/,
      ),
    ]);
    expect([...summary.rejectedByCode]).toEqual([
      ['AMOUNT_INVALID', 1],
      ['CURRENCY_UNKNOWN', 1],
      ['AMOUNT_ZERO', 1],
    ]);
  });

  it.each([
    ['a wrong sum', file([block([transaction()])], { sum: '1' })],
    ['a wrong number', file([block([transaction()])], { count: '2' })],
    ['a cut', file([block([transaction()])]).slice(0, -20)],
    ['a wrong namespace', file([block([transaction()])], { namespace: `${namespace}0` })],
    ['no good payment', csvHeader + csvRow('a', '0')],
    ['another format', 'hello'],
  ])('lets nothing of a file with %s be submitted', async (_, text) => {
    expect(await validatePaymentsFile(() => pieces(text))).toMatchObject({ submittable: 'none' });
  });

  it('keeps a bounded list of what is wrong', async () => {
    const rows = Array.from({ length: 500 }, (_, n) => csvRow(`e${n}`, '0'));
    const summary = await validatePaymentsFile(() => pieces(csvHeader + rows.join('')));
    expect(summary.rejected).toBe(500);
    expect(summary.rejects).toHaveLength(100);
  });
});

describe('readValidatedPayments', () => {
  const text = csvHeader + csvRow('a', '1') + csvRow('b', '2');

  it('gives the payments of the file that was checked', async () => {
    const summary = await validatePaymentsFile(() => pieces(text));
    expect(short(await all(readValidatedPayments(() => pieces(text), summary)))).toEqual([
      'payment 1 EUR 100',
      'payment 2 EUR 200',
    ]);
  });

  it('says so when the file was changed in between', async () => {
    const summary = await validatePaymentsFile(() => pieces(text));
    const changed = text.replace(',2,', ',3,');
    expect(short(await all(readValidatedPayments(() => pieces(changed), summary))).at(-1)).toMatch(
      /^file UNREADABLE The file was changed/,
    );
  });
});

describe('writeRejects', () => {
  it('says of every rejected payment where it stands and why, in CSV that no spreadsheet executes', async () => {
    const text =
      csvHeader +
      csvRow('=HYPERLINK("http://x")'.replaceAll('"', '""').replace(/^.*$/, '"$&"'), '0') +
      csvRow('ok', '1');
    const rejected: RejectedPayment[] = [];
    for (const item of await all(readPayments(pieces(text)))) {
      if (item.kind === 'rejected') rejected.push(item.rejected);
    }
    let written = '';
    for await (const row of writeRejects(rejected)) written += row;
    expect(written.startsWith(rejectsHeader)).toBe(true);
    const rows = parse<Record<string, string>>(written, { columns: true });
    expect(rows).toEqual([
      {
        position: '1',
        block: '',
        line: '2',
        message_id: '',
        payment_information_id: '',
        end_to_end_id: `'=HYPERLINK("http://x")`,
        debtor_account: debtorIban,
        creditor_account: creditorIban,
        currency: 'EUR',
        amount: '0',
        codes: 'AMOUNT_ZERO',
        reason: 'amount: Found zero; expected an amount above zero.',
      },
    ]);
  });
});
