/**
 * The network between validators: each packet is delayed, and may be lost, repeated, overtaken, or cut off by a
 * partition, which may hold in one direction only.
 */
import type { VirtualTime } from './clock.js';
import { describePacket, fingerprint, kindOf, type Packet } from './packet.js';
import type { Random } from './random.js';
import type { Trace } from './trace.js';

export interface NetworkOptions {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** Probabilities, each per packet. */
  readonly loss: number;
  readonly duplication: number;
  /** A packet that takes up to `straggleMs`. */
  readonly straggling: number;
  readonly straggleMs: number;
  /** Packets of a link keep their order, as on a stream. */
  readonly ordered: boolean;
}

const calmNetwork = { minDelayMs: 1, maxDelayMs: 5, loss: 0, duplication: 0, straggling: 0 };

/** Loses all packets of one kind, from some to some. */
export interface Filter {
  readonly kind: string;
  readonly from: ReadonlySet<number>;
  readonly to: ReadonlySet<number>;
}

export type Deliver = (from: number, to: number, packet: Packet) => void;

export class VirtualNetwork {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #size: number;
  readonly #blocked = new Set<number>();
  readonly #filters = new Set<Filter>();
  /** When the last packet of a link arrives. */
  readonly #lastMs = new Map<number, number>();
  #options: NetworkOptions;
  /** Set by the world. */
  deliver: Deliver = () => undefined;

  constructor(parts: {
    time: VirtualTime;
    random: Random;
    trace: Trace;
    size: number;
    options: NetworkOptions;
  }) {
    this.#time = parts.time;
    this.#random = parts.random;
    this.#trace = parts.trace;
    this.#size = parts.size;
    this.#options = parts.options;
  }

  send(from: number, to: number, packet: Packet): void {
    if (this.#isLost(from, to) || this.#isFiltered(from, to, packet)) {
      this.#trace.add(
        this.#time.nowMs,
        [11, from, to, fingerprint(packet)],
        () => `${from} -x ${to}  ${describePacket(packet)} (lost)`,
      );
      return;
    }
    this.#schedule(from, to, packet);
    if (this.#random.chance(this.#options.duplication)) this.#schedule(from, to, packet);
  }

  /** Calls back at the other end after a packet's delay; never when it is lost. */
  travel(from: number, to: number, arrived: () => void): void {
    if (!this.#isLost(from, to)) this.#time.in(this.#delayMs(), arrived);
  }

  /** Whether packets get through at all. */
  open(from: number, to: number): boolean {
    return !this.#blocked.has(this.#link(from, to));
  }

  cut(from: number, to: number): void {
    this.#blocked.add(this.#link(from, to));
  }

  mend(from: number, to: number): void {
    this.#blocked.delete(this.#link(from, to));
  }

  addFilter(filter: Filter): void {
    this.#filters.add(filter);
  }

  removeFilter(filter: Filter): void {
    this.#filters.delete(filter);
  }

  /** Ends all faults. */
  calm(): void {
    this.#blocked.clear();
    this.#filters.clear();
    this.#options = { ...this.#options, ...calmNetwork };
  }

  #isLost(from: number, to: number): boolean {
    return !this.open(from, to) || this.#random.chance(this.#options.loss);
  }

  #isFiltered(from: number, to: number, packet: Packet): boolean {
    for (const filter of this.#filters) {
      if (filter.from.has(from) && filter.to.has(to) && filter.kind === kindOf(packet)) return true;
    }
    return false;
  }

  #delayMs(): number {
    const { minDelayMs, maxDelayMs, straggling, straggleMs } = this.#options;
    const limitMs = this.#random.chance(straggling) ? straggleMs : maxDelayMs;
    return this.#random.between(minDelayMs, limitMs);
  }

  #schedule(from: number, to: number, packet: Packet): void {
    let delayMs = this.#delayMs();
    if (this.#options.ordered) {
      const link = this.#link(from, to);
      const atMs = Math.max(this.#time.nowMs + delayMs, this.#lastMs.get(link) ?? 0);
      this.#lastMs.set(link, atMs);
      delayMs = atMs - this.#time.nowMs;
    }
    this.#time.in(delayMs, () => {
      this.#trace.add(
        this.#time.nowMs,
        [10, from, to, fingerprint(packet)],
        () => `${from} -> ${to}  ${describePacket(packet)}`,
      );
      this.deliver(from, to, packet);
    });
  }

  #link(from: number, to: number): number {
    return from * this.#size + to;
  }
}
