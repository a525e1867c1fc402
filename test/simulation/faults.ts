/** What befalls machines and network while they are troubled. */
import { faultyOf } from '../../src/types/index.js';
import { keySpaces } from '../../src/storage/key-spaces.js';
import type { VirtualTime } from './clock.js';
import type { TroubleKind, Troubles } from './coverage.js';
import type { Machine } from './machine.js';
import { kindFilter, type VirtualNetwork } from './network.js';
import { maxClockJumpMs, type SimulationOptions } from './options.js';
import type { Random } from './random.js';
import { viewRules } from './view-rules.js';

export interface FaultsParts {
  readonly options: SimulationOptions;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: VirtualNetwork;
  readonly machines: readonly Machine[];
  readonly troubles: Troubles;
  /** Whether trouble goes on. */
  readonly troubled: () => boolean;
  readonly note: (text: string) => void;
  /** Lets a machine copy the state of a checkpoint. */
  readonly copySnapshot: (machine: Machine) => Promise<boolean>;
  readonly fail: (message: string) => void;
  /** Packets get through between two machines again. */
  readonly connect: (one: number, other: number) => void;
}

/** Plans the faults of a whole simulation. */
export function planFaults(parts: FaultsParts): void {
  const { options, time, random } = parts;
  const { crashes, blackouts, diskFailures, partitions, disconnects, filters } = options.faults;
  const { flapping = 0, slowLinks = 0, pauses = 0, clockJumps = 0, damage = 0 } = options.faults;
  const times = (count: number, act: () => void): void => {
    for (let index = 0; index < count; index++) {
      time.in(random.between(30, options.troubleMs), () => {
        if (parts.troubled()) act();
      });
    }
  };
  times(crashes, () => crash(parts, random.pick(parts.machines)));
  times(blackouts, () => {
    for (const machine of parts.machines) stop(parts, machine, 'loses power', 'blackout');
  });
  times(diskFailures, () => {
    const machine = random.pick(parts.machines);
    if (!machine.up) return;
    machine.expectsHalt = true;
    lasting(parts, 'diskFailure', 300);
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
        'disconnect',
      );
  });
  times(flapping, () => flap(parts, random.integer(4, 12)));
  times(slowLinks, () => slowLink(parts));
  times(pauses, () => pause(parts, random.pick(parts.machines)));
  times(clockJumps, () => jump(parts, random.pick(parts.machines)));
  times(damage, () => spoil(parts));
  times(options.faults.snapshots ?? 0, () => copyState(parts));
  times(options.faults.oldFolder?.times ?? 0, () => putBack(parts));
  if (options.faults.lossByView === true) loseByView(parts);
}

/** Notes that a fault goes on for so long. */
function lasting({ troubles, time }: FaultsParts, kind: TroubleKind, durationMs: number): void {
  troubles.begin(kind);
  time.in(durationMs, () => troubles.end(kind));
}

function crash(parts: FaultsParts, machine: Machine): void {
  const { random } = parts;
  if (!machine.up) return;
  if (random.chance(0.4)) {
    // In the middle of a turn: some of what it was about to send has left, the rest never will.
    machine.sendsToLive = random.integer(0, 12);
    return;
  }
  stop(parts, machine, 'is killed', 'crash');
}

/** Kills a machine's process and starts another one later. */
export function stop(
  parts: Pick<FaultsParts, 'time' | 'random' | 'note' | 'troubles'>,
  machine: Machine,
  why: string,
  kind: TroubleKind,
): void {
  if (!machine.up) return;
  parts.troubles.begin(kind);
  const keepPending = parts.random.chance(0.3);
  parts.note(`${machine.index} ${why}${keepPending ? '; its last write succeeds' : ''}`);
  machine.kill(keepPending);
  const downMs = parts.random.pick([1, 30, 300, 1500]);
  parts.time.in(parts.random.between(0, downMs), () => {
    parts.troubles.end(kind);
    machine.start();
  });
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
  cut(
    parts,
    links,
    random.between(50, random.pick([300, 2000])),
    kind === 0 ? 'partition' : 'oneWayPartition',
  );
}

/** Links between two sides that are cut and mended again and again. */
function flap(parts: FaultsParts, times: number): void {
  const { random, machines, time, troubled } = parts;
  if (machines.length < 2 || times === 0 || !troubled()) return;
  const side = new Set(
    random.some(
      machines.map(({ index }) => index),
      1,
    ),
  );
  const oneWay = random.chance(0.3);
  const links = machines.flatMap(({ index: from }) =>
    machines
      .filter(({ index: to }) => side.has(from) && !side.has(to))
      .flatMap(({ index: to }): (readonly [number, number])[] =>
        oneWay
          ? [[from, to]]
          : [
              [from, to],
              [to, from],
            ],
      ),
  );
  cut(parts, links, random.between(2, 40), 'flapping');
  time.in(random.between(10, 80), () => flap(parts, times - 1));
}

function slowLink(parts: FaultsParts): void {
  const { random, machines, network, time, options, note } = parts;
  const from = random.pick(machines).index;
  const to = random.pick(machines).index;
  if (from === to) return;
  const extraMs = random.between(20, options.timeouts.viewTimeoutMs);
  const durationMs = random.between(100, 1500);
  note(`the link ${from}-${to} is slow by ${extraMs.toFixed(0)} ms`);
  network.slow(from, to, extraMs);
  lasting(parts, 'slowLink', durationMs);
  time.in(durationMs, () => network.slow(from, to, 0));
}

