/**
 * Replicas of the consensus core around a network that a test drives by hand. Messages pass through
 * `beginAuthentication` with made-up signatures; nothing here is a model of the protocol. After each step it checks what
 * must hold whatever happens: see `Watch`.
 */
import {
  peerStatus,
  type BlockRef,
  type ConsensusConfig,
  type Statement,
  type TimerId,
} from '../../src/consensus/index.js';
import { type ConsensusMessage } from '../../src/codec/index.js';
import { asValidatorIndex, type ValidatorIndex } from '../../src/types/index.js';
import { type NetOptions, say } from './consensus-words.js';
import { type KeyGuard, TestReplica, type Wire } from './consensus-replica.js';
import { Watch } from './consensus-watch.js';

/** A network of replicas whose messages a test delivers. */
export class TestNet {
  readonly options: NetOptions;
  readonly watch = new Watch();
  readonly replicas: TestReplica[] = [];
  wires: Wire[] = [];
  refused: Wire[] = [];
  /** Hooks of a scheduler, for tests that run by themselves. */
  timerSet: (replica: TestReplica, timer: TimerId, delayMs: number) => void = () => undefined;
  syncWanted: (replica: TestReplica) => void = () => undefined;
  onPost: ((wire: Wire) => void) | undefined;
  guard: KeyGuard | undefined;

  constructor(options: NetOptions) {
    this.options = options;
    const count = options.n + (options.spares ?? 0);
    for (let index = 0; index < count; index++) this.replicas.push(new TestReplica(this, index));
    for (const replica of this.replicas) replica.settle();
  }

  replica(index: number): TestReplica {
    return this.replicas[index]!;
  }

  get config(): ConsensusConfig {
    return this.replica(0).config;
  }

  post(from: ValidatorIndex, to: ValidatorIndex | 'all', message: ConsensusMessage): void {
    for (const { index } of this.replicas) {
      if (index === from || (to !== 'all' && to !== index)) continue;
      const wire = { from, to: index, message };
      if (this.onPost !== undefined) this.onPost(wire);
      else this.wires.push(wire);
    }
  }

  /** Sends what a validator, Byzantine or not, says: to all others, or to some. */
  inject(signer: number, statement: Statement, to?: readonly number[]): ConsensusMessage {
    const message = say(this.config, signer, statement);
    for (const { index } of this.replicas) {
      if (index === signer || (to !== undefined && !to.includes(index))) continue;
      this.replica(index).receive(asValidatorIndex(signer), message);
    }
    return message;
  }

  /** Delivers what matches, and what follows from it, until nothing that matches is left; the rest stays. */
  deliver(matches: (wire: Wire) => boolean = () => true): void {
    for (;;) {
      const index = this.wires.findIndex(matches);
      const [wire] = index === -1 ? [] : this.wires.splice(index, 1);
      if (wire === undefined) return;
      this.replica(wire.to).receive(wire.from, wire.message);
    }
  }

  /** Loses what matches. */
  drop(matches: (wire: Wire) => boolean = () => true): void {
    this.wires = this.wires.filter((wire) => !matches(wire));
  }

  /** Everybody tells everybody where it stands, and what follows is delivered. */
  heartbeat(among: readonly number[] = this.replicas.map(({ index }) => index), deliver = true): void {
    for (const from of among) {
      const { running, state, index } = this.replica(from);
      if (!running) continue;
      const status = peerStatus(state);
      for (const to of among) {
        const place = this.replica(to).placeOf(index);
        if (to !== from && place !== undefined)
          this.replica(to).give({ kind: 'status', from: place, status });
      }
    }
    if (deliver) this.deliver((wire) => among.includes(wire.from) && among.includes(wire.to));
  }

  /** The primary of the highest view proposes a block, which everybody commits. */
  commitBlock(primary = 0): BlockRef {
    const block = this.replica(primary).propose();
    this.deliver();
    return block;
  }

  heights(): number[] {
    return this.replicas.map((replica) => replica.height);
  }

  views(): string[] {
    return this.replicas.map(({ state }) => `${state.view}${state.changing ? '?' : ''}`);
  }
}

/** Matches messages of kinds. */
export const ofKind =
  (...kinds: readonly ConsensusMessage['kind'][]) =>
  ({ message }: Wire): boolean =>
    kinds.includes(message.kind);

/** Matches messages to some replicas. */
export const toReplica =
  (...replicas: readonly number[]) =>
  ({ to }: Wire): boolean =>
    replicas.includes(to);

/** Matches messages between replicas of a group. */
export const within =
  (...replicas: readonly number[]) =>
  ({ from, to }: Wire): boolean =>
    replicas.includes(from) && replicas.includes(to);

export const both =
  (one: (wire: Wire) => boolean, other: (wire: Wire) => boolean) =>
  (wire: Wire): boolean =>
    one(wire) && other(wire);

export const not =
  (matches: (wire: Wire) => boolean) =>
  (wire: Wire): boolean =>
    !matches(wire);
