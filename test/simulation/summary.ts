/** What many simulations have shown, together. */
import { createHash } from 'node:crypto';
import { strategyNames } from './byzantine/index.js';
import { Coverage, packetFaults, troubleKinds } from './coverage.js';
import type { JobResult } from './pool.js';

interface Longest {
  readonly ms: number;
  readonly seed: number;
}

export class Summary {
  readonly coverage = new Coverage();
  readonly failures: JobResult[] = [];
  readonly #totals = new Map<string, number>();
  readonly #troubles = new Map<string, number>();
  readonly #strategies = new Map<string, number>();
  readonly #hashes = new Map<number, string>();
  #stall: Longest = { ms: 0, seed: 0 };
  #settling: Longest = { ms: 0, seed: 0 };
  #processorMs = 0;
  #done = 0;
  #blocks = 0;

  get done(): number {
    return this.#done;
  }

  get blocks(): number {
    return this.#blocks;
  }

  add(result: JobResult): void {
    const { seed, failure } = result;
    this.#done++;
    this.#blocks += result.height;
    this.#processorMs += result.processorMs;
    this.#hashes.set(seed, result.traceHash);
    this.coverage.add(result.coverage);
    this.#add('committed blocks', result.height);
    this.#add('views above 0', result.highestView);
    for (const [what, value] of result.counts) this.#add(what, value);
    for (const [what, value] of result.troubles)
      this.#troubles.set(what, (this.#troubles.get(what) ?? 0) + value);
    for (const name of result.strategies) this.#strategies.set(name, (this.#strategies.get(name) ?? 0) + 1);
    if (failure !== undefined) {
      this.failures.push(result);
      return;
    }
    if (result.longestStallMs > this.#stall.ms) this.#stall = { ms: result.longestStallMs, seed };
    if (result.settlingMs > this.#settling.ms) this.#settling = { ms: result.settlingMs, seed };
  }

  /** Over the traces of all simulations, in order of seed. */
  get traceHash(): string {
    const hash = createHash('sha256');
    for (const [seed, trace] of [...this.#hashes].sort(([left], [right]) => left - right))
      hash.update(`${seed}=${trace}\n`);
    return hash.digest('hex').slice(0, 16);
  }

  /** For people; `seconds` of real time. */
  text(seconds: number): string {
    const processorSeconds = Math.max(this.#processorMs / 1000, 0.001);
    const line = (value: number, what: string): string => `${String(value).padStart(12)}  ${what}`;
    const list = (values: ReadonlyMap<string, number>, names: readonly string[]): string[] =>
      names.map((name) => line(values.get(name) ?? 0, name));
    const packets = new Map(packetFaults.map((fault) => [fault, this.coverage.total({ fault })]));
    return [
      'Counts',
      ...[...this.#totals].sort().map(([what, value]) => line(value, what)),
      '',
      'Faults: packets',
      ...list(packets, packetFaults),
      'Faults: network, machines, clients',
      ...list(this.#troubles, troubleKinds),
      'Faulty validators, by strategy',
      ...list(this.#strategies, strategyNames),
      '',
      this.coverage.table(),
      '',
      `${this.#done} schedules, ${this.#blocks} committed blocks in ${seconds.toFixed(1)} s: ` +
        `${(this.#done / seconds).toFixed(1)} schedules and ${(this.#blocks / seconds).toFixed(0)} blocks a second; ` +
        `per second of processor time ${(this.#done / processorSeconds).toFixed(1)} schedules, ${(this.#blocks / processorSeconds).toFixed(0)} blocks`,
      `longest stall after calm: ${this.#stall.ms.toFixed(0)} ms (seed ${this.#stall.seed}); ` +
        `longest until all is final: ${this.#settling.ms.toFixed(0)} ms (seed ${this.#settling.seed})`,
      `trace hash of all: ${this.traceHash}`,
      this.failures.length === 0
        ? 'no failures'
        : `FAILED seeds: ${this.failures.map(({ seed }) => seed).join(' ')}`,
    ].join('\n');
  }

  #add(what: string, value: number): void {
    const before = this.#totals.get(what) ?? 0;
    this.#totals.set(what, what.startsWith('most ') ? Math.max(before, value) : before + value);
  }
}
