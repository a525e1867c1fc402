import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeLogRecord, encodeLogRecord } from '../../../src/consensus/index.js';
import { asHeight, limits } from '../../../src/types/index.js';
import { logRecords as records } from '../../helpers/log-records.js';

describe('records of the consensus log', () => {
  it.each(records.map((record) => [record.kind, record] as const))(
    'a %s comes back as it was',
    (_, record) => {
      expect(decodeLogRecord(encodeLogRecord(record))).toEqual({ ok: true, value: record });
    },
  );

  it('replace each other by name and height, and nothing else', () => {
    const keys = records.map(encodeLogRecord).map(({ name, height }) => `${height}/${name}`);
    expect(keys).toEqual([
      '0/view',
      '0/view',
      '1/vote/prePrepare',
      '1/vote/prepare',
      `${limits.maxHeight}/vote/commit`,
      '1/block',
      '1/block',
      '1/prepared',
      '0/newView',
      '0/newViewDraft',
    ]);
  });

  it('cut short or with bytes left over are refused with a sentence', () => {
    for (const record of records) {
      const encoded = encodeLogRecord(record);
      for (let length = 0; length < encoded.value.length; length++) {
        const decoded = decodeLogRecord({ ...encoded, value: encoded.value.subarray(0, length) });
        expect(decoded.ok).toBe(false);
      }
      const longer = decodeLogRecord({ ...encoded, value: Uint8Array.of(...encoded.value, 0) });
      expect(longer.ok).toBe(false);
    }
  });

  it('of a view, from a time before validator sets could change, are of the first set', () => {
    const { name, height, value } = encodeLogRecord(records[0]!);
    const old = Uint8Array.of(1, ...value.subarray(7));
    expect(decodeLogRecord({ name, height, value: old })).toEqual({
      ok: true,
      value: { ...records[0], epoch: 0 },
    });
  });

  it('of another version or an unknown kind are refused', () => {
    const encoded = encodeLogRecord(records[0]!);
    const value = encoded.value.slice();
    value[0] = 3;
    expect(decodeLogRecord({ ...encoded, value })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/version/),
    });
    expect(decodeLogRecord({ ...encoded, name: 'other' })).toMatchObject({ ok: false });
  });

  it('of any bytes never throw', () => {
    const names = fc.constantFrom('view', 'vote/commit', 'block', 'prepared', 'newView', 'newViewDraft');
    fc.assert(
      fc.property(names, fc.uint8Array({ maxLength: 200 }), (name, bytes) => {
        decodeLogRecord({ name, height: asHeight(1), value: Uint8Array.of(1, ...bytes) });
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
