/** Disks whose writes take time and may fail, and the store on them as one process sees it. */
import { MemoryDisk, type WriteWitness } from '../../src/storage/index.js';
import type { KeySpace } from '../../src/storage/key-spaces.js';
import type { BlockCommit, LogEntry, Store } from '../../src/storage/types.js';
import type { Gate, VirtualTime } from './clock.js';
import type { Troubles } from './coverage.js';
import type { Latency } from './keys.js';
import type { Random } from './random.js';

export interface DiskOptions {
  readonly maxWriteMs: number;
  /** Probability per write that it takes up to `stallMs`. */
  readonly stalling: number;
  readonly stallMs: number;
}

/** The witness of writes of one machine, which nobody puts back to an earlier state; it outlives its processes. */
export class SimWitness implements WriteWitness {
  found = 0;

  note(number: number): void {
    this.found = Math.max(this.found, number);
  }

  reset(number: number): Promise<void> {
    this.found = number;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A disk of one machine; it outlives its processes. */
export class SimDisk {
  readonly disk: MemoryDisk;
  /** While true, writes are quick. */
  calm = false;

  readonly #random: Random;

  constructor(parts: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly options: DiskOptions;
    readonly gate: Gate;
    readonly troubles: Troubles;
  }) {
    const { time, random, options, gate, troubles } = parts;
    this.#random = random;
    this.disk = new MemoryDisk({
      schedule: (complete) => {
        const stalls = !this.calm && random.chance(options.stalling);
        if (stalls) troubles.begin('diskStall');
        time.in(random.between(0.1, stalls ? options.stallMs : options.maxWriteMs), () => {
          if (stalls) troubles.end('diskStall');
          gate(complete);
        });
      },
    });
  }

  /** Spoils one entry of a key space; false when there is none. */
  damage(space: KeySpace): boolean {
    const entries = this.disk.sorted().filter(({ key }) => key[0] === space.prefix);
    if (entries.length === 0) return false;
    this.disk.damage(this.#random.pick(entries).key, this.#random.pick(['flip', 'flip', 'remove']));
    return true;
  }
}

export interface StoreHooks {
  /** A block is handed to the disk. */
  deciding(commit: BlockCommit): void;
  /** A block is on the disk. */
  durable(commit: BlockCommit): void;
  wrote(kind: string, entries: readonly LogEntry[]): void;
  /** Entries are on the disk. */
  logged(entries: readonly LogEntry[]): void;
  /** The log was read, as a process starts. */
  readLog(entries: readonly LogEntry[]): void;
}

/** A store that tells what is written and whose reads take time. */
export function watchedStore(store: Store, latency: Latency, hooks: StoreHooks): Store {
  // Before or after: a read may see the state at its start or at its end.
  const slow = async <T>(read: () => Promise<T>): Promise<T> => {
    await latency(() => undefined);
    const value = await read();
    return latency(() => value);
  };
  return {
    engine: store.engine,
    chainId: store.chainId,
    get base() {
      return store.base;
    },
    get oldestState() {
      return store.oldestState;
    },
    get outdated() {
      return store.outdated;
    },
    acceptOutdated: () => store.acceptOutdated(),
    head: () => store.head(),
    async commitBlock(commit) {
      hooks.deciding(commit);
      await store.commitBlock(commit);
      hooks.durable(commit);
    },
    async appendLog(entries) {
      hooks.wrote('log', entries);
      await store.appendLog(entries);
      hooks.logged(entries);
    },
    readLog() {
      const read = store.readLog();
      // Heard before the process goes on, and without a turn of its own.
      void read.then(
        (entries) => hooks.readLog(entries),
        () => undefined,
      );
      return read;
    },
    block: (height) => slow(() => store.block(height)),
    header: (height) => slow(() => store.header(height)),
    locate: (txId) => slow(() => store.locate(txId)),
    stateMany: (keys) => slow(() => store.stateMany(keys)),
    stateAt: (key, height) => store.stateAt(key, height),
    stateRange: (options) => store.stateRange(options),
    stateChunk: (request) => store.stateChunk(request),
    treeNodes: (keys) => slow(() => store.treeNodes(keys)),
    history: (account, limit, before) => store.history(account, limit, before),
    putEvidence: (key, value) => store.putEvidence(key, value),
    evidence: () => store.evidence(),
    retain: (bounds) => store.retain(bounds),
    prune: (maxEntries) => store.prune(maxEntries),
    compact: (everything) => store.compact(everything),
    sizeBytes: () => store.sizeBytes(),
    close: () => store.close(),
  };
}
