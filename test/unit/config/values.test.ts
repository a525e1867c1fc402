import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formatAddress,
  formatAmount,
  formatDuration,
  formatSize,
  parseAddress,
  parseAmount,
  parseDuration,
  parseSize,
  suggest,
  variableOf,
} from '../../../src/config/index.js';

describe('amounts', () => {
  it('are exact, and formatting is the inverse of parsing', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
        fc.integer({ min: 0, max: 18 }),
        (minor, exponent) => {
          expect(parseAmount(formatAmount(minor, exponent), exponent)).toEqual({ ok: true, value: minor });
        },
      ),
      { seed: 4217 },
    );
    expect(parseAmount('0.1', 1)).toEqual({ ok: true, value: 1n });
    expect(formatAmount(-5n, 2)).toBe('-0.05');
  });

  it.each(['', '.', '1.', '.5', '+1', '-1', '1,000', '1e3', '0x1', ' 1', '00', 'NaN', '１', '9'.repeat(65)])(
    'are not %j',
    (text) => expect(parseAmount(text, 2)).toEqual({ ok: false, error: 'notDecimal' }),
  );

  it('have at most the decimal places of the asset, and fit in 128 bits', () => {
    expect(parseAmount('10.0', 0)).toEqual({ ok: false, error: 'tooManyDecimals' });
    expect(parseAmount((2n ** 128n).toString(), 0)).toEqual({ ok: false, error: 'tooLarge' });
  });
});

describe('units', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2000],
    ['5m', 300_000],
    ['7d', 604_800_000],
  ])('%s is a duration', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(text);
  });

  it.each(['5', 's', '-1s', '1.5s', '1 s', '1S', '999999999999d'])('%j is no duration', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('sizes are binary', () => {
    expect(parseSize('64MiB')).toBe(64 * 2 ** 20);
    expect(formatSize(64 * 2 ** 20)).toBe('64MiB');
    expect(parseSize('64MB')).toBeUndefined();
  });
});

describe('addresses', () => {
  it.each(['host:1', '127.0.0.1:65535', '[::1]:7050', 'a-b.c_d.example:80'])('%s is one', (text) => {
    const address = parseAddress(text);
    expect(address && formatAddress(address)).toBe(text);
  });
  it.each(['host', 'host:', ':1', '::1:1', 'host:65536', 'http://host:1', '[host]:1', 'a b:1'])(
    '%j is none',
    (text) => expect(parseAddress(text)).toBeUndefined(),
  );
});

describe('suggest', () => {
  it('finds slips of the keyboard and nothing far-fetched', () => {
    expect(suggest('stroage', ['listen', 'storage'])).toBe('storage');
    expect(suggest('viewtimeout', ['viewTimeout'])).toBe('viewTimeout');
    expect(suggest('quux', ['listen', 'storage'])).toBeUndefined();
  });
});

describe('variableOf', () => {
  it('splits words', () =>
    expect(variableOf(['consensus', 'viewTimeout'])).toBe('QUAESTOR_CONSENSUS_VIEW_TIMEOUT'));
});
