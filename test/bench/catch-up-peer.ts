/**
 * A peer for the measurement of catching up: a store that a thread of its own reads and serves, as another machine would.
 * Each stream has a few items on the way, as HTTP/2 would.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import type { FetchedBlock } from '../../src/network/index.js';
import { serveBlocks } from '../../src/node/serve-peers.js';
import { openStore, type StoreOptions } from '../../src/storage/index.js';
import type { Height } from '../../src/types/index.js';

interface Order {
  readonly fromHeight: Height;
  readonly maxBlocks: number;
}

interface Request {
  readonly id: number;
  /** Undefined: one more item of a stream may come. */
  readonly order?: Order;
  readonly close?: true;
}

interface Answer {
  readonly id: number;
  /** Undefined: the stream has ended. */
  readonly item?: FetchedBlock;
}

const itemsOnTheWay = 4;

/** The side of the one that is behind. */
export class CatchUpPeer {
  readonly #worker: Worker;
  readonly #streams = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  constructor(store: StoreOptions) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: store });
    this.#worker.on('message', (answer: Answer) => this.#streams.get(answer.id)?.(answer));
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#send({ id: 0, close: true });
    await ended;
  }

  #send(request: Request): void {
    this.#worker.postMessage(request);
  }

  async *fetchBlocks(fromHeight: Height, maxBlocks: number): AsyncGenerator<FetchedBlock> {
    const id = ++this.#lastId;
    const waiting: Answer[] = [];
    let wake = (): void => undefined;
    this.#streams.set(id, (answer) => {
      waiting.push(answer);
      wake();
    });
    this.#send({ id, order: { fromHeight, maxBlocks } });
    try {
      for (;;) {
        const next = waiting.shift();
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (next.item === undefined) return;
        else {
          this.#send({ id });
          yield next.item;
        }
      }
    } finally {
      this.#streams.delete(id);
    }
  }
}

async function serve(options: StoreOptions): Promise<void> {
  installNativeSha256();
  const opened = await openStore(options);
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  const more = new Map<number, () => void>();
  const run = async (id: number, order: Order): Promise<void> => {
    let credit = itemsOnTheWay;
    let wake = (): void => undefined;
    more.set(id, () => {
      credit++;
      wake();
    });
    for await (const item of serveBlocks(store, order.fromHeight, order.maxBlocks)) {
      while (credit === 0) await new Promise<void>((resolve) => (wake = resolve));
      credit--;
      parentPort?.postMessage({ id, item } satisfies Answer);
    }
    parentPort?.postMessage({ id } satisfies Answer);
    more.delete(id);
  };
  parentPort?.on('message', ({ id, order, close }: Request) => {
    if (close === true) void store.close().then(() => process.exit(0));
    else if (order !== undefined) void run(id, order);
    else more.get(id)?.();
  });
}

if (!isMainThread) await serve(workerData as StoreOptions);
