/**
 * What was signed for which payment, kept in the profile: a payment is submitted only once its envelope is on disk, so
 * that whoever runs the command again submits the very same envelope and gets the very same receipt. The ledger forgets
 * idempotency keys after its validity window; this file does not.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readSignedTransaction, type SignedTransaction } from '../../client/index.js';
import { toHex, type ChainId } from '../../types/index.js';
import { CommandError } from '../failure.js';

/** A line: one signed envelope, or how far the history of an account has been taken over. */
type Entry =
  | {
      /** Idempotency key in hexadecimal. */
      readonly key: string;
      /** For people who look into the file. */
      readonly endToEndId: string;
      /** Envelope in base64. */
      readonly envelope: string;
    }
  | { readonly account: string; readonly syncedToHeight: number };

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
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
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
    const envelope = this.#contents.envelopes.get(toHex(idempotencyKey));
    if (envelope === undefined) return undefined;
    const read = readSignedTransaction(new Uint8Array(Buffer.from(envelope, 'base64')), this.#chainId);
    if (!read.ok) throw read.error;
    return read.value;
  }

  /** Keeps transactions; resolves when they are on disk and may be submitted. */
  async keep(items: readonly JournalItem[]): Promise<void> {
    const entries = items.map(({ idempotencyKey, endToEndId, transaction }) => ({
      key: toHex(idempotencyKey),
      endToEndId,
      envelope: Buffer.from(transaction.bytes).toString('base64'),
    }));
    for (const { key, envelope } of entries) this.#contents.envelopes.set(key, envelope);
    await this.#append(entries);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#file.appendFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    await this.#file.datasync();
  }
}

interface Contents {
  /** The latest envelope of each idempotency key (hexadecimal), in base64. */
  readonly envelopes: Map<string, string>;
  readonly synced: Map<string, number>;
}

function readEntries(
  text: string,
  path: string,
): { readonly contents: Contents; readonly completeBytes: number } {
  const contents: Contents = { envelopes: new Map(), synced: new Map() };
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
function take(line: string, { envelopes, synced }: Contents): boolean {
  let entry: Readonly<Record<string, unknown>>;
  try {
    entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return false;
  }
  const { key, envelope, account, syncedToHeight } = entry;
  if (typeof key === 'string' && typeof envelope === 'string') envelopes.set(key, envelope);
  else if (typeof account === 'string' && Number.isSafeInteger(syncedToHeight)) {
    synced.set(account, Number(syncedToHeight));
  } else return false;
  return true;
}
