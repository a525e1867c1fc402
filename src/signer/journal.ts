/**
 * The signer's memory on disk: changes in order, each chained to the one before by a hash, synced before a signature that
 * follows from them leaves. LevelDB holds them, and locks the folder: two processes never sign from one memory.
 */
import { mkdir } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { decodeValidatorSet, encodeValidatorSet, type ValidatorSet } from '../codec/index.js';
import { sha256 } from '../crypto/index.js';
import {
  concatBytes,
  equalBytes,
  fromHex,
  QuaestorError,
  toHex,
  type ChainId,
  type PublicKey,
} from '../types/index.js';
import { decodeChanges, encodeChanges, SignedState, type Change } from './state.js';

/** Whose memory it is. */
export interface JournalOwner {
  readonly chainId: ChainId;
  readonly publicKey: PublicKey;
}

/** Entries after which they are given up for a summary. */
const entriesPerSummary = 8192;
const chainBytes = 32;
const ownerKey = 'owner';
const summaryKey = 'summary';
const entryKey = (sequence: number): string => `entry/${sequence.toString(16).padStart(14, '0')}`;

/** Format of the memory that this software writes and reads. */
const stateFormat = 1;

interface Owned {
  readonly format: typeof stateFormat;
  readonly chainId: string;
  readonly publicKey: string;
  /** Canonical bytes of the first validator set, in hex. */
  readonly set: string;
}

interface Waiting {
  readonly changes: readonly Change[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

type Database = ClassicLevel<string, Uint8Array>;

/** Opens or makes the database; LevelDB checks all of its own checksums. */
async function openDatabase(dir: string, create: boolean): Promise<Database> {
  if (create) await mkdir(dir, { recursive: true, mode: 0o700 });
  const db = new ClassicLevel<string, Uint8Array>(dir, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    createIfMissing: create,
    errorIfExists: create,
    writeBufferSize: 4 * 1024 * 1024,
  });
  try {
    await db.open();
    return db;
  } catch (error) {
    const { code } =
      (error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined) ?? {};
    if (code === 'LEVEL_LOCKED') {
      throw new QuaestorError(
        'SIGNER_STATE_LOCKED',
        `The signer's memory in ${dir} is used by another process. Only one signer may run on it: stop that one first.`,
      );
    }
    if (create) {
      throw new QuaestorError(
        'SIGNER_STATE_EXISTS',
        `The signer's memory in ${dir} cannot be made: there is one already, or the folder cannot be written.`,
        {},
        error,
      );
    }
    throw new QuaestorError(
      'SIGNER_STATE_MISSING',
      `There is no usable signer's memory in ${dir}. For a key that has never signed, make one with "quaestor signer init". ` +
        'If it was lost, read docs/signer.md first: a signer that forgets may contradict itself.',
      {},
      error,
    );
  }
}

/** Makes the memory of a key: nothing at or below `finalHeight` is ever signed. Rejects with SIGNER_STATE_EXISTS. */
export async function createJournal(
  dir: string,
  owner: JournalOwner,
  set: ValidatorSet,
  changes: readonly Change[],
): Promise<void> {
  const db = await openDatabase(dir, true);
  const owned: Owned = {
    format: stateFormat,
    chainId: toHex(owner.chainId),
    publicKey: toHex(owner.publicKey),
    set: toHex(encodeValidatorSet(set)),
  };
  const start = new TextEncoder().encode(JSON.stringify(owned));
  const state = new SignedState(set);
  for (const change of changes) state.apply(change);
  try {
    await db.batch(
      [
        { type: 'put', key: ownerKey, value: concatBytes(sha256(start), start) },
        { type: 'put', key: summaryKey, value: summaryOf(state, sha256(start), 0) },
      ],
      { sync: true },
    );
  } finally {
    await db.close();
  }
}

/** hash of what follows ‖ next sequence number, 8 bytes ‖ chain ‖ changes. */
function summaryOf(state: SignedState, chain: Uint8Array, sequence: number): Uint8Array {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(sequence));
  const content = concatBytes(number, chain, encodeChanges([...state.summary()]));
  return concatBytes(sha256(content), content);
}

