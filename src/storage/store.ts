import { asHeight, invariant, type ChainId, type Height, type StateKey, type TxId } from '../types/index.js';
import { isKeyText } from './byte-writer.js';
import { checkCommit, commitBatch } from './commit-batch.js';
import { LogIndex, readLogEntries } from './consensus-log.js';
import type { KeyValueEngine } from './engine.js';
import { compactPruned, Pruning } from './pruning.js';
import { keySpaces, makeKey, textOfKey, writeKey } from './key-spaces.js';
import { checked, corruptEntry, parsed, readHeader, readList, readLocation } from './records.js';
import { scan } from './scan.js';
import { completePaths, readStateChunk } from './state-chunks.js';
import { historyPage, stateAt, stateRange } from './state-reads.js';
import { StateCache } from './state-cache.js';
import type {
  BlockCommit,
  Head,
  HistoryPage,
  LogEntry,
  PruneStep,
  RetainBounds,
  StateChunk,
  StateChunkRequest,
  Store,
  StoredBlock,
  StoredHeader,
} from './types.js';
import type { OutsideWitness } from './outside-witness.js';
import type { UnitWriter } from './unit-writer.js';
import { WriteBatch } from './write-batch.js';
import { StorageError } from './errors.js';

/** Largest buffer that is kept for the next commit. */
const maxSpareBytes = 4 * 1024 * 1024;

/** What an opened store starts from. */
export interface StoreParts {
  readonly engine: KeyValueEngine;
  readonly writer: UnitWriter;
  readonly chainId: ChainId;
  readonly head: Head | undefined;
  /** See Store.base. */
  readonly base: Height;
  /** See Store.oldestState. */
  readonly oldestState: Height;
  /** What is pruned already. */
  readonly removed: RetainBounds;
  readonly logEntries: readonly LogEntry[];
  readonly stateCacheBytes: number;
  /** Seed of the caches' hash tables. */
  readonly hashSeed: number;
  readonly witness: OutsideWitness;
  /** Closes what belongs to the store beside the engine. */
  readonly release: () => Promise<void>;
}