/** A process stands still, as one that is swapped out or whose host is migrated. */
function pause(parts: FaultsParts, machine: Machine): void {
  const { random, time, options, note } = parts;
  if (!machine.up || machine.paused) return;
  const durationMs = random.between(10, random.pick([1, 4]) * options.timeouts.viewTimeoutMs);
  note(`${machine.index} stands still for ${durationMs.toFixed(0)} ms`);
  machine.pause();
  lasting(parts, 'pause', durationMs);
  time.in(durationMs, () => machine.resume());
}

/** A wall clock jumps, and is put right later. */
function jump(parts: FaultsParts, machine: Machine): void {
  const { random, time, note } = parts;
  const byMs = random.between(-maxClockJumpMs, maxClockJumpMs) / 2;
  const durationMs = random.between(50, 600);
  note(`the clock of ${machine.index} jumps by ${byMs.toFixed(0)} ms`);
  machine.skew.wallOffsetMs += byMs;
  lasting(parts, 'clockJump', durationMs);
  time.in(durationMs, () => (machine.skew.wallOffsetMs -= byMs));
}

/** Damages what one machine has on disk, as long as not more of them fail than may. */
function spoil(parts: FaultsParts): void {
  const { random, machines, options, note } = parts;
  const faulty = new Set(options.byzantine.map(({ index }) => index));
  const broken = machines.filter(({ damaged }) => damaged).length;
  const candidates = machines.filter(({ index, damaged }) => !faulty.has(index) && !damaged);
  if (faulty.size + broken >= faultyOf(options.validators) || candidates.length === 0) return;
  const machine = random.pick(candidates);
  const isBlock = random.chance(0.5);
  const space = random.pick(
    isBlock
      ? [keySpaces.header, keySpaces.envelopes, keySpaces.results]
      : [keySpaces.treeNode, keySpaces.treeNode, keySpaces.latest, keySpaces.log],
  );
  if (!machine.disk.damage(space)) return;
  machine.damaged = true;
  lasting(parts, isBlock ? 'damagedBlock' : 'damagedState', 500);
  note(`something of ${machine.index} is spoilt on disk: ${space.name}`);
  // Read from the disk, not from memory.
  if (random.chance(0.5)) stop(parts, machine, 'is killed', 'crash');
}

/** A machine gives up executing blocks and copies a state. */
function copyState(parts: FaultsParts): void {
  const { random, machines, options, time, troubles, note, copySnapshot, fail } = parts;
  const faulty = new Set(options.byzantine.map(({ index }) => index));
  const machine = random.pick(machines);
  if (faulty.has(machine.index) || machine.damaged || machine.paused || machine.expectsHalt) return;
  // What follows from an old folder is on disk before anything else is done with it.
  if (machine.replica === undefined || machine.store?.outdated !== false) return;
  note(`${machine.index} copies a state`);
  troubles.begin('snapshot');
  machine.kill(true);
  machine.copying = true;
  // The others get ahead meanwhile.
  time.in(random.between(0, 600), () => {
    copySnapshot(machine)
      .catch((error: unknown) => {
        // Damaged meanwhile, which the next process notices as well.
        if (machine.damaged) return;
        fail(
          `DEFECT: a copy of the state: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      })
      .finally(() => {
        troubles.end('snapshot');
        machine.copying = false;
        machine.start();
      });
  });
}

/** Puts the data folder of a machine back to what it is now, later; or takes it away. */
function putBack(parts: FaultsParts): void {
  const { random, time, machines, options, note, troubled } = parts;
  const machine = machines[options.faults.oldFolder?.machine ?? -1];
  if (machine === undefined || machine.retired) return;
  const isLost = random.chance(0.2);
  const copy = isLost ? [] : machine.disk.disk.copy();
  time.in(random.between(10, random.pick([100, 800])), () => {
    if (!troubled() || machine.retired || machine.copying) return;
    note(`the folder of ${machine.index} is ${isLost ? 'lost' : 'put back to an earlier state'}`);
    if (machine.up) stop(parts, machine, 'is killed', 'oldFolder');
    machine.restore(copy);
  });
}

function loseByView({ options, random, network, troubles, note }: FaultsParts): void {
  note('votes are lost by view');
  network.addFilter(viewRules(options.validators, random));
  // Ends with the trouble, as all filters do.
  troubles.begin('lostByView');
}

/** Loses messages of one kind for a while: so blocks are prepared here and not there, or final at one replica alone. */
function filter(parts: FaultsParts): void {
  const { random, machines, network, time, options, note } = parts;
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
  const from = new Set(random.chance(0.5) ? all : random.some(all, 1));
  // All but one, often: then one alone gets to know.
  const to = new Set(
    random.pick([
      all,
      random.some(all, 1),
      all.filter((index) => index !== favoured),
      all.filter((index) => index !== favoured),
    ]),
  );
  const lost = kindFilter(kind, from, to);
  note(`${kind} is lost from ${[...from].join()} to ${[...to].join()}`);
  network.addFilter(lost);
  const durationMs = random.between(20, 3 * options.timeouts.viewTimeoutMs);
  lasting(parts, 'kindLost', durationMs);
  time.in(durationMs, () => {
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
    cut(parts, links, durationMs, 'isolation');
    time.in(durationMs, () => isolate(parts));
  });
}

/** Cuts one machine off for about as long as a view takes to be given up. */
export function isolateOne(parts: FaultsParts, one: number): void {
  const { random, machines, options } = parts;
  const links = machines
    .filter(({ index }) => index !== one)
    .flatMap(
      ({ index }) =>
        [
          [one, index],
          [index, one],
        ] as const,
    );
  cut(parts, links, options.timeouts.viewTimeoutMs * random.between(0.5, 3), 'isolation');
}

function cut(
  parts: FaultsParts,
  links: readonly (readonly [number, number])[],
  durationMs: number,
  kind: TroubleKind,
): void {
  const { network, time, note, connect } = parts;
  lasting(parts, kind, durationMs);
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
