import {
  describeProblem,
  reasonOfProblem,
  reasonOfResult,
  writeStatusReport,
  type PaymentStatus,
  type RejectedPayment,
} from '../../payments/index.js';
import { writeWholeFile } from '../whole-file.js';
import type { PaymentReport } from './types.js';

/** Writes what became of the payments of a pain.001 file as a pain.002 message: those submitted, and those left out. */
export async function writeStatusReportFile(
  file: string,
  reports: readonly PaymentReport[],
  rejected: readonly RejectedPayment[],
): Promise<void> {
  const [first] = [...reports.map(({ payment }) => payment), ...rejected];
  const originalMessageId = first?.messageId ?? '';
  const createdMs = Date.now();
  const statuses = [...reports.map(statusOf), ...rejected.map(statusOfRejected)];
  const messageId = `STS-${createdMs}-${originalMessageId}`;
  await writeWholeFile(file, writeStatusReport(statuses, { messageId, createdMs, originalMessageId }));
}

/** The status of a payment that was, or was to be, submitted. */
export function statusOf({ payment, outcome }: PaymentReport): PaymentStatus {
  const { paymentInformationId, endToEndId, instructionId, uetr } = payment;
  const named = {
    paymentInformationId,
    endToEndId,
    ...(instructionId === undefined ? {} : { instructionId }),
    ...(uetr === undefined ? {} : { uetr }),
  };
  switch (outcome.kind) {
    case 'final': {
      const { timeMs, height, index } = outcome.transaction;
      return { ...named, status: 'ACSC', settled: { timeMs, reference: `${height}-${index}-0` } };
    }
    case 'failed': {
      const { code, height } = outcome.transaction;
      const text = `Without effect in block ${height}: ${code}`;
      return { ...named, status: 'RJCT', reason: { code: reasonOfResult(code), text } };
    }
    case 'refused':
      return {
        ...named,
        status: 'RJCT',
        reason: { code: reasonOfResult(outcome.code), text: outcome.message },
      };
    // It may still be paid: who submits the file again learns it.
    case 'unknown':
    case 'notSubmitted':
      return { ...named, status: 'PDNG', reason: { code: 'NARR', text: outcome.message } };
  }
}

function statusOfRejected({ paymentInformationId, endToEndId, problems }: RejectedPayment): PaymentStatus {
  const [first] = problems;
  const code = first === undefined ? 'NARR' : reasonOfProblem(first.code);
  const text = problems.map(describeProblem).join(' ');
  return { paymentInformationId, endToEndId, status: 'RJCT', reason: { code, text } };
}
