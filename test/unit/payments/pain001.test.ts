import { describe, expect, it } from '@jest/globals';
import { describeRejected, readPain001, transferOf } from '../../../src/payments/index.js';
import { block, creditorIban, debtorIban, file, pieces, read, short, transaction } from './pain001-file.js';

describe('readPain001', () => {
  it('reads what a payment needs', async () => {
    const uetr = '8a562c67-ca16-48ba-b074-65581be6f001';
    const text = file(
      [
        block(
          [
            transaction({
              paymentId: `<InstrId>I-1</InstrId><EndToEndId>E-1</EndToEndId><UETR>${uetr}</UETR>`,
              amount: '0001234.5',
              before:
                '<CdtrAgt><FinInstnId><BICFI>BUKBGB22</BICFI></FinInstnId></CdtrAgt><Cdtr><Nm>Payee <![CDATA[<Ltd>]]></Nm></Cdtr>',
              after:
                '<RmtInf><Ustrd>Invoice 7</Ustrd><Ustrd>and 8</Ustrd><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf>',
            }),
          ],
          { id: 'B-1', counts: '<NbOfTxs>1</NbOfTxs><CtrlSum>1234.50</CtrlSum>' },
        ),
      ],
      { sum: '1234.500' },
    );
    const items = await read(text);
    expect(items).toEqual([
      {
        kind: 'payment',
        payment: {
          position: 1,
          line: 11,
          block: 1,
          messageId: 'MSG-1',
          paymentInformationId: 'B-1',
          endToEndId: 'E-1',
          instructionId: 'I-1',
          uetr,
          debtorAccount: debtorIban,
          debtorName: 'Payer & Co',
          creditorAccount: creditorIban,
          creditorName: 'Payee <Ltd>',
          creditorAgentBic: 'BUKBGB22',
          currency: 'EUR',
          exponent: 2,
          amountMinor: 123450n,
          remittance: 'Invoice 7 and 8 RF18539007547034',
          requestedDate: '2026-11-02',
          idempotencyKey: expect.any(Uint8Array),
          warnings: [],
        },
      },
    ]);
    const [item] = items;
    if (item?.kind !== 'payment') throw new Error('no payment');
    expect(transferOf(item.payment)).toEqual({
      kind: 'transfer',
      fromAccount: debtorIban,
      toAccount: creditorIban,
      asset: 'EUR',
      amount: 123450n,
      endToEndId: 'E-1',
      memo: 'Invoice 7 and 8 RF18539007547034',
    });
  });

  it('gives the same whatever the pieces are, multi-byte characters cut in two included', async () => {
    const text = file([
      block([transaction({ endToEndId: 'Zürich-€-😀', before: '<Cdtr><Nm>Ägäis 😀</Nm></Cdtr>' })], {
        id: 'B',
      }),
    ]);
    const whole = await read(text);
    expect(short(whole)).toEqual(['payment 1 EUR 1050']);
    for (const length of [1, 3, 1000]) {
      const items = [];
      for await (const item of readPain001(pieces(text, length))) items.push(item);
      expect(items).toEqual(whole);
    }
  });

  it('derives the idempotency key from message, block and end-to-end id, unambiguously', async () => {
    const keyOf = async (blockId: string, endToEndId: string) => {
      const [item] = await read(file([block([transaction({ endToEndId })], { id: blockId })]));
      if (item?.kind !== 'payment') throw new Error('no payment');
      return Buffer.from(item.payment.idempotencyKey).toString('hex');
    };
    const first = await keyOf('AB', 'C');
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await keyOf('AB', 'C')).toBe(first);
    expect(await keyOf('A', 'BC')).not.toBe(first);
    expect(await keyOf('ABC', 'C')).not.toBe(first);
  });

  it('accepts other identifications than IBAN, prefixes, and elements that it does not need', async () => {
    const text = file([
      block(
        [
          transaction({
            creditorId: '<Othr><Id>FUYU-0017-2250002</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr>',
            currency: 'JPY',
            amount: '1000000',
            before: '<ChrgBr>SHAR</ChrgBr>',
            after:
              '<Purp><Cd>SUPP</Cd></Purp><SplmtryData><Envlp><x:a xmlns:x="urn:x">1</x:a></Envlp></SplmtryData>',
          }),
        ],
        { date: '<DtTm>2026-11-02T10:00:00+01:00</DtTm>' },
      ),
    ]);
    const prefixed = text
      .replaceAll(/<(\/?)(?=[A-Z])/g, '<$1p:')
      .replace('<p:Document xmlns=', '<p:Document xmlns:p=');
    for (const variant of [text, prefixed]) {
      const items = await read(variant);
      expect(short(items)).toEqual(['payment 1 JPY 1000000']);
      expect(items[0]).toMatchObject({
        payment: { creditorAccount: 'FUYU-0017-2250002', requestedDate: '2026-11-02' },
      });
    }
  });

  it('warns of addresses without town or country, a debtor once a block', async () => {
    const loose = '<Cdtr><Nm>X</Nm><PstlAdr><AdrLine>1 Main St, Town</AdrLine></PstlAdr></Cdtr>';
    const hybrid =
      '<Cdtr><Nm>X</Nm><PstlAdr><TwnNm>Town</TwnNm><Ctry>GB</Ctry><AdrLine>1 Main St</AdrLine></PstlAdr></Cdtr>';
    const items = await read(
      file([
        block(
          [transaction({ before: loose }), transaction({ before: loose }), transaction({ before: hybrid })],
          {
            debtor: '<Nm>P</Nm><PstlAdr><AdrLine>Somewhere</AdrLine></PstlAdr>',
          },
        ),
      ]),
    );
    const warnings = items.map((item) =>
      item.kind === 'payment' ? item.payment.warnings.map(({ code, field }) => `${code} ${field}`) : [],
    );
    expect(warnings).toEqual([
      ['ADDRESS_UNSTRUCTURED PmtInf/Dbtr/PstlAdr', 'ADDRESS_UNSTRUCTURED Cdtr/PstlAdr'],
      ['ADDRESS_UNSTRUCTURED Cdtr/PstlAdr'],
      [],
    ]);
  });
});

