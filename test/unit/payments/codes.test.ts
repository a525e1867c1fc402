import { describe, expect, it } from '@jest/globals';
import {
  creditorReferenceProblem,
  currencyCodes,
  currencyExponent,
  ibanProblem,
} from '../../../src/payments/index.js';

describe('ibanProblem', () => {
  // Examples of the IBAN registry.
  it.each([
    'AD1200012030200359100100',
    'AE070331234567890123456',
    'BE68539007547034',
    'CH9300762011623852957',
    'DE89370400440532013000',
    'ES9121000418450200051332',
    'FR1420041010050500013M02606',
    'GB29NWBK60161331926819',
    'IT60X0542811101000000123456',
    'KW81CBKU0000000000001234560101',
    'LC55HEMM000100010012001200023015',
    'MT84MALT011000012345MTLCAST001S',
    'NL91ABNA0417164300',
    'NO9386011117947',
    'SC18SSCB11010000000000001497USD',
  ])('accepts %s', (iban) => {
    expect(ibanProblem(iban)).toBeUndefined();
  });

  it('finds every single wrong digit and every swap of neighbours', () => {
    const iban = 'DE89370400440532013000';
    for (let index = 2; index < iban.length; index++) {
      for (let digit = 0; digit < 10; digit++) {
        const wrong = iban.slice(0, index) + String(digit) + iban.slice(index + 1);
        if (wrong !== iban) expect(ibanProblem(wrong)).toBeDefined();
      }
      const swapped =
        iban.slice(0, index) + (iban[index + 1] ?? '') + (iban[index] ?? '') + iban.slice(index + 2);
      if (swapped !== iban) expect(ibanProblem(swapped)).toBeDefined();
    }
  });

  it.each([
    '',
    'DE',
    'de89370400440532013000',
    'DE8937040044053201300',
    'US64SVBKUS6S3300958879',
    'DE89-3704',
  ])('refuses %j', (text) => expect(ibanProblem(text)).toBeDefined());
});

describe('creditorReferenceProblem', () => {
  it('accepts ISO 11649 with and without spaces, and refuses wrong check digits', () => {
    expect(creditorReferenceProblem('RF18539007547034')).toBeUndefined();
    expect(creditorReferenceProblem('RF18 5390 0754 7034')).toBeUndefined();
    expect(creditorReferenceProblem('RF19539007547034')).toBeDefined();
    expect(creditorReferenceProblem('RF18')).toBeDefined();
  });
});

describe('currencyExponent', () => {
  it.each([
    ['EUR', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['CLF', 4],
    ['ISK', 0],
    ['MRU', 2],
    ['XCG', 2],
    ['ZWG', 2],
  ])('%s has %d decimal places', (code, exponent) => expect(currencyExponent(code)).toBe(exponent));

  it.each(['XXX', 'XAU', 'XTS', 'DEM', 'HRK', 'ANG', 'eur', '', 'toString'])('%j is none to pay in', (code) =>
    expect(currencyExponent(code)).toBeUndefined(),
  );

  it('has every code once', () => {
    expect(currencyCodes.length).toBe(new Set(currencyCodes).size);
    expect(currencyCodes.length).toBeGreaterThan(160);
    for (const code of currencyCodes) expect(code).toMatch(/^[A-Z]{3}$/);
  });
});
