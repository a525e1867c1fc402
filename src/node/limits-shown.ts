import { totalmem } from 'node:os';
import type { Genesis } from '../codec/index.js';
import type { NodeConfig } from '../config/index.js';
import type { Metrics } from '../telemetry/index.js';

/** Shows the bounds beside which figures mean something; they do not change while a node runs. */
export function showLimits(metrics: Metrics, config: NodeConfig, parameters: Genesis['parameters']): void {
  metrics.node.ready.set(0);
  metrics.node.memoryLimit.set(memoryLimitBytes());
  metrics.mempool.transactionsLimit.set(config.mempool.maxTransactions);
  metrics.mempool.bytesLimit.set(config.mempool.maxBytes);
  metrics.consensus.clockOffsetLimit.set(parameters.maxClockSkewMs / 1000);
}

/** Without a limit, systems name none or one beyond what the machine has. */
function memoryLimitBytes(): number {
  const limitBytes = process.constrainedMemory();
  return limitBytes > 0 ? Math.min(limitBytes, totalmem()) : totalmem();
}
