/** What faulty validators, crashes and clocks can do to progress, measured in virtual time against stated bounds. */
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runForJson } from '../../helpers/program.js';
import { scenarios } from './scenarios.js';

interface Row {
  readonly name: string;
  readonly validators: number;
  readonly ms: number;
  readonly boundMs: number;
}

// Far above what they take: a busy machine is no failure.
jest.setTimeout(300_000);

describe('the network goes on', () => {
  let rows: readonly Row[] = [];

  beforeAll(async () => {
    rows = (await runForJson('test/simulation/liveness/main.ts', [])) as readonly Row[];
  });

  for (const { name, text, bound } of scenarios) {
    for (const validators of [4, 16]) {
      it(`with ${validators} validators. ${text}: within ${bound}`, () => {
        const row = rows.find((measured) => measured.name === name && measured.validators === validators);
        expect(row?.ms).toBeGreaterThan(0);
        expect(row?.ms).toBeLessThan(row?.boundMs ?? 0);
      });
    }
  }
});
