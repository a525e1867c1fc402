/** A network of validators and clients with everything around it, from one seed. */
import { genesisChainId, seedHashTables } from '../../src/ledger/index.js';
import type { Evidence, Genesis } from '../../src/codec/model.js';
import type { BlockCommit, LogEntry, StoredBlock } from '../../src/storage/types.js';
import { Checker, type Fork } from './checker.js';
import { Clients, type Order } from './clients.js';
import { epochMs, VirtualTime } from './clock.js';
import { Coverage, Troubles, type FaultKind, type TroubleKind } from './coverage.js';
import { checkEnd, isAtRest, whereItIs } from './ending.js';
import { isolateOne, planFaults, stop, type FaultsParts } from './faults.js';
import { simGenesis } from './genesis.js';
import { Governance } from './governance.js';
import { Machine } from './machine.js';
import { VirtualNetwork } from './network.js';
import { machineCount, maxClockJumpMs, type SimulationOptions } from './options.js';
import { kindOf, type Packet } from './packet.js';
import { Random } from './random.js';
import { copySnapshot } from './snapshots.js';
import { StallWatch } from './stall.js';
import { Trace } from './trace.js';
import { villainOf, type Behaviour } from './villains.js';
import { historyParts, machineHooks } from './wiring.js';

export interface Outcome {
  readonly height: number;
  readonly highestView: number;
  readonly traceHash: string;
  /** Virtual milliseconds from the end of trouble until everything was final everywhere. */
  readonly settlingMs: number;
  /** Longest time without a commit or an answer after the end of trouble, while something was pending. */
  readonly longestStallMs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly coverage: Coverage;
  /** How often each fault that takes time has begun. */
  readonly troubles: ReadonlyMap<TroubleKind, number>;
  readonly failure: string | undefined;
  /** What was proven against whom, by correct replicas. */
  readonly evidence: readonly Evidence[];
  readonly fork: Fork | undefined;
  readonly trace: Trace;
}

/** Hears what becomes durable where, as it does. */
export interface Witness {
  logged(validator: number, entries: readonly LogEntry[]): void;
  committed(validator: number, commit: BlockCommit): void;
  /** A process reads its log and its last block. */
  started(validator: number, log: readonly LogEntry[], last: StoredBlock | undefined): void;
}

/** What a scenario that is written by hand has to work with, and what it is told. */
export interface Stage {
  readonly time: VirtualTime;
  readonly machines: readonly Machine[];
  readonly network: VirtualNetwork;
  readonly orders: readonly Order[];
  readonly evidence: readonly Evidence[];
  durable?: (validator: number, height: number) => void;
  viewStarted?: (validator: number, view: number) => void;
  witness?: Witness;
}

/** More than any sound simulation needs. */
const maxEvents = 300_000;

export class World {
  readonly options: SimulationOptions;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #genesis: Genesis;
  readonly #network: VirtualNetwork;
  readonly #machines: readonly Machine[];
  readonly #villains = new Map<number, Behaviour>();
  readonly #checker: Checker;
  readonly #clients: Clients;
  readonly #governance: Governance;
  readonly #counts = new Map<string, number>();
  readonly #coverage = new Coverage();
  readonly #troubles = new Troubles();
  readonly #strategies = new Map<number, readonly FaultKind[]>();
  readonly #evidence: Evidence[] = [];
  readonly stage: Stage;
  #calmSinceMs: number | undefined;
  #stall: StallWatch | undefined;
  #failure: string | undefined;

