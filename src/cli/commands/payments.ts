import { Command } from 'commander';
import { formatAmount } from '../../config/index.js';
import { toHex } from '../../types/index.js';
import { define } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { count, groupDigits } from '../output.js';
import { checkPaymentsFile, problemsOfFile } from '../payments/payments-file.js';

/** `quaestor payments`. */
export function paymentsCommand(): Command {
  const validate = new Command('validate')
    .summary('check a payments file')
    .description(
      'Checks a payments file (ISO 20022 pain.001.001.09, or CSV with a header row) without submitting anything: ' +
        'structure, IBANs, currencies, amounts, duplicates, number of payments and control sums.',
    )
    .argument('<file>', 'payments file');
  define<object, [string]>(
    validate,
    'quaestor payments validate configs/payments/treasury-2026-11.xml',
    async ({ output }, _options, path) => {
      const file = await checkPaymentsFile(path);
      const { summary } = file;
      const totals = [...summary.totals].map(([currency, { payments, amountMinor, exponent }]) => ({
        currency,
        payments,
        amount: formatAmount(amountMinor, exponent),
      }));
      output.document({
        file: path,
        format: summary.format,
        sha256: toHex(summary.sha256),
        payments: summary.payments,
        valid: summary.valid,
        rejected: summary.rejected,
        warnings: summary.warned,
        submittable: summary.submittable,
        totals,
        problems: [
          ...summary.fileProblems.map(({ line, message }) => `line ${line}: ${message}`),
          ...summary.rejects,
        ],
      });
      output.line(
        `${path}: ${summary.format ?? 'unknown format'}, ${count(summary.payments, 'payment')}, ${count(summary.valid, 'valid', 'valid')}, ${count(summary.rejected, 'rejected', 'rejected')}, ${count(summary.warned, 'with warnings', 'with warnings')}`,
      );
      if (totals.length > 0) {
        output.table(
          ['currency', '>payments', '>amount'],
          totals.map(({ currency, payments, amount }) => [currency, String(payments), groupDigits(amount)]),
        );
      }
      for (const problem of problemsOfFile(file)) output.line(output.colours.red(problem));
      for (const warning of summary.warnings.slice(0, 10)) output.line(output.colours.yellow(warning));
      return summary.submittable === 'all' ? exitCodes.ok : exitCodes.failed;
    },
  );
  return new Command('payments').addCommand(validate);
}
