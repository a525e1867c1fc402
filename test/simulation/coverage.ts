/**
 * What simulations have exercised: which kind of message met which state of a replica under which fault. A simulator
 * that has gone blind shows here as cells that stay empty.
 */
import { strategyNames, type StrategyName } from './byzantine/index.js';

export const messageKinds = [
  'prePrepare',
  'prepare',
  'commit',
  'checkpoint',
  'viewChange',
  'newView',
  'status',
  'relay',
  'fetchBodies',
  'bodies',
] as const;
export type MessageKind = (typeof messageKinds)[number];

/** Of the replica that receives: catching up and just restarted are told apart, whatever view it is in. */
export const replicaStates = ['primary', 'backup', 'changing', 'syncing', 'restarted'] as const;
export type ReplicaPhase = (typeof replicaStates)[number];

/** What happened to the packet itself. */
export const packetFaults = ['lost', 'duplicated', 'late', 'overtaken', 'corrupted', 'queueFull'] as const;
/** What goes on around it. */
export const troubleKinds = [
  'partition',
  'oneWayPartition',
  'isolation',
  'disconnect',
  'flapping',
  'slowLink',
  'kindLost',
  'lostByView',
  'crash',
  'crashWhileSending',
  'blackout',
  'diskFailure',
  'diskStall',
  'damagedBlock',
  'damagedState',
  'pause',
  'clockJump',
  'flood',
  'setChange',
  'oldFolder',
  'snapshot',
] as const;
export type TroubleKind = (typeof troubleKinds)[number];
export type PacketFault = (typeof packetFaults)[number];
/** A strategy counts for what its validator sends. */
export type FaultKind = 'none' | PacketFault | TroubleKind | StrategyName;

export const faultKinds: readonly FaultKind[] = ['none', ...packetFaults, ...troubleKinds, ...strategyNames];

const messageIndex = new Map<string, number>(messageKinds.map((kind, index) => [kind, index]));
const stateIndex = new Map<string, number>(replicaStates.map((kind, index) => [kind, index]));
const faultIndex = new Map<string, number>(faultKinds.map((kind, index) => [kind, index]));

export interface Cell {
  readonly message: MessageKind;
  readonly state: ReplicaPhase;
  readonly fault: FaultKind;
}

export class Coverage {
  readonly #counts = new Uint32Array(messageKinds.length * replicaStates.length * faultKinds.length);

  /** A message meets a replica. Kinds of messages that are none, such as rubbish, do not count. */
  note(message: string, state: ReplicaPhase, faults: Iterable<FaultKind>): void {
    const row = messageIndex.get(message);
    if (row === undefined) return;
    const base = (row * replicaStates.length + stateIndex.get(state)!) * faultKinds.length;
    let some = false;
    for (const fault of faults) {
      some = true;
      this.#counts[base + faultIndex.get(fault)!]! += 1;
    }
    if (!some) this.#counts[base]! += 1;
  }

  /** As pairs of index and count, for another process. */
  toJSON(): readonly (readonly [number, number])[] {
    return [...this.#counts.entries()].filter(([, count]) => count > 0);
  }

  /** Adds what `toJSON` gave. */
  add(entries: readonly (readonly [number, number])[]): void {
    for (const [index, count] of entries) this.#counts[index]! += count;
  }

  count({ message, state, fault }: Cell): number {
    const row = messageIndex.get(message)! * replicaStates.length + stateIndex.get(state)!;
    return this.#counts[row * faultKinds.length + faultIndex.get(fault)!]!;
  }

  get filled(): number {
    return this.#counts.reduce((sum, count) => sum + Number(count > 0), 0);
  }

  get cells(): number {
    return this.#counts.length;
  }

  /** Sum over what is left open. */
  total(part: Partial<Cell>): number {
    let sum = 0;
    for (const message of part.message === undefined ? messageKinds : [part.message])
      for (const state of part.state === undefined ? replicaStates : [part.state])
        for (const fault of part.fault === undefined ? faultKinds : [part.fault])
          sum += this.count({ message, state, fault });
    return sum;
  }

  /**
   * One row a fault, one column a kind of message; in a cell one sign for each state of the receiver, in the order of
   * `replicaStates`: its number of decimal digits, or a dot for never.
   */
  table(): string {
    const sign = (count: number): string => (count === 0 ? '.' : String(String(count).length));
    const width = 12;
    const head = ['', ...messageKinds].map((text, at) => (at === 0 ? text.padEnd(18) : text.padEnd(width)));
    const rows = faultKinds.map((fault) =>
      [
        fault.padEnd(18),
        ...messageKinds.map((message) =>
          replicaStates
            .map((state) => sign(this.count({ message, state, fault })))
            .join('')
            .padEnd(width),
        ),
      ].join(''),
    );
    return [
      `Messages received, by fault and by state of the receiver (${replicaStates.join(', ')}): decimal digits of the number, a dot for none.`,
      head.join('').trimEnd(),
      ...rows.map((row) => row.trimEnd()),
      `${this.filled} of ${this.cells} cells`,
    ].join('\n');
  }
}

/** Faults that go on now. */
export class Troubles {
  readonly #active = new Map<TroubleKind, number>();
  /** How often each has begun. */
  readonly begun = new Map<TroubleKind, number>();

  begin(kind: TroubleKind): void {
    this.begun.set(kind, (this.begun.get(kind) ?? 0) + 1);
    this.#active.set(kind, (this.#active.get(kind) ?? 0) + 1);
  }

  end(kind: TroubleKind): void {
    const left = (this.#active.get(kind) ?? 0) - 1;
    if (left > 0) this.#active.set(kind, left);
    else this.#active.delete(kind);
  }

  active(): Iterable<TroubleKind> {
    return this.#active.keys();
  }
}
