/**
 * A faulty validator runs the real driver, and strategies stand between it and the network: they see what it receives
 * and change what it sends, with its key at hand. Strategies can be combined.
 */
import type { ConsensusMessage } from '../../../src/codec/model.js';
import { decodeConsensusMessage, encodeConsensusMessage } from '../../../src/codec/index.js';
import type { ConsensusConfig } from '../../../src/consensus/types.js';
import type { FetchedBlock } from '../../../src/network/types.js';
import type { FetchedState } from '../../../src/sync/index.js';
import type { View } from '../../../src/types/index.js';
import type { SimKey } from '../keys.js';
import type { Packet } from '../packet.js';
import type { Random } from '../random.js';

export interface Sending {
  readonly to: number;
  readonly packet: Packet;
}

/** What a strategy has to work with. */
export interface Villain {
  readonly self: number;
  readonly peers: readonly number[];
  readonly config: ConsensusConfig;
  readonly key: SimKey;
  readonly random: Random;
  /** Consensus messages that it has seen lately, its own included. */
  readonly archive: readonly ConsensusMessage[];
  /** View that its driver is in. */
  view(): View;
  committedHeight(): number;
  /** Sends past all strategies. */
  send(to: number, packet: Packet): void;
  later(delayMs: number, run: () => void): void;
}

export interface Strategy {
  /** What is sent in place of what the driver wants to send to one peer. */
  outgoing?(sending: Sending): readonly Sending[];
  /** What the driver gets in place of a packet; undefined for nothing. */
  incoming?(from: number, packet: Packet): Packet | undefined;
  /** Called every now and then. */
  tick?(): void;
  /** A block that a peer fetches for its catch-up. */
  serve?(block: FetchedBlock): FetchedBlock | 'stall';
  /** A part of the state that a peer copies. */
  serveState?(part: FetchedState): FetchedState | 'stall';
  /** Error of its wall clock. */
  readonly wallOffsetMs?: number;
}

export type StrategyMaker = (villain: Villain) => Strategy;

/** The consensus message in a packet; undefined for any other. */
export function messageIn(packet: Packet): ConsensusMessage | undefined {
  if (packet.kind !== 'consensus') return undefined;
  const decoded = decodeConsensusMessage(packet.bytes);
  return decoded.ok ? decoded.value : undefined;
}

export function packetOf(message: ConsensusMessage): Packet {
  return { kind: 'consensus', bytes: encodeConsensusMessage(message) };
}

/** One strategy after the other. */
export function combine(strategies: readonly Strategy[]): Required<Omit<Strategy, 'wallOffsetMs'>> {
  return {
    outgoing: (sending) =>
      strategies.reduce<readonly Sending[]>(
        (sendings, strategy) =>
          strategy.outgoing === undefined
            ? sendings
            : sendings.flatMap((item) => strategy.outgoing?.(item) ?? []),
        [sending],
      ),
    serveState: (part) =>
      strategies.reduce<FetchedState | 'stall'>(
        (current, strategy) =>
          current === 'stall' || strategy.serveState === undefined ? current : strategy.serveState(current),
        part,
      ),
    incoming: (from, packet) =>
      strategies.reduce<Packet | undefined>(
        (current, strategy) =>
          current === undefined || strategy.incoming === undefined
            ? current
            : strategy.incoming(from, current),
        packet,
      ),
    tick: () => {
      for (const strategy of strategies) strategy.tick?.();
    },
    serve: (block) =>
      strategies.reduce<FetchedBlock | 'stall'>(
        (current, strategy) =>
          current === 'stall' || strategy.serve === undefined ? current : strategy.serve(current),
        block,
      ),
  };
}
