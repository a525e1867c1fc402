/**
 * Replicas with the real driver, ledger, mempool and store code in one process, on the machine's clock, with messages
 * handed over directly. For tests of the driver; networks of processes are in test/e2e, virtual time in test/simulation.
 */
import { createVerifierPool } from '../../src/crypto/native/index.js';
import type { Genesis } from '../../src/codec/index.js';
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
}

/** Starts one replica a validator key. */
export async function startDriverNet(
  genesis: Genesis,
  keys: readonly TestKey[],
  disks: readonly MemoryDisk[] = keys.map(() => new MemoryDisk()),
  settings: ReplicaSettings = testSettings,
): Promise<{ readonly replicas: readonly TestReplica[]; stop(): Promise<void> }> {
  const replicas: TestReplica[] = [];
  const verifier = createVerifierPool({ threads: 0 });
  const others = (self: number): readonly TestReplica[] =>
    replicas[self]?.connected === false
      ? []
      : replicas.filter((replica) => replica.index !== self && replica.connected);
  const post = (from: number, to: ValidatorIndex | 'all', act: (target: TestReplica) => void): void => {
    setImmediate(() => {
      for (const target of others(from)) if (to === 'all' || to === target.index) act(target);
    });
  };
  for (const [index, key] of keys.entries()) {
    const from = asValidatorIndex(index);
    const opened = await createMemoryStore({
      disk: disks[index]!,
      chainId: genesisChainId(genesis),
      validator: `v${index}`,
    });
    if (!opened.ok) throw opened.error;
    const store = opened.value;
    const peers: PeerPort = {
      sendConsensus: (to, bytes) =>
        post(index, to, (target) => void target.driver.receiveConsensus(from, bytes)),
      sendStatus: (to, status) => post(index, to, (target) => target.driver.receiveStatus(from, status)),
      relayTransactions: (envelopes) =>
        post(index, 'all', (target) => void target.driver.receiveTransactions(envelopes)),
      requestBodies: (to, digest, hashes) =>
        post(index, to, (target) => target.driver.serveBodies(from, digest, hashes)),
      sendBodies: (to, digest, hashes, envelopes) =>
        post(index, to, (target) => void target.driver.receiveBodies(from, digest, hashes, envelopes)),
      sendEvidence: (to, bytes) =>
        post(index, to, (target) => void target.driver.receiveEvidence(from, bytes)),
      connected: () => others(index).map((replica) => replica.index),
    };
    const halts: string[] = [];
    const replica = await createReplicaOn({
      genesis,
      self: from,
      settings,
      ports: { clock: systemClock, store, peers, verifier, signer: key },
      blocks: {
        async *fetchBlocks(peer, { fromHeight, maxBlocks }) {
          const source = replicas[peer];
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
    replicas.push({ ...replica, index: from, store, halts, connected: true });
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
