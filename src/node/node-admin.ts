import type { AdminPort, LogLevel } from '../api/ports.js';
import type { NodeConfig } from '../config/index.js';
import type { HealthState, Logger, Metrics } from '../telemetry/index.js';
import { ApiError } from '../api/errors.js';
import { AuditLog } from './audit-log.js';
import { Drain } from './drain.js';
import type { NodeBackup } from './node-backup.js';
import type { NodeView } from './node-view.js';
import type { Clock } from './ports.js';
import type { Replica } from './replica.js';
import type { Retention } from './retention.js';

export interface NodeAdminOptions {
  readonly config: NodeConfig;
  readonly view: NodeView;
  readonly replica: Replica;
  readonly retention: Retention;
  readonly backup: NodeBackup;
  readonly clock: Clock;
  readonly health: HealthState;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The last lines of the log, oldest first. */
  readonly recentLines: () => readonly string[];
}

/** What an operator may see of a running node, and do to it. */
export class NodeAdmin implements AdminPort {
  readonly drained: Drain;
  readonly #options: NodeAdminOptions;
  readonly #audit: AuditLog;

  constructor(options: NodeAdminOptions) {
    this.#options = options;
    const { config, view, replica, clock, health, log } = options;
    this.#audit = new AuditLog(config.dataDir);
    this.drained = new Drain({
      driver: replica.driver,
      clock,
      health,
      log,
      hasQuorum: () => view.quorumReachable(),
    });
  }

  nodeInfo(): ReturnType<AdminPort['nodeInfo']> {
    return this.#options.view.nodeInfo();
  }

  peers(): ReturnType<AdminPort['peers']> {
    return this.#options.view.peers();
  }

  consensusState(): ReturnType<AdminPort['consensusState']> {
    return this.#options.view.consensusState();
  }

  evidence(): ReturnType<AdminPort['evidence']> {
    return this.#options.view.evidence();
  }

  setLogLevel(level: LogLevel): LogLevel {
    return this.#options.view.setLogLevel(level);
  }

  mempool(): ReturnType<AdminPort['mempool']> {
    const { replica, clock } = this.#options;
    const { pending, inFlight, bytes, members } = replica.mempool.stats();
    const oldestMs = replica.mempool.oldestAdmittedAtMs();
    const oldestAgeMs = oldestMs === undefined ? 0 : Math.trunc(clock.monotonicMs() - oldestMs);
    return { pending, inFlight, bytes, members, oldestAgeMs, awaited: replica.driver.desk.waiting };
  }

  async drain(): ReturnType<AdminPort['drain']> {
    await this.drained.begin();
    return { primary: this.#primary, handedOver: !this.#isPrimary };
  }

  resume(): boolean {
    return this.drained.end();
  }

  async handOver(): ReturnType<AdminPort['handOver']> {
    if (!this.#isPrimary) return undefined;
    await this.drained.handOver();
    return this.#primary;
  }

  pruneNow(): ReturnType<AdminPort['pruneNow']> {
    return this.#options.retention.runNow().catch((error: unknown) => {
      throw new ApiError('PRUNE_FAILED', error instanceof Error ? error.message : String(error));
    });
  }

  async backUpNow(full: boolean): ReturnType<AdminPort['backUpNow']> {
    try {
      const { id, bytes, ...taken } = await this.#options.backup.runNow(full);
      const { height, writtenObjects, writtenBytes, removedBackups } = taken;
      return { backup: id, height, writtenObjects, writtenBytes, sizeBytes: bytes, removedBackups };
    } catch (error) {
      throw new ApiError('BACKUP_FAILED', error instanceof Error ? error.message : String(error));
    }
  }

  async diagnosis(): Promise<string> {
    const { config, view, metrics, recentLines } = this.#options;
    const { evidence } = await this.evidence();
    const document = {
      timeMs: Date.now(),
      node: this.nodeInfo(),
      nodeVersion: process.version,
      status: view.status(),
      readiness: view.ready(),
      drained: this.drained.active,
      peers: this.peers(),
      consensus: this.consensusState(),
      mempool: this.mempool(),
      evidence: evidence.length,
      memory: process.memoryUsage(),
      // Names of files of keys and passwords, never what is in them.
      config,
      metrics: (await metrics.render()).split('\n'),
      log: recentLines(),
    };
    return JSON.stringify(document, readable, 2);
  }

  audit(entry: Parameters<AdminPort['audit']>[0]): Promise<void> {
    return this.#audit.append({ time: new Date().toISOString(), ...entry });
  }

  get #isPrimary(): boolean {
    return this.#options.replica.driver.snapshot().isPrimary;
  }

  get #primary(): string {
    return this.#options.view.status().primary;
  }
}

/** What JSON has no form for. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'bigint' ? value.toString() : value;
}
