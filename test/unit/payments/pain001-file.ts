/** Builds pain.001.001.09 files for tests: right ones, and ones that are wrong in one place. */
import type { PaymentOrError, PaymentsSource } from '../../../src/payments/index.js';
import { readPain001 } from '../../../src/payments/index.js';

export const namespace = 'urn:iso:std:iso:20022:tech:xsd:pain.001.001.09';
export const debtorIban = 'DE89370400440532013000';
export const creditorIban = 'GB33BUKB20201555555555';

export interface TransactionParts {
  readonly endToEndId?: string;
  readonly amount?: string;
  readonly currency?: string;
  /** Content of CdtrAcct/Id. */
  readonly creditorId?: string;
  /** Elements between Amt and CdtrAcct, and after it. */
  readonly before?: string;
  readonly after?: string;
  readonly paymentId?: string;
}

let next = 0;

export function transaction(parts: TransactionParts = {}): string {
  const id = parts.endToEndId ?? `E2E-${++next}`;
  return `<CdtTrfTxInf>
<PmtId>${parts.paymentId ?? `<EndToEndId>${id}</EndToEndId>`}</PmtId>
<Amt><InstdAmt Ccy="${parts.currency ?? 'EUR'}">${parts.amount ?? '10.50'}</InstdAmt></Amt>
${parts.before ?? ''}<CdtrAcct><Id>${parts.creditorId ?? `<IBAN>${creditorIban}</IBAN>`}</Id></CdtrAcct>${parts.after ?? ''}
</CdtTrfTxInf>
`;
}

export interface BlockParts {
  readonly id?: string;
  readonly method?: string;
  readonly counts?: string;
  readonly debtor?: string;
  readonly debtorId?: string;
  readonly date?: string;
}

export function block(transactions: readonly string[], parts: BlockParts = {}): string {
  return `<PmtInf>
<PmtInfId>${parts.id ?? `B-${++next}`}</PmtInfId><PmtMtd>${parts.method ?? 'TRF'}</PmtMtd>${parts.counts ?? ''}
<ReqdExctnDt>${parts.date ?? '<Dt>2026-11-02</Dt>'}</ReqdExctnDt>
<Dbtr>${parts.debtor ?? '<Nm>Payer &amp; Co</Nm>'}</Dbtr>
<DbtrAcct><Id>${parts.debtorId ?? `<IBAN>${debtorIban}</IBAN>`}</Id></DbtrAcct>
<DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt>
${transactions.join('')}</PmtInf>
`;
}

export interface FileParts {
  readonly count?: string;
  readonly sum?: string;
  readonly namespace?: string;
  readonly prolog?: string;
}

export function file(blocks: readonly string[], parts: FileParts = {}): string {
  const count = parts.count ?? String(blocks.join('').split('<CdtTrfTxInf>').length - 1);
  return `${parts.prolog ?? '<?xml version="1.0" encoding="UTF-8"?>'}
<Document xmlns="${parts.namespace ?? namespace}">
<CstmrCdtTrfInitn>
<GrpHdr><MsgId>MSG-1</MsgId><CreDtTm>2026-11-02T07:30:00</CreDtTm><NbOfTxs>${count}</NbOfTxs>${
    parts.sum === undefined ? '' : `<CtrlSum>${parts.sum}</CtrlSum>`
  }<InitgPty><Nm>Treasury</Nm></InitgPty></GrpHdr>
${blocks.join('')}</CstmrCdtTrfInitn>
</Document>
`;
}

/** A source of pieces of `length` units; counts those that were taken. */
export function pieces(text: string, length = text.length): PaymentsSource & { taken: number } {
  const source = {
    taken: 0,
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      const bytes = new TextEncoder().encode(text);
      for (let start = 0; start < bytes.length; start += length) {
        source.taken++;
        yield await Promise.resolve(bytes.subarray(start, start + length));
      }
    },
  };
  return source;
}

export async function read(text: string, options = {}): Promise<PaymentOrError[]> {
  const items: PaymentOrError[] = [];
  for await (const item of readPain001(pieces(text), options)) items.push(item);
  return items;
}

/** One line an item, for comparisons. */
export const short = (items: readonly PaymentOrError[]): string[] =>
  items.map((item) => {
    switch (item.kind) {
      case 'payment':
        return `payment ${item.payment.position} ${item.payment.currency} ${item.payment.amountMinor}`;
      case 'rejected':
        return `rejected ${item.rejected.position} ${item.rejected.problems.map(({ code, field }) => `${code} ${field}`).join(', ')}`;
      case 'file':
        return `file ${item.problem.code} ${item.problem.message}`;
    }
  });
