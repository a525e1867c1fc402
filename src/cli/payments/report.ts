/** Shows what became of payments. */
import { formatAmount } from '../../config/index.js';
import { explainResult } from '../../client/index.js';
import { encodeReceipt } from '../../codec/index.js';
import { toHex } from '../../types/index.js';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { count, formatElapsed, groupDigits, printable, type Output } from '../output.js';
import type { PaymentOutcome, PaymentReport } from './types.js';

/** Numbers about a run. */
export interface PaymentsResult {
  /** In order of the file. */
  readonly reports: readonly PaymentReport[];
  readonly elapsedMs: number;
}

/** How many payments ended in which way. */
export interface Tally {
  readonly total: number;
  /** Final in this run, and before. */
  readonly paid: number;
  readonly paidEarlier: number;
  readonly failed: number;
  readonly refused: number;
  readonly unknown: number;
  readonly notSubmitted: number;
}

export function tallyOf(reports: readonly PaymentReport[]): Tally {
  const tally = { paid: 0, paidEarlier: 0, failed: 0, refused: 0, unknown: 0, notSubmitted: 0 };
  for (const { outcome } of reports) {
    if (outcome.kind === 'final') tally[outcome.earlier ? 'paidEarlier' : 'paid']++;
    else tally[outcome.kind]++;
  }
  return { total: reports.length, ...tally };
}

/** The exit code that a run deserves. */
export function exitCodeOf(tally: Tally): ExitCode {
  if (tally.unknown + tally.notSubmitted > 0) return exitCodes.unreachable;
  return tally.failed + tally.refused > 0 ? exitCodes.failed : exitCodes.ok;
}

/** A table of all payments, with the amounts in major units. */
export function showPayments(output: Output, { reports }: PaymentsResult): void {
  const { green, yellow, red, dim } = output.colours;
  output.table(
    ['end-to-end id', 'from', 'to', '>amount', '', '>height', '>ms to final', ''],
    reports.map(({ payment, outcome }) => {
      const { endToEndId, debtorAccount, creditorAccount, amountMinor, exponent, currency } = payment;
      const place =
        outcome.kind === 'final' || outcome.kind === 'failed' ? String(outcome.transaction.height) : '';
      return [
        printable(endToEndId),
        debtorAccount,
        creditorAccount,
        groupDigits(formatAmount(amountMinor, exponent)),
        currency,
        place,
        outcome.kind === 'final' && !outcome.earlier ? outcome.elapsedMs.toFixed(1) : '',
        statusText(outcome, { green, yellow, red, dim }),
      ];
    }),
  );
}

type Paint = Readonly<Record<'green' | 'yellow' | 'red' | 'dim', (text: string) => string>>;

function statusText(outcome: PaymentOutcome, { green, yellow, red, dim }: Paint): string {
  switch (outcome.kind) {
    case 'final':
      return outcome.earlier ? `${green('verified')} ${dim('(already final)')}` : green('verified');
    case 'failed':
      return red(`failed: ${outcome.transaction.code}`);
    case 'refused':
      return red(`refused: ${outcome.code}`);
    case 'unknown':
      return yellow(`open: ${outcome.code}`);
    case 'notSubmitted':
      return yellow('not submitted');
  }
}

/** Lines that sum a run up. */
export function showSummary(output: Output, result: PaymentsResult): void {
  const { reports, elapsedMs } = result;
  const tally = tallyOf(reports);
  const { bold } = output.colours;
  if (tally.paid === 1 && tally.total === 1) {
    output.line(
      `${bold('Final and verified')} in ${heightsOf(reports)}, ${latencyText(latenciesOf(reports))}`,
    );
  } else if (tally.paid > 0) {
    const perSecond = (tally.paid * 1000) / Math.max(1, elapsedMs);
    const heights = heightsOf(reports);
    output.line(
      `${bold(`${count(tally.paid, 'payment')} final and verified`)} in ${formatElapsed(elapsedMs)} ` +
        `(${perSecond.toFixed(0)}/s), in ${heights}`,
    );
    const latencies = latenciesOf(reports);
    output.line(latencyText(latencies));
    for (const [currency, { payments, text }] of totalsOf(reports)) {
      output.line(`  ${currency} ${text.padStart(20)}  ${count(payments, 'payment')}`);
    }
  }
  if (tally.paidEarlier > 0) {
    output.line(
      `${bold(count(tally.paidEarlier, 'payment'))} had been final before: their receipts were verified again, nothing was paid twice`,
    );
  }
  for (const kind of ['failed', 'refused', 'unknown', 'notSubmitted'] as const) {
    const reason = firstReason(reports, kind);
    if (reason !== undefined) output.line(`${count(tally[kind], 'payment')} ${kindTexts[kind]}: ${reason}`);
  }
}

