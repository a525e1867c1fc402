import { formatAmount } from '../../config/index.js';
import { QuaestorError } from '../../types/index.js';
import { ibanProblem } from '../iban.js';
import { currencyExponent } from '../iso4217.js';
import { referenceOf, type StatementBalance, type StatementEntry, type StatementHead } from './statement.js';
import { cut, element, type Element } from './xml-writer.js';

/** The messages of bank to customer cash management: an interim report, a statement, a notification. */
export type CamtKind = 'camt.052' | 'camt.053' | 'camt.054';

export interface CamtOptions {
  readonly kind: CamtKind;
  /** GrpHdr/MsgId; at most 35 characters. */
  readonly messageId: string;
  readonly createdMs: number;
}

const forms = {
  'camt.052': { message: 'BkToCstmrAcctRpt', report: 'Rpt' },
  'camt.053': { message: 'BkToCstmrStmt', report: 'Stmt' },
  'camt.054': { message: 'BkToCstmrDbtCdtNtfctn', report: 'Ntfctn' },
} as const;

/** Of a message: 18 digits in all, 5 of them behind the point (ActiveOrHistoricCurrencyAndAmount). */
const maxDigits = 18;

/**
 * Writes a statement as an ISO 20022 message (camt.052.001.08, camt.053.001.08 or camt.054.001.08), piece by piece: no
 * more than one entry is held. A camt.053 is final: it is refused for a period that is still open.
 *
 * @throws QuaestorError STATEMENT_NOT_CASH for an asset that is no currency, STATEMENT_OPEN, AMOUNT_TOO_LONG.
 */
export async function* writeCamt(
  head: StatementHead,
  entries: AsyncIterable<StatementEntry>,
  options: CamtOptions,
): AsyncGenerator<string, void, undefined> {
  const { kind, messageId, createdMs } = options;
  const { account, asset, fromMs, toMs, opening, closing, isClosed } = head;
  if (currencyExponent(asset) === undefined) {
    throw new QuaestorError(
      'STATEMENT_NOT_CASH',
      `${asset} is no currency of ISO 4217, and ${kind} is about cash only. Use CSV or JSON.`,
    );
  }
  if (kind === 'camt.053' && !isClosed) {
    throw new QuaestorError(
      'STATEMENT_OPEN',
      `The period ends at ${time(toMs)}, which the ledger has not passed for sure: more may be booked into it. Wait, or write ` +
        'an interim report (camt.052).',
    );
  }
  const { message, report } = forms[kind];
  yield '<?xml version="1.0" encoding="UTF-8"?>\n';
  yield `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${kind}.001.08">\n  <${message}>\n`;
  yield element(
    [
      'GrpHdr',
      [
        ['MsgId', messageId],
        ['CreDtTm', time(createdMs)],
      ],
    ],
    2,
  );
  yield `    <${report}>\n`;
  const parts: readonly Element[] = [
    ['Id', messageId],
    ['CreDtTm', time(createdMs)],
    [
      'FrToDt',
      [
        ['FrDtTm', time(fromMs)],
        ['ToDtTm', time(toMs)],
      ],
    ],
    [
      'Acct',
      [
        ['Id', [accountId(account)]],
        ['Ccy', asset],
        ['Ownr', [['Nm', cut(head.owner, 140)]]],
      ],
    ],
    ...(kind === 'camt.054'
      ? []
      : [
          balance(head, 'OPBD', opening, fromMs),
          balance(head, kind === 'camt.053' ? 'CLBD' : 'ITBD', closing, toMs - 1),
        ]),
  ];
  for (const part of parts) yield element(part, 3);
  for await (const entry of entries) yield element(entryElement(head, entry), 3);
  yield `    </${report}>\n  </${message}>\n</Document>\n`;
}

