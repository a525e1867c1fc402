/** Runs the validators of a folder as processes: starts all, waits until they are ready, watches, stops all. */
import { mkdir } from 'node:fs/promises';
import { formatAddress, type NodeConfig } from '../../config/index.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError } from '../command-error.js';
import { isPortFree } from '../network-folder/ports.js';
import { pause } from '../pause.js';
import { shellWord } from '../version.js';
import { probeReady } from './http-probe.js';
import type { DevNetwork } from './open-network.js';
import { readRunning, removeRunning, writeRunning } from './running-state.js';
import { describeEnd, ValidatorProcess } from './validator-process.js';

/** Longest that the validators may take to become ready. */
const readyTimeoutMs = 120_000;
const pollMs = 50;
const shownLogLines = 15;

export class Supervisor {
  readonly #network: DevNetwork;
  readonly #processes: ValidatorProcess[] = [];
  #stopping: Promise<boolean> | undefined;

  constructor(network: DevNetwork) {
    this.#network = network;
  }

  /** In the order of the genesis. */
  get processes(): readonly ValidatorProcess[] {
    return this.#processes;
  }

  /** Starts all validators and waits until each is ready. Throws, having stopped all, when one does not become so. */
  async start(signal: AbortSignal, progress: (text: string) => void): Promise<void> {
    await this.#refuseIfRunning();
    const { layout, configs } = this.#network;
    await mkdir(layout.logs, { recursive: true });
    try {
      for (const config of configs) {
        signal.throwIfAborted();
        this.#processes.push(
          await ValidatorProcess.start(config.validator, config.file, layout.log(config.validator)),
        );
      }
      await writeRunning(layout, {
        pid: process.pid,
        validators: this.#processes.map(({ validator, pid }) => ({ id: validator, pid })),
      });
      await this.#untilReady(signal, progress);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops all cleanly; says whether each stopped cleanly. Idempotent. */
  stop(): Promise<boolean> {
    this.#stopping ??= (async () => {
      const clean = await Promise.all(this.#processes.map((process) => process.stop()));
      await removeRunning(this.#network.layout);
      return !clean.includes(false);
    })();
    return this.#stopping;
  }

  /** Whether `stop` was called. */
  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** What to say about a validator that ended although nobody asked it to. */
  async obituary(process: ValidatorProcess): Promise<string> {
    const { end, validator, logFile } = process;
    const lines = await process.lastLogLines(shownLogLines);
    return [
      `${validator} (pid ${process.pid}) ${end === undefined ? 'does not answer' : describeEnd(end)}. Last lines of ${logFile}:`,
      ...lines.map((line) => `  ${line}`),
    ].join('\n');
  }

  async #refuseIfRunning(): Promise<void> {
    const { layout, configs } = this.#network;
    const running = await readRunning(layout);
    if (running !== undefined) {
      throw new CommandError(
        'ALREADY_RUNNING',
        `The network in ${layout.dir} runs already: process ${running.pid} runs it. Stop that one with Ctrl-C (or "kill ${running.pid}"), or use it: quaestor status --profile ${shellWord(layout.operator)}`,
        exitCodes.failed,
      );
    }
    const taken: string[] = [];
    for (const config of configs) {
      const { peer, client, admin, http } = config.listen;
      for (const address of [peer, client, admin, http]) {
        if (!(await isPortFree(address.host, address.port))) {
          taken.push(`${formatAddress(address)} (${config.validator})`);
        }
      }
    }
    if (taken.length === 0) return;
    const ours = await this.#validatorsThatAnswer(configs);
    const [first = ''] = taken;
    throw new CommandError(
      'PORTS_IN_USE',
      ours.length > 0
        ? `${ours.join(', ')} of the network in ${layout.dir} ${ours.length === 1 ? 'runs' : 'run'} already, started by another command. Stop ${ours.length === 1 ? 'it' : 'them'} first.`
        : `${first} is in use by another process${taken.length > 1 ? `, and so are ${taken.length - 1} more addresses of this network` : ''}. Stop that process, or make a network with other ports: --dir FOLDER --base-port PORT.`,
      exitCodes.failed,
    );
  }

  async #validatorsThatAnswer(configs: readonly NodeConfig[]): Promise<readonly string[]> {
    const answers = await Promise.all(
      configs.map(async ({ listen, validator }) =>
        (await probeReady(listen.http.port)) === undefined ? [] : [validator],
      ),
    );
    return answers.flat();
  }

  async #untilReady(signal: AbortSignal, progress: (text: string) => void): Promise<void> {
    const deadlineMs = performance.now() + readyTimeoutMs;
    const waiting = new Map(this.#processes.map((process, index) => [process, this.#network.configs[index]]));
    let reasons = '';
    while (waiting.size > 0) {
      for (const [process, config] of waiting) {
        if (process.end !== undefined) {
          throw new CommandError('VALIDATOR_FAILED', await this.obituary(process), exitCodes.failed);
        }
        const answer = await probeReady(config?.listen.http.port ?? 0);
        if (answer?.ready === true) waiting.delete(process);
        else reasons = `${process.validator}: ${answer?.reasons ?? 'it is starting'}`;
      }
      progress(
        `Starting: ${this.#processes.length - waiting.size} of ${this.#processes.length} validators ready`,
      );
      if (performance.now() > deadlineMs) {
        throw new CommandError(
          'NOT_READY',
          `The validators were not ready within ${readyTimeoutMs / 1000} s. ${reasons} Logs: ${this.#network.layout.logs}`,
          exitCodes.failed,
        );
      }
      if (waiting.size > 0) await pause(pollMs, signal);
    }
  }
}
