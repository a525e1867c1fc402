/** One validator as a child process: started, watched, stopped. Its output goes to a log file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { open } from 'node:fs/promises';
import { readLastLines } from './log-tail.js';
import { selfCommand } from '../version.js';

/** How a child ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Longest that a child may take to stop after SIGTERM. */
const stopTimeoutMs = 15_000;

export class ValidatorProcess {
  readonly validator: string;
  readonly logFile: string;
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  #end: ProcessEnd | undefined;

  /**
   * Starts `quaestor start` for a configuration. The child is in a process group of its own, so that Ctrl-C reaches only
   * this process, which stops the children in order; and it has a channel to this process, so that it stops by itself
   * when this process dies.
   */
  static async start(validator: string, config: string, logFile: string): Promise<ValidatorProcess> {
    const log = await open(logFile, 'a', 0o600);
    try {
      const [node = process.execPath, ...script] = selfCommand;
      const child = spawn(node, [...script, 'start', '--config', config], {
        detached: true,
        stdio: ['ignore', log.fd, log.fd, 'ipc'],
        // glibc would make up to eight heaps a processor for the threads, and keep them.
        env: { MALLOC_ARENA_MAX: '2', ...sharedEnvironment(), NO_COLOR: '1', FORCE_COLOR: '0' },
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      return new ValidatorProcess(validator, logFile, child);
    } finally {
      await log.close();
    }
  }

  private constructor(validator: string, logFile: string, child: ChildProcess) {
    this.validator = validator;
    this.logFile = logFile;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end = { code, signal };
        resolve(this.#end);
      });
    });
  }

  /** How it ended; undefined while it runs. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  /** Stops it cleanly; by force when that takes too long. Says whether it was clean, or had ended before. */
  async stop(): Promise<boolean> {
    if (this.#end !== undefined) return true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    const { code } = await this.ended;
    clearTimeout(timer);
    return code === 0;
  }

  lastLogLines(lines: number): Promise<readonly string[]> {
    return readLastLines(this.logFile, lines);
  }
}

/** Variables that would give all validators what is one's own: names, addresses, keys. The others, such as
 * QUAESTOR_LOG_LEVEL, are meant for all. */
const ownSettings = /^QUAESTOR_(PROFILE$|VALIDATOR$|DATA_DIR$|NETWORK_GENESIS$|LISTEN_|TLS_|KEY_)/;

function sharedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ownSettings.test(name)));
}

/** "was killed (SIGKILL)", "ended with exit code 1". */
export function describeEnd({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with exit code ${code ?? 0}` : `was killed (${signal})`;
}