  constructor(options: SimulationOptions, traceLines?: number) {
    this.options = options;
    seedHashTables(options.seed);
    this.#trace = new Trace(traceLines);
    this.#random = new Random(options.seed ^ 0x5eed);
    const random = this.#random;
    const time = this.#time;
    const trace = this.#trace;
    const genesis = (this.#genesis = simGenesis(options));
    const fail = (message: string): void => this.fail(message);
    const isCorrect = (validator: number): boolean => !this.#villains.has(validator);
    this.#network = new VirtualNetwork({
      time,
      random,
      trace,
      size: machineCount(options),
      options: options.network,
    });
    this.#network.deliver = (from, to, packet, faults, sentMs) => {
      // What a peer says of itself comes over a stream that no process outlives.
      if (packet.kind === 'status' && sentMs < (this.#machines[to]?.restoredMs ?? 0)) return;
      this.#cover(from, to, packet, faults);
      this.#deliver(from, to, packet);
    };
    this.#network.lost = (from, to, packet, fault) => this.#cover(from, to, packet, [fault]);
    const { maxSkewMs, maxDrift } = options.machine;
    const hooks = machineHooks({
      time,
      random,
      trace,
      size: machineCount(options),
      network: this.#network,
      machines: () => this.#machines,
      villains: this.#villains,
      checker: () => this.#checker,
      stage: () => this.stage,
      evidence: this.#evidence,
      fail,
      count: (what) => this.#count(what),
      progress: () => this.#progress(),
      checkBounds: (machine) => this.#checkBounds(machine),
      reachable: (index) => this.#reachable(index),
      connect: (one, other) => this.#connect(one, other),
      retire: (machine, reason) => this.#retire(machine, reason),
      stop: (machine, why, kind) => this.#stop(machine, why, kind),
    });
    this.#machines = Array.from(
      { length: machineCount(options) },
      (_, index) =>
        new Machine({
          index,
          skew: {
            wallOffsetMs: random.between(-maxSkewMs, maxSkewMs),
            rate: 1 + random.between(-maxDrift, maxDrift),
          },
          options,
          genesis,
          time,
          random,
          hooks,
          troubles: this.#troubles,
        }),
    );
    for (const { index, strategies } of options.byzantine) {
      this.#strategies.set(index, strategies);
      const send = (from: number, to: number, packet: Packet): void => this.#network.send(from, to, packet);
      this.#villains.set(
        index,
        villainOf(this.#machines[index]!, strategies, { options, genesis, time, random, send }),
      );
    }
    // A correct replica has accepted it by its own clock, which may be as wrong as any.
    const latestTimeMs = (): number =>
      epochMs +
      time.nowMs * (1 + maxDrift) +
      maxSkewMs +
      ((options.faults.clockJumps ?? 0) > 0 ? maxClockJumpMs * 2 : 0) +
      options.parameters.maxClockSkewMs;
    const isBlameless = (validator: number): boolean =>
      isCorrect(validator) && this.#machines[validator]?.isForgetful !== true;
    this.#checker = new Checker({ genesis, isCorrect: isBlameless, fail, latestTimeMs });
    this.#clients = new Clients({
      options,
      chainId: genesisChainId(genesis),
      time,
      random,
      trace,
      machines: this.#machines,
      troubles: this.#troubles,
      isCorrect,
      height: () => this.#checker.chain.length,
      fail,
      settled: () => this.#progress(),
    });
    this.#governance = new Governance({
      options,
      time,
      random,
      sets: this.#checker.sets,
      clients: this.#clients,
      troubles: this.#troubles,
      troubled: () => this.#calmSinceMs === undefined,
      note: (text) => this.#note(text),
      isolate: (machine) => isolateOne(this.#faultsParts(), machine),
    });
    this.stage = {
      time,
      machines: this.#machines,
      network: this.#network,
      orders: this.#clients.orders,
      evidence: this.#evidence,
    };
  }

  /** Runs the whole simulation. */
  async run(): Promise<Outcome> {
    const { options } = this;
    for (const machine of this.#machines) this.#time.in(this.#random.between(0, 5), () => machine.start());
    this.#clients.plan();
    this.#governance.plan();
    planFaults(this.#faultsParts());
    this.#time.in(options.troubleMs, () => this.#calm());
    let settled = false;
    let endMs = Infinity;
    await this.#time.run(() => {
      if (this.#failure !== undefined) return true;
      if (this.#time.count > maxEvents)
        this.fail(`LIVELOCK: ${maxEvents} events, and ${this.#whatIsMissing()}`);
      if (this.#calmSinceMs !== undefined && !settled && this.#isSettled()) {
        settled = true;
        endMs = this.#time.nowMs;
      }
      if (settled) return true;
      if (this.#calmSinceMs === undefined || this.#time.nowMs < this.#calmSinceMs + options.calmMs)
        return false;
      this.fail(`PROGRESS: after ${options.calmMs} ms of calm, ${this.#whatIsMissing()}`);
      return true;
    });
    this.#checkStall();
    if (this.#failure === undefined) {
      this.#clients.finish(this.#checker.places);
      await checkEnd(this.#checker, this.#correct(), (message) => this.fail(message));
    }
    return {
      height: this.#checker.chain.length,
      highestView: Math.max(
        0,
        ...this.#correct().map((machine) => machine.replica?.driver.status().view ?? 0),
      ),
      traceHash: this.#trace.hash,
      settlingMs: endMs - (this.#calmSinceMs ?? 0),
      longestStallMs: this.#stall?.longestMs ?? 0,
      counts: this.#counts
        .set('events', this.#time.count)
        .set('evidence', this.#checker.evidenceCount)
        .set('validator sets', this.#checker.sets.current.epoch),
      coverage: this.#coverage,
      troubles: this.#troubles.begun,
      failure: this.#failure,
      evidence: this.#evidence,
      fork: this.#checker.fork,
      trace: this.#trace,
    };
  }

  #faultsParts(): FaultsParts {
    return {
      options: this.options,
      time: this.#time,
      random: this.#random,
      network: this.#network,
      machines: this.#machines,
      troubles: this.#troubles,
      troubled: () => this.#calmSinceMs === undefined,
      note: (text) => this.#note(text),
      fail: (message) => this.fail(message),
      copySnapshot: (machine) =>
        copySnapshot(machine, {
          options: this.options,
          genesis: this.#genesis,
          time: this.#time,
          random: this.#random,
          history: historyParts({
            time: this.#time,
            network: this.#network,
            machines: () => this.#machines,
            villains: this.#villains,
          }),
          serveState: (validator, part) => this.#villains.get(validator)?.serveState(part) ?? part,
          note: (text) => this.#note(text),
          count: (what) => this.#count(what),
        }),
      connect: (one, other) => this.#connect(one, other),
    };
  }

  /** The first failure stands; the simulation ends at the next event. */
  fail(message: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = message;
    this.#note(`FAILURE ${message}`);
  }

  #stop(machine: Machine, why: string, kind: TroubleKind): void {
    const note = (text: string): void => this.#note(text);
    stop({ time: this.#time, random: this.#random, troubles: this.#troubles, note }, machine, why, kind);
  }

  /** Takes a machine whose disk is spoilt out of service. */
  #retire(machine: Machine, reason: string): void {
    this.#note(`${machine.index} is out of service: ${reason.split('\n')[0] ?? ''}`);
    machine.kill(false);
    machine.retired = true;
    this.#count('machines out of service');
  }

  #cover(from: number, to: number, packet: Packet, faults: readonly FaultKind[]): void {
    const phase = this.#machines[to]!.phase();
    if (phase === undefined) return;
    this.#coverage.note(kindOf(packet), phase, [
      ...faults,
      ...this.#troubles.active(),
      ...(this.#strategies.get(from) ?? []),
    ]);
  }

  #deliver(from: number, to: number, packet: Packet): void {
    const machine = this.#machines[to]!;
    if (machine.replica === undefined) return;
    const villain = this.#villains.get(to);
    const seen = villain === undefined ? packet : villain.incoming(from, packet);
    if (seen !== undefined) machine.receive(from, seen);
  }

  #reachable(index: number): readonly number[] {
    return this.#machines
      .filter(
        (peer) =>
          peer.index !== index &&
          peer.replica !== undefined &&
          !peer.paused &&
          this.#network.open(index, peer.index) &&
          this.#network.open(peer.index, index),
      )
      .map((peer) => peer.index);
  }

  /** Two machines find each other again. */
  #connect(one: number, other: number): void {
    this.#time.in(this.#random.between(1, 20), () => {
      if (!this.#reachable(one).includes(other)) return;
      this.#machines[one]?.meet(other);
      this.#machines[other]?.meet(one);
    });
  }

  #calm(): void {
    this.#note('the network is calm from here on');
    this.#calmSinceMs = this.#time.nowMs;
    if (this.options.faults.lossByView === true) this.#troubles.end('lostByView');
    this.#stall = new StallWatch(this.#time.nowMs);
    this.#network.calm();
    for (const machine of this.#machines) {
      machine.calm();
      machine.resume();
      machine.sendsToLive = Infinity;
      machine.start();
    }
    for (const one of this.#machines) {
      for (const other of this.#machines) if (one.index < other.index) this.#connect(one.index, other.index);
    }
    this.#clients.probe();
    this.#governance.calm();
    this.#watchWork(this.#stall);
  }

  /** Those that must get on: not faulty, and with a disk that was not spoilt so that it was noticed. */
  #correct(): readonly Machine[] {
    return this.#machines.filter(({ index, retired }) => !this.#villains.has(index) && !retired);
  }

  #isSettled(): boolean {
    if (this.#clients.open > 0 || this.#governance.busy) return false;
    return this.#correct().every((machine) => isAtRest(machine, this.#checker.chain.length));
  }

  #whatIsMissing(): string {
    const heads = this.#correct().map(whereItIs);
    return `${this.#clients.open} orders have no answer; chain ${this.#checker.chain.length}; ${heads.join('; ')}`;
  }

  /** What grows without bound is a failure too. */
  #checkBounds(machine: Machine): void {
    const { replica } = machine;
    if (replica === undefined) return;
    const { inFlight } = replica.driver.snapshot();
    const stats = replica.mempool.stats();
    this.#most('inFlight', inFlight.length);
    this.#most('mempool', stats.pending + stats.inFlight);
    if (inFlight.length > 2 * this.#genesis.parameters.pipelineWindowBlocks + 80)
      this.fail(`BOUND: replica ${machine.index} has ${inFlight.length} heights in flight`);
  }

  #progress(): void {
    this.#stall?.progress(this.#time.nowMs);
  }

  /** A few views may fail in turn after the trouble, each with the longest timeout. */
  #checkStall(): void {
    const { timeouts, inclusionDeadlineMs } = this.options;
    const mostMs = 4 * timeouts.maxViewTimeoutMs + timeouts.primarySilenceMs + 4 * inclusionDeadlineMs;
    const longestMs = this.#stall?.longestMs ?? 0;
    if (longestMs > mostMs) this.fail(`STALL: nothing was committed for ${longestMs} ms of calm`);
  }

  #watchWork(stall: StallWatch): void {
    const waiting = this.#correct().some((machine) => (machine.replica?.mempool.stats().pending ?? 0) > 0);
    stall.work(waiting, this.#time.nowMs);
    this.#time.in(10, () => this.#watchWork(stall));
  }

  #note(text: string): void {
    this.#trace.add(this.#time.nowMs, [40, text.length], () => text);
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  #most(what: string, value: number): void {
    const key = `most ${what}`;
    if (value > (this.#counts.get(key) ?? 0)) this.#counts.set(key, value);
  }
}
