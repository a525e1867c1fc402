import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SubmissionJournal, type JournalItem } from '../../../src/cli/payments/journal.js';
import { buildTransaction, signTransaction } from '../../../src/client/index.js';
import { asAmount, asChainId, asHeight, toHex } from '../../../src/types/index.js';
import { memberKeys } from '../../helpers/fake-ledger.js';

const chainId = asChainId(new Uint8Array(32).fill(1));

async function item(number: number, validUntil = 100): Promise<JournalItem> {
  const idempotencyKey = new Uint8Array(16).fill(number);
  const endToEndId = `E2E-${number}`;
  const payload = buildTransaction({
    sender: 'alpha',
    idempotencyKey,
    validUntilHeight: asHeight(validUntil),
    operations: [
      {
        kind: 'transfer',
        fromAccount: 'A1',
        toAccount: 'B1',
        asset: 'CHF',
        amount: asAmount(BigInt(number)),
        endToEndId,
        memo: '',
      },
    ],
  });
  return {
    idempotencyKey,
    endToEndId,
    transaction: await signTransaction(payload, [memberKeys.alpha], chainId),
  };
}

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quaestor-journal-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const journalFile = async (): Promise<string> => join(dir, (await readdir(dir))[0]!);

describe('the journal of submissions', () => {
  it('gives back, after a restart, the very envelope that was kept last for a payment', async () => {
    const [first, second, renewed] = [await item(1), await item(2), await item(1, 200)];
    let journal = await SubmissionJournal.open(dir, chainId);
    await journal.keep([first, second]);
    await journal.keep([renewed]);
    await journal.keepSynced('A1', 17);
    await journal.close();
    expect((await stat(await journalFile())).mode & 0o777).toBe(0o600);

    journal = await SubmissionJournal.open(dir, chainId);
    expect(journal.find(first.idempotencyKey)).toEqual(renewed.transaction);
    expect(journal.find(second.idempotencyKey)).toEqual(second.transaction);
    expect(journal.find(new Uint8Array(16))).toBeUndefined();
    expect([journal.syncedToHeight('A1'), journal.syncedToHeight('A2')]).toEqual([17, 0]);
    await journal.close();
  });

  it('remembers which payments are open', async () => {
    const [first, second] = [await item(1), await item(2)];
    let journal = await SubmissionJournal.open(dir, chainId);
    await journal.keep([first, second]);
    await journal.settle(first.idempotencyKey);
    await journal.close();
    journal = await SubmissionJournal.open(dir, chainId);
    expect([...journal.open(/^E2E-/)].map(({ endToEndId }) => endToEndId)).toEqual(['E2E-2']);
    expect([...journal.open(/^X/)]).toEqual([]);
    await journal.close();
  });

  it('drops a line that a crash cut off: what it says was not submitted', async () => {
    const [first, second, third] = [await item(1), await item(2), await item(3)];
    let journal = await SubmissionJournal.open(dir, chainId);
    await journal.keep([first]);
    await journal.close();
    await appendFile(await journalFile(), `{"key":"${toHex(second.idempotencyKey)}","endTo`);
    journal = await SubmissionJournal.open(dir, chainId);
    expect(journal.find(second.idempotencyKey)).toBeUndefined();
    await journal.keep([third]);
    await journal.close();
    journal = await SubmissionJournal.open(dir, chainId);
    expect(journal.find(first.idempotencyKey)).toEqual(first.transaction);
    expect(journal.find(third.idempotencyKey)).toEqual(third.transaction);
    await journal.close();
  });

  it('refuses a damaged line instead of paying again what it stood for', async () => {
    const journal = await SubmissionJournal.open(dir, chainId);
    await journal.keep([await item(1), await item(2)]);
    await journal.close();
    const file = await journalFile();
    await writeFile(file, (await readFile(file, 'utf8')).replace('{"key"', '{"kex"'));
    await expect(SubmissionJournal.open(dir, chainId)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  });

  it('keeps networks apart', async () => {
    const first = await item(1);
    const journal = await SubmissionJournal.open(dir, chainId);
    await journal.keep([first]);
    await journal.close();
    const other = await SubmissionJournal.open(dir, asChainId(new Uint8Array(32).fill(2)));
    expect(other.find(first.idempotencyKey)).toBeUndefined();
    await other.close();
  });
});