function balance(head: StatementHead, code: string, { amount }: StatementBalance, atMs: number): Element {
  return [
    'Bal',
    [
      ['Tp', [['CdOrPrtry', [['Cd', code]]]]],
      amountOf(head, amount),
      // The ledger has no overdrafts.
      ['CdtDbtInd', 'CRDT'],
      ['Dt', [['DtTm', time(atMs)]]],
    ],
  ];
}

function entryElement(head: StatementHead, entry: StatementEntry): Element {
  const { amount, timeMs, kind, memo, endToEndId, txId } = entry;
  const isCredit = amount > 0n;
  const direction: Element = ['CdtDbtInd', isCredit ? 'CRDT' : 'DBIT'];
  const sum = amountOf(head, isCredit ? amount : 0n - amount);
  const reference = referenceOf(entry);
  return [
    'Ntry',
    [
      ['NtryRef', reference],
      sum,
      direction,
      ['Sts', [['Cd', 'BOOK']]],
      ['BookgDt', [['DtTm', time(timeMs)]]],
      ['ValDt', [['DtTm', time(timeMs)]]],
      ['AcctSvcrRef', reference],
      ['BkTxCd', [transactionCode(kind, isCredit)]],
      [
        'NtryDtls',
        [
          [
            'TxDtls',
            [
              [
                'Refs',
                [
                  ['AcctSvcrRef', reference],
                  ['EndToEndId', endToEndId === '' ? 'NOTPROVIDED' : cut(endToEndId, 35)],
                ],
              ],
              sum,
              direction,
              parties(head.account, entry),
              memo === '' ? undefined : ['RmtInf', pieces(memo, 140).map((text): Element => ['Ustrd', text])],
              ['AddtlTxInf', `Quaestor transaction ${txId}, block ${entry.height}`],
            ],
          ],
        ],
      ],
    ],
  ];
}

/** Bank transaction code: an internal book transfer, received or issued; issuing and burning money, holds and exchanges have no code there. */
function transactionCode(kind: StatementEntry['kind'], isCredit: boolean): Element {
  if (kind !== 'transfer')
    return [
      'Prtry',
      [
        ['Cd', kind === 'mint' ? 'ISSUE' : kind.toUpperCase()],
        ['Issr', 'Quaestor'],
      ],
    ];
  return [
    'Domn',
    [
      ['Cd', 'PMNT'],
      [
        'Fmly',
        [
          ['Cd', isCredit ? 'RCDT' : 'ICDT'],
          ['SubFmlyCd', 'BOOK'],
        ],
      ],
    ],
  ];
}

function parties(account: string, { amount, otherAccount }: StatementEntry): Element | undefined {
  if (otherAccount === undefined) return undefined;
  const [from, to] = amount > 0n ? [otherAccount, account] : [account, otherAccount];
  return [
    'RltdPties',
    [
      ['DbtrAcct', [['Id', [accountId(from)]]]],
      ['CdtrAcct', [['Id', [accountId(to)]]]],
    ],
  ];
}

/** Choice of an account's id: its IBAN, or at most 34 characters of another. */
function accountId(account: string): Element {
  return ibanProblem(account) === undefined ? ['IBAN', account] : ['Othr', [['Id', cut(account, 34)]]];
}

function amountOf({ asset, exponent }: StatementHead, amount: bigint): Element {
  const text = formatAmount(amount, exponent);
  if (text.replace('.', '').length > maxDigits) {
    throw new QuaestorError(
      'AMOUNT_TOO_LONG',
      `${text} ${asset} has more than the ${maxDigits} digits that ISO 20022 allows. Use CSV or JSON.`,
    );
  }
  return ['Amt', text, { Ccy: asset }];
}

const time = (ms: number): string => new Date(ms).toISOString();

/** A text in pieces of at most so many characters. */
function pieces(text: string, characters: number): readonly string[] {
  const all = Array.from(text);
  return Array.from({ length: Math.ceil(all.length / characters) }, (_, index) =>
    all.slice(index * characters, (index + 1) * characters).join(''),
  );
}
