/** Validators as operating-system processes, and what they use: CPU, memory, disk, network. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { withoutOwnLabels } from '../e2e/validator-process.js';
import type { ValidatorFiles, World } from './world.js';

export interface ClusterOptions {
  readonly world: World;
  /** Flags of Node.js for each validator. */
  readonly nodeFlags: readonly string[];
  /** Folder for CPU profiles; see `toggleProfiles`. */
  readonly profileDir?: string | undefined;
}

/** What one validator has used since it started, and holds now. */
export interface Usage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly peerBytesSent: number;
  readonly committed: number;
  readonly failed: number;
  readonly blocks: number;
  readonly checks: number;
  readonly metrics: ReadonlyMap<string, number>;
}

const startTimeoutMs = 120_000;

export class Cluster {
  readonly world: World;
  readonly #children: readonly ChildProcess[];

  private constructor(world: World, children: readonly ChildProcess[]) {
    this.world = world;
    this.#children = children;
  }

  /** Starts all validators and waits until each is ready. */
  static async start({ world, nodeFlags, profileDir }: ClusterOptions): Promise<Cluster> {
    const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
    const children = world.validators.map(({ id, dir, config }) => {
      const run =
        profileDir === undefined
          ? [script('../../src/cli/main.js'), 'start', '--config', config]
          : [script('validator-child.js'), config, join(profileDir, `${id}.cpuprofile`)];
      const child = spawn(process.execPath, [...nodeFlags, ...run], {
        // As `quaestor devnet` and the container image have it.
        env: { MALLOC_ARENA_MAX: '2', ...process.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const log = createWriteStream(join(dir, 'log.txt'), { flags: 'a' });
      child.stdout.pipe(log, { end: false });
      child.stderr.pipe(log, { end: false });
      return child;
    });
    const cluster = new Cluster(world, children);
    try {
      await cluster.#ready();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #ready(): Promise<void> {
    const giveUpMs = Date.now() + startTimeoutMs;
    for (const [index, validator] of this.world.validators.entries()) {
      for (;;) {
        if (this.#children[index]?.exitCode !== null) throw this.#failure(validator, 'ended');
        const ready = await fetch(`http://127.0.0.1:${validator.httpPort}/readyz`).then(
          (response) => response.ok,
          () => false,
        );
        if (ready) break;
        if (Date.now() > giveUpMs) throw this.#failure(validator, 'did not get ready');
        await delay(50);
      }
    }
  }

  #failure({ id, dir }: ValidatorFiles, what: string): Error {
    return new Error(`${id} ${what}; see ${join(dir, 'log.txt')}`);
  }

  /** Begins CPU profiles of all validators, or ends and writes them. */
  async toggleProfiles(): Promise<void> {
    for (const child of this.#children) child.kill('SIGUSR2');
    await delay(1000);
  }

  usage(): Promise<readonly Usage[]> {
    return Promise.all(this.world.validators.map(readUsage));
  }

  /** Bytes in the data folder of each validator. */
  diskBytes(): Promise<readonly number[]> {
    return Promise.all(this.world.validators.map(({ dir }) => folderBytes(join(dir, 'data'))));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.kill('SIGTERM');
        const killTimer = setTimeout(() => child.kill('SIGKILL'), 15_000);
        await ended;
        clearTimeout(killTimer);
      }),
    );
  }
}

async function readUsage({ httpPort }: ValidatorFiles): Promise<Usage> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  const metrics = parseMetrics(withoutOwnLabels(await response.text()));
  const value = (name: string): number => metrics.get(name) ?? 0;
  const sum = (name: string, label = ''): number => {
    let total = 0;
    for (const [key, number] of metrics)
      if (key.startsWith(`${name}{`) && key.includes(label)) total += number;
    return total;
  };
  const ok = value('quaestor_consensus_transactions_committed_total{code="OK"}');
  const all = sum('quaestor_consensus_transactions_committed_total');
  return {
    cpuMs: value('process_cpu_seconds_total') * 1000,
    residentBytes: value('process_resident_memory_bytes'),
    peerBytesSent: sum('quaestor_network_bytes_total', 'direction="out"'),
    committed: ok,
    failed: all - ok,
    blocks: value('quaestor_consensus_blocks_committed_total'),
    checks:
      sum('quaestor_verifier_checks_total', 'path="inline"') +
      sum('quaestor_verifier_checks_total', 'path="threaded"'),
    metrics,
  };
}

/** Samples of Prometheus' text format by name and labels. */
function parseMetrics(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    samples.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return samples;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    // Blocks that are allocated, not the length: write-ahead logs are allocated ahead. Files may go meanwhile.
    bytes += await stat(file).then(
      (found) => Math.min(found.size, found.blocks * 512),
      () => 0,
    );
  }
  return bytes;
}
