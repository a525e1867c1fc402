import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeReceipt, encodeValidatorSetChanges, type ValidatorSetChange } from '../../codec/index.js';
import type { PaymentReport } from './types.js';

/** Name of the file that says which validator sets have followed that of the genesis. */
export const changesFileName = 'validators.changes';

/**
 * Writes the receipt of each final payment, and the transaction that it is of: NAME.receipt and NAME.transaction, in
 * the form that `quaestor verify-receipt` reads (canonical bytes), and the changes of the validator set that prove them,
 * if there are any. Gives the number of receipts.
 */
export async function saveReceipts(
  dir: string,
  reports: readonly PaymentReport[],
  changes: readonly ValidatorSetChange[],
): Promise<number> {
  await mkdir(dir, { recursive: true });
  if (changes.length > 0) await writeFile(join(dir, changesFileName), encodeValidatorSetChanges({ changes }));
  const used = new Set<string>();
  let saved = 0;
  for (const { payment, outcome, submitted } of reports) {
    if ((outcome.kind !== 'final' && outcome.kind !== 'failed') || submitted === undefined) continue;
    const name = fileNameOf(payment.endToEndId, payment.position, used);
    await writeFile(join(dir, `${name}.receipt`), encodeReceipt(outcome.transaction.receipt));
    await writeFile(join(dir, `${name}.transaction`), submitted.bytes);
    saved++;
  }
  return saved;
}

/** An end-to-end id as the name of a file; with the payment's position where it is taken. */
function fileNameOf(endToEndId: string, position: number, used: Set<string>): string {
  const safe = endToEndId.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 100);
  const name = safe === '' || used.has(safe) ? `${safe}-${position}` : safe;
  used.add(name);
  return name;
}
