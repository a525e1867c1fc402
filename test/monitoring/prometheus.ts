/** A real Prometheus server that scrapes validators every second, with the rules of deploy/prometheus. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../helpers/eventually.js';
import { rulesFile } from './rules.js';
import { withShortDurations } from './short-durations.js';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Answer<Data> {
  readonly status: 'success' | 'error';
  readonly error?: string;
  readonly data: Data;
}

interface Vector {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly value: readonly [number, string];
  }[];
}

interface Matrix {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly values: readonly (readonly [number, string])[];
  }[];
}

export class Prometheus {
  readonly #dir: string;
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #output: () => string;

  /** Starts a server for these HTTP ports; resolves when it has scraped all that answer. */
  static async start(ports: readonly number[]): Promise<Prometheus> {
    const dir = await mkdtemp(join(tmpdir(), 'quaestor-prometheus-'));
    await writeFile(join(dir, 'rules.yaml'), withShortDurations(await readFile(rulesFile, 'utf8')));
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [
        {
          job_name: 'quaestor',
          static_configs: [{ targets: ports.map((port) => `127.0.0.1:${port}`) }],
        },
      ],
    };
    await writeFile(join(dir, 'prometheus.yml'), stringify(config));
    const prometheus = new Prometheus(dir, await freePort());
    await eventually('Prometheus scrapes', async () => {
      const up = await prometheus.query('sum(up)');
      return (up[0]?.value ?? 0) === ports.length;
    });
    return prometheus;
  }

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.#url = `http://127.0.0.1:${port}`;
    const options = [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ];
    this.#child = spawn('prometheus', options, { stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    this.#child.stderr?.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000)));
    this.#output = () => output;
  }

  /** Result of an expression now. Throws when it is wrong. */
  async query(expression: string): Promise<readonly Sample[]> {
    const { result } = await this.#get<Vector>('query', { query: expression });
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** Result of an expression over the last `seconds`, with a step of one second. */
  async queryRange(expression: string, seconds: number): Promise<Matrix['result']> {
    const end = Date.now() / 1000;
    const range = { start: String(end - seconds), end: String(end), step: '1' };
    return (await this.#get<Matrix>('query_range', { query: expression, ...range })).result;
  }

  /** Names of the alerts that fire now, each once. */
  async firing(): Promise<readonly string[]> {
    const samples = await this.query('count by (alertname) (ALERTS{alertstate="firing"})');
    return samples.map(({ metric }) => metric['alertname'] ?? '').sort();
  }

  /** Resolves when all these alerts have been seen firing, each at some time from now on. */
  async expectFiring(alerts: readonly string[], boundMs = 90_000): Promise<void> {
    const missing = new Set(alerts);
    const look = async () => {
      for (const alert of await this.firing()) missing.delete(alert);
      if (missing.size > 0) throw new Error(`These do not fire: ${[...missing].join(', ')}`);
      return true;
    };
    await eventually(`${alerts.join(', ')} fire`, look, boundMs);
  }

  /** Resolves when none of these fires. */
  async expectQuiet(alerts: readonly string[], boundMs = 120_000): Promise<void> {
    await eventually(
      `${alerts.join(', ')} end`,
      async () => {
        const still = (await this.firing()).filter((alert) => alerts.includes(alert));
        if (still.length > 0) throw new Error(`These still fire: ${still.join(', ')}`);
        return true;
      },
      boundMs,
    );
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #get<Data>(path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    if (this.#child.exitCode !== null) throw new Error(`Prometheus has ended: ${this.#output()}`);
    const search = new URLSearchParams(parameters).toString();
    const response = await fetch(`${this.#url}/api/v1/${path}?${search}`, {
      signal: AbortSignal.timeout(10_000),
    });
    const answer = (await response.json()) as Answer<Data>;
    if (answer.status !== 'success') throw new Error(`${parameters['query'] ?? path}: ${answer.error ?? ''}`);
    return answer.data;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