describe('payments that are rejected', () => {
  it('are numbered, with block, line and all that is wrong', async () => {
    const text = file([
      block([transaction()]),
      block([
        transaction(),
        transaction({ amount: '10.505', currency: 'EUR', creditorId: '<IBAN>GB33BUKB20201555555556</IBAN>' }),
      ]),
    ]);
    const items = await read(text);
    expect(short(items)).toEqual([
      'payment 1 EUR 1050',
      'payment 2 EUR 1050',
      'rejected 3 IBAN_INVALID CdtrAcct/Id, AMOUNT_DECIMALS Amt/InstdAmt',
    ]);
    const last = items[2];
    if (last?.kind !== 'rejected') throw new Error('not rejected');
    const line = text.split('\n').findIndex((content) => content.includes('5556')) - 3 + 1;
    expect(describeRejected(last.rejected)).toBe(
      `payment 3 (PmtInf 2, line ${line}): CdtrAcct/Id: Found "GB33BUKB20201555555556"; its check digits do not match: a character is wrong or two are swapped. Amt/InstdAmt: Found "10.505"; EUR has at most 2 decimal places (ISO 4217).`,
    );
  });

  it.each([
    ['JPY with decimals', { currency: 'JPY', amount: '10.5' }, 'AMOUNT_DECIMALS Amt/InstdAmt'],
    ['JPY with zero decimals', { currency: 'JPY', amount: '10.0' }, 'AMOUNT_DECIMALS Amt/InstdAmt'],
    ['KWD with four decimals', { currency: 'KWD', amount: '1.0005' }, 'AMOUNT_DECIMALS Amt/InstdAmt'],
    ['a negative amount', { amount: '-1.00' }, 'AMOUNT_INVALID Amt/InstdAmt'],
    ['zero', { amount: '0.00' }, 'AMOUNT_ZERO Amt/InstdAmt'],
    ['nineteen digits', { amount: '12345678901234567.89' }, 'AMOUNT_TOO_LARGE Amt/InstdAmt'],
    ['a floating-point number', { amount: '1e3' }, 'AMOUNT_INVALID Amt/InstdAmt'],
    ['a decimal comma', { amount: '1,50' }, 'AMOUNT_INVALID Amt/InstdAmt'],
    ['a number too large for 128 bits', { amount: '9'.repeat(32) }, 'AMOUNT_TOO_LARGE Amt/InstdAmt'],
    ['an unknown currency', { currency: 'EUX' }, 'CURRENCY_UNKNOWN Amt/InstdAmt/@Ccy'],
    ['a withdrawn currency', { currency: 'DEM' }, 'CURRENCY_UNKNOWN Amt/InstdAmt/@Ccy'],
    ['a metal', { currency: 'XAU' }, 'CURRENCY_UNKNOWN Amt/InstdAmt/@Ccy'],
    ['a currency in small letters', { currency: 'eur' }, 'CURRENCY_UNKNOWN Amt/InstdAmt/@Ccy'],
    [
      'an IBAN of the wrong length',
      { creditorId: '<IBAN>GB33BUKB2020155555555</IBAN>' },
      'IBAN_INVALID CdtrAcct/Id',
    ],
    [
      'an IBAN of no country',
      { creditorId: '<IBAN>ZZ33BUKB20201555555555</IBAN>' },
      'IBAN_INVALID CdtrAcct/Id',
    ],
    [
      'an IBAN with spaces',
      { creditorId: '<IBAN>GB33 BUKB 2020 1555 5555 55</IBAN>' },
      'IBAN_INVALID CdtrAcct/Id',
    ],
    ['the payer as payee', { creditorId: `<IBAN>${debtorIban}</IBAN>` }, 'SAME_ACCOUNT CdtrAcct/Id'],
    ['no account', { creditorId: '' }, 'MISSING CdtrAcct/Id'],
    [
      'an account that no ledger has',
      { creditorId: '<Othr><Id>a/b</Id></Othr>' },
      'ACCOUNT_INVALID CdtrAcct/Id',
    ],
    ['NOTPROVIDED', { endToEndId: 'NOTPROVIDED' }, 'ID_INVALID PmtId/EndToEndId'],
    ['an end-to-end id that is too long', { endToEndId: 'x'.repeat(36) }, 'TOO_LONG PmtId/EndToEndId'],
    ['an empty end-to-end id', { endToEndId: ' ' }, 'MISSING PmtId/EndToEndId'],
    ['no end-to-end id', { paymentId: '<InstrId>x</InstrId>' }, 'MISSING PmtId/EndToEndId'],
    [
      'a UETR that is none',
      { paymentId: '<EndToEndId>u</EndToEndId><UETR>8a562c67</UETR>' },
      'ID_INVALID PmtId/UETR',
    ],
    [
      'a bad BIC',
      { before: '<CdtrAgt><FinInstnId><BICFI>BAD</BICFI></FinInstnId></CdtrAgt>' },
      'BIC_INVALID CdtrAgt/FinInstnId/BICFI',
    ],
    [
      'a bad creditor reference',
      { after: '<RmtInf><Strd><CdtrRefInf><Ref>RF19539007547034</Ref></CdtrRefInf></Strd></RmtInf>' },
      'REFERENCE_INVALID RmtInf',
    ],
    [
      'remittance information beyond the memo',
      { after: `<RmtInf>${`<Ustrd>${'ä'.repeat(140)}</Ustrd>`.repeat(2)}</RmtInf>` },
      'TOO_LONG RmtInf',
    ],
    ['an element with a slip', { after: '<RmtInfo/>' }, 'STRUCTURE RmtInfo'],
    ['elements in the wrong order', { after: '<Cdtr/>' }, 'STRUCTURE Cdtr'],
    ['an element twice', { after: '<CdtrAcct><Id><IBAN>x</IBAN></Id></CdtrAcct>' }, 'STRUCTURE CdtrAcct'],
    ['a foreign element', { after: '<x:y xmlns:x="urn:x"/>' }, 'STRUCTURE y'],
    ['text between elements', { after: 'text' }, 'STRUCTURE CdtTrfTxInf'],
    [
      'two choices',
      { creditorId: `<IBAN>${creditorIban}</IBAN><Othr><Id>x</Id></Othr>` },
      'STRUCTURE CdtrAcct/Id/Othr',
    ],
  ])('%s', async (_, parts, expected) => {
    const items = short(await read(file([block([transaction(parts), transaction()])])));
    expect(items).toEqual([`rejected 1 ${expected}`, 'payment 2 EUR 1050']);
  });

  it('an equivalent amount', async () => {
    const text = file([block([transaction()])]).replace(
      /<InstdAmt.*<\/InstdAmt>/,
      '<EqvtAmt><Amt Ccy="EUR">1</Amt><CcyOfTrf>USD</CcyOfTrf></EqvtAmt>',
    );
    expect(short(await read(text))[0]).toContain('UNSUPPORTED Amt/EqvtAmt');
  });

  it('an end-to-end id for the second time in a message, in another block too', async () => {
    const items = await read(
      file([
        block([transaction({ endToEndId: 'x' })]),
        block([transaction({ endToEndId: 'x' }), transaction()]),
      ]),
    );
    expect(short(items)).toEqual([
      'payment 1 EUR 1050',
      'rejected 2 DUPLICATE PmtId/EndToEndId',
      'payment 3 EUR 1050',
    ]);
  });

  it.each([
    [{ method: 'CHK' }, 'UNSUPPORTED PmtInf/PmtMtd'],
    [{ debtorId: '<IBAN>DE89370400440532013001</IBAN>' }, 'IBAN_INVALID DbtrAcct/Id'],
    [{ date: '<Dt>2026-02-30</Dt>' }, 'DATE_INVALID ReqdExctnDt'],
    [{ date: '<DtTm>2026-02-03T25:00:00</DtTm>' }, 'DATE_INVALID PmtInf/ReqdExctnDt/DtTm'],
    [{ id: 'x'.repeat(36) }, 'TOO_LONG PmtInf/PmtInfId'],
    [{ debtor: '<Name>P</Name>' }, 'STRUCTURE PmtInf/Dbtr/Name'],
  ])('all payments of a block that is wrong: %j', async (parts, expected) => {
    const items = short(
      await read(file([block([transaction(), transaction()], parts), block([transaction()])])),
    );
    expect(items).toEqual([`rejected 1 ${expected}`, `rejected 2 ${expected}`, 'payment 3 EUR 1050']);
  });

  it('all payments of a block that lacks what must stand before them, or that repeats an id', async () => {
    const bare = block([transaction()], { id: 'A' }).replace(/<DbtrAcct>.*<\/DbtrAcct>\n/, '');
    const items = short(await read(file([bare, block([transaction()], { id: 'A' })])));
    expect(items).toEqual([
      'rejected 1 MISSING PmtInf/DbtrAcct, MISSING DbtrAcct/Id',
      'rejected 2 DUPLICATE PmtInf/PmtInfId',
    ]);
  });
});

