/** Final blocks on their way to a replica that catches up. */
import type { FetchedBlock } from '../../src/network/types.js';
import type { BlockSource } from '../../src/sync/index.js';
import { asHeight, QuaestorError } from '../../src/types/index.js';
import type { VirtualTime } from './clock.js';
import type { Machine } from './machine.js';
import type { VirtualNetwork } from './network.js';

export interface HistoryParts {
  readonly time: VirtualTime;
  readonly network: VirtualNetwork;
  readonly machines: readonly Machine[];
  /** What a validator makes of a block that it is asked for. */
  readonly serve: (validator: number, block: FetchedBlock) => FetchedBlock | 'stall';
}

/** A call from one machine to another, and what comes back: each way takes its time, and may never end. */
interface Travel {
  there(): Promise<void>;
  back(): Promise<void>;
  /** Ends only with the call. */
  never(): Promise<void>;
}

/** Rejects once the deadline has passed or the call is given up. */
export function travels(
  self: number,
  peer: number,
  { time, network }: Pick<HistoryParts, 'time' | 'network'>,
  deadlineMs: number,
  signal: AbortSignal,
): Travel {
  const untilMs = time.nowMs + deadlineMs;
  const over = (): boolean => time.nowMs >= untilMs || signal.aborted;
  const travel = (from: number, to: number | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => {
        signal.removeEventListener('abort', giveUp);
        cancel();
        reject(new QuaestorError('PEER_UNAVAILABLE', 'The call was ended.'));
      };
      // The deadline is looked at when something happens; a silent peer is given up by the caller.
      const cancel = time.in(deadlineMs, () => giveUp());
      signal.addEventListener('abort', giveUp, { once: true });
      if (to === undefined) return;
      network.travel(from, to, () => {
        signal.removeEventListener('abort', giveUp);
        cancel();
        if (over()) reject(new QuaestorError('PEER_UNAVAILABLE', 'The deadline has passed.'));
        else resolve();
      });
    });
  return {
    there: () =>
      signal.aborted || peer < 0 || !network.open(self, peer)
        ? Promise.reject(new QuaestorError('PEER_UNAVAILABLE', 'The peer is not connected.'))
        : travel(self, peer),
    back: () => travel(peer, self),
    never: () => travel(peer, undefined),
  };
}

/** The blocks of other machines as one machine can fetch them. */
export function historyFor(self: number, parts: HistoryParts): BlockSource {
  const { machines, serve } = parts;
  return {
    async *fetchBlocks(place, { fromHeight, maxBlocks, deadlineMs, signal }) {
      const peer = machines[self]?.machineAt(place) ?? -1;
      const travel = travels(self, peer, parts, deadlineMs, signal);
      await travel.there();
      for (let height: number = fromHeight; height < fromHeight + maxBlocks; height++) {
        const store = machines[peer]?.store;
        if (store === undefined) throw new QuaestorError('PEER_UNAVAILABLE', 'The peer is not connected.');
        if (machines[peer]?.paused === true) await travel.never();
        const block = await store.block(asHeight(height)).catch((error: unknown) => {
          // Damaged on its disk: it answers with an error.
          if (machines[peer]?.damaged !== true) throw error;
          throw new QuaestorError('PEER_UNAVAILABLE', 'The peer can not read the block.');
        });
        if (block?.certificate === undefined) return;
        const { headerBytes, certificate, envelopes } = block;
        const served = serve(peer, { headerBytes, certificate, envelopes });
        if (served === 'stall') {
          await travel.never();
          return;
        }
        await travel.back();
        yield served;
      }
    },
  };
}
