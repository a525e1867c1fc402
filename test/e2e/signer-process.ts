/** `quaestor signer start` as a process, for one validator of a network, whose configuration is changed to ask it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientTls } from '../../src/client/index.js';
import { toHex } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { mainProgram } from './command-line.js';
import type { TestNetwork } from './network.js';
import type { Environment, ProcessEnd, ValidatorProcess } from './validator-process.js';

export interface SignerProcessOptions {
  /** "key" of its configuration; default: the file that the validator had. */
  readonly key?: string;
  readonly environment?: Environment;
}

const keyLine = /^key:.*(\n {2}.*)*$/m;

export class SignerProcess {
  /** Configuration, certificates, memory and log. */
  readonly dir: string;
  readonly config: string;
  /** Port of /metrics and /readyz. */
  readonly httpPort: number;
  readonly #environment: Environment;
  #child: ChildProcess | undefined;
  #ended: Promise<ProcessEnd> | undefined;

  private constructor(dir: string, httpPort: number, environment: Environment) {
    this.dir = dir;
    this.config = join(dir, 'signer.yaml');
    this.httpPort = httpPort;
    this.#environment = environment;
  }

  /** Folder, certificates, configurations and memory; nothing runs yet. */
  static async make(
    network: TestNetwork,
    validator: ValidatorProcess,
    options: SignerProcessOptions = {},
  ): Promise<SignerProcess> {
    const dir = join(network.dir, `signer-of-${validator.id}`);
    await mkdir(join(dir, 'tls'), { recursive: true });
    const { publicKey } = network.genesis.validators[validator.index]!;
    const [place, client] = await Promise.all([
      network.issue('signer', validator.id),
      network.issue('validator', validator.id),
    ]);
    for (const [name, text] of [
      ['ca', place.caPem],
      ['signer', place.certificatePem],
      ['signer-key', place.privateKeyPem],
      ['client', client.certificatePem],
      ['client-key', client.privateKeyPem],
    ] as const) {
      await writeFile(join(dir, 'tls', `${name}.pem`), text, { mode: 0o600 });
    }
    // Above the ports of this validator, below those of the next one.
    const [port, httpPort] = [validator.ports.peer + 9, validator.ports.peer + 8];
    const text = await readFile(validator.config, 'utf8');
    const found = keyLine.exec(text)![0];
    const file = /file: ?"?([^,"\n }]+)/.exec(found)![1]!;
    const password = /passwordFile: ?"?([^,"\n }]+)/.exec(found)![1]!;
    const genesisFile = /genesis: ?"?([^,"\n }]+)/.exec(text)![1]!;
    const tls = (name: string): string =>
      `{ ca: ${dir}/tls/ca.pem, cert: ${dir}/tls/${name}.pem, key: ${dir}/tls/${name}-key.pem }`;
    const fileKey = `{ file: ${join(validator.dir, file)}, passwordFile: ${join(validator.dir, password)} }`;
    const signer = new SignerProcess(dir, httpPort, options.environment ?? {});
    await writeFile(
      signer.config,
      `validator: ${validator.id}
genesis: ${join(validator.dir, genesisFile)}
stateDir: ${dir}/state
listen: { validator: "127.0.0.1:${port}", http: "127.0.0.1:${httpPort}" }
tls: ${tls('signer')}
key: ${options.key ?? fileKey}
`,
    );
    const remote = `{ address: "127.0.0.1:${port}", publicKey: ${toHex(publicKey)}, timeout: 2s, tls: ${tls('client')} }`;
    await writeFile(validator.config, text.replace(keyLine, `key: { remote: ${remote} }`));
    await writeFile(join(dir, 'signer.log'), '');
    await signer.init();
    return signer;
  }

  /** Puts a certificate in the place of the signer's, or of the validator's towards it, and tells the signer. */
  async putCertificate(whose: 'signer' | 'client', tls: ClientTls): Promise<void> {
    for (const [name, text] of [
      [whose, tls.certificatePem],
      [`${whose}-key`, tls.privateKeyPem],
    ] as const) {
      const path = join(this.dir, 'tls', `${name}.pem`);
      await writeFile(`${path}.new`, text, { mode: 0o600 });
      await rename(`${path}.new`, path);
    }
    this.signal('SIGHUP');
  }

  /** Makes its memory. */
  async init(...words: readonly string[]): Promise<void> {
    const { code, output } = await this.#run('init', ...words);
    if (code !== 0) throw new Error(output);
  }

  /** Starts it; resolves when it listens. */
  async start(): Promise<void> {
    const before = this.log().length;
    const ended = this.#run('start');
    let end: ProcessEnd | undefined;
    void ended.then((value) => (end = value));
    await eventually('the signer listens', () => {
      return end !== undefined || /"surface":"signer"/.test(this.log().slice(before));
    });
    if (end !== undefined) throw new Error(`the signer ended: ${end.output}`);
  }

  /** Starts it where it has to end by itself; gives how. */
  refused(): Promise<ProcessEnd> {
    return this.#run('start');
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<ProcessEnd> {
    let end: ProcessEnd | undefined;
    void this.#ended?.then((value) => (end = value));
    await eventually('the signer ends', () => end !== undefined);
    return end!;
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  log(): string {
    return readFileSync(join(this.dir, 'signer.log'), 'utf8');
  }

  async http(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`, {
      signal: AbortSignal.timeout(5000),
    });
    return { status: response.status, body: await response.text() };
  }

  #run(...words: readonly string[]): Promise<ProcessEnd> {
    const file = join(this.dir, 'signer.log');
    const from = readFileSync(file).length;
    const log = openSync(file, 'a');
    const child = spawn(process.execPath, [mainProgram, 'signer', ...words, '--config', this.config], {
      env: { ...process.env, ...this.#environment },
      // The channel lets it notice when this process is gone.
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve({ code, signal, output: readFileSync(file).subarray(from).toString('utf8') });
      });
    });
    return this.#ended;
  }
}
