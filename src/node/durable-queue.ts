import type { BlockCommit, LogEntry, Store } from '../storage/types.js';

type Item =
  | { readonly kind: 'log'; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'commit'; readonly commit: BlockCommit; readonly done: () => void }
  | { readonly kind: 'call'; readonly callback: () => void };

/** Most blocks that are handed to the store at once. */
const maxBlocksTogether = 16;

/**
 * Carries out writes strictly in order and releases what waits for them: the place where *persist before send* is
 * kept. What gathers while a sync is under way shares the next one, log records as well as blocks (group commit).
 * After a failed write nothing further is written or released; `onFailure` is told once.
 */
export class DurableQueue {
  readonly #store: Store;
  readonly #onFailure: (error: unknown) => void;
  readonly #logging: () => () => void;
  #items: Item[] = [];
  #pumping = false;
  #failed = false;
  readonly #idleWaiters: (() => void)[] = [];

  /** `logging` is called before log records are written, and what it gives when they are durable: to time it. */
  constructor(
    store: Store,
    onFailure: (error: unknown) => void,
    logging: () => () => void = () => () => undefined,
  ) {
    this.#store = store;
    this.#onFailure = onFailure;
    this.#logging = logging;
  }

  /** Queues log records. */
  append(entries: readonly LogEntry[]): void {
    this.#push({ kind: 'log', entries });
  }

  /** Queues a block; `done` is called when it is durable. */
  commit(commit: BlockCommit, done: () => void): void {
    this.#push({ kind: 'commit', commit, done });
  }

  /** Calls back once everything queued so far is durable: at once when nothing is queued. */
  after(callback: () => void): void {
    if (this.#failed) return;
    if (!this.#pumping) callback();
    else this.#items.push({ kind: 'call', callback });
  }

  /** Whether a write failed; the queue is dead then. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves when nothing waits to be written, or when a write failed. */
  idle(): Promise<void> {
    if (this.#failed || !this.#pumping) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  #push(item: Item): void {
    if (this.#failed) return;
    this.#items.push(item);
    if (this.#pumping) return;
    this.#pumping = true;
    // Starts in a microtask, so that what one turn of the event loop persists shares one sync.
    void Promise.resolve().then(() => this.#pump());
  }

  async #pump(): Promise<void> {
    try {
      while (this.#items.length > 0) await this.#writeNext();
      this.#pumping = false;
    } catch (error) {
      this.#failed = true;
      this.#items = [];
      this.#onFailure(error);
    }
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Writes either the blocks at the front, or all log records before the next block. */
  async #writeNext(): Promise<void> {
    if (this.#items[0]?.kind === 'commit') return this.#writeBlocks();
    const end = this.#items.findIndex((item) => item.kind === 'commit');
    const group = this.#items.splice(0, end === -1 ? this.#items.length : end);
    const entries = group.flatMap((item) => (item.kind === 'log' ? item.entries : []));
    if (entries.length > 0) {
      const logged = this.#logging();
      await this.#store.appendLog(entries);
      logged();
    }
    for (const item of group) if (item.kind === 'call') item.callback();
  }

  /** The store takes several at once and writes them in order, as few units. */
  async #writeBlocks(): Promise<void> {
    let count = 0;
    while (count < maxBlocksTogether && this.#items[count]?.kind === 'commit') count++;
    const writes = this.#items.splice(0, count).flatMap((item) => {
      if (item.kind !== 'commit') return [];
      const written = this.#store.commitBlock(item.commit);
      // The first failure counts, and is seen below.
      written.catch(() => undefined);
      return [{ written, done: item.done }];
    });
    for (const { written, done } of writes) {
      await written;
      done();
    }
  }
}
