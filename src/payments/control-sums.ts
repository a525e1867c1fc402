import type { FileProblem } from './types.js';

/** Decimal places that sums are kept with: those that DecimalNumber of ISO 20022 allows. */
const sumDecimals = 17;

/** A decimal text as an integer with `sumDecimals` places, or undefined. */
function parseDecimal(text: string): bigint | undefined {
  const match = /^\+?(\d{1,40})(?:\.(\d{0,17}))?$/.exec(text);
  if (match === null) return undefined;
  return BigInt((match[1] ?? '0') + (match[2] ?? '').padEnd(sumDecimals, '0'));
}

function formatDecimal(value: bigint): string {
  const digits = value.toString().padStart(sumDecimals + 1, '0');
  const decimals = digits.slice(-sumDecimals).replace(/0+$/, '');
  return digits.slice(0, -sumDecimals) + (decimals === '' ? '' : `.${decimals}`);
}

/** Counts payments and adds up their amounts, whatever their currencies, as NbOfTxs and CtrlSum ask. */
export class ControlTotals {
  #count = 0;
  #sum = 0n;
  #unreadable = 0;

  get count(): number {
    return this.#count;
  }

  add(amount: string): void {
    this.#count++;
    const value = parseDecimal(amount);
    if (value === undefined) this.#unreadable++;
    else this.#sum += value;
  }

  /**
   * What is wrong with the stated number and sum. A sum cannot be judged when an amount is no number; that payment is
   * rejected for itself.
   */
  check(
    where: string,
    line: number,
    stated: { readonly count: string | undefined; readonly sum: string | undefined },
  ): FileProblem[] {
    const problems: FileProblem[] = [];
    const { count, sum } = stated;
    if (count !== undefined && !/^\d{1,15}$/.test(count)) {
      problems.push({
        code: 'COUNT_MISMATCH',
        line,
        message: `${where}/NbOfTxs: Found ${JSON.stringify(count)}; expected a number of payments.`,
      });
    } else if (count !== undefined && Number(count) !== this.#count) {
      problems.push({
        code: 'COUNT_MISMATCH',
        line,
        message: `${where}/NbOfTxs: Found ${count}, but there are ${this.#count} payments; the file may be incomplete.`,
      });
    }
    if (sum === undefined) return problems;
    const value = parseDecimal(sum);
    if (value === undefined) {
      problems.push({
        code: 'SUM_MISMATCH',
        line,
        message: `${where}/CtrlSum: Found ${JSON.stringify(sum)}; expected a decimal number.`,
      });
    } else if (this.#unreadable === 0 && value !== this.#sum) {
      problems.push({
        code: 'SUM_MISMATCH',
        line,
        message: `${where}/CtrlSum: Found ${sum}, but the amounts add up to ${formatDecimal(this.#sum)}.`,
      });
    }
    return problems;
  }
}
