import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { isRefusalReason, reasons, type Reason } from '../../../src/api/index.js';

/** Rows of the tables of docs/errors.md: reason, gRPC code, retry, meaning. */
function documented(): Map<string, { code: string; retry: string; meaning: string; refusal: boolean }> {
  const rows = new Map<string, { code: string; retry: string; meaning: string; refusal: boolean }>();
  let refusal = false;
  for (const line of readFileSync('docs/errors.md', 'utf8').split('\n')) {
    if (line.startsWith('## ')) refusal = line === '## Refused transactions';
    const [, reason, code, retry, meaning] =
      /^\| `([A-Z_]+)` *\| ([A-Z_]+) *\| (\w+) *\| (.*?) *\|$/.exec(line) ?? [];
    if (reason !== undefined) rows.set(reason, { code: code!, retry: retry!, meaning: meaning!, refusal });
  }
  return rows;
}

describe('docs/errors.md', () => {
  it('lists every reason with its code, what may be retried and its meaning, and no other', () => {
    const expected = new Map(
      Object.entries(reasons).map(([reason, { code, retry, meaning }]) => [
        reason,
        { code: status[code], retry, meaning, refusal: isRefusalReason(reason as Reason) },
      ]),
    );
    expect(documented()).toEqual(expected);
  });
});
