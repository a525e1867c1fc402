import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { oracleEncode } from '../../helpers/protobuf-oracle.js';
import { messages } from './messages.js';

const runs = { seed: 20260101, numRuns: 60 };

describe.each(messages)('$name', ({ name, encode, decode, arbitrary }) => {
  it('has the bytes that protobufjs writes from the .proto file, and is read back from them', () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        const expected = oracleEncode(name, value);
        expect(encode(value)).toEqual(expected);
        expect(decode(expected)).toEqual({ ok: true, value });
      }),
      runs,
    );
  });

  it('is read from a Buffer into plain byte arrays', () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        const decoded = decode(Buffer.from(encode(value)));
        expect(decoded).toEqual({ ok: true, value });
        const visit = (part: unknown): void => {
          if (part instanceof Uint8Array) expect(Buffer.isBuffer(part)).toBe(false);
          else if (typeof part === 'object' && part !== null) Object.values(part).forEach(visit);
        };
        visit(decoded);
      }),
      { ...runs, numRuns: 10 },
    );
  });
});
