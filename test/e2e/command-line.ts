/** The command line of the software under test. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Folder of the software under test. */
export const softwareFolder = process.env['E2E_SOFTWARE'] ?? process.cwd();

/** The program of the command line of a build. */
export const programOf = (software: string): string => join(software, 'dist', 'cli', 'main.js');

/** The program of the command line. */
export const mainProgram = programOf(softwareFolder);

const run = promisify(execFile);

/** Runs the command line; resolves with its output, rejects when it fails. */
export function quaestor(...args: readonly string[]): Promise<string> {
  return quaestorOf(softwareFolder, ...args);
}

/** Runs the command line of a build. */
export async function quaestorOf(software: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [programOf(software), ...args], { timeout: 60_000 });
  return stdout;
}
