/** Who runs the network of a folder, so that it is not started twice. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { NetworkLayout } from '../network-folder/layout.js';

export interface RunningState {
  /** The `quaestor devnet run` process. */
  readonly pid: number;
  readonly validators: readonly { readonly id: string; readonly pid: number }[];
}

/** The state that a process which still runs has written; undefined when there is none. */
export async function readRunning(layout: NetworkLayout): Promise<RunningState | undefined> {
  const text = await readFile(layout.running, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as RunningState;
    return state.pid !== process.pid && (await isRunning(state.pid, 'devnet')) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Notes who runs the network. */
export async function writeRunning(layout: NetworkLayout, state: RunningState): Promise<void> {
  const temporary = `${layout.running}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(temporary, layout.running);
}

/** Notes that nobody does. */
export function removeRunning(layout: NetworkLayout): Promise<void> {
  return rm(layout.running, { force: true });
}

/** Whether a process runs whose command line has a word. Numbers of processes are used again: the word tells. */
async function isRunning(pid: number, word: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return commandLine === undefined || commandLine.split('\0').includes(word);
}
