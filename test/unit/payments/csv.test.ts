import { describe, expect, it } from '@jest/globals';
import { readPaymentsCsv } from '../../../src/payments/index.js';
import type { PaymentOrError } from '../../../src/payments/index.js';

const header = 'message_id,end_to_end_id,debtor_account,creditor_account,currency,amount,remittance';
const debtor = 'DE89370400440532013000';
const creditor = 'GB33BUKB20201555555555';

async function read(text: string | readonly string[] | Uint8Array): Promise<PaymentOrError[]> {
  const items: PaymentOrError[] = [];
  for await (const item of readPaymentsCsv(source(text))) items.push(item);
  return items;
}

// eslint-disable-next-line @typescript-eslint/require-await -- a source is asynchronous
async function* source(text: string | readonly string[] | Uint8Array): AsyncGenerator<string | Uint8Array> {
  if (typeof text === 'string' || text instanceof Uint8Array) yield text;
  else yield* text;
}

const short = (items: readonly PaymentOrError[]): string[] =>
  items.map((item) => {
    switch (item.kind) {
      case 'payment':
        return `payment ${item.payment.position}:${item.payment.line} ${item.payment.amountMinor}`;
      case 'rejected':
        return `rejected ${item.rejected.position}:${item.rejected.line} ${item.rejected.problems.map(({ code, field }) => `${code} ${field}`).join(', ')}`;
      case 'file':
        return `file ${item.problem.line} ${item.problem.code} ${item.problem.message}`;
    }
  });

describe('readPaymentsCsv', () => {
  it('reads rows with quotes, line breaks in fields, blank lines and a byte order mark', async () => {
    const items = await read(
      `\uFEFF${header}\r\nm,e1,${debtor},${creditor},EUR,12.50,"Invoice ""7"",\nsecond line"\r\n\r\nm,e2,DE89 3704 0044 0532 0130 00,acc-7,JPY,100,\r\n`,
    );
    expect(short(items)).toEqual(['payment 1:2 1250', 'payment 2:5 100']);
    expect(items[0]).toMatchObject({
      payment: {
        messageId: 'm',
        paymentInformationId: '',
        endToEndId: 'e1',
        debtorAccount: debtor,
        creditorAccount: creditor,
        currency: 'EUR',
        exponent: 2,
        remittance: 'Invoice "7",\nsecond line',
      },
    });
    expect(items[1]).toMatchObject({ payment: { debtorAccount: debtor, creditorAccount: 'acc-7' } });
  });

  it('reads columns in any order, separated by semicolons, in pieces of one character', async () => {
    const text = `amount;currency;end_to_end_id;creditor_account;debtor_account;requested_date\n1,5;EUR;a;${creditor};${debtor};\n1.5;EUR;b;${creditor};${debtor};2026-11-02\n`;
    expect(short(await read(Array.from(text)))).toEqual([
      'rejected 1:2 AMOUNT_INVALID amount',
      'payment 2:3 150',
    ]);
  });

  it('numbers the rows that it rejects and says all that is wrong with each', async () => {
    const rows = [
      `m,e1,DE89370400440532013001,${creditor},EUR,1`,
      `m,,${debtor},${debtor},EURO,-1,x`,
      `m,e3,${debtor},${creditor},JPY,10.5,x`,
      `m,e4,${debtor},not an account,KWD,1.2345,x`,
      `m,e5,${debtor},${creditor},EUR,0.00,x`,
      `m,e6,${debtor},${creditor},EUR,1000000000000000000,x`,
      `m,e7,${debtor},${creditor},XAU,1,x`,
      `m,e7,${debtor},${creditor},EUR,1,${'x'.repeat(513)}`,
      `other,e7,${debtor},${creditor},EUR,1,x`,
    ];
    expect(short(await read([header, ...rows].join('\n')))).toEqual([
      'rejected 1:2 STRUCTURE row, IBAN_INVALID debtor_account',
      'rejected 2:3 MISSING end_to_end_id, SAME_ACCOUNT creditor_account, CURRENCY_UNKNOWN currency, AMOUNT_INVALID amount',
      'rejected 3:4 AMOUNT_DECIMALS amount',
      'rejected 4:5 ACCOUNT_INVALID creditor_account, AMOUNT_DECIMALS amount',
      'rejected 5:6 AMOUNT_ZERO amount',
      'rejected 6:7 AMOUNT_TOO_LARGE amount',
      'rejected 7:8 CURRENCY_UNKNOWN currency',
      'rejected 8:9 DUPLICATE end_to_end_id, TOO_LONG remittance',
      'payment 9:10 100',
    ]);
  });

  it('refuses a header with unknown, repeated or missing columns, naming each', async () => {
    const items = await read(`end_to_end_id,debtor_acount,currency,currency,amount\n`);
    expect(short(items)).toEqual([
      expect.stringMatching(
        /^file 1 HEADER The column "debtor_acount" is not known\. Did you mean "debtor_account"\? The column "currency" comes twice\. The column "debtor_account" is missing\. The column "creditor_account" is missing\./,
      ),
    ]);
  });

  it.each([
    ['an empty file', '', /EMPTY/],
    ['no rows', `${header}\n`, /EMPTY/],
    [
      'a quote that is never closed',
      `${header}\nm,"e1,x`,
      /file \d+ MALFORMED Found a quote that is never closed/,
    ],
    ['a quote in the wrong place', `${header}\nm,"e"1,x\n`, /MALFORMED/],
    ['a quote in the middle of a field', `${header}\nm,Unit "1" e,x\n`, /MALFORMED/],
    ['a row without end', `${header}\nm,"${'x'.repeat(100_000)}`, /TOO_LARGE/],
    ['bytes that are not UTF-8', Uint8Array.of(0x6d, 0xff, 0x0a), /MALFORMED .*UTF-8/],
  ])('refuses %s', async (_, text, expected) => {
    const items = short(await read(text));
    expect(items.at(-1)).toMatch(expected);
  });

  it('passes on an error of the disk as it is', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await -- a source is asynchronous
    async function* broken(): AsyncGenerator<string> {
      yield `${header}\n`;
      throw new Error('EIO');
    }
    const reading = async () => {
      for await (const item of readPaymentsCsv(broken())) expect(item.kind).toBe('never');
    };
    await expect(reading()).rejects.toThrow('EIO');
  });
});
