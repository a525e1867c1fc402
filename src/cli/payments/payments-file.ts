/** Opens payments files: checked as a whole before anything of it is submitted. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import {
  describeFileProblem,
  readValidatedPayments,
  validatePaymentsFile,
  writeRejects,
  type Payment,
  type PaymentsSummary,
  type RejectedPayment,
} from '../../payments/index.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError, usageError } from '../command-error.js';
import { count, printable } from '../output.js';

/** A payments file that was validated. */
export interface PaymentsFile {
  readonly path: string;
  readonly summary: PaymentsSummary;
}

const maxShownProblems = 10;

/** Reads and validates a file. Throws a usage error when it can't be read at all. */
export async function checkPaymentsFile(path: string): Promise<PaymentsFile> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw usageError(`There is no payments file ${path}.`);
  if (!found.isFile()) throw usageError(`${path} is no file; expected a payments file (pain.001 or CSV).`);
  return { path, summary: await validatePaymentsFile(() => createReadStream(path)) };
}

/** Sentences that say what is wrong with a file, the first few. */
export function problemsOfFile({ path, summary }: PaymentsFile): string[] {
  const problems = [
    ...summary.fileProblems.map((problem) => `${path}: ${describeFileProblem(problem)}`),
    ...summary.rejects.map((reject) => `${path}: ${reject}`),
  ].map(printable);
  const total = summary.fileProblems.length + summary.rejected;
  const shown = problems.slice(0, maxShownProblems);
  return total > shown.length ? [...shown, `… and ${total - shown.length} more`] : shown;
}

/** Throws unless the payments may be submitted: all of them, or with `skipInvalid` those that are valid. */
export function requireSubmittable(file: PaymentsFile, skipInvalid: boolean): void {
  const { submittable, rejected, valid } = file.summary;
  if (submittable === 'all' || (submittable === 'valid' && skipInvalid)) return;
  const advice =
    submittable === 'valid'
      ? `Nothing was submitted: ${count(rejected, 'payment')} of the file can't be, ${count(valid, 'other')} could. Correct the file, or add --skip-invalid.`
      : 'Nothing was submitted. Correct the file.';
  throw new CommandError(
    'PAYMENTS_INVALID',
    `${problemsOfFile(file).join('\n')}\n${advice}`,
    exitCodes.usage,
  );
}

/** The payments that may be submitted, in order; what is rejected is handed to `rejected`. */
export async function* paymentsOf(
  file: PaymentsFile,
  rejected: (payment: RejectedPayment) => void,
): AsyncGenerator<Payment, void, undefined> {
  for await (const item of readValidatedPayments(() => createReadStream(file.path), file.summary)) {
    switch (item.kind) {
      case 'payment':
        yield item.payment;
        break;
      case 'rejected':
        rejected(item.rejected);
        break;
      case 'file':
        throw new CommandError(
          'PAYMENTS_CHANGED',
          `${file.path}: ${describeFileProblem(item.problem)}`,
          exitCodes.failed,
        );
    }
  }
}

/** Writes the payments that were left out to a file that says why. */
export async function writeRejectsFile(path: string, rejected: readonly RejectedPayment[]): Promise<void> {
  await pipeline(writeRejects(rejected), createWriteStream(path, { mode: 0o600 }));
}
