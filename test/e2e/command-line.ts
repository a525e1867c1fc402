/** The command line of the software under test. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Folder of the software under test. */
export const softwareFolder = process.env['E2E_SOFTWARE'] ?? process.cwd();

/** The program of the command line. */
export const mainProgram = join(softwareFolder, 'dist', 'cli', 'main.js');

const run = promisify(execFile);

/** Runs the command line; resolves with its output, rejects when it fails. */
export async function quaestor(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [mainProgram, ...args], { timeout: 60_000 });
  return stdout;
}
