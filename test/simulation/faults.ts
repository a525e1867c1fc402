/** What befalls machines and network while they are troubled. */
import type { VirtualTime } from './clock.js';
import type { Machine } from './machine.js';
import type { VirtualNetwork } from './network.js';
import type { SimulationOptions } from './options.js';
import type { Random } from './random.js';

export interface FaultsParts {
  readonly options: SimulationOptions;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: VirtualNetwork;
  readonly machines: readonly Machine[];
  /** Whether trouble goes on. */
  readonly troubled: () => boolean;
  readonly note: (text: string) => void;
  /** Packets get through between two machines again. */
  readonly connect: (one: number, other: number) => void;
}

/** Plans the faults of a whole simulation. */
export function planFaults(parts: FaultsParts): void {
  const { options, time, random } = parts;
  const { crashes, blackouts, diskFailures, partitions, disconnects, filters } = options.faults;
  const times = (count: number, act: () => void): void => {
    for (let index = 0; index < count; index++) {
      time.in(random.between(30, options.troubleMs), () => {
        if (parts.troubled()) act();
      });
    }
  };
  times(crashes, () => crash(parts, random.pick(parts.machines)));
  times(blackouts, () => {
    for (const machine of parts.machines) stop(parts, machine, 'loses power');
  });
  times(diskFailures, () => {
    const machine = random.pick(parts.machines);
    if (!machine.up) return;
    machine.expectsHalt = true;
    const applied = random.chance(0.5);
    parts.note(`a write of ${machine.index} will fail${applied ? ', though it reaches the disk' : ''}`);
    machine.disk.disk.failNextWrite(random.pick(['DISK_FULL', 'IO']), applied);
  });
  times(partitions, () => partition(parts));
  times(filters, () => filter(parts));
  if (options.faults.isolation) isolate(parts);
  times(disconnects, () => {
    if (options.validators < 2) return;
    const one = random.pick(parts.machines).index;
    const other = random.pick(parts.machines).index;
    if (one !== other)
      cut(
        parts,
        [
          [one, other],
          [other, one],
        ],
        random.between(5, 200),
      );
  });
}

function crash(parts: FaultsParts, machine: Machine): void {
  const { random } = parts;
  if (!machine.up) return;
  if (random.chance(0.4)) {
    // In the middle of a turn: some of what it was about to send has left, the rest never will.
    machine.sendsToLive = random.integer(0, 12);
    return;
  }
  stop(parts, machine, 'is killed');
}

/** Kills a machine's process and starts another one later. */
export function stop(
  parts: Pick<FaultsParts, 'time' | 'random' | 'note'>,
  machine: Machine,
  why: string,
): void {
  if (!machine.up) return;
  const keepPending = parts.random.chance(0.3);
  parts.note(`${machine.index} ${why}${keepPending ? '; its last write succeeds' : ''}`);
  machine.kill(keepPending);
  const downMs = parts.random.pick([1, 30, 300, 1500]);
  parts.time.in(parts.random.between(0, downMs), () => machine.start());
}

function partition(parts: FaultsParts): void {
  const { random, machines } = parts;
  if (machines.length < 2) return;
  const all = machines.map(({ index }) => index);
  const side = new Set(random.some(all, 1));
  const links: [number, number][] = [];
  const kind = random.below(3);
  for (const from of all) {
    for (const to of all) {
      if (from === to) continue;
      const across = side.has(from) !== side.has(to);
      // Two halves; one half that is not heard; links cut here and there.
      if (kind === 0 ? across : kind === 1 ? side.has(from) && !side.has(to) : random.chance(0.3))
        links.push([from, to]);
    }
  }
  cut(parts, links, random.between(50, random.pick([300, 2000])));
}

/** Loses messages of one kind for a while: so blocks are prepared here and not there, or final at one replica alone. */
function filter({ random, machines, network, time, options, note }: FaultsParts): void {
  const all = machines.map(({ index }) => index);
  const kind = random.pick([
    'prePrepare',
    'prepare',
    'prepare',
    'commit',
    'commit',
    'commit',
    'newView',
    'viewChange',
    'bodies',
    'relay',
  ]);
  const favoured = random.pick(all);
  const lost = {
    kind,
    from: new Set(random.chance(0.5) ? all : random.some(all, 1)),
    // All but one, often: then one alone gets to know.
    to: new Set(
      random.pick([
        all,
        random.some(all, 1),
        all.filter((index) => index !== favoured),
        all.filter((index) => index !== favoured),
      ]),
    ),
  };
  note(`${kind} is lost from ${[...lost.from].join()} to ${[...lost.to].join()}`);
  network.addFilter(lost);
  time.in(random.between(20, 3 * options.timeouts.viewTimeoutMs), () => {
    note(`${kind} is no longer lost`);
    network.removeFilter(lost);
  });
}

/** Cuts off one replica after the other, each for about as long as a view takes to be given up. */
function isolate(parts: FaultsParts): void {
  const { random, time, machines, options, troubled } = parts;
  time.in(random.between(0, options.timeouts.viewTimeoutMs), () => {
    if (!troubled()) return;
    // A faulty one does more harm while it is heard.
    const correct = machines.filter(
      ({ index }) => !options.byzantine.some((faulty) => faulty.index === index),
    );
    const one = random.pick(correct).index;
    const links = machines
      .filter(({ index }) => index !== one)
      .flatMap(
        ({ index }) =>
          [
            [one, index],
            [index, one],
          ] as const,
      );
    const durationMs = options.timeouts.viewTimeoutMs * random.between(0.3, 2.5);
    cut(parts, links, durationMs);
    time.in(durationMs, () => isolate(parts));
  });
}

function cut(parts: FaultsParts, links: readonly (readonly [number, number])[], durationMs: number): void {
  const { network, time, note, connect } = parts;
  const text = links.map(([from, to]) => `${from}-${to}`).join(' ');
  note(`links are cut: ${text}`);
  for (const [from, to] of links) network.cut(from, to);
  time.in(durationMs, () => {
    note(`links are mended: ${text}`);
    for (const [from, to] of links) network.mend(from, to);
    const met = new Set<string>();
    for (const [from, to] of links) {
      const pair = `${Math.min(from, to)}-${Math.max(from, to)}`;
      if (met.has(pair)) continue;
      met.add(pair);
      connect(from, to);
    }
  });
}
