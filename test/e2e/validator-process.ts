/** One validator as an operating system process: started with the command that an operator uses, watched from outside. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually } from '../helpers/eventually.js';

export type Environment = Readonly<Record<string, string>>;

export interface ValidatorPorts {
  readonly peer: number;
  readonly client: number;
  readonly admin: number;
  readonly http: number;
}

/** Which validator of a network, and where it is. */
export interface ValidatorPlace {
  readonly id: string;
  readonly index: number;
  readonly config: string;
  readonly ports: ValidatorPorts;
}

export interface ValidatorProcessOptions extends ValidatorPlace {
  /** File of the command line. */
  readonly program: string;
  readonly logFile: string;
  readonly environment: Environment;
}

export interface StartOptions {
  readonly config?: string;
  /** File of another command line, for this time. */
  readonly program?: string;
  readonly environment?: Environment;
}

/** How a process ended, and what it wrote since it was started. */
export interface ProcessEnd {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export class ValidatorProcess {
  readonly id: string;
  readonly index: number;
  readonly config: string;
  readonly ports: ValidatorPorts;
  readonly #options: ValidatorProcessOptions;
  /** File of the command line that is installed. */
  #program: string;
  #child: ChildProcess | undefined;
  #ended: Promise<ProcessEnd> | undefined;

  constructor(options: ValidatorProcessOptions) {
    this.#options = options;
    this.#program = options.program;
    this.id = options.id;
    this.index = options.index;
    this.config = options.config;
    this.ports = options.ports;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get clientAddress(): string {
    return `127.0.0.1:${this.ports.client}`;
  }

  /** Folder of the validator: configuration, keys, certificates, data. */
  get dir(): string {
    return dirname(this.config);
  }

  get storeDir(): string {
    return join(this.dir, 'data', 'store');
  }

  /** Puts another build in the place of the one that is started from now on: the file of its command line. */
  install(program: string): void {
    this.#program = program;
  }

  /** Starts the process, with another configuration or more variables if given; does not wait for anything. */
  start(options: StartOptions = {}): void {
    if (this.#child !== undefined) throw new Error(`${this.id} runs already`);
    const { logFile } = this.#options;
    const { config = this.config, program = this.#program, environment = {} } = options;
    appendFileSync(logFile, '');
    const from = readFileSync(logFile).length;
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [program, 'start', '--config', config], {
      env: { ...process.env, ...this.#options.environment, ...environment },
      // The channel lets it notice when this process is gone.
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#child = undefined;
        resolve({ code, signal, output: readFileSync(logFile).subarray(from).toString('utf8') });
      });
    });
  }

  /** Resolves when the process that was started last has ended by itself or was ended. */
  async ended(): Promise<ProcessEnd> {
    let end: ProcessEnd | undefined;
    const ended = this.#ended?.then((value) => (end = value));
    await eventually(`the process of ${this.id} ends`, () => end !== undefined, 30_000);
    await ended;
    return end!;
  }

  /** kill -9; resolves when it is dead. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** SIGTERM; resolves when it has stopped. */
  async stop(): Promise<ProcessEnd> {
    this.#child?.kill('SIGTERM');
    return this.ended();
  }

  /** A page of the local HTTP port. Rejects while nobody listens. */
  async http(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.ports.http}${path}`, {
      signal: AbortSignal.timeout(5000),
    });
    return { status: response.status, body: await response.text() };
  }

  /** Resolves when it says that it is ready; rejects at once when the process ends instead. */
  async ready(): Promise<void> {
    await eventually(`${this.id} is ready`, async () => {
      if (!this.running) return true;
      return (await this.http('/readyz')).status === 200;
    });
    if (!this.running) throw new Error(`${this.id} ended instead of becoming ready`);
  }

  /** The value of a metric, if it has labels of its own with exactly these as they are written. */
  async metric(name: string): Promise<number> {
    const { body } = await this.http('/metrics');
    const line = withoutOwnLabels(body)
      .split('\n')
      .find((text) => text.startsWith(`${name} `));
    if (line === undefined) throw new Error(`${this.id} has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  /** The last lines of its log, under a title. */
  logTail(lines: number): string {
    let text: string;
    try {
      text = readFileSync(this.#options.logFile, 'utf8');
    } catch {
      text = '(none)';
    }
    const tail = text.trimEnd().split('\n').slice(-lines);
    return `--- ${this.id}\n${tail.join('\n')}`;
  }
}

/** A page of metrics without the labels that every series of a node has. */
export function withoutOwnLabels(page: string): string {
  return page
    .replace(/network="[^"]*",validator="[^"]*",?/g, '')
    .replace(/,\} /g, '} ')
    .replace(/\{\} /g, ' ');
}
