/** Runs a TypeScript program of this repository in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface ProgramRun {
  readonly code: number | null;
  /** Standard output and error together, the last megabyte. */
  readonly output: string;
}

/** Runs `file`, a path from the root, and waits for its end. */
export function runProgram(file: string, args: readonly string[]): Promise<ProgramRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, '.ci/run-ts.mjs'), join(root, file), ...args], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const take = (chunk: string): void => {
      output = (output + chunk).slice(-1_000_000);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Runs a program that writes JSON to the file that its option `--json` names. Throws with its output unless it ends
 * well. */
export async function runForJson(file: string, args: readonly string[]): Promise<unknown> {
  const dir = await mkdtemp(join(tmpdir(), 'quaestor-program-'));
  try {
    const path = join(dir, 'result.json');
    const { code, output } = await runProgram(file, [...args, '--json', path]);
    if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${output}`);
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