describe('numbers and sums', () => {
  const two = [transaction({ amount: '0.10' }), transaction({ amount: '1000', currency: 'JPY' })];

  it.each([
    [{ count: '3' }, 'GrpHdr/NbOfTxs: Found 3, but there are 2 payments'],
    [{ count: 'two' }, 'GrpHdr/NbOfTxs: Found "two"; expected a number'],
    [{ sum: '1000.11' }, 'GrpHdr/CtrlSum: Found 1000.11, but the amounts add up to 1000.1.'],
    [{ sum: '1e3' }, 'GrpHdr/CtrlSum: Found "1e3"; expected a decimal number'],
  ])('of the message have to be right: %j', async (parts, expected) => {
    const items = short(await read(file([block(two)], parts)));
    expect(items.slice(0, 2).every((item) => item.startsWith('payment'))).toBe(true);
    expect(items.slice(2)).toEqual([expect.stringContaining(expected)]);
  });

  it('of each block have to be right', async () => {
    const counts = '<NbOfTxs>1</NbOfTxs><CtrlSum>1000.2</CtrlSum>';
    const items = short(await read(file([block([transaction()]), block(two, { counts })])));
    expect(items.slice(3)).toEqual([
      expect.stringContaining('file COUNT_MISMATCH PmtInf 2/NbOfTxs'),
      expect.stringContaining('file SUM_MISMATCH PmtInf 2/CtrlSum'),
    ]);
  });

  it('are exact where floating point is not', async () => {
    const amounts = Array.from({ length: 10 }, () => transaction({ amount: '0.10' }));
    expect(short(await read(file([block(amounts)], { sum: '1' }))).at(-1)).toMatch(/^payment 10/);
    const large = [transaction({ amount: '9007199254740993.01' }), transaction({ amount: '0.01' })];
    expect(short(await read(file([block(large)], { sum: '9007199254740993.02' }))).at(-1)).toMatch(
      /^payment 2/,
    );
    expect(short(await read(file([block(large)], { sum: '9007199254740993.03' }))).at(-1)).toMatch(
      /^file SUM/,
    );
  });

  it('count rejected payments too, and leave the sum open when an amount is no number', async () => {
    const items = short(
      await read(file([block([transaction(), transaction({ amount: 'ten' })])], { count: '2', sum: '20' })),
    );
    expect(items).toEqual(['payment 1 EUR 1050', 'rejected 2 AMOUNT_INVALID Amt/InstdAmt']);
  });
});
