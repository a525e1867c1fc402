import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeLogRecord, encodeLogRecord, type LogRecord } from '../../../src/consensus/index.js';
import { asHeight, asView, limits } from '../../../src/types/index.js';
import { chainOf, preparedCertificate, viewChangeStatement } from '../../helpers/consensus-certificates.js';
import { genesisTip, say, testConfig } from '../../helpers/consensus-net.js';

const config = testConfig({ n: 4 }, 0);
const [block] = chainOf(config, { view: 0, height: 1, parent: genesisTip.digest, length: 1 });
const viewChanges = [0, 1, 2].map((index) => {
  const message = say(config, index, viewChangeStatement(config, index, 1));
  if (message.kind !== 'viewChange') throw new Error('unreachable');
  return message;
});
const statement = {
  kind: 'newView',
  view: asView(1),
  viewChanges,
  reproposals: [{ height: asHeight(1), digest: block!.digest }],
} as const;
const newView = say(config, 1, statement);
if (newView.kind !== 'newView') throw new Error('unreachable');

const records: readonly LogRecord[] = [
  { kind: 'view', epoch: 7, view: asView(limits.maxView), changing: true },
  { kind: 'view', epoch: 0, view: asView(0), changing: false },
  { kind: 'vote', phase: 'prePrepare', view: asView(3), height: asHeight(1), digest: block!.digest },
  { kind: 'vote', phase: 'prepare', view: asView(3), height: asHeight(1), digest: block!.digest },
  {
    kind: 'vote',
    phase: 'commit',
    view: asView(3),
    height: asHeight(limits.maxHeight),
    digest: block!.digest,
  },
  { kind: 'block', block: block! },
  { kind: 'block', block: { ...block!, transactionHashes: undefined } },
  { kind: 'prepared', height: asHeight(1), certificate: preparedCertificate(config, 0, block!) },
  { kind: 'newView', epoch: limits.maxHeight, message: newView },
  { kind: 'newViewDraft', epoch: 3, statement },
];

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