/** The store over any engine. Made by `openStore` and `createMemoryStore`, which check what is there first. */
export class KeyValueStore implements Store {
  readonly engine: Store['engine'];
  readonly chainId: ChainId;
  readonly #parts: StoreParts;
  readonly #db: KeyValueEngine;
  readonly #writer: UnitWriter;
  readonly #logIndex = new LogIndex();
  readonly #state: StateCache;
  readonly #pruning: Pruning;
  /** What readers may see. */
  #kept: RetainBounds;
  /** Ends with the step of pruning that is under way. */
  #lastStep: Promise<unknown> = Promise.resolve();
  /** Last block that is durable. */
  #head: Head | undefined;
  /** Last block that was handed to the writer. */
  #queuedHead: Head | undefined;
  /** Buffer of an earlier commit, to be used again. */
  #spareBuffer: Uint8Array | undefined;
  #closing: Promise<void> | undefined;
  /** Settles when the path of every state key is noted. */
  #paths: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.engine = parts.engine.name;
    this.chainId = parts.chainId;
    this.#kept = { blocks: parts.base, states: parts.oldestState };
    this.#pruning = new Pruning(parts);
    this.#parts = parts;
    this.#db = parts.engine;
    this.#writer = parts.writer;
    this.#head = parts.head;
    this.#queuedHead = parts.head;
    this.#state = new StateCache(parts.stateCacheBytes, parts.hashSeed);
    for (const { height, name } of parts.logEntries) this.#logIndex.add(height, name);
  }

  get outdated(): boolean {
    return this.#parts.witness.outdated;
  }

  acceptOutdated(): void {
    this.#parts.witness.accept();
  }

  get base(): Height {
    return this.#kept.blocks;
  }

  get oldestState(): Height {
    return this.#kept.states;
  }

  head(): Head | undefined {
    return this.#head;
  }

  async commitBlock(commit: BlockCommit): Promise<void> {
    this.#assertOpen();
    const header = checkCommit(commit, this.chainId, this.#queuedHead);
    const { height, digest } = commit.block;
    const head: Head = { height, digest, stateRoot: header.stateRoot };
    const batch = commitBatch(commit, head, this.#spareBuffer, (key) => this.#state.has(key));
    this.#spareBuffer = undefined;
    this.#logIndex.prune(batch, height);
    this.#queuedHead = head;
    this.#pruning.noteWrites(commit.stateWrites.keys());
    await this.#writer.submit(batch, () => {
      this.#head = head;
      this.#state.committed(commit.stateWrites);
      if (batch.out.buffer.length <= maxSpareBytes) this.#spareBuffer = batch.out.buffer;
    });
  }

  async appendLog(entries: readonly LogEntry[]): Promise<void> {
    this.#assertOpen();
    if (entries.length === 0) return;
    const batch = new WriteBatch(entries.reduce((bytes, { value }) => bytes + value.length + 64, 0));
    for (const { height, name, value } of entries) {
      writeKey.log(batch.begin(), height, name);
      batch.value().bytes(value);
      batch.end();
      this.#logIndex.add(height, name);
    }
    await this.#writer.submit(batch, () => undefined);
  }

  async readLog(): Promise<readonly LogEntry[]> {
    this.#assertOpen();
    return readLogEntries(this.#db);
  }

  async block(height: Height): Promise<StoredBlock | undefined> {
    this.#assertOpen();
    if (!this.#isKept(height)) return undefined;
    const [headerKey, envelopesKey, resultsKey] = [
      makeKey((out) => writeKey.header(out, height)),
      makeKey((out) => writeKey.envelopes(out, height)),
      makeKey((out) => writeKey.results(out, height)),
    ] as const;
    const [header, envelopes, results] = await this.#db.getMany([headerKey, envelopesKey, resultsKey]);
    // It may have been given up while it was read.
    if (!this.#isKept(height)) return undefined;
    // A store that began with a copy has no genesis block.
    if (header === undefined && height === 0 && this.base > 0) return undefined;
    if (header === undefined) throw corruptEntry(headerKey, 'an entry of a committed block is missing');
    if (envelopes === undefined) throw corruptEntry(envelopesKey, 'an entry of a committed block is missing');
    if (results === undefined) throw corruptEntry(resultsKey, 'an entry of a committed block is missing');
    return {
      ...parsed(headerKey, header, (body) => readHeader(height, body)),
      envelopes: parsed(envelopesKey, envelopes, readList),
      results: parsed(resultsKey, results, readList),
    };
  }

  async header(height: Height): Promise<StoredHeader | undefined> {
    this.#assertOpen();
    if (this.#head === undefined || height > this.#head.height) return undefined;
    const key = makeKey((out) => writeKey.header(out, height));
    const [header] = await this.#db.getMany([key]);
    // Of the blocks below a copied state, only headers that prove something are kept.
    if (header === undefined && height < this.base) return undefined;
    if (header === undefined) throw corruptEntry(key, 'an entry of a committed block is missing');
    return parsed(key, header, (body) => readHeader(height, body));
  }

  async locate(txId: TxId): Promise<{ readonly height: Height; readonly index: number } | undefined> {
    this.#assertOpen();
    const key = makeKey((out) => writeKey.transaction(out, txId));
    const [stored] = await this.#db.getMany([key]);
    if (stored === undefined) return undefined;
    const location = parsed(key, stored, readLocation);
    return this.#isKept(location.height) ? location : undefined;
  }

  async stateMany(keys: readonly StateKey[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#assertOpen();
    return this.#state.getMany(keys, this.#db);
  }

  async stateAt(key: StateKey, height: Height): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    const head = this.#head;
    if (head === undefined || !isKeyText(key)) return undefined;
    return this.#ofState(height, () => stateAt(this.#db, key, height < head.height ? height : head.height));
  }

  async stateRange(options: {
    readonly prefix: string;
    readonly after?: string;
    readonly height: Height;
    readonly limit: number;
  }): Promise<readonly { readonly key: StateKey; readonly value: Uint8Array }[]> {
    this.#assertOpen();
    const { prefix, after = '', height } = options;
    const head = this.#head;
    if (head === undefined || !isKeyText(prefix) || !isKeyText(after)) return [];
    const at = height < head.height ? height : head.height;
    return this.#ofState(height, () => stateRange(this.#db, { ...options, after, height: at }));
  }

  async stateChunk(request: StateChunkRequest): Promise<StateChunk> {
    this.#assertOpen();
    this.#paths ??= completePaths(this.#db, this.#writer);
    await this.#paths;
    const head = this.#head;
    invariant(
      head !== undefined && request.height <= head.height,
      'a chunk of the state is read at a height that is committed',
    );
    return this.#ofState(request.height, () => readStateChunk(this.#db, request));
  }

  async treeNodes(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#assertOpen();
    const engineKeys = keys.map((key) => makeKey((out) => writeKey.treeNode(out, key)));
    const found = await this.#db.getMany(engineKeys);
    return engineKeys.map((key, index) => {
      const stored = found[index];
      return stored === undefined ? undefined : checked(key, stored);
    });
  }

  async history(
    account: string,
    limit: number,
    before?: { height: Height; index: number },
  ): Promise<HistoryPage> {
    this.#assertOpen();
    const head = this.#head;
    if (head === undefined || !isKeyText(account)) return { entries: [], next: undefined };
    // Blocks may be given up while they are read: then again, with what is left.
    for (;;) {
      const { base } = this;
      try {
        const page = await historyPage(this.#db, { account, limit, before, head: head.height, base });
        if (this.base === base) return page;
      } catch (error) {
        if (this.base === base) throw error;
      }
    }
  }

  async putEvidence(key: string, value: Uint8Array): Promise<void> {
    this.#assertOpen();
    const batch = new WriteBatch(value.length + 128);
    writeKey.evidence(batch.begin(), key);
    batch.value().bytes(value);
    batch.end();
    await this.#writer.submit(batch, () => undefined);
  }

  async evidence(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
    this.#assertOpen();
    const found: { key: string; value: Uint8Array }[] = [];
    for await (const { key, value } of scan(this.#db, keySpaces.evidence))
      found.push({ key: textOfKey(key), value: checked(key, value) });
    return found;
  }

  async retain(bounds: RetainBounds): Promise<void> {
    this.#assertOpen();
    const blocks = asHeight(Math.max(bounds.blocks, this.base));
    const states = asHeight(Math.max(bounds.states, this.oldestState, blocks));
    invariant(states < (this.#head?.height ?? 0) || states === this.oldestState, 'the latest state stays');
    if (blocks === this.base && states === this.oldestState) return;
    const batch = new WriteBatch(64);
    writeKey.meta(batch.begin(), 'base');
    batch.value().u48(blocks);
    batch.end();
    writeKey.meta(batch.begin(), 'states');
    batch.value().u48(states);
    batch.end();
    await this.#writer.submit(batch, () => (this.#kept = { blocks, states }));
  }

  prune(maxEntries: number): Promise<PruneStep> {
    this.#assertOpen();
    invariant(maxEntries > 0, 'a step of pruning may remove something');
    const step = this.#lastStep.then(() => this.#pruning.step(this.#kept, maxEntries));
    this.#lastStep = step.catch(() => undefined);
    return step;
  }

  compact(everything: boolean): Promise<void> {
    this.#assertOpen();
    return compactPruned(this.#db, this.#kept, everything);
  }

  async sizeBytes(): Promise<number> {
    this.#assertOpen();
    return this.#db.sizeBytes();
  }

  /** Waits for the writes under way, then closes. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#writer.close();
      await this.#lastStep;
      try {
        await this.#db.close();
      } catch (error) {
        // After a failed write engines fail to close as well; all that was acknowledged is synced.
        if (this.#writer.failure?.code !== 'FAILED') throw error;
      } finally {
        await this.#parts.release();
      }
    })();
    return this.#closing;
  }

  /** Whether the block of a height is here for readers. The genesis block is, unless the store began with a copy. */
  #isKept(height: Height): boolean {
    return this.#head !== undefined && (height > this.base || height === 0) && height <= this.#head.height;
  }

  /** What a read of the state of a height gives. Rejects with PRUNED when the state is not kept, also if it was given up
   * meanwhile: then what was read may lack something. */
  async #ofState<T>(height: Height, read: () => Promise<T>): Promise<T> {
    const check = (): void => {
      if (height >= this.oldestState) return;
      throw new StorageError(
        'PRUNED',
        `The state of height ${height} is not kept any more; the oldest is that of ${this.oldestState}.`,
        { height: String(height), oldest: String(this.oldestState) },
      );
    };
    check();
    const found = await read();
    check();
    return found;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'The store is closed.');
  }
}
