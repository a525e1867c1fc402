import { encodeLogRecord, type LogRecord } from '../consensus/index.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { LogEntry } from '../storage/types.js';
import { toHex, type Digest } from '../types/index.js';
import { frameBodies } from './body-framing.js';

/** What the consensus log takes for records of the core: a block goes with its bodies, as far as they are at hand. */
export function logEntriesOf(
  records: readonly LogRecord[],
  bodiesOf: (digest: Digest) => readonly CheckedTransaction[] | undefined,
): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  for (const record of records) {
    entries.push(encodeLogRecord(record));
    if (record.kind !== 'block') continue;
    const bodies = bodiesOf(record.block.digest);
    if (bodies === undefined) continue;
    const value = frameBodies(bodies.map((transaction) => transaction.envelopeBytes));
    entries.push({
      name: `bodies/${toHex(record.block.digest)}`,
      height: record.block.header.height,
      value,
    });
  }
  return entries;
}
