/** Faulty validators: their strategies between their drivers and the network. */
import type { ConsensusMessage } from '../../src/codec/model.js';
import { consensusConfigOf } from '../../src/node/replica.js';
import { firstValidatorSet } from '../../src/codec/index.js';
import type { Genesis, ValidatorSet } from '../../src/codec/model.js';
import { validatorSetHash } from '../../src/crypto/index.js';
import { asValidatorIndex, asView } from '../../src/types/index.js';
import { combine, messageIn, strategies, type Villain } from './byzantine/index.js';
import type { VirtualTime } from './clock.js';
import type { Machine } from './machine.js';
import { machineCount, type SimulationOptions } from './options.js';
import type { Packet } from './packet.js';
import type { Random } from './random.js';
import { idOf } from './sets.js';

/** Messages that a faulty validator remembers. */
const archiveSize = 200;

export interface Behaviour {
  /** A packet of its driver, for one peer. */
  outgoing(to: number, packet: Packet): void;
  /** What its driver gets to see; undefined for nothing. */
  incoming(from: number, packet: Packet): Packet | undefined;
  readonly serve: ReturnType<typeof combine>['serve'];
  readonly serveState: ReturnType<typeof combine>['serveState'];
  /** A validator set takes over: it begins anew, as a member of it or not. */
  electorates(validatorSet: ValidatorSet): void;
}

export interface VillainParts {
  readonly options: SimulationOptions;
  readonly genesis: Genesis;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly send: (from: number, to: number, packet: Packet) => void;
}

export function villainOf(
  machine: Machine,
  names: SimulationOptions['byzantine'][number]['strategies'],
  parts: VillainParts,
): Behaviour {
  const { options, genesis, time, random, send } = parts;
  const { index } = machine;
  const archive: ConsensusMessage[] = [];
  const peers = Array.from({ length: machineCount(options) }, (_, peer) => peer).filter(
    (peer) => peer !== index,
  );
  const plan = (validatorSet: ValidatorSet) => {
    const place = validatorSet.validators.findIndex(({ id }) => id === idOf(index));
    const villain: Villain = {
      self: place,
      peers,
      config: {
        ...consensusConfigOf(genesis, undefined, options.timeouts),
        validatorSet,
        validatorSetHash: validatorSetHash(validatorSet),
        self: place < 0 ? undefined : asValidatorIndex(place),
      },
      get key() {
        return machine.key;
      },
      random,
      archive,
      view: () => machine.replica?.driver.status().view ?? asView(0),
      committedHeight: () => machine.replica?.driver.status().committedHeight ?? 0,
      send: (to, packet) => {
        if (machine.up) send(index, to, packet);
      },
      later: (delayMs, run) => {
        time.in(delayMs, run);
      },
    };
    return place < 0 ? [] : names.map((name) => strategies[name](villain));
  };
  let made = plan(firstValidatorSet(genesis.validators));
  let combined = combine(made);
  for (const { wallOffsetMs } of made)
    if (wallOffsetMs !== undefined) machine.skew.wallOffsetMs = wallOffsetMs;
  const remember = (packet: Packet): void => {
    const message = messageIn(packet);
    if (message === undefined) return;
    if (archive.length >= archiveSize) archive.splice(random.below(archive.length), 1);
    archive.push(message);
  };
  const tick = (): void => {
    time.in(random.between(20, 60), () => {
      if (machine.replica !== undefined) combined.tick();
      tick();
    });
  };
  if (made.some((strategy) => strategy.tick !== undefined)) tick();
  return {
    outgoing: (to, packet) => {
      if (to === peers[0]) remember(packet);
      for (const sending of combined.outgoing({ to, packet })) send(index, sending.to, sending.packet);
    },
    incoming: (from, packet) => {
      remember(packet);
      return combined.incoming(from, packet);
    },
    serve: (block) => combined.serve(block),
    serveState: (part) => combined.serveState(part),
    electorates: (validatorSet) => {
      made = plan(validatorSet);
      combined = combine(made);
    },
  };
}
