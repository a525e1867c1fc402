/**
 * Runs a network of consensus cores by a seeded schedule in virtual time: loss, reordering, duplication, slow disks,
 * crashes with only synced state surviving, and a Byzantine validator. A fuller simulation with the driver is in
 * test/simulation.
 */
import {
  decodeNewView,
  decodeViewChange,
  type ConsensusMessage,
  type SignedNewView,
  type SignedViewChange,
  type ViewChange,
} from '../../src/codec/index.js';
import { deriveNewView, peerStatus } from '../../src/consensus/index.js';
import { asDigest, asValidatorIndex, asView, limits, type ValidatorIndex } from '../../src/types/index.js';
import { TestNet } from './consensus-net.js';
import { type TestReplica } from './consensus-replica.js';
import { makeBlock, say, type NetOptions } from './consensus-words.js';
import { Prng } from './prng.js';

export interface ScheduleOptions extends NetOptions {
  readonly seed: number;
  readonly lossy: number;
  readonly crashes: number;
  /** A validator that equivocates, votes on both sides, keeps messages back and asks for absurd views. */
  readonly byzantine?: number;
  /** Virtual time of chaos before the network is calm. */
  readonly chaosMs: number;
  /** Blocks that are to be final everywhere in the end. */
  readonly target: number;
  /** Virtual time that they have once the network is calm. */
  readonly calmMs: number;
}

