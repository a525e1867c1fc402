/**
 * Virtual time: one queue of events for the whole network. Between two events all promises that can settle do, so the
 * driven code runs to rest at each instant and nothing depends on the machine.
 */
import type { Clock } from '../../src/node/ports.js';

interface Event {
  readonly atMs: number;
  /** Among events of the same instant, the one that was made first comes first. */
  readonly order: number;
  run: (() => void) | undefined;
}

const nextTick = process.nextTick.bind(process);

/**
 * Resolves when no promise job is left. Node runs next-tick callbacks only after it has emptied the queue of promise
 * jobs, those that these jobs add included; as everything here is called from such a job, one tick is enough.
 */
export function quiescence(): Promise<void> {
  return new Promise((resolve) => {
    nextTick(resolve);
  });
}

/** Most reads, checks and signatures between two events. */
const maxWork = 50_000;

export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  #work = 0;
  #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far: a measure of work. */
  get count(): number {
    return this.#order;
  }

  /** To be called for each piece of work: false when there is so much in one instant that it will never end. */
  work(): boolean {
    return ++this.#work < maxWork;
  }

  /** Runs a callback after a delay. The returned function cancels it. */
  in(delayMs: number, run: () => void): () => void {
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
    };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /** Lets events happen, in order, until `over` holds or nothing is left to happen. */
  async run(over: () => boolean): Promise<void> {
    await quiescence();
    while (!over()) {
      const event = this.#pop();
      if (event === undefined) return;
      if (event.run === undefined) continue;
      this.#nowMs = event.atMs;
      this.#work = 0;
      event.run();
      await quiescence();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up]!;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function before(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

/** How a machine's clocks differ from true time. */
export interface Skew {
  /** Added to the wall clock. */
  wallOffsetMs: number;
  /** Seconds of the machine per true second. */
  readonly rate: number;
}

/** Wall-clock time at the start of each simulation. */
export const epochMs = 1_800_000_000_000;

/** Runs something of a process: later, when the process stands still. */
export type Gate = (run: () => void) => void;

/** The clock of one process. Nothing is called back once it is dead. */
export function processClock(time: VirtualTime, skew: Skew, alive: () => boolean, gate: Gate): Clock {
  const startedMs = time.nowMs;
  const read = (ms: number): number => {
    if (!time.work()) throw new Error('The process does not come to rest.');
    return ms;
  };
  return {
    wallMs: () => read(epochMs + skew.wallOffsetMs + time.nowMs * skew.rate),
    monotonicMs: () => read((time.nowMs - startedMs) * skew.rate),
    // Whole milliseconds and at least one, as those of Node.
    setTimer: (delayMs, callback) => {
      let cancelled = false;
      const cancel = time.in(Math.max(1, Math.trunc(delayMs)) / skew.rate, () =>
        gate(() => {
          if (alive() && !cancelled) callback();
        }),
      );
      return () => {
        cancelled = true;
        cancel();
      };
    },
    defer: (callback) => {
      time.in(0, () =>
        gate(() => {
          if (alive()) callback();
        }),
      );
    },
  };
}