const kindTexts = {
  failed: 'final without effect',
  refused: 'refused',
  unknown: 'open',
  notSubmitted: 'not submitted',
} as const;

function firstReason(
  reports: readonly PaymentReport[],
  kind: 'failed' | 'refused' | 'unknown' | 'notSubmitted',
): string | undefined {
  const report = reports.find(({ outcome }) => outcome.kind === kind);
  if (report === undefined) return undefined;
  const { outcome, payment } = report;
  if (outcome.kind === 'failed') return `${payment.endToEndId}: ${explainResult(outcome.transaction)}`;
  return outcome.kind === 'final' ? undefined : `${payment.endToEndId}: ${outcome.message}`;
}

function heightsOf(reports: readonly PaymentReport[]): string {
  const heights = reports.flatMap(({ outcome }) =>
    outcome.kind === 'final' && !outcome.earlier ? [outcome.transaction.height] : [],
  );
  const blocks = new Set<number>(heights);
  const [first = 0] = blocks;
  if (blocks.size === 1) return `block ${first}`;
  let [low, high] = [first, first];
  for (const height of blocks) {
    if (height < low) low = height;
    if (height > high) high = height;
  }
  return `${count(blocks.size, 'block')} (heights ${low} to ${high})`;
}

function latencyText(latencies: readonly number[]): string {
  const ms = (share: number): string => `${quantile(latencies, share).toFixed(1)} ms`;
  if (latencies.length === 1) return `${ms(0)} after it was submitted`;
  return `time to finality: median ${ms(0.5)}, 95% within ${ms(0.95)}`;
}

function latenciesOf(reports: readonly PaymentReport[]): readonly number[] {
  return reports
    .flatMap(({ outcome }) => (outcome.kind === 'final' && !outcome.earlier ? [outcome.elapsedMs] : []))
    .sort((left, right) => left - right);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Sums of what was paid in this run by currency. */
export function totalsOf(
  reports: readonly PaymentReport[],
): ReadonlyMap<string, { readonly payments: number; readonly text: string; readonly amount: string }> {
  const sums = new Map<string, { payments: number; minor: bigint; exponent: number }>();
  for (const { payment, outcome } of reports) {
    if (outcome.kind !== 'final' || outcome.earlier) continue;
    const { currency, amountMinor, exponent } = payment;
    const sum = sums.get(currency) ?? { payments: 0, minor: 0n, exponent };
    sum.payments++;
    sum.minor += amountMinor;
    sums.set(currency, sum);
  }
  return new Map(
    [...sums]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([currency, { payments, minor, exponent }]) => {
        const amount = formatAmount(minor, exponent);
        return [currency, { payments, amount, text: groupDigits(amount) }];
      }),
  );
}

/** The same for programs. */
export function paymentsDocument({ reports, elapsedMs }: PaymentsResult): Record<string, unknown> {
  const totals = [...totalsOf(reports)].map(([currency, { payments, amount }]) => ({
    currency,
    payments,
    amount,
  }));
  return {
    payments: reports.map(paymentDocument),
    summary: { ...tallyOf(reports), elapsedMs: Math.round(elapsedMs), totals },
  };
}

function paymentDocument({ payment, member, outcome }: PaymentReport): Record<string, unknown> {
  return {
    endToEndId: payment.endToEndId,
    messageId: payment.messageId,
    member,
    from: payment.debtorAccount,
    to: payment.creditorAccount,
    amount: formatAmount(payment.amountMinor, payment.exponent),
    currency: payment.currency,
    ...outcomeDocument(outcome),
  };
}

function outcomeDocument(outcome: PaymentOutcome): Record<string, unknown> {
  switch (outcome.kind) {
    case 'final':
    case 'failed': {
      const { txId, height, index, timeMs, code, receipt } = outcome.transaction;
      return {
        outcome: outcome.kind,
        verified: true,
        earlier: outcome.earlier,
        code,
        txId: toHex(txId),
        height,
        index,
        settledAt: new Date(timeMs).toISOString(),
        ...(outcome.kind === 'final' ? { elapsedMs: Math.round(outcome.elapsedMs * 10) / 10 } : {}),
        receipt: Buffer.from(encodeReceipt(receipt)).toString('base64'),
      };
    }
    case 'refused':
    case 'unknown':
    case 'notSubmitted':
      return { outcome: outcome.kind, verified: false, code: outcome.code, message: outcome.message };
  }
}