/** The memory of a running signer. */
export class Journal {
  readonly state: SignedState;
  readonly #db: Database;
  #sequence: number;
  #entries: number;
  #chain: Uint8Array;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(
    db: Database,
    state: SignedState,
    sequence: number,
    entries: number,
    chain: Uint8Array,
  ) {
    this.#db = db;
    this.state = state;
    this.#sequence = sequence;
    this.#entries = entries;
    this.#chain = chain;
  }

  /**
   * Opens the memory and reads it.
   *
   * @throws QuaestorError SIGNER_STATE_MISSING, SIGNER_STATE_LOCKED, SIGNER_STATE_FOREIGN (of another key or chain),
   * SIGNER_STATE_TOO_NEW or SIGNER_STATE_CORRUPT.
   */
  static async open(dir: string, owner: JournalOwner): Promise<Journal> {
    const db = await openDatabase(dir, false);
    try {
      return await Journal.#read(db, dir, owner);
    } catch (error) {
      await db.close();
      throw error instanceof QuaestorError ? error : corrupt(dir, 'it cannot be read', error);
    }
  }

  static async #read(db: Database, dir: string, owner: JournalOwner): Promise<Journal> {
    const owned = readOwner(await db.get(ownerKey), dir);
    if (owned.chainId !== toHex(owner.chainId) || owned.publicKey !== toHex(owner.publicKey)) {
      throw new QuaestorError(
        'SIGNER_STATE_FOREIGN',
        `The signer's memory in ${dir} is that of key ${owned.publicKey} on chain ${owned.chainId}, not of the key that is ` +
          `configured (${toHex(owner.publicKey)}, chain ${toHex(owner.chainId)}). Correct the configuration.`,
      );
    }
    const set = decodeValidatorSet(fromHex(owned.set) ?? new Uint8Array(0));
    if (!set.ok) throw corrupt(dir, 'its validator set cannot be read');
    const state = new SignedState(set.value);
    const summary = await db.get(summaryKey);
    const content = summary?.subarray(chainBytes);
    if (
      summary === undefined ||
      content === undefined ||
      !equalBytes(sha256(content), summary.subarray(0, chainBytes))
    ) {
      throw corrupt(dir, 'its summary is missing or damaged');
    }
    const first = Number(new DataView(content.buffer, content.byteOffset, 8).getBigUint64(0));
    let chain: Uint8Array = content.slice(8, 8 + chainBytes);
    applyAll(state, content.subarray(8 + chainBytes), dir);
    let sequence = first;
    for await (const [key, value] of db.iterator({ gte: 'entry/', lt: 'entry0' })) {
      const payload = value.subarray(chainBytes);
      chain = sha256(chain, payload);
      if (key !== entryKey(sequence) || !equalBytes(chain, value.subarray(0, chainBytes))) {
        throw corrupt(dir, `entry ${sequence} is missing or damaged`);
      }
      applyAll(state, payload, dir);
      sequence += 1;
    }
    return new Journal(db, state, sequence, sequence - first, chain);
  }

  /**
   * Writes changes that the state has seen already; resolves when they, and all before them, are synced. What comes while
   * a write is under way is written together. After a failure everything is rejected: then nothing may be signed.
   */
  append(changes: readonly Change[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(failed(this.#failure));
    if (changes.length === 0 && this.#writing === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#failure ??= new Error('closed');
    await this.#db.close();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const changes = batch.flatMap((waiting) => waiting.changes);
        if (changes.length > 0) await this.#put(changes);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#failure = error;
        for (const { reject } of [...batch, ...this.#waiting]) reject(failed(error));
        this.#waiting = [];
      }
    }
    this.#writing = undefined;
  }

  async #put(changes: readonly Change[]): Promise<void> {
    const payload = encodeChanges(changes);
    const chain = sha256(this.#chain, payload);
    await this.#db.put(entryKey(this.#sequence), concatBytes(chain, payload), { sync: true });
    this.#chain = chain;
    this.#sequence += 1;
    this.#entries += 1;
    if (this.#entries < entriesPerSummary) return;
    const first = this.#sequence - this.#entries;
    // The state may be ahead of what is written by what waits: read again, that changes nothing.
    const batch = this.#db.batch().put(summaryKey, summaryOf(this.state, chain, this.#sequence));
    for (let sequence = first; sequence < this.#sequence; sequence++) batch.del(entryKey(sequence));
    await batch.write({ sync: true });
    this.#entries = 0;
  }
}

function readOwner(value: Uint8Array | undefined, dir: string): Owned {
  const content = value?.subarray(chainBytes);
  if (
    value === undefined ||
    content === undefined ||
    !equalBytes(sha256(content), value.subarray(0, chainBytes))
  ) {
    throw corrupt(dir, 'whose it is is missing or damaged');
  }
  const owned = JSON.parse(new TextDecoder().decode(content)) as Owned | { readonly format: number };
  if (owned.format === stateFormat) return owned as Owned;
  throw new QuaestorError(
    'SIGNER_STATE_TOO_NEW',
    `The signer's memory in ${dir} has format ${owned.format}; this version knows ${stateFormat}. Nothing was changed. Start ` +
      'the signer with the version that wrote it, or a later one: another memory would forget what was signed.',
    { found: String(owned.format), supported: String(stateFormat) },
  );
}

function applyAll(state: SignedState, payload: Uint8Array, dir: string): void {
  const changes = decodeChanges(payload);
  if (changes === undefined) throw corrupt(dir, 'a change cannot be read');
  for (const change of changes) state.apply(change);
}

function corrupt(dir: string, what: string, cause?: unknown): QuaestorError {
  return new QuaestorError(
    'SIGNER_STATE_CORRUPT',
    `The signer's memory in ${dir} is damaged: ${what}. Nothing can be signed safely with it; docs/signer.md says how to go on.`,
    {},
    cause,
  );
}

function failed(cause: unknown): QuaestorError {
  return new QuaestorError(
    'SIGNER_STATE_FAILED',
    "The signer's memory could not be written, so that nothing can be signed. Check the disk, then start the signer again.",
    {},
    cause,
  );
}
