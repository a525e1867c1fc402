/** What becomes of all that happens on the machines: the checker hears it, the trace notes it, the network carries it. */
import type { Evidence } from '../../src/codec/model.js';
import { decodeConsensusMessage } from '../../src/codec/index.js';
import type { LogEntry } from '../../src/storage/types.js';
import type { Checker, Speaker } from './checker.js';
import type { VirtualTime } from './clock.js';
import type { TroubleKind } from './coverage.js';
import { historyFor, type HistoryParts } from './history.js';
import type { MachineHooks } from './hooks.js';
import type { Machine } from './machine.js';
import type { VirtualNetwork } from './network.js';
import { short, type Packet } from './packet.js';
import type { Random } from './random.js';
import type { Trace } from './trace.js';
import type { Behaviour } from './villains.js';
import type { Stage } from './world.js';

export interface WiringParts {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly trace: Trace;
  /** Number of machines. */
  readonly size: number;
  readonly network: VirtualNetwork;
  readonly machines: () => readonly Machine[];
  readonly villains: ReadonlyMap<number, Behaviour>;
  readonly checker: () => Checker;
  readonly stage: () => Stage;
  /** What correct replicas prove. */
  readonly evidence: Evidence[];
  readonly fail: (message: string) => void;
  readonly count: (what: string) => void;
  readonly progress: () => void;
  readonly checkBounds: (machine: Machine) => void;
  readonly reachable: (index: number) => readonly number[];
  readonly connect: (one: number, other: number) => void;
  readonly retire: (machine: Machine, reason: string) => void;
  readonly stop: (machine: Machine, why: string, kind: TroubleKind) => void;
}

/** Where blocks come from. */
export const historyParts = ({
  time,
  network,
  machines,
  villains,
}: Pick<WiringParts, 'time' | 'network' | 'machines' | 'villains'>): HistoryParts => ({
  time,
  network,
  machines: machines(),
  serve: (validator, block) => villains.get(validator)?.serve(block) ?? block,
});

export function machineHooks(parts: WiringParts): MachineHooks {
  const { time, trace, network, villains, checker, stage, fail, count } = parts;
  const isCorrect = ({ index }: Machine): boolean => !villains.has(index);
  /** Correct, and with all its memory: one of whom anything that it says can be held against what it has said. */
  const isWhole = (machine: Machine): boolean => isCorrect(machine) && !machine.isForgetful;
  const epochs = new Map<number, number>();
  const speaker = (machine: Machine): Speaker => ({
    machine: machine.index,
    place: machine.placeOf(machine.index),
    epoch: machine.epoch,
  });
  const send = (machine: Machine, to: number | 'all', packet: Packet): void => {
    const { index } = machine;
    const villain = villains.get(index);
    if (isWhole(machine) && packet.kind === 'consensus') {
      const decoded = decodeConsensusMessage(packet.bytes);
      if (decoded.ok) checker().said(speaker(machine), decoded.value);
      else fail(`CODEC: replica ${index} sends what can not be decoded: ${decoded.error.message}`);
    }
    for (let peer = 0; peer < parts.size; peer++) {
      if (peer === index || (to !== 'all' && to !== peer)) continue;
      if (machine.sendsToLive-- <= 0) {
        parts.stop(machine, 'is killed while it sends', 'crashWhileSending');
        return;
      }
      if (villain === undefined) network.send(index, peer, packet);
      else villain.outgoing(peer, packet);
    }
  };
  const readLog = ({ index, store }: Machine, entries: readonly LogEntry[]): void => {
    const { witness } = stage();
    const height = store?.head()?.height;
    if (witness === undefined || store === undefined || height === undefined) return;
    store.block(height).then(
      (last) => witness.started(index, entries, last),
      // The replica comes upon it as well.
      () => undefined,
    );
  };
  return {
    send,
    connected: (machine) => parts.reachable(machine.index),
    blocks: (machine) => historyFor(machine.index, historyParts(parts)),
    started: (machine) => {
      const height = machine.store?.head()?.height ?? 0;
      trace.add(
        time.nowMs,
        [30, machine.index, height],
        () => `${machine.index} has started at height ${height}`,
      );
      for (const peer of parts.reachable(machine.index)) parts.connect(machine.index, peer);
    },
    halted: (machine, reason) => {
      if (machine.damaged) parts.retire(machine, reason);
      else if (machine.expectsHalt) parts.stop(machine, 'stops after the failed write', 'crash');
      // It has seen what it cannot remember to have signed.
      else if (machine.isForgetful) parts.retire(machine, reason);
      else if (isCorrect(machine)) fail(`HALT: replica ${machine.index} has stopped: ${reason}`);
      else count('villain halted');
    },
    deciding: (machine, commit) => {
      if (isCorrect(machine)) checker().deciding(machine.index, commit);
    },
    lowest: () => Math.min(...parts.machines().map(({ durableHeight }) => durableHeight)),
    durable: (machine, commit) => {
      stage().witness?.committed(machine.index, commit);
      const { height, digest, envelopes } = commit.block;
      trace.add(
        time.nowMs,
        [31, machine.index, height, digest[0]!, digest[1]!],
        () => `${machine.index} has block ${height} ${short(digest)} on disk (${envelopes.length} txs)`,
      );
      if (isCorrect(machine)) parts.progress();
      stage().durable?.(machine.index, height);
      parts.checkBounds(machine);
    },
    wrote: (machine, entries) => {
      trace.add(
        time.nowMs,
        [32, machine.index, entries.length],
        () =>
          `${machine.index} writes ${entries.map(({ name }) => name.replace(/[0-9a-f]{56}$/, '')).join(' ')}`,
      );
    },
    evidence: (machine, evidence) => {
      trace.add(
        time.nowMs,
        [33, machine.index],
        () => `${machine.index} has evidence against ${evidence.first.signature.validator}`,
      );
      if (!isCorrect(machine)) return;
      parts.evidence.push(evidence);
      checker().evidence(machine.index, evidence);
    },
    logged: (machine, entries) => {
      if (isWhole(machine)) checker().logged(machine.index, entries);
    },
    appended: (machine, entries) => stage().witness?.logged(machine.index, entries),
    readLog,
    joins: (machine, view) => {
      if (isWhole(machine)) checker().joins(speaker(machine), view);
    },
    viewStarted: (machine, view) => stage().viewStarted?.(machine.index, view),
    electorates: (machine, { current, scheduled }) => {
      const { index } = machine;
      trace.add(
        time.nowMs,
        [35, index, current.epoch, scheduled?.activationHeight ?? 0],
        () =>
          `${index} is in epoch ${current.epoch} of ${current.validators.map(({ id }) => id).join(' ')}` +
          (scheduled === undefined ? '' : `, the next one begins at ${scheduled.activationHeight}`),
      );
      if (epochs.get(index) === current.epoch) return;
      epochs.set(index, current.epoch);
      if (current.epoch > 0) villains.get(index)?.electorates(current);
    },
    note: (machine, numbers, text) =>
      trace.add(time.nowMs, [34, machine.index, ...numbers], () => `${machine.index} ${text()}`),
    defect: (machine, error) => {
      if (machine.damaged) parts.retire(machine, String(error));
      else if (machine.expectsHalt) parts.stop(machine, 'can not start after the failed write', 'crash');
      else
        fail(
          `DEFECT: in the process of ${machine.index}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
    },
    count,
  };
}
