/** Runs the `quaestor` command as a user does: as a process, from the build in dist. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const softwareFolder =
  process.env['E2E_SOFTWARE'] ?? fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const program = join(softwareFolder, 'dist', 'cli', 'main.js');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A command that runs. */
export interface CliProcess {
  readonly pid: number;
  /** What it has written to standard output so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly result: Promise<CliResult>;
}

/** Starts a command. No variable of ours reaches it from outside. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(QUAESTOR_|NODE_OPTIONS$|npm_|FORCE_COLOR$|NO_COLOR$)/.test(name),
  );
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    result: new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    }),
  };
}

/** Runs a command to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).result;
}
