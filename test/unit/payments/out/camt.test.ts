import { describe, expect, it } from '@jest/globals';
import {
  writeCamt,
  writeStatementCsv,
  type CamtKind,
  type StatementEntry,
  type StatementHead,
} from '../../../../src/payments/index.js';
import { CheckedXml } from '../../../helpers/xml-schema.js';

const head: StatementHead = {
  account: 'IT17M9990101600000000100001',
  owner: 'bank-alba',
  asset: 'EUR',
  exponent: 2,
  fromMs: Date.UTC(2026, 10, 1),
  toMs: Date.UTC(2026, 11, 1),
  opening: { height: 10, amount: 100_000n },
  closing: { height: 99, amount: 100_250n },
  isClosed: true,
};

const entry = (more: Partial<StatementEntry> = {}): StatementEntry => ({
  height: 12,
  index: 3,
  operation: 0,
  txId: 'ab'.repeat(32),
  timeMs: Date.UTC(2026, 10, 2, 9, 30),
  amount: 1250n,
  kind: 'transfer',
  otherAccount: 'CH4699701000000200002',
  endToEndId: 'INV-1',
  memo: 'Rent <November> & more',
  ...more,
});

const entries = [
  entry(),
  entry({ index: 4, amount: -1000n, otherAccount: 'VAULT/7', endToEndId: '', memo: '' }),
  entry({ height: 13, kind: 'mint', amount: 5n, otherAccount: undefined }),
  entry({ height: 14, kind: 'burn', amount: -5n, otherAccount: undefined }),
];

// eslint-disable-next-line @typescript-eslint/require-await -- the writers take streams
async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

const written = (kind: CamtKind, of: StatementHead = head, items = entries): Promise<string> =>
  textOf(
    writeCamt(of, stream(items), { kind, messageId: 'STMT-2026-11', createdMs: Date.UTC(2026, 11, 1, 6) }),
  );

describe('a camt message', () => {
  it.each(['camt.052', 'camt.053', 'camt.054'] as const)('%s fits its published schema', async (kind) => {
    const xml = new CheckedXml(await written(kind));
    expect(xml.problem(`${kind}.001.08`)).toBeUndefined();
    expect(xml.texts('Ntry/Amt')).toEqual(['12.50', '10.00', '0.05', '0.05']);
    expect(xml.texts('Ntry/CdtDbtInd')).toEqual(['CRDT', 'DBIT', 'CRDT', 'DBIT']);
  });

  it('is held against the schema: one that does not fit is told', async () => {
    const broken = (await written('camt.053')).replace(
      '<CdtDbtInd>CRDT</CdtDbtInd>',
      '<CdtDbtInd>PLUS</CdtDbtInd>',
    );
    expect(new CheckedXml(broken).problem('camt.053.001.08')).toMatch(/CdtDbtInd/);
  });

  it('has the opening and the closing balance, and both parties of a transfer', async () => {
    const xml = new CheckedXml(await written('camt.053'));
    expect(xml.texts('Bal/Tp/CdOrPrtry/Cd')).toEqual(['OPBD', 'CLBD']);
    expect(xml.texts('Bal/Amt')).toEqual(['1000.00', '1002.50']);
    expect(xml.texts('RltdPties/DbtrAcct/Id')).toEqual(['CH4699701000000200002', head.account]);
    expect(xml.texts('RltdPties/CdtrAcct/Id')).toEqual([head.account, 'VAULT/7']);
    expect(xml.texts('RmtInf/Ustrd')[0]).toBe('Rent <November> & more');
    expect(xml.texts('Refs/EndToEndId')).toEqual(['INV-1', 'NOTPROVIDED', 'INV-1', 'INV-1']);
  });

  it('bears what a ledger may hold: long texts, other characters, currencies without decimals, no entries', async () => {
    const memo = `${'👛'.repeat(150)}\u0007\ud800`;
    const odd = await written('camt.053', head, [entry({ memo, endToEndId: 'x'.repeat(64) })]);
    expect(new CheckedXml(odd).problem('camt.053.001.08')).toBeUndefined();
    expect(new CheckedXml(odd).texts('RmtInf/Ustrd').map((text) => Array.from(text).length)).toEqual([
      140, 12,
    ]);
    for (const [asset, exponent] of [
      ['JPY', 0],
      ['KWD', 3],
    ] as const) {
      const xml = new CheckedXml(await written('camt.053', { ...head, asset, exponent }, []));
      expect(xml.problem('camt.053.001.08')).toBeUndefined();
    }
  });

  it('is refused for a period that is open, for what is no currency, and for amounts that it cannot write', async () => {
    await expect(written('camt.053', { ...head, isClosed: false })).rejects.toMatchObject({
      code: 'STATEMENT_OPEN',
    });
    await expect(written('camt.052', { ...head, isClosed: false })).resolves.toContain('ITBD');
    await expect(written('camt.053', { ...head, asset: 'BOND-1' })).rejects.toMatchObject({
      code: 'STATEMENT_NOT_CASH',
    });
    await expect(written('camt.053', head, [entry({ amount: 10n ** 18n })])).rejects.toMatchObject({
      code: 'AMOUNT_TOO_LONG',
    });
  });
});

it('a statement as CSV runs from the opening to the closing balance, and is no formula', async () => {
  const csv = await textOf(writeStatementCsv(head, stream([entry({ memo: '=1+1', amount: -250n })])));
  expect(csv.split('\r\n')).toEqual([
    'reference,time,kind,amount,asset,balance,other_account,end_to_end_id,memo,height,transaction',
    ',2026-11-01T00:00:00.000Z,opening,,EUR,1000.00,,,,10,',
    `12-3-0,2026-11-02T09:30:00.000Z,transfer,-2.50,EUR,997.50,CH4699701000000200002,INV-1,'=1+1,12,${'ab'.repeat(32)}`,
    ',2026-12-01T00:00:00.000Z,closing,,EUR,1002.50,,,,99,',
    '',
  ]);
});
