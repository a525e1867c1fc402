import { describe, expect, it } from '@jest/globals';
import { DurableQueue } from '../../../src/node/durable-queue.js';
import type { BlockCommit, LogEntry, Store } from '../../../src/storage/types.js';
import { asHeight } from '../../../src/types/index.js';

/** A store whose writes end when the test says so. */
class SlowStore {
  readonly writes: { readonly what: string; readonly end: (error?: Error) => void }[] = [];
  appendLog(entries: readonly LogEntry[]): Promise<void> {
    return this.#write(entries.map((entry) => entry.name).join('+'));
  }
  commitBlock(commit: BlockCommit): Promise<void> {
    return this.#write(`block ${commit.block.height}`);
  }
  #write(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.writes.push({ what, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }
}

const entry = (name: string): LogEntry => ({ name, height: asHeight(1), value: new Uint8Array() });
const block = (height: number): BlockCommit =>
  ({ block: { height: asHeight(height) } }) as unknown as BlockCommit;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(): { store: SlowStore; queue: DurableQueue; log: string[]; failures: unknown[] } {
  const store = new SlowStore();
  const failures: unknown[] = [];
  const queue = new DurableQueue(store as unknown as Store, (error) => failures.push(error));
  return { store, queue, log: [], failures };
}

describe('the durable queue', () => {
  it('lets nothing leave before what was persisted before it is synced', async () => {
    const { store, queue, log } = setUp();
    queue.append([entry('vote')]);
    queue.after(() => log.push('sent'));
    await turn();
    expect(log).toEqual([]);
    store.writes[0]!.end();
    await turn();
    expect(log).toEqual(['sent']);
  });

  it('releases at once when nothing is to be written', () => {
    const { queue, log } = setUp();
    queue.after(() => log.push('sent'));
    expect(log).toEqual(['sent']);
  });

  it('writes what gathers during a sync in one further sync, blocks apart and in order', async () => {
    const { store, queue, log } = setUp();
    queue.append([entry('a')]);
    await turn();
    queue.append([entry('b')]);
    queue.append([entry('c')]);
    queue.after(() => log.push('after c'));
    queue.commit(block(7), () => log.push('block'));
    queue.append([entry('d')]);
    for (let write = 0; write < 4; write++) {
      store.writes[write]!.end();
      await turn();
    }
    expect(store.writes.map(({ what }) => what)).toEqual(['a', 'b+c', 'block 7', 'd']);
    expect(log).toEqual(['after c', 'block']);
  });

  it('neither writes nor releases anything after a failed write, and says so once', async () => {
    const { store, queue, log, failures } = setUp();
    queue.append([entry('vote')]);
    queue.after(() => log.push('sent'));
    queue.commit(block(1), () => log.push('block'));
    const idle = queue.idle();
    await turn();
    store.writes[0]!.end(new Error('disk full'));
    await idle;
    queue.append([entry('late')]);
    queue.after(() => log.push('late'));
    await turn();
    expect(log).toEqual([]);
    expect(failures).toHaveLength(1);
    expect(store.writes).toHaveLength(1);
  });
});
