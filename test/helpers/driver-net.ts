/**
 * Replicas with the real driver, ledger, mempool and store code in one process, on the machine's clock, with messages
 * handed over directly. For tests of the driver; networks of processes are in test/e2e, virtual time in test/simulation.
 */
import { createVerifierPool } from '../../src/crypto/native/index.js';
import type { Genesis, Validator } from '../../src/codec/index.js';
import { createReplicaOn, type Replica, type ReplicaSettings } from '../../src/node/replica.js';
import { systemClock } from '../../src/node/clock.js';
import type { PeerPort } from '../../src/node/ports.js';
import type { DriverObserver } from '../../src/node/driver-options.js';
import { createMemoryStore, MemoryDisk, type Store } from '../../src/storage/index.js';
import { asValidatorIndex, type ValidatorIndex } from '../../src/types/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import type { TestKey } from './fake-ledger.js';

export const testSettings: ReplicaSettings = {
  timeouts: { viewTimeoutMs: 400, maxViewTimeoutMs: 3200, retransmitMs: 100, primarySilenceMs: 1000 },
  heartbeatMs: 50,
  bodyGraceMs: 20,
  bodyRetryMs: 100,
  batchDelayMs: 5,
  batchTransactions: 100,
  treeBytes: 1024 * 1024,
  mempool: {
    maxTransactions: 10_000,
    maxBytes: 10_000_000,
    maxMemberTransactions: 5_000,
    maxMemberBytes: 5_000_000,
    relayAgainMs: 500,
    inclusionDeadlineMs: 600,
  },
};

/** No view change but for cause: however slow the machine, no replica takes it for a faulty primary. */
export const patientSettings: ReplicaSettings = {
  ...testSettings,
  timeouts: {
    viewTimeoutMs: 60_000,
    maxViewTimeoutMs: 60_000,
    retransmitMs: 100,
    primarySilenceMs: 60_000,
  },
};

export interface TestReplica extends Replica {
  readonly index: ValidatorIndex;
  readonly store: Store;
  readonly halts: string[];
  /** False cuts it off from the others. */
  connected: boolean;
  /** Validators that decide the next height, as this replica knows them. */
  validators: readonly Validator[];
}

/** Starts one replica a validator key: "v0", "v1", … Those that the genesis does not name follow, until a set has them. */
export async function startDriverNet(
  genesis: Genesis,
  keys: readonly TestKey[],
  disks: readonly MemoryDisk[] = keys.map(() => new MemoryDisk()),
  settings: ReplicaSettings = testSettings,
  nextKeys: readonly (TestKey | undefined)[] = [],
  /** What stands between a replica and its store. */
  watch: (store: Store, index: number) => Store = (store) => store,
): Promise<{ readonly replicas: readonly TestReplica[]; stop(): Promise<void> }> {
  const replicas: TestReplica[] = [];
  const verifier = createVerifierPool({ threads: 0 });
  const others = (self: number): readonly TestReplica[] =>
    replicas[self]?.connected === false
      ? []
      : replicas.filter((replica) => replica.index !== self && replica.connected);
  const validatorsOf = (self: number): readonly Validator[] =>
    replicas[self]?.validators ?? genesis.validators;
  /** Index of a replica in the validator set of another one. */
  const placeIn = (self: number, other: number): ValidatorIndex | undefined => {
    const place = validatorsOf(self).findIndex(({ id }) => id === `v${other}`);
    return place < 0 ? undefined : asValidatorIndex(place);
  };
  const post = (from: number, to: ValidatorIndex | 'all', act: (target: TestReplica) => void): void => {
    const id = to === 'all' ? undefined : validatorsOf(from)[to]?.id;
    setImmediate(() => {
      for (const target of others(from)) if (to === 'all' || id === `v${target.index}`) act(target);
    });
  };
  /** As `post`, for what a validator says to others: it has an index there. */
  const tell = (
    from: number,
    to: ValidatorIndex | 'all',
    act: (target: TestReplica, from: ValidatorIndex) => void,
  ): void =>
    post(from, to, (target) => {
      const place = placeIn(target.index, from);
      if (place !== undefined) act(target, place);
    });
  for (const [index, key] of keys.entries()) {
    const from = asValidatorIndex(index);
    const opened = await createMemoryStore({
      disk: disks[index]!,
      chainId: genesisChainId(genesis),
      validator: `v${index}`,
    });
    if (!opened.ok) throw opened.error;
    const store = watch(opened.value, index);
    const peers: PeerPort = {
      sendConsensus: (to, bytes) =>
        tell(index, to, (target, place) => void target.driver.receiveConsensus(place, bytes)),
      sendStatus: (to, status) =>
        tell(index, to, (target, place) => target.driver.receiveStatus(place, status)),
      relayTransactions: (envelopes) =>
        post(index, 'all', (target) => void target.driver.receiveTransactions(envelopes)),
      requestBodies: (to, digest, hashes) =>
        tell(index, to, (target, place) => target.driver.serveBodies(place, digest, hashes)),
      sendBodies: (to, digest, hashes, envelopes) =>
        tell(
          index,
          to,
          (target, place) => void target.driver.receiveBodies(place, digest, hashes, envelopes),
        ),
      connected: () =>
        others(index)
          .map((replica) => placeIn(index, replica.index))
          .filter((place) => place !== undefined),
      electorates: ({ current }) => {
        const replica = replicas[index];
        if (replica !== undefined) replica.validators = current.validators;
      },
      sendEvidence: (to, evidence) =>
        tell(index, to, (target, place) => void target.driver.receiveEvidence(place, evidence)),
    };
    const halts: string[] = [];
    const replica = await createReplicaOn({
      genesis,
      self: undefined,
      validator: `v${index}`,
      settings,
      ports: { clock: systemClock, store, peers, verifier, signer: key, nextSigner: nextKeys[index] },
      blocks: {
        async *fetchBlocks(peer, { fromHeight, maxBlocks }) {
          const id = validatorsOf(index)[peer]?.id;
          const source = replicas.find((replica) => id === `v${replica.index}`);
          if (source?.connected !== true) throw new Error('not connected');
          for (let height: number = fromHeight; height < fromHeight + maxBlocks; height++) {
            const block = await source.store.block(height as typeof fromHeight);
            if (block?.certificate === undefined) return;
            yield {
              headerBytes: block.headerBytes,
              certificate: block.certificate,
              envelopes: block.envelopes,
            };
          }
        },
      },
      observer: silentObserver(halts),
    });
    const { validators } = replica.config.validatorSet;
    replicas.push({ ...replica, index: from, store, halts, connected: true, validators });
  }
  for (const replica of replicas) replica.driver.start();
  return {
    replicas,
    async stop() {
      for (const replica of replicas) await replica.driver.stop();
      for (const replica of replicas) await replica.store.close();
      await verifier.close();
    },
  };
}

/** Hears everything, keeps only why a replica stopped. */
export function silentObserver(halts: string[]): DriverObserver {
  const ignore = (): void => undefined;
  return {
    notice: ignore,
    message: ignore,
    built: ignore,
    judging: ignore,
    judged: ignore,
    executed: ignore,
    committed: ignore,
    admitted: ignore,
    refused: ignore,
    evidence: ignore,
    evidenceRefused: ignore,
    syncStarted: ignore,
    syncEnded: ignore,
    syncFault: ignore,
    tick: ignore,
    halted: (reason, error) =>
      halts.push(`${reason}: ${error instanceof Error ? error.stack : String(error)}`),
  };
}
