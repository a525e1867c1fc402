import { element, cut, type Element } from './xml-writer.js';

/** What became of one payment of a message. */
export interface PaymentStatus {
  /** PmtInf/PmtInfId of the original; may be empty. */
  readonly paymentInformationId: string;
  readonly endToEndId: string;
  readonly instructionId?: string;
  /** Unique end-to-end transaction reference (UUID v4). */
  readonly uetr?: string;
  /** Settled; rejected; or not known yet. */
  readonly status: 'ACSC' | 'RJCT' | 'PDNG';
  /** Why it was rejected, or is open: a code of ExternalStatusReason1Code, and a sentence. */
  readonly reason?: { readonly code: string; readonly text: string };
  /** Ledger time of its block, and where it is on the chain. */
  readonly settled?: { readonly timeMs: number; readonly reference: string };
}

export interface StatusReportOptions {
  /** GrpHdr/MsgId of the report; at most 35 characters. */
  readonly messageId: string;
  readonly createdMs: number;
  /** GrpHdr/MsgId of the message that it is about. */
  readonly originalMessageId: string;
}

const statuses = ['ACSC', 'RJCT', 'PDNG'] as const;

/**
 * Writes a customer payment status report (pain.002.001.12) about a pain.001.001.09: a status for the message, for each of
 * its blocks, and for each payment in the order given; those of a block stand together.
 */
export function* writeStatusReport(
  payments: readonly PaymentStatus[],
  { messageId, createdMs, originalMessageId }: StatusReportOptions,
): Generator<string, void, undefined> {
  yield '<?xml version="1.0" encoding="UTF-8"?>\n';
  yield '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.12">\n  <CstmrPmtStsRpt>\n';
  yield element(
    [
      'GrpHdr',
      [
        ['MsgId', cut(messageId, 35)],
        ['CreDtTm', time(createdMs)],
      ],
    ],
    2,
  );
  yield element(
    [
      'OrgnlGrpInfAndSts',
      [
        ['OrgnlMsgId', cut(originalMessageId, 35)],
        ['OrgnlMsgNmId', 'pain.001.001.09'],
        ['OrgnlNbOfTxs', String(payments.length)],
        ['GrpSts', groupStatus(payments)],
        ...counts(payments),
      ],
    ],
    2,
  );
  for (const [block, own] of blocksOf(payments)) {
    yield '    <OrgnlPmtInfAndSts>\n';
    const head: readonly Element[] = [
      ['OrgnlPmtInfId', block === '' ? 'NOTPROVIDED' : cut(block, 35)],
      ['OrgnlNbOfTxs', String(own.length)],
      ['PmtInfSts', groupStatus(own)],
      ...counts(own),
    ];
    for (const part of head) yield element(part, 3);
    for (const payment of own) yield element(paymentElement(payment), 3);
    yield '    </OrgnlPmtInfAndSts>\n';
  }
  yield '  </CstmrPmtStsRpt>\n</Document>\n';
}

/** The one that all have, or that they differ. */
function groupStatus(payments: readonly PaymentStatus[]): string {
  const [first, ...others] = new Set(payments.map(({ status }) => status));
  return others.length > 0 ? 'PART' : (first ?? 'RJCT');
}

function counts(payments: readonly PaymentStatus[]): readonly Element[] {
  return statuses.flatMap((status): Element[] => {
    const number = payments.filter((payment) => payment.status === status).length;
    if (number === 0) return [];
    return [
      [
        'NbOfTxsPerSts',
        [
          ['DtldNbOfTxs', String(number)],
          ['DtldSts', status],
        ],
      ],
    ];
  });
}

function blocksOf(payments: readonly PaymentStatus[]): ReadonlyMap<string, readonly PaymentStatus[]> {
  const blocks = new Map<string, PaymentStatus[]>();
  for (const payment of payments) {
    const own = blocks.get(payment.paymentInformationId);
    if (own === undefined) blocks.set(payment.paymentInformationId, [payment]);
    else own.push(payment);
  }
  return blocks;
}

function paymentElement({
  instructionId,
  endToEndId,
  uetr,
  status,
  reason,
  settled,
}: PaymentStatus): Element {
  return [
    'TxInfAndSts',
    [
      instructionId === undefined ? undefined : ['OrgnlInstrId', cut(instructionId, 35)],
      endToEndId === '' ? undefined : ['OrgnlEndToEndId', cut(endToEndId, 35)],
      uetr === undefined ? undefined : ['OrgnlUETR', uetr],
      ['TxSts', status],
      reason === undefined
        ? undefined
        : [
            'StsRsnInf',
            [
              ['Rsn', [['Cd', reason.code]]],
              ['AddtlInf', cut(reason.text, 105)],
            ],
          ],
      settled === undefined ? undefined : ['AccptncDtTm', time(settled.timeMs)],
      settled === undefined ? undefined : ['AcctSvcrRef', cut(settled.reference, 35)],
    ],
  ];
}

const time = (ms: number): string => new Date(ms).toISOString();
