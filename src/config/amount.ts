import { asAmount, err, limits, ok } from '../types/index.js';
import type { Amount, Result } from '../types/index.js';

/** Why a text is no amount. */
export type AmountProblem = 'notDecimal' | 'tooManyDecimals' | 'tooLarge';

/** Longest text that is looked at: 39 digits of 2^128 - 1, a point, and room for what is refused by its value. */
const maxTextLength = 64;

/**
 * Exact minor units of a decimal text in major units: "12.5" with exponent 2 is 1250. No sign, no exponent, no
 * grouping, no superfluous leading zero. A text with more decimal places than the exponent is refused whatever their
 * value, as ISO 4217 asks. Zero is an amount here; whether it is allowed is for the caller to say.
 */
export function parseAmount(text: string, exponent: number): Result<Amount, AmountProblem> {
  const match = text.length <= maxTextLength ? /^(0|[1-9]\d*)(?:\.(\d+))?$/.exec(text) : null;
  if (match === null) return err('notDecimal');
  const decimals = match[2] ?? '';
  if (decimals.length > exponent) return err('tooManyDecimals');
  const minor = BigInt((match[1] ?? '') + decimals.padEnd(exponent, '0'));
  return minor > limits.maxAmount ? err('tooLarge') : ok(asAmount(minor));
}

/** Decimal text in major units of an amount in minor units: 1250 with exponent 2 is "12.50". Inverse of parseAmount. */
export function formatAmount(minor: bigint, exponent: number): string {
  const sign = minor < 0n ? '-' : '';
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, '0');
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}
