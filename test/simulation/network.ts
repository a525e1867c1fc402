/**
 * The network between validators: each packet is delayed, and may be lost, repeated, overtaken, spoilt, dropped by a
 * full queue, or cut off by a partition, which may hold in one direction only.
 */
import type { VirtualTime } from './clock.js';
import type { PacketFault } from './coverage.js';
import { corrupted, describePacket, fingerprint, kindOf, type Packet } from './packet.js';
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
  /** Probability that a bit of a packet is flipped; default 0. */
  readonly corruption?: number;
  /** Most packets of a link on their way at once, the next ones are dropped; default no limit. */
  readonly queuePackets?: number;
  /** Longest delay once the network is calm; default 5. */
  readonly calmDelayMs?: number;
}

const calmNetwork = {
  minDelayMs: 1,
  maxDelayMs: 5,
  loss: 0,
  duplication: 0,
  straggling: 0,
  corruption: 0,
  queuePackets: Infinity,
};

/** Decides which packets are lost. */
export interface Filter {
  loses(from: number, to: number, packet: Packet): boolean;
}

/** A filter that loses all packets of one kind, from some to some. */
export function kindFilter(kind: string, from: ReadonlySet<number>, to: ReadonlySet<number>): Filter {
  return {
    loses: (sender, receiver, packet) => from.has(sender) && to.has(receiver) && kindOf(packet) === kind,
  };
}

const noFaults: readonly PacketFault[] = [];

export class VirtualNetwork {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #size: number;
  readonly #blocked = new Map<number, number>();
  readonly #filters = new Set<Filter>();
  /** When the last packet of a link arrives. */
  readonly #lastMs = new Map<number, number>();
  /** Packets of a link on their way. */
  readonly #underWay = new Map<number, number>();
  /** What a link takes longer than others. */
  readonly #slowMs = new Map<number, number>();
  #options: NetworkOptions;
  /** Set by the world: a packet arrives, and what has happened to it. */
  deliver: (
    from: number,
    to: number,
    packet: Packet,
    faults: readonly PacketFault[],
    sentMs: number,
  ) => void = () => undefined;
  /** Set by the world: a packet never arrives. */
  lost: (from: number, to: number, packet: Packet, fault: PacketFault) => void = () => undefined;

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
      this.#lose(from, to, packet, 'lost');
      return;
    }
    const { queuePackets = Infinity, duplication, corruption = 0 } = this.#options;
    if (queuePackets < Infinity && (this.#underWay.get(this.#link(from, to)) ?? 0) >= queuePackets) {
      this.#lose(from, to, packet, 'queueFull');
      return;
    }
    if (corruption > 0 && this.#random.chance(corruption))
      this.#schedule(from, to, corrupted(packet, this.#random), ['corrupted']);
    else this.#schedule(from, to, packet, noFaults);
    if (this.#random.chance(duplication)) this.#schedule(from, to, packet, ['duplicated']);
  }

  /** Calls back at the other end after a packet's delay; never when it is lost. */
  travel(from: number, to: number, arrived: () => void): void {
    if (this.#isLost(from, to)) return;
    this.#time.in(this.#delay().ms + (this.#slowMs.get(this.#link(from, to)) ?? 0), arrived);
  }

  /** Whether packets get through at all. */
  open(from: number, to: number): boolean {
    return !this.#blocked.has(this.#link(from, to));
  }

  /** Cuts a link once more; it is open again when it was mended as often. */
  cut(from: number, to: number): void {
    const link = this.#link(from, to);
    this.#blocked.set(link, (this.#blocked.get(link) ?? 0) + 1);
  }

  mend(from: number, to: number): void {
    const link = this.#link(from, to);
    const left = (this.#blocked.get(link) ?? 0) - 1;
    if (left > 0) this.#blocked.set(link, left);
    else this.#blocked.delete(link);
  }

  /** Makes a link slower than the others; 0 ends it. */
  slow(from: number, to: number, extraMs: number): void {
    this.#slowMs.set(this.#link(from, to), extraMs);
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
    this.#slowMs.clear();
    const { calmDelayMs: maxDelayMs = calmNetwork.maxDelayMs } = this.#options;
    const minDelayMs = maxDelayMs > calmNetwork.maxDelayMs ? maxDelayMs * 0.8 : calmNetwork.minDelayMs;
    this.#options = { ...this.#options, ...calmNetwork, minDelayMs, maxDelayMs };
  }

  #isLost(from: number, to: number): boolean {
    return !this.open(from, to) || this.#random.chance(this.#options.loss);
  }

  #isFiltered(from: number, to: number, packet: Packet): boolean {
    for (const filter of this.#filters) if (filter.loses(from, to, packet)) return true;
    return false;
  }

  #lose(from: number, to: number, packet: Packet, fault: PacketFault): void {
    this.#trace.add(
      this.#time.nowMs,
      [11, from, to, fingerprint(packet)],
      () =>
        `${from} -x ${to}  ${describePacket(packet)} (${fault === 'lost' ? 'lost' : 'the queue is full'})`,
    );
    this.lost(from, to, packet, fault);
  }

  #delay(): { readonly ms: number; readonly late: boolean } {
    const { minDelayMs, maxDelayMs, straggling, straggleMs } = this.#options;
    const late = this.#random.chance(straggling);
    return { ms: this.#random.between(minDelayMs, late ? straggleMs : maxDelayMs), late };
  }

  #schedule(from: number, to: number, packet: Packet, faults: readonly PacketFault[]): void {
    const link = this.#link(from, to);
    const { ms, late } = this.#delay();
    const lastMs = this.#lastMs.get(link) ?? 0;
    let atMs = this.#time.nowMs + ms + (this.#slowMs.get(link) ?? 0);
    if (this.#options.ordered) atMs = Math.max(atMs, lastMs);
    const overtaken = atMs < lastMs;
    if (!overtaken) this.#lastMs.set(link, atMs);
    const all =
      late || overtaken
        ? [...faults, ...(late ? (['late'] as const) : []), ...(overtaken ? (['overtaken'] as const) : [])]
        : faults;
    this.#underWay.set(link, (this.#underWay.get(link) ?? 0) + 1);
    const sentMs = this.#time.nowMs;
    this.#time.in(atMs - this.#time.nowMs, () => {
      this.#underWay.set(link, (this.#underWay.get(link) ?? 1) - 1);
      this.#trace.add(
        this.#time.nowMs,
        [10, from, to, fingerprint(packet)],
        () => `${from} -> ${to}  ${describePacket(packet)}`,
      );
      this.deliver(from, to, packet, all, sentMs);
    });
  }

  #link(from: number, to: number): number {
    return from * this.#size + to;
  }
}
