/** One node from start to stop: restarts it inside when it has to copy a snapshot. */
import { refuseUnfinishedRestore } from '../backup/index.js';
import { settleFolders } from '../storage/index.js';
import { QuaestorError } from '../types/index.js';
import { join } from 'node:path';
import { systemClock } from './clock.js';
import { readGenesis } from './genesis-source.js';
import { startValidator, type RunningValidator, type ValidatorOptions } from './validator.js';

export type RunOptions = Pick<ValidatorOptions, 'config' | 'log' | 'version' | 'recentLines'>;

/** After a copy that failed, the node goes on with blocks for so long before it tries again. */
const retryMs = 10 * 60_000;

/** Starts a node. Rejects with a QuaestorError that says what was wrong, having closed what it had opened. */
export async function runNode(options: RunOptions): Promise<RunningValidator> {
  const node = new Node(options);
  await node.start();
  return node;
}

class Node implements RunningValidator {
  readonly failed: Promise<string>;
  readonly #options: RunOptions;
  readonly #stopping = new AbortController();
  #fail: (reason: string) => void = () => undefined;
  #current: RunningValidator | undefined;
  #restarting: Promise<void> | undefined;
  #retryAtMs = 0;
  /** Read from the configuration since the start. */
  #limits: ValidatorOptions['config']['api'] | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
  }

  get ports(): RunningValidator['ports'] {
    return this.#running.ports;
  }

  get store(): RunningValidator['store'] {
    return this.#running.store;
  }

  async start(snapshot?: ValidatorOptions['snapshot']): Promise<void> {
    const { log, version, recentLines } = this.#options;
    const config = { ...this.#options.config, api: this.#limits ?? this.#options.config.api };
    await settleFolders(config.dataDir);
    await refuseUnfinishedRestore(config.dataDir);
    const task = {
      genesisFile: config.network.genesisFile,
      storeDir: join(config.dataDir, 'store'),
      engine: config.storage.engine,
      validator: config.validator,
      chainId: config.network.chainId,
    };
    const genesis = await readGenesis(task, log);
    const current = await startValidator({
      config,
      log,
      version,
      genesis,
      behind: () => this.#behind(),
      ...(recentLines === undefined ? {} : { recentLines }),
      ...(snapshot === undefined ? {} : { snapshot }),
    });
    this.#current = current;
    void current.failed.then((reason) => this.#fail(reason));
  }

  async reloadCertificates(): Promise<void> {
    await this.#restarting;
    await this.#running.reloadCertificates();
  }

  useLimits(config: ValidatorOptions['config']): void {
    this.#limits = config.api;
    this.#current?.useLimits(config);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#restarting;
    await this.#current?.stop();
  }

  get #running(): RunningValidator {
    if (this.#current === undefined) throw new QuaestorError('NODE_STOPPED', 'The node does not run.');
    return this.#current;
  }

  #behind(): void {
    const { aborted } = this.#stopping.signal;
    if (aborted || this.#restarting !== undefined || systemClock.monotonicMs() < this.#retryAtMs) return;
    // Not within the call that found it out: that belongs to what is to be stopped.
    this.#restarting = Promise.resolve()
      .then(() => this.#restart())
      .catch((error: unknown) => this.#fail(error instanceof Error ? error.message : String(error)))
      .finally(() => (this.#restarting = undefined));
  }

  async #restart(): Promise<void> {
    const { log } = this.#options;
    log.info(
      { code: 'SNAPSHOT_WANTED', height: this.#running.store.head()?.height },
      'This node is far behind: it copies the state of a recent block.',
    );
    await this.#running.stop();
    if (this.#stopping.signal.aborted) return;
    await this.start({
      signal: this.#stopping.signal,
      done: (installed) => {
        if (!installed) this.#retryAtMs = systemClock.monotonicMs() + retryMs;
      },
    });
  }
}
