import { describe, expect, it } from '@jest/globals';
import { writeStatusReport, type PaymentStatus } from '../../../../src/payments/index.js';
import { CheckedXml } from '../../../helpers/xml-schema.js';

const settled: PaymentStatus = {
  paymentInformationId: 'SALARIES',
  endToEndId: 'E2E-1',
  instructionId: 'I-1',
  uetr: '0b5b1e0e-6c5f-4c1a-9d3e-2f6a7b8c9d0e',
  status: 'ACSC',
  settled: { timeMs: Date.UTC(2026, 10, 2), reference: '12-0-0' },
};
const rejected: PaymentStatus = {
  paymentInformationId: 'RENT',
  endToEndId: 'E2E-2',
  status: 'RJCT',
  reason: { code: 'AM04', text: `Without effect: INSUFFICIENT_FUNDS ${'x'.repeat(200)}` },
};
const open: PaymentStatus = {
  paymentInformationId: 'SALARIES',
  endToEndId: 'E2E-3',
  status: 'PDNG',
  reason: { code: 'NARR', text: 'The network has no quorum.' },
};

const report = (payments: readonly PaymentStatus[]): CheckedXml =>
  new CheckedXml(
    [
      ...writeStatusReport(payments, {
        messageId: 'STS-1',
        createdMs: Date.UTC(2026, 10, 2),
        originalMessageId: 'MSG-2026-11',
      }),
    ].join(''),
  );

describe('a payment status report', () => {
  it('fits its published schema, with a status for the message, its blocks and its payments', () => {
    const xml = report([settled, rejected, open]);
    expect(xml.problem('pain.002.001.12')).toBeUndefined();
    expect(xml.texts('OrgnlGrpInfAndSts/OrgnlMsgId')).toEqual(['MSG-2026-11']);
    expect(xml.texts('OrgnlGrpInfAndSts/GrpSts')).toEqual(['PART']);
    expect(xml.texts('OrgnlPmtInfAndSts/OrgnlPmtInfId')).toEqual(['SALARIES', 'RENT']);
    expect(xml.texts('OrgnlPmtInfAndSts/PmtInfSts')).toEqual(['PART', 'RJCT']);
    expect(xml.texts('TxInfAndSts/OrgnlEndToEndId')).toEqual(['E2E-1', 'E2E-3', 'E2E-2']);
    expect(xml.texts('TxInfAndSts/TxSts')).toEqual(['ACSC', 'PDNG', 'RJCT']);
    expect(xml.texts('StsRsnInf/Rsn/Cd')).toEqual(['NARR', 'AM04']);
  });

  it.each([
    ['all settled', [settled], 'ACSC'],
    ['all rejected', [rejected, rejected], 'RJCT'],
    ['all open', [open], 'PDNG'],
  ] as const)('%s', (_name, payments, status) => {
    const xml = report(payments);
    expect(xml.problem('pain.002.001.12')).toBeUndefined();
    expect(xml.texts('OrgnlGrpInfAndSts/GrpSts')).toEqual([status]);
  });
});
