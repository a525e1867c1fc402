import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeErrorInfo, decodeRetryDelayMs, encodeRpcStatus } from '../../../src/client/rpc-status.js';
import { uriNames } from '../../../src/client/tls.js';

describe('google.rpc.Status', () => {
  it('has the bytes that protobuf gives', () => {
    const bytes = encodeRpcStatus(5, 'no', { reason: 'R', domain: 'd', metadata: { k: 'v' } });
    expect(Buffer.from(bytes).toString('hex')).toBe(
      // code 5, message "no", one detail: Any{type.googleapis.com/google.rpc.ErrorInfo, ErrorInfo{R, d, {k: v}}}
      '080512026e6f1a3a' +
        `0a28${Buffer.from('type.googleapis.com/google.rpc.ErrorInfo').toString('hex')}` +
        '120e0a0152120164' +
        '1a060a016b120176',
    );
  });

  it('carries a RetryInfo with the bytes that protobuf gives', () => {
    const info = { reason: 'R', domain: 'd', metadata: {} };
    const bytes = encodeRpcStatus(8, 'no', info, 2500);
    // Any{type.googleapis.com/google.rpc.RetryInfo, RetryInfo{retry_delay: 2 s and 500,000,000 ns}}
    const any =
      `0a28${Buffer.from('type.googleapis.com/google.rpc.RetryInfo').toString('hex')}` +
      '120a0a0808021080cab5ee01';
    expect(Buffer.from(bytes).toString('hex').endsWith(`1a36${any}`)).toBe(true);
    expect(decodeErrorInfo(bytes)).toEqual(info);
    expect(
      [0, 1, 999, 1000, 59_999].map((ms) => decodeRetryDelayMs(encodeRpcStatus(8, '', info, ms))),
    ).toEqual([0, 1, 999, 1000, 59_999]);
    expect(decodeRetryDelayMs(encodeRpcStatus(8, '', info, 1e12))).toBe(60_000);
    expect(decodeRetryDelayMs(encodeRpcStatus(8, '', info))).toBeUndefined();
  });

  it('gives back the ErrorInfo that was put in', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.string(),
        fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { noNullPrototype: true }),
        (reason, message, metadata) => {
          const info = { reason, domain: 'quaestor', metadata };
          expect(decodeErrorInfo(encodeRpcStatus(3, message, info))).toEqual(info);
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  it('takes any bytes without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeErrorInfo(bytes);
        decodeRetryDelayMs(bytes);
      }),
      { seed: 2, numRuns: 2000 },
    );
    const good = encodeRpcStatus(3, 'm', { reason: 'R', domain: 'd', metadata: {} });
    for (let length = 0; length < good.length; length++) {
      expect(decodeErrorInfo(good.subarray(0, length))?.domain).not.toBe('d');
    }
  });
});

describe('names of a certificate', () => {
  it('reads URIs, and is not misled by names that hold separators', () => {
    expect(uriNames('URI:quaestor://n/validator/v0, DNS:localhost, IP Address:127.0.0.1')).toEqual([
      'quaestor://n/validator/v0',
    ]);
    expect(uriNames('DNS:"x, URI:quaestor://n/validator/v0, y", URI:http://a')).toEqual(['http://a']);
    expect(uriNames('DNS:"x\\", URI:quaestor://n/validator/v0"')).toEqual([]);
    expect(uriNames('garbage')).toEqual([]);
  });
});
