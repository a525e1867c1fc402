/** What the operators of simulated validators have chosen. */
import type { ReplicaSettings } from '../../src/node/replica.js';
import type { SimulationOptions } from './options.js';

export function settingsOf(options: SimulationOptions): ReplicaSettings {
  return {
    timeouts: options.timeouts,
    heartbeatMs: options.heartbeatMs,
    bodyGraceMs: 10,
    bodyRetryMs: 80,
    batchDelayMs: 5,
    batchTransactions: 10,
    treeBytes: 20 * 1024,
    mempool: {
      maxTransactions: options.mempoolTransactions,
      maxBytes: 1_000_000,
      maxMemberTransactions: options.mempoolTransactions,
      maxMemberBytes: 500_000,
      relayAgainMs: 400,
      inclusionDeadlineMs: options.inclusionDeadlineMs,
    },
    syncLimits: {
      maxRangeBlocks: 4,
      windowBlocks: 16,
      progressTimeoutMs: 400,
      requestTimeoutMs: 3000,
      liarShunMs: 5000,
    },
  };
}
