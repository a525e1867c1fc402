/**
 * A machine that copies the state of a recent checkpoint from the others instead of executing all blocks, as
 * src/node/snapshot.ts lets a node do: it runs no replica meanwhile, and what it has said goes along.
 */
import { decodeValidatorSet } from '../../src/codec/index.js';
import type { Genesis, ValidatorSet } from '../../src/codec/model.js';
import { validatorSetHash } from '../../src/crypto/index.js';
import { genesisChainId, stateKeys } from '../../src/ledger/index.js';
import { serveState } from '../../src/node/serve-peers.js';
import {
  createMemoryStore,
  MemoryDisk,
  openMemoryInstall,
  targetOf,
  type CarriedRecords,
  type Store,
  type StoredHeader,
} from '../../src/storage/index.js';
import { copyState, verifyBlock, type FetchedState, type StateSource } from '../../src/sync/index.js';
import {
  asHeight,
  asValidatorIndex,
  faultyOf,
  QuaestorError,
  type ChainId,
  type ValidatorIndex,
} from '../../src/types/index.js';
import { processClock, type VirtualTime } from './clock.js';
import { historyFor, travels, type HistoryParts } from './history.js';
import { simVerifier } from './keys.js';
import type { Machine } from './machine.js';
import type { SimulationOptions } from './options.js';
import type { Random } from './random.js';
import { idOf } from './sets.js';

export interface SnapshotParts {
  readonly options: SimulationOptions;
  readonly genesis: Genesis;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly history: HistoryParts;
  /** What a validator makes of a part of the state that it is asked for. */
  readonly serveState: (validator: number, part: FetchedState) => FetchedState | 'stall';
  readonly note: (text: string) => void;
  readonly count: (what: string) => void;
}

/** Copies a state, and puts it in the place of the machine's folder. No process may run. False when none could be had. */
export async function copySnapshot(machine: Machine, parts: SnapshotParts): Promise<boolean> {
  const { genesis, time, note, count } = parts;
  const chainId = genesisChainId(genesis);
  const validatorSet: ValidatorSet = machine.set;
  const electorate = { chainId, validatorSet, validatorSetHash: validatorSetHash(validatorSet) };
  const verifier = simVerifier((work) => Promise.resolve(work()));
  const identity = { chainId, validator: idOf(machine.index) };
  const old = await carriedFrom(machine, identity);
  const height = await targetHeight(machine, validatorSet, parts);
  // A lower one would lack the votes for the blocks in between.
  if (height <= old.height) return false;
  const peers = validatorSet.validators.flatMap((_, place) =>
    machine.machineAt(place) === machine.index ? [] : [asValidatorIndex(place)],
  );
  const target = await (async () => {
    const source = historyFor(machine.index, parts.history);
    for (const peer of peers) {
      const request = {
        fromHeight: height,
        maxBlocks: 1,
        deadlineMs: 500,
        signal: new AbortController().signal,
      };
      try {
        for await (const block of source.fetchBlocks(peer, request)) {
          const checked = await verifyBlock(block, height, electorate, verifier);
          if (checked.ok) return targetOf({ ...checked.value, height });
          count('snapshot header refused');
        }
      } catch (error) {
        if (!(error instanceof QuaestorError)) throw error;
      }
    }
    return undefined;
  })();
  if (target === undefined) return false;
  const disk = new MemoryDisk();
  const opened = await openMemoryInstall({ disk, ...identity });
  if (!opened.ok) throw opened.error;
  const install = opened.value;
  await install.begin(target);
  const end = await copyState({
    sink: install,
    source: stateSource(machine, parts),
    peers,
    clock: processClock(
      time,
      machine.skew,
      () => true,
      (run) => run(),
    ),
    limits: { progressTimeoutMs: 300, requestTimeoutMs: 2000 },
    onFault: (_peer, fault) => count(`snapshot peer ${fault}`),
  });
  count(`snapshot ${end}`);
  note(`the copy of the state of block ${height} by ${machine.index} is ${end}`);
  if (end !== 'complete') return false;
  await install.finish(old);
  await install.close();
  machine.disk.disk.restore(disk.copy());
  // It has other writes with other numbers.
  await machine.witness.reset(0);
  return true;
}

/** What the folder says that has to go along, and how far it is. */
async function carriedFrom(
  machine: Machine,
  identity: { readonly chainId: ChainId; readonly validator: string },
): Promise<CarriedRecords & { readonly height: number }> {
  const opened = await createMemoryStore({ disk: machine.disk.disk, ...identity });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  const [log, evidence] = await Promise.all([store.readLog(), store.evidence()]);
  const sets = await readHandovers(store, machine.epoch);
  const height = store.head()?.height ?? 0;
  await store.close();
  return { log, evidence, headers: sets, height };
}

/** The last block of each validator set before the one in force. */
async function readHandovers(store: Store, epoch: number): Promise<readonly StoredHeader[]> {
  const epochs = Array.from({ length: epoch }, (_, before) => stateKeys.epochValidators(before + 1));
  const headers = (await store.stateMany(epochs)).map((bytes) => {
    const set = decodeValidatorSet(bytes ?? new Uint8Array());
    if (!set.ok) throw set.error;
    return store.header(asHeight(set.value.activationHeight - 1));
  });
  return (await Promise.all(headers)).filter((header) => header !== undefined);
}

/** The last checkpoint that at least one correct validator has. */
async function targetHeight(
  machine: Machine,
  { validators }: ValidatorSet,
  { options, random, history }: SnapshotParts,
): Promise<ReturnType<typeof asHeight>> {
  const faulty = new Set(options.byzantine.map(({ index }) => index));
  const heights = validators
    .map((_, place) => machine.machineAt(place))
    .filter((peer) => peer !== machine.index)
    .map((peer) =>
      faulty.has(peer) ? random.below(100_000) : (history.machines[peer]?.store?.head()?.height ?? 0),
    )
    .sort((left, right) => right - left);
  const known = heights[faultyOf(validators.length)] ?? 0;
  const interval = options.parameters.checkpointIntervalBlocks;
  return Promise.resolve(asHeight(Math.floor(known / interval) * interval));
}

/** Parts of the state on their way. */
function stateSource(machine: Machine, parts: SnapshotParts): StateSource {
  const { history } = parts;
  return {
    async *fetchState(place: ValidatorIndex, { height, from, until, deadlineMs, signal }) {
      const peer = machine.machineAt(place);
      const travel = travels(machine.index, peer, history, deadlineMs, signal);
      await travel.there();
      const source = history.machines[peer];
      const { store, replica } = source ?? {};
      if (store === undefined || replica === undefined || source?.paused === true) {
        await travel.never();
        return;
      }
      try {
        for await (const part of serveState(store, replica.tree, height, { from, until })) {
          const served = parts.serveState(peer, part);
          if (served === 'stall') {
            await travel.never();
            return;
          }
          await travel.back();
          yield served;
        }
      } catch (error) {
        // Damaged on its disk: it answers with an error.
        if (source?.damaged !== true) throw error;
        throw new QuaestorError('PEER_UNAVAILABLE', 'The peer can not read its state.');
      }
    },
  };
}
