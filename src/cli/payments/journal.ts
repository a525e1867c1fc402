/**
 * What was signed for which payment, kept in the profile: a payment is submitted only once its envelope is on disk, so
 * that whoever runs the command again submits the very same envelope and gets the very same receipt. The ledger forgets
 * idempotency keys after its validity window; this file does not.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readSignedTransaction, type SignedTransaction } from '../../client/index.js';
import { toHex, type ChainId } from '../../types/index.js';
import { CommandError } from '../command-error.js';
import { isMissing } from '../is-missing.js';

/** A line. */
type Entry =
  | {
      /** Idempotency key in hexadecimal. */
      readonly key: string;
      /** For people who look into the file. */
      readonly endToEndId: string;
      /** Envelope in base64. */
      readonly envelope: string;
    }
  | { readonly account: string; readonly syncedToHeight: number }
  /** The outcome of a payment is known: its idempotency key. */
  | { readonly settled: string };

/** A payment's signed transaction, to be kept. */
export interface JournalItem {
  readonly idempotencyKey: Uint8Array;
  readonly endToEndId: string;
  readonly transaction: SignedTransaction;
}

export class SubmissionJournal {
  readonly #file: FileHandle;
  readonly #chainId: ChainId;
  readonly #contents: Contents;

  /** Opens, or makes, the journal of a chain in the folder of a profile. */
  static async open(profileDir: string, chainId: ChainId): Promise<SubmissionJournal> {
    const path = join(profileDir, `submissions-${toHex(chainId).slice(0, 16)}.jsonl`);
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return '';
      throw error;
    });
    const { contents, completeBytes } = readEntries(text, path);
    const file = await open(path, 'a', 0o600);
    // What a crash cut off was never submitted.
    if (completeBytes < Buffer.byteLength(text)) await file.truncate(completeBytes);
    return new SubmissionJournal(file, chainId, contents);
  }

  private constructor(file: FileHandle, chainId: ChainId, contents: Contents) {
    this.#file = file;
    this.#chainId = chainId;
    this.#contents = contents;
  }

  /** Height up to which the payments that others made from an account are in this journal too; 0 at first. */
  syncedToHeight(account: string): number {
    return this.#contents.synced.get(account) ?? 0;
  }

  /** Notes that the history of an account up to a height has been kept. */
  async keepSynced(account: string, syncedToHeight: number): Promise<void> {
    this.#contents.synced.set(account, syncedToHeight);
    await this.#append([{ account, syncedToHeight }]);
  }

  /** The transaction that was signed last for an idempotency key. */
  find(idempotencyKey: Uint8Array): SignedTransaction | undefined {
    const entry = this.#contents.entries.get(toHex(idempotencyKey));
    return entry === undefined ? undefined : this.#transactionOf(entry);
  }

  /** Payments with end-to-end ids of a pattern whose outcome was never learned. */
  *open(
    pattern: RegExp,
  ): Generator<{ readonly endToEndId: string; readonly transaction: SignedTransaction }> {
    for (const [key, entry] of this.#contents.entries) {
      if (this.#contents.settled.has(key) || !pattern.test(entry.endToEndId)) continue;
      yield { endToEndId: entry.endToEndId, transaction: this.#transactionOf(entry) };
    }
  }

  /** Notes that the outcome of a payment is known. */
  async settle(idempotencyKey: Uint8Array): Promise<void> {
    const settled = toHex(idempotencyKey);
    this.#contents.settled.add(settled);
    await this.#append([{ settled }]);
  }

  /** Keeps transactions; resolves when they are on disk and may be submitted. */
  async keep(items: readonly JournalItem[]): Promise<void> {
    const entries = items.map(({ idempotencyKey, endToEndId, transaction }) => ({
      key: toHex(idempotencyKey),
      endToEndId,
      envelope: Buffer.from(transaction.bytes).toString('base64'),
    }));
    for (const { key, ...entry } of entries) this.#contents.entries.set(key, entry);
    await this.#append(entries);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #transactionOf({ envelope }: KeptEntry): SignedTransaction {
    const read = readSignedTransaction(new Uint8Array(Buffer.from(envelope, 'base64')), this.#chainId);
    if (!read.ok) throw read.error;
    return read.value;
  }

  async #append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#file.appendFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    await this.#file.datasync();
  }
}

interface KeptEntry {
  readonly endToEndId: string;
  /** In base64. */
  readonly envelope: string;
}

interface Contents {
  /** What was signed last for each idempotency key (hexadecimal). */
  readonly entries: Map<string, KeptEntry>;
  readonly synced: Map<string, number>;
  readonly settled: Set<string>;
}

function readEntries(
  text: string,
  path: string,
): { readonly contents: Contents; readonly completeBytes: number } {
  const contents: Contents = { entries: new Map(), synced: new Map(), settled: new Set() };
  const lines = text.split('\n');
  // Behind the last line feed is nothing, or a line that a crash cut off.
  const rest = lines.pop() ?? '';
  for (const [index, line] of lines.entries()) {
    if (take(line, contents)) continue;
    throw new CommandError(
      'JOURNAL_DAMAGED',
      `Line ${index + 1} of ${path} is damaged. The file says what was submitted: restore it from a backup. If there ` +
        'is none, move it away; what was paid is then taken from the ledger.',
    );
  }
  return { contents, completeBytes: Buffer.byteLength(text) - Buffer.byteLength(rest) };
}

/** Takes a line in; false when it is damaged. */
function take(line: string, { entries, synced, settled }: Contents): boolean {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return false;
  }
  if (typeof entry !== 'object' || entry === null) return false;
  const {
    key,
    endToEndId,
    envelope,
    account,
    syncedToHeight,
    settled: settledKey,
  } = entry as Readonly<Record<string, unknown>>;
  if (typeof key === 'string' && typeof envelope === 'string' && typeof endToEndId === 'string') {
    entries.set(key, { endToEndId, envelope });
  } else if (typeof settledKey === 'string') settled.add(settledKey);
  else if (typeof account === 'string' && Number.isSafeInteger(syncedToHeight)) {
    synced.set(account, Number(syncedToHeight));
  } else return false;
  return true;
}