export interface ScheduleResult {
  readonly heights: readonly number[];
  readonly views: readonly string[];
  readonly elapsedMs: number;
  readonly steps: number;
}

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  readonly net: TestNet;
  readonly #options: ScheduleOptions;
  readonly #random: Prng;
  readonly #queue: Scheduled[] = [];
  readonly #timerTokens = new Map<string, number>();
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  #chaos = true;
  /** Lives of each replica: what was scheduled in an earlier one is void. */
  readonly #lives: number[];
  readonly #busy = new Set<string>();

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#random = new Prng(options.seed);
    this.#lives = Array.from({ length: options.n }, () => 0);
    this.net = new TestNet(options);
    this.net.onPost = ({ from, to, message }) => this.#post(from, to, message);
    this.net.timerSet = (replica, timer, delayMs) => {
      const key = `${replica.index}/${timer}`;
      const token = (this.#timerTokens.get(key) ?? 0) + 1;
      this.#timerTokens.set(key, token);
      this.#in(delayMs, replica, () => {
        if (this.#timerTokens.get(key) === token && replica.timers.has(timer)) replica.fire(timer);
      });
    };
    this.net.syncWanted = (replica) => {
      this.#in(this.#random.below(50), replica, () => {
        if (replica.syncs.length > 0) replica.serveSync(1 + this.#random.below(20));
      });
    };
    for (const replica of this.net.replicas) {
      replica.slowDisk = true;
      replica.holdExecution = true;
      for (const [timer, delayMs] of replica.timers) this.net.timerSet(replica, timer, delayMs);
      this.#heartbeat(replica);
      replica.give({ kind: 'demand', pending: true });
    }
  }

  /** Runs chaos, then calm, until the target is final at all replicas. Throws when the time is up. */
  run(): ScheduleResult {
    const { chaosMs, calmMs, crashes, target } = this.#options;
    for (let crash = 0; crash < crashes; crash++) {
      const replica = this.#random.pick(this.net.replicas);
      this.#at(this.#random.below(chaosMs), () => this.#crash(replica));
    }
    this.#while(() => this.#nowMs < chaosMs);
    this.#chaos = false;
    for (const replica of this.net.replicas) if (!replica.running) this.#restart(replica);
    // A block more than there was, lest chaos has done the work already.
    const goal = Math.max(target, Math.max(...this.net.heights()) + 3);
    const done = (): boolean => this.net.heights().every((height) => height >= goal);
    this.#while(() => !done() && this.#nowMs < chaosMs + calmMs);
    const halted = this.net.replicas.find((replica) => replica.halted !== undefined);
    if (halted !== undefined) throw new Error(`replica ${halted.index} halted: ${halted.halted}`);
    if (!done()) {
      throw new Error(`no progress: heights ${this.net.heights().join()} views ${this.net.views().join()}`);
    }
    this.#checkEvidence();
    return {
      heights: this.net.heights(),
      views: this.net.views(),
      elapsedMs: this.#nowMs - chaosMs,
      steps: this.#steps,
    };
  }

  #checkEvidence(): void {
    for (const replica of this.net.replicas) {
      for (const { first } of replica.evidence) {
        if (first.signature.validator !== this.#options.byzantine)
          throw new Error('evidence against a correct validator');
      }
    }
  }

  #while(condition: () => boolean): void {
    while (condition()) {
      const next = this.#pop();
      if (next === undefined) throw new Error('nothing happens any more');
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#steps += 1;
      next.run();
      for (const replica of this.net.replicas) this.#tend(replica);
    }
  }

  /** Schedules what a replica's driver would do next. */
  #tend(replica: TestReplica): void {
    if (!replica.running) return;
    this.#once(replica, 'disk', replica.disk.length > 0, this.#chaos ? 12 : 2, () => {
      replica.sync(1 + this.#random.below(3));
      replica.settle();
    });
    this.#once(replica, 'execute', replica.executions.length > 0, 5, () => {
      if (replica.executions.length > 0) replica.execute();
    });
    this.#once(replica, 'build', replica.canPropose, 10, () => {
      if (replica.canPropose) replica.propose();
    });
    this.#once(replica, 'local', replica.local.length > 0, 1, () => replica.settle());
  }

  #once(replica: TestReplica, what: string, wanted: boolean, withinMs: number, run: () => void): void {
    const key = `${replica.index}/${what}`;
    if (!wanted || this.#busy.has(key)) return;
    this.#busy.add(key);
    const clear = (): void => {
      this.#busy.delete(key);
    };
    const life = this.#lives[replica.index];
    this.#at(this.#nowMs + this.#random.below(withinMs), () => {
      clear();
      if (replica.running && this.#lives[replica.index] === life) run();
    });
  }

  #heartbeat(replica: TestReplica): void {
    this.#at(this.#nowMs + 300 + this.#random.below(200), () => {
      if (replica.running) {
        const status = peerStatus(replica.state);
        for (const peer of this.net.replicas) {
          if (peer === replica || this.#lost()) continue;
          this.#in(1 + this.#random.below(10), peer, () => {
            peer.give({ kind: 'status', from: replica.index, status });
          });
        }
      }
      this.#heartbeat(replica);
    });
  }

  #crash(replica: TestReplica): void {
    if (!replica.running) return;
    replica.crash();
    this.#lives[replica.index]! += 1;
    const downMs = this.#random.below(4000);
    this.#at(this.#nowMs + downMs, () => {
      if (!replica.running) this.#restart(replica);
    });
  }

  #restart(replica: TestReplica): void {
    replica.restart();
    replica.give({ kind: 'demand', pending: true });
  }

  #lost(): boolean {
    return this.#chaos && this.#random.chance(this.#options.lossy);
  }

  #post(from: ValidatorIndex, to: ValidatorIndex, message: ConsensusMessage): void {
    if (from === this.#options.byzantine) this.#misbehave(from, to, message);
    else this.#send(from, to, message);
  }

  #send(from: ValidatorIndex, to: ValidatorIndex, message: ConsensusMessage): void {
    const copies = this.#chaos && this.#random.chance(0.05) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#lost()) continue;
      const delayMs =
        this.#chaos && this.#random.chance(0.05) ? this.#random.below(3000) : this.#random.below(20);
      this.#in(1 + delayMs, this.net.replica(to), () => this.net.replica(to).receive(from, message));
    }
  }

  #misbehave(from: ValidatorIndex, to: ValidatorIndex, message: ConsensusMessage): void {
    const random = this.#random;
    const config = this.net.config;
    if (random.chance(0.2)) return;
    if (message.kind === 'prePrepare' && random.chance(0.4)) {
      const { state } = this.net.replica(from);
      const block = makeBlock(config, {
        height: state.decided.height + 1,
        view: message.view,
        parent: state.decided.digest,
        timeMs: state.decided.timeMs + 1,
        label: `other ${random.below(3)}`,
      });
      this.#send(from, to, say(config, from, { kind: 'prePrepare', view: message.view, block }));
      return;
    }
    if ((message.kind === 'prepare' || message.kind === 'commit') && random.chance(0.5)) {
      const { kind, view, height } = message;
      // For what others were told, or for nothing at all.
      const digests = this.net.replicas.flatMap(
        ({ state }) => state.slots.get(height)?.rounds.get(view)?.proposal?.block.digest ?? [],
      );
      digests.push(asDigest(new Uint8Array(32)));
      const digest = random.pick(digests);
      this.#send(from, to, say(config, from, { kind, view, height, digest }));
      return;
    }
    if (message.kind === 'commit' && random.chance(0.02)) {
      const { chainId, validatorSetHash } = config;
      const view = asView(
        random.chance(0.5) ? limits.maxView - random.below(3) : message.view + 1 + random.below(5),
      );
      const body = { chainId, validatorSetHash, view, validator: asValidatorIndex(from), prepared: [] };
      this.#send(from, to, say(config, from, { kind: 'viewChange', body }));
    }
    if (message.kind === 'viewChange' && random.chance(0.5)) {
      this.#send(from, to, this.#lyingViewChange(from, message) ?? message);
      return;
    }
    if (message.kind === 'newView' && random.chance(0.5)) {
      this.#send(from, to, this.#otherNewView(from, message) ?? message);
      return;
    }
    this.#send(from, to, message);
  }

  /** A view-change that hides what was committed or prepared. */
  #lyingViewChange(from: ValidatorIndex, message: SignedViewChange): ConsensusMessage | undefined {
    const decoded = decodeViewChange(message.viewChange);
    if (!decoded.ok) return undefined;
    const { committed, ...rest } = decoded.value;
    const hide = this.#random.below(3);
    const body: ViewChange = {
      ...rest,
      ...(hide !== 0 && committed !== undefined && { committed }),
      prepared: hide === 0 ? [] : rest.prepared.filter(() => this.#random.chance(0.5)),
    };
    return say(this.net.config, from, { kind: 'viewChange', body });
  }

  /** A new-view from another quorum of view-changes, properly derived: as primary, to tell others a different start. */
  #otherNewView(from: ValidatorIndex, message: SignedNewView): ConsensusMessage | undefined {
    const decoded = decodeNewView(message.newView);
    const { state } = this.net.replica(from);
    // It may only pass on another's.
    if (!decoded.ok || decoded.value.validator !== from) return undefined;
    const { view } = decoded.value;
    const candidates = [...state.viewChanges.values()].filter(({ body }) => body.view === view);
    while (candidates.length > state.quorum) candidates.splice(this.#random.below(candidates.length), 1);
    if (candidates.length < state.quorum) return undefined;
    candidates.sort((left, right) => left.body.validator - right.body.validator);
    const { reproposals } = deriveNewView(candidates, this.net.config.pipelineWindow);
    return say(this.net.config, from, {
      kind: 'newView',
      view,
      viewChanges: candidates.map(({ signed }) => signed),
      reproposals: this.#random.chance(0.2) ? reproposals.slice(1) : reproposals,
    });
  }

  /** In a while, unless the replica crashes before. */
  #in(delayMs: number, replica: TestReplica, run: () => void): void {
    const life = this.#lives[replica.index];
    this.#at(this.#nowMs + delayMs, () => {
      if (replica.running && this.#lives[replica.index] === life) run();
    });
  }

  #at(atMs: number, run: () => void): void {
    const item: Scheduled = { atMs, order: this.#order++, run };
    const queue = this.#queue;
    let index = queue.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, queue[parent]!)) break;
      queue[index] = queue[parent]!;
      index = parent;
    }
    queue[index] = item;
  }

  #pop(): Scheduled | undefined {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (first === undefined || last === undefined || queue.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child += 1;
      if (!isBefore(queue[child]!, last)) break;
      queue[index] = queue[child]!;
      index = child;
    }
    queue[index] = last;
    return first;
  }
}

const isBefore = (left: Scheduled, right: Scheduled): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
