import type { PeerNetwork, PeerState } from '../network/index.js';
import type { Logger } from '../telemetry/index.js';
import { QuaestorError, type ValidatorIndex } from '../types/index.js';
import type { Electorates } from './electorate.js';
import type { FollowedSets } from './followed-sets.js';
import type { Clock } from './ports.js';
import { sleep } from './sleep.js';

/** How long is waited for somebody to connect. */
const meetingMs = 20_000;
const pollMs = 50;
/** Bound of one request. */
const requestTimeoutMs = 30_000;

export interface FollowOptions {
  /** What is known, and grows. */
  readonly sets: FollowedSets;
  readonly network: Pick<PeerNetwork, 'peers' | 'fetchSetChanges'>;
  /** Tells the network of every set. */
  readonly peers: { electorates(electorates: Electorates): void };
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly signal: AbortSignal;
}

/**
 * Follows the changes of the validator set, from whoever is connected: what they give proves itself, and who holds some
 * back is made up for by others. Whom the latest set has is connected with then.
 */
export async function followSets(options: FollowOptions): Promise<void> {
  const { sets, network, peers, clock, signal, log } = options;
  const before = sets.epoch;
  const asked = new Map<ValidatorIndex, { readonly atEpoch: number; readonly times: number }>();
  const timesAsked = ({ index }: Pick<PeerState, 'index'>): number => asked.get(index)?.times ?? 0;
  const endMs = clock.monotonicMs() + meetingMs;
  while (!signal.aborted && !sets.full) {
    // Who was asked least comes first: one that gives a little at a time holds up nobody who gives all.
    const [next] = network
      .peers()
      .filter(({ index, status }) => status !== undefined && asked.get(index)?.atEpoch !== sets.epoch)
      .sort((left, right) => timesAsked(left) - timesAsked(right));
    if (next !== undefined) {
      asked.set(next.index, { atEpoch: sets.epoch, times: timesAsked(next) + 1 });
      await followSetsFrom(next, options);
      peers.electorates(sets.electorates());
    } else if (asked.size > 0 || clock.monotonicMs() >= endMs) break;
    else await sleep(clock, pollMs, signal);
  }
  if (sets.epoch === before) return;
  const { current } = sets.electorates();
  const validators = current.validators.map(({ id }) => id);
  log.info(
    { epoch: current.epoch, height: current.activationHeight, validators },
    `${sets.epoch - before} changes of the validator set were followed.`,
  );
}

async function followSetsFrom(
  { index, id }: Pick<PeerState, 'index' | 'id'>,
  { sets, network, signal, log }: FollowOptions,
): Promise<void> {
  const request = { knownEpoch: sets.epoch, deadlineMs: requestTimeoutMs, signal };
  try {
    for await (const change of network.fetchSetChanges(index, request)) {
      const before = sets.epoch;
      const followed = sets.follow(change);
      if (!followed.ok) {
        log.warn({ peer: id, detail: followed.error.message }, 'A validator gave false changes of the set.');
        return;
      }
      // Only what comes after the latest was asked for: who repeats itself would never end.
      if (sets.full || sets.epoch === before) return;
    }
  } catch (error) {
    if (!(error instanceof QuaestorError)) throw error;
    log.info({ peer: id, detail: error.message }, 'A validator gave no changes of the validator set.');
  }
}
